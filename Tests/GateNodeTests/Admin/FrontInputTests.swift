// Parameters of paths, forms and raw bytes through the front door: in pieces, too long, cut short.

@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import MCPWire
import Synchronization
import Testing

@Suite("Inputs of endpoints through the front door")
struct FrontInputTests {
    private static let name = Field("name", .text(upTo: 40), "A name.")
    private static let amount = Field("amount", .integer(1...9), "An amount.")

    /// - Parameter done: hears what each request that was carried out had.
    private static func endpoints(_ done: @escaping @Sendable (String) -> Void) -> [Endpoint] {
        [
            Endpoint(.post, "/things/:name/end", "Test.", for: .anyone, parameters: [name], answer: ["name": .string]) { request in
                let name = try request[Self.name]
                done(name)
                return ["name": name]
            },
            Endpoint(.post, "/form", "Test.", for: .anyone, body: [name, amount], reads: .form, answer: .object) { request in
                let (name, amount) = (try request[Self.name], try request[Self.amount])
                done("\(name) \(amount)")
                return ["name": name, "amount": amount]
            },
            Endpoint(
                .post, "/bytes", "Test.", for: .anyone, reads: .bytes(["application/octet-stream"], limit: 1024), answer: .object
            ) { request in
                let bytes = try request.bytes
                done("\(bytes.count)")
                return ["sum": bytes.reduce(0) { $0 + Int($1) }, "count": bytes.count]
            },
        ]
    }

    private static func run(_ test: @Sendable @escaping (_ port: Int, _ done: @escaping @Sendable () -> [String]) async throws -> Void)
        async throws
    {
        let done = Mutex<[String]>([])
        try await LiveBench.run(endpoints { text in done.withLock { $0.append(text) } }) { port in
            try await test(port) { done.withLock { $0 } }
        }
    }

    /// One request on a connection of its own, its bytes in pieces of this size.
    private static func answer(port: Int, _ request: [UInt8], piece: Int = .max) async throws -> (status: Int, json: JSONValue) {
        let client = try await LiveClient(port: port, "")
        for start in stride(from: 0, to: request.count, by: min(piece, request.count)) {
            try await client.send(Array(request[start..<min(request.count, start + min(piece, request.count))]))
        }
        try await eventually("it is answered", within: .seconds(10)) {
            client.isEnded || client.text.contains("\r\n\r\n{") && client.text.hasSuffix("}")
        }
        await client.close()
        let text = client.text
        let body = text.ranges(of: "\r\n\r\n").first.map { String(text[$0.upperBound...]) } ?? ""
        return (Int(text.dropFirst(9).prefix(3)) ?? 0, (try? JSONValue.parse(body)) ?? .null)
    }

    private static func post(_ path: String, type: String, _ body: [UInt8]) -> [UInt8] {
        Array(
            "POST \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \(type)\r\nContent-Length: \(body.count)\r\n\r\n".utf8)
            + body
    }

