// Every query parameter of every route against what no good client sends, and how queries are read.

import GateDomain
@testable import GateNode
@testable import GateValues
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("Queries")
struct QueryTests {
    private static let guarded = EndpointTableTests.guarded

    @Test(
        "X34, X35: each parameter of each route refuses to be there twice, to be no UTF-8, too long, a fraction, outside of its bounds or left out where it is needed: 400, named, with what is allowed, and nothing changes"
    )
    func everyParameter() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey(["alias": "kept"])
            let (before, admin) = (try await bench.state(), ["X-Admin-Key": AdminBench.adminKey])
            var asked = 0
            for endpoint in Self.guarded {
                for field in endpoint.query {
                    let others = endpoint.query.filter { $0.isRequired && $0.name != field.name }.map { "&\($0.name)=\(key.id)" }.joined()
                    for bad in Self.refused(field) {
                        let answer = try await bench.send(endpoint.method, "\(endpoint.path)?\(bad.query)\(others)", admin)
                        #expect(
                            answer.status == 400 && answer.error?.hasPrefix(bad.sentence) == true,
                            "\(endpoint.method) \(endpoint.path)?\(bad.query.prefix(60)): \(answer.status) \(answer.text.prefix(200))")
                        asked += 1
                    }
                }
            }
            #expect(asked > 600 && Self.guarded.contains { $0.method == .delete && !$0.query.isEmpty })
            #expect(try await bench.state() == before)
        }
    }

    /// Queries that a parameter does not take, and what each is answered with.
    private static func refused(_ field: any DeclaredField) -> [(query: String, sentence: String)] {
        let (name, schema) = (field.name, field.schema.json)
        let rule = "Invalid \(name). Must "
        var refused = [
            ("\(name)=1&\(name)=1", rule + "not be there twice."), ("\(name)&x=y&\(name.escaped)=1", rule + "not be there twice."),
            ("\(name)=%zz", rule + "be percent-encoded UTF-8."), ("\(name)=a%ff%fe", rule + "be percent-encoded UTF-8."),
            ("\(name)=%e", rule + "be percent-encoded UTF-8."),
        ]
        if field.isRequired { refused.append(("x=y", "Missing \(name)")) }
        let types = schema["type"]?.arrayValue?.compactMap(\.stringValue) ?? [schema["type"]?.stringValue ?? ""]
        func add(_ texts: String...) { refused += texts.map { ("\(name)=\($0)", rule) } }
        if types.contains("integer") || types.contains("number") {
            add("1e400", "-1e400", "NaN", "Infinity", "0x10", "1,5", "%EF%BC%91", "true", "[1]", "null", "%00", "1%00")
        }
        if types.contains("integer") {
            add("1.5", "-0.5")
            if let least = schema["minimum"]?.intValue { add("\(least - 1)", "-1e300") }
            if let most = schema["maximum"]?.intValue { add("\(most + 1)", "1e300") }
            if let least = schema["minimum"]?.intValue, least > 0 { add("-0", "0.0") }
        }
        if types.contains("boolean") { add("1", "TRUE", "yes", "null", "%00") }
        if let most = schema["maxLength"]?.intValue { add(String(repeating: "x", count: Int(most) + 1)) }
        if schema["minLength"]?.intValue == 1 { add("") }
        // A tool may be called anything by its server.
        if schema["minLength"]?.intValue == 1, name != "tool" { add("a%00b", "a%0Ab") }
        if schema["enum"] != nil || schema["format"] != nil || schema["pattern"] != nil {
            add("nonsense%20of%20nobody", "%00", String(repeating: "x", count: 5000))
        }
        return refused
    }

    @Test("names may be escaped, a plus is a space, also where the zone of a time is not escaped; what nobody asks for is passed over")
    func forms() async throws {
        try await AdminBench.run { bench in
            for name in ["agent one", "agent+two"] { _ = try await bench.createKey(["name": .string(name)]) }
            func names(_ query: String) async throws -> [String] {
                let answer = try await bench.get("/keys?\(query)").json
                return (answer["keys"] ?? answer).arrayValue?.compactMap { $0["name"]?.stringValue } ?? ["\(answer.text)"]
            }
            #expect(try await names("namePrefix=agent+o") == ["agent one"])
            #expect(try await names("namePrefix=agent%20o") == ["agent one"])
            #expect(try await names("name%50refix=agent%2Bt") == ["agent+two"])
            #expect(try await names("limit=1.0&sortBy=name&order=asc&stranger=%zz&stranger=1&&=&=x&%zz=1") == ["agent one"])
            #expect(try await names("limit=1e0&sortBy=name&offset=-0") == ["agent+two"])
            for time in ["2020-01-01T00:00:00+02:00", "2020-01-01T00:00:00%2B02:00"] {
                #expect(try await bench.get("/usage?since=\(time)").json["since"] == "2019-12-31T22:00:00.000Z")
            }
            #expect(try await bench.get("/usage?since=2020-01-01+01:30:00").json["since"] == "2020-01-01T01:30:00.000Z")
            for time in ["2020-01-01+00:00:00+02:00", "2020-01-01T00:00:00++02:00", "2020-01-01%2B02:00"] {
                #expect(try await bench.get("/usage?since=\(time)").status == 400, "\(time)")
            }
        }
    }

    @Test("X34: JSON that is refused as a whole says in which field it is wrong, and changes nothing")
    func bodies() async throws {
        try await AdminBench.run { bench in
            let before = try await bench.state()
            let deep = String(repeating: "[", count: 100) + String(repeating: "]", count: 100)
            for endpoint in EndpointTableTests.writers {
                for field in endpoint.body {
                    for value in [
                        "1e400", "-1e400", "NaN", "01", deep, "\"a\u{0}b\"", #""\ud8""#, "{\"a\":1,\"a\":2}", "{\"__proto__\":1}",
                    ] {
                        let answer = try await bench.post(endpoint.path, text: #"{"other":1,"\#(field.name)":\#(value)}"#)
                        #expect(
                            answer.status == 400 && answer.error?.hasSuffix(", in \(field.name)") == true,
                            "\(endpoint.path) \(field.name) \(value.prefix(20)): \(answer.text)")
                    }
                    let twice = try await bench.post(endpoint.path, text: #"{"\#(field.name)":1,"\#(field.name)":1}"#)
                    #expect(twice.error?.hasSuffix(", in \(field.name)") == true, "\(endpoint.path) \(field.name): \(twice.text)")
                    let bytes = Array(#"{"\#(field.name)":""#.utf8) + [0xff] + Array("\"}".utf8)
                    let broken = try await bench.send(
                        .post, endpoint.path, ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "application/json"], bytes: bytes)
                    #expect(
                        broken.status == 400 && broken.error?.hasSuffix(", in \(field.name)") == true,
                        "\(endpoint.path) \(field.name): \(broken.text)")
                }
            }
            #expect(try await bench.state() == before)
        }
    }
}

extension String {
    /// With each letter percent-encoded.
    fileprivate var escaped: String { utf8.map { "%" + String($0, radix: 16, uppercase: true) }.joined() }
}
