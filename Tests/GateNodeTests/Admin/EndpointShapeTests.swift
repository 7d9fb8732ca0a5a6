// What endpoints may take and answer: parameters of paths, forms, bytes, streams, redirects.

@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import MCPWire
import Synchronization
import Testing

@Suite("The shapes of endpoints")
struct EndpointShapeTests {
    private static let number = Field("id", .integer(1...100), "A number.")
    private static let word = Field("word", .text(upTo: 10), "A word.")
    private static let amount = Field("amount", .integer(1...9), "An amount.")
    private static let flag = Field<Bool>("flag", .flag, "A flag.").optional

    private static let shapes: [Endpoint] = [
        Endpoint(
            .post, "/things/:id/:word/end", "Test.", for: .anyone, parameters: [number, word], answer: ["id": .integer, "word": .string]
        ) { request in
            ["id": try request[number], "word": try request[word]]
        },
        Endpoint(.get, "/things/:id", "Test.", for: .anyone, parameters: [number], answer: ["id": .integer]) { request in
            ["id": try request[number]]
        },
        Endpoint(.get, "/things/first", "Test.", for: .anyone, answer: ["id": .string]) { _ in ["id": "first"] },
        Endpoint(.delete, "/things", "Test.", for: .anyone, body: [amount], answer: ["amount": .integer]) { request in
            ["amount": try request[amount]]
        },
        Endpoint(
            .post, "/form", "Test.", for: .anyone, body: [amount, flag], reads: .form,
            answer: ["amount": .integer, "flag": .boolean.nullable]
        ) { request in
            ["amount": try request[amount], "flag": try request[flag]]
        },
        Endpoint(.post, "/either", "Test.", for: .anyone, body: [amount], reads: .jsonOrForm, answer: ["amount": .integer]) { request in
            ["amount": try request[amount]]
        },
        Endpoint(.get, "/away", "Test.", for: .anyone, success: .found, answer: .string, media: []) { _ in
            EndpointResponse(redirect: "https://elsewhere.example/?a=b")
        },
        Endpoint(.get, "/text", "Test.", for: .anyone, answer: .string, media: ["text/html"]) { _ in
            EndpointResponse("<p>", type: "text/html", status: .accepted)
        },
        Endpoint(.get, "/stream", "Test.", for: .anyone, answer: .string, media: [MediaType.jsonLines]) { _ in
            EndpointResponse(streaming: MediaType.jsonLines) { write in
                for line in ["1\n", "", "2\n"] { try await write(Array(line.utf8)) }
            }
        },
        Endpoint(.get, "/undeclared", "Test.", for: .anyone, answer: .object) { request in ["word": try request[word]] },
        Endpoint(.post, "/unread", "Test.", for: .anyone, answer: .object) { request in ["bytes": try request.bytes.count] },
    ]

    @Test("parameters of paths are typed, decoded and refused like fields")
    func parameters() async throws {
        try await AdminBench.run(serving: Self.shapes) { bench in
            #expect(try await bench.send(.post, "/things/7/a%20b%2Fc/end").json == ["id": 7, "word": "a b/c"])
            #expect(try await bench.send(.get, "/things/first").json == ["id": "first"])
            for (path, sentence) in [
                ("/things/x", "Invalid id. Must be a whole number of 1 to 100."),
                ("/things/101", "Invalid id. Must be a whole number of 1 to 100."),
                ("/things/%zz", "Invalid id. Must be percent-encoded UTF-8."),
                ("/things/%ff", "Invalid id. Must be percent-encoded UTF-8."),
            ] {
                let answer = try await bench.send(.get, path)
                #expect(answer.status == 400 && answer.error == sentence, "\(path): \(answer.text)")
            }
            #expect(try await bench.send(.get, "/things/7/8").error == "Not found")
            #expect(try await bench.send(.put, "/things/7").header("Allow") == "GET, HEAD, OPTIONS")
            let metrics = try await bench.send(.options, "/things/7")
            #expect(metrics.status == 204)
        }
    }