    /// The same without saying how long it is.
    private static func chunked(_ path: String, type: String, _ body: [UInt8], chunk: Int) -> [UInt8] {
        var bytes = Array(
            "POST \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: \(type)\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
        for start in stride(from: 0, to: body.count, by: chunk) {
            let part = body[start..<min(body.count, start + chunk)]
            bytes += Array("\(String(part.count, radix: 16))\r\n".utf8) + part + Array("\r\n".utf8)
        }
        return bytes + Array("0\r\n\r\n".utf8)
    }

    private static let octets = "application/octet-stream"

    @Test("each is the same however it is cut into pieces and chunks, byte for byte")
    func pieces() async throws {
        try await Self.run { port, done in
            let all = (0...255).map { UInt8($0) }
            for piece in [1, 7, .max] {
                let path = try await Self.answer(
                    port: port, Self.post("/things/a%20b%2Fc%C3%A9/end", type: "application/json", []), piece: piece)
                #expect(path.status == 200 && path.json["name"] == "a b/c\u{e9}", "\(path)")
                let form = try await Self.answer(
                    port: port, Self.post("/form", type: MediaType.form, Array("name=a+b%26&amount=3".utf8)), piece: piece)
                #expect(form.status == 200 && form.json == ["name": "a b&", "amount": 3], "\(form)")
                for request in [Self.post("/bytes", type: Self.octets, all), Self.chunked("/bytes", type: Self.octets, all, chunk: 100)] {
                    let bytes = try await Self.answer(port: port, request, piece: piece)
                    #expect(bytes.status == 200 && bytes.json["sum"] == 32_640 && bytes.json["count"] == 256, "\(bytes)")
                }
            }
            #expect(done().count == 12)
        }
    }

    @Test("what is too long, of another type or malformed is told so, and nothing of it is carried out")
    func refused() async throws {
        try await Self.run { port, done in
            let long = [UInt8](repeating: 97, count: 1025)
            let wide = Array("name=".utf8) + [UInt8](repeating: 97, count: 65_536)
            let cases: [(request: [UInt8], status: Int, sentence: String?)] = [
                (Self.post("/bytes", type: Self.octets, long), 413, "Request body exceeds 1 KiB"),
                (Self.chunked("/bytes", type: Self.octets, long, chunk: 64), 413, "Request body exceeds 1 KiB"),
                (Self.post("/form", type: MediaType.form, wide), 413, "Request body exceeds 64 KiB"),
                (Self.chunked("/form", type: MediaType.form, wide, chunk: 4096), 413, "Request body exceeds 64 KiB"),
                (Self.post("/bytes", type: "text/plain", [1]), 415, "Unsupported Media Type. Use Content-Type: application/octet-stream"),
                (Self.post("/form", type: "application/json", Array("{}".utf8)), 415, nil),
                (
                    Self.post("/form", type: MediaType.form, Array("name=a&amount=10".utf8)), 400,
                    "Invalid amount. Must be a whole number of 1 to 9."
                ),
                (Self.post("/form", type: MediaType.form, Array("name=%ff&amount=1".utf8)), 400, "Invalid form body: malformed text"),
                (Self.post("/things/%zz/end", type: "application/json", []), 400, "Invalid name. Must be percent-encoded UTF-8."),
                (Self.post("/things/" + String(repeating: "a", count: 41) + "/end", type: "application/json", []), 400, nil),
                (Self.post("/things/" + String(repeating: "a", count: 100_000) + "/end", type: "application/json", []), 414, nil),
            ]
            for (number, row) in cases.enumerated() {
                let answer = try await Self.answer(port: port, row.request)
                #expect(answer.status == row.status, "\(number): \(answer)")
                if let sentence = row.sentence { #expect(answer.json["error"]?.stringValue == sentence, "\(number)") }
            }
            #expect(done().isEmpty)
        }
    }

    @Test("a form or bytes whose client leaves before the end are not carried out; the next request is")
    func cutShort() async throws {
        try await Self.run { port, done in
            for request in [
                Self.post("/form", type: MediaType.form, Array("name=cut&amount=3".utf8)),
                Self.post("/bytes", type: Self.octets, [1, 2, 3]),
                Self.chunked("/bytes", type: Self.octets, [1, 2, 3], chunk: 3),
            ] {
                let client = try await LiveClient(port: port, "")
                try await client.send(Array(request.dropLast()))
                await client.close()
            }
            let head = "POST /bytes HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            let broken = try await Self.answer(port: port, Array((head + "3\r\nabc\r\nzz\r\n").utf8))
            #expect(broken.status == 400, "\(broken)")
            let whole = try await Self.answer(port: port, Self.post("/form", type: MediaType.form, Array("name=whole&amount=3".utf8)))
            #expect(whole.status == 200)
            #expect(done() == ["whole 3"])
        }
    }
}