    @Test("a DELETE with fields reads its body, and one without a body says what is missing")
    func deletion() async throws {
        try await AdminBench.run(serving: Self.shapes) { bench in
            let deleted = try await bench.send(
                .delete, "/things", ["Content-Type": "application/json"], bytes: Array(#"{"amount":3}"#.utf8))
            #expect(deleted.json == ["amount": 3])
            #expect(try await bench.send(.delete, "/things").error == "Missing amount")
        }
    }

    @Test(
        "forms give their fields the types of the declaration; an empty value is none; a name may occur once",
        arguments: [
            ("amount=5", 200, "5"), ("amount=5&flag=true&other=%20", 200, "5"), ("amount=5&flag=", 200, "5"), ("%61mount=%35", 200, "5"),
            ("amount=10", 400, "Invalid amount. Must be a whole number of 1 to 9."), ("", 400, "Missing amount"),
            ("amount", 400, "Missing amount"),
            ("amount=1&amount=2", 400, "Invalid form body: amount occurs twice"), ("amount=%zz", 400, "Invalid form body: malformed text"),
            ("amount=%ff", 400, "Invalid form body: malformed text"), ("amount=5&flag=yes", 400, "Invalid flag. Must be true or false."),
            (String(repeating: "a=1&", count: 201), 400, "Invalid form body: too many fields"),
        ])
    func forms(_ body: String, _ status: Int, _ said: String) async throws {
        try await AdminBench.run(serving: Self.shapes) { bench in
            for path in ["/form", "/either"] where !body.contains("flag=yes") || path == "/form" {
                let answer = try await bench.send(
                    .post, path, ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"], bytes: Array(body.utf8))
                #expect(
                    answer.status == status && (answer.error ?? answer.json["amount"]?.text) == said,
                    "\(path) \(body.prefix(40)): \(answer.text)")
            }
        }
    }

    @Test("a body is taken in the media types that are declared, told which when it is not, and up to the endpoint's own limit")
    func media() async throws {
        try await AdminBench.run(serving: Self.shapes) { bench in
            let json = ["Content-Type": "application/json"]
            #expect(try await bench.send(.post, "/either", json, bytes: Array(#"{"amount":4}"#.utf8)).json == ["amount": 4])
            let refused = try await bench.send(.post, "/form", json, bytes: Array("{}".utf8))
            #expect(refused.status == 415 && refused.error == "Unsupported Media Type. Use Content-Type: application/x-www-form-urlencoded")
            let large = try await bench.send(.post, "/form", ["Content-Type": MediaType.form], bytes: [UInt8](repeating: 97, count: 65_537))
            #expect(large.status == 413 && large.error == "Request body exceeds 64 KiB")
        }
    }

    @Test("answers are streams, redirects and texts of their own type; HEAD has their head and no length that is not theirs")
    func answers() async throws {
        try await AdminBench.run(serving: Self.shapes) { bench in
            let stream = try await bench.send(.get, "/stream")
            #expect(
                stream.text == "1\n2\n" && stream.header("Content-Type") == "application/x-ndjson" && stream.header("Content-Length") == nil
            )
            let head = try await bench.send(.head, "/stream")
            #expect(
                head.status == 200 && head.text.isEmpty && head.header("Content-Type") == "application/x-ndjson"
                    && head.header("Content-Length") == nil)
            let away = try await bench.send(.get, "/away")
            #expect(away.status == 302 && away.header("Location") == "https://elsewhere.example/?a=b" && away.text.isEmpty)
            let text = try await bench.send(.get, "/text")
            #expect(text.status == 202 && text.text == "<p>" && text.header("Content-Type") == "text/html")
        }
    }

    @Test(
        "each shape is documented: parameters of paths in braces, forms and bytes by their media types, an answer without a body without content"
    )
    func documented() throws {
        let bytes = Endpoint(.put, "/bytes", "Test.", for: .apiKey, reads: .bytes(["application/octet-stream"], limit: 9), answer: .object)
        let paths = EndpointTable("test", Self.shapes + [bytes]).document["paths"]
        let parameters = try #require(paths?["/things/{id}/{word}/end"]?["post"]?["parameters"]?.arrayValue)
        #expect(parameters.map { $0["name"] } == ["id", "word"] && parameters.allSatisfy { $0["in"] == "path" && $0["required"] == true })
        let content = { (path: String, method: String) in paths?[path]?[method]?["requestBody"]?["content"]?.objectValue?.names }
        #expect(content("/form", "post") == [MediaType.form] && content("/either", "post") == [MediaType.json, MediaType.form])
        #expect(content("/bytes", "put") == ["application/octet-stream"] && content("/things", "delete") == [MediaType.json])
        #expect(paths?["/bytes"]?["put"]?["requestBody"]?["content"]?["application/octet-stream"]?["schema"]?["format"] == "binary")
        #expect(paths?["/away"]?["get"]?["responses"]?["302"] == ["description": "Found"])
        #expect(paths?["/things"]?.objectValue?.names == ["delete"])
    }

    @Test("F-HTTP-08: where no field is needed a body may be empty, and needs no content type then")
    func emptyBodies() async throws {
        try await AdminBench.run { bench in
            let made = try await bench.send(.post, "/keys", ["X-Admin-Key": AdminBench.adminKey])
            #expect(made.status == 201)
            let topUp = try await bench.send(.post, "/topup", ["X-Admin-Key": AdminBench.adminKey])
            #expect(topUp.status == 400 && topUp.error == "Missing key")
        }
    }

    @Test("reading what is not declared is an error that names the endpoint and the field")
    func undeclared() async throws {
        let found = Mutex<[String]>([])
        try await Undeclared.$report.withValue({ sentence in found.withLock { $0.append(sentence) } }) {
            try await AdminBench.run(serving: Self.shapes) { bench in
                for (method, path) in [(HTTPRequest.Method.get, "/undeclared"), (.post, "/unread")] {
                    let answer = try await bench.send(method, path)
                    #expect(answer.status == 500 && answer.error == "Internal error")
                }
            }
        }
        #expect(found.withLock { $0 } == ["GET /undeclared does not declare word", "POST /unread does not declare its bytes"])
    }
}
