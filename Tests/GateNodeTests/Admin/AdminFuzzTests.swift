// Chance against the decoders of admin requests (X34).

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import MCPWire
import Testing

/// Random but repeatable bodies, and those that hostile clients send elsewhere.
@Suite("Admin input fuzzing", .replayable)
struct AdminFuzzTests {
    private static let writers = EndpointTable.standard.all.filter { !$0.body.isEmpty }

    @Test("X34, X36: a body is refused with a sentence, or makes a key that is stored and read back as it was asked for")
    func bodies() throws {
        var accepted = 0
        try fuzz("bodies for admins", seed: 41) { random in
            let endpoint = random.chance(2) ? .createKey : random.pick(Self.writers)
            var text = random.body(for: endpoint).bytes
            if random.chance(4) { text = random.mutation(of: [text] + FuzzCorpus.bodies, with: Chance.tokensOfJSON) }
            do {
                let inputs = try EndpointInputs(for: endpoint, body: JSONBody.object(in: text))
                guard endpoint.path == "/keys" else { return }
                accepted += 1
                try check(inputs, of: endpoint, from: text)
            } catch let failure as HTTPFailure {
                #expect((400..<500).contains(failure.status.code) && !failure.sentence.isEmpty)
            }
        }
        #expect(accepted > 0, "no key was made")
    }

    private func check(_ inputs: EndpointInputs, of endpoint: Endpoint, from text: [UInt8]) throws {
        let request = EndpointRequest(
            id: "req", endpoint: endpoint, caller: .admin(Administrator(key: .bootstrap, digest: "")), inputs: inputs, table: .standard,
            clock: RedisClock(),
            figures: { NodeFigures() })
        let key = try request.newKey(secret: Credential.generate(), now: 1)
        let stored = key.fields.merging(["version": "1"]) { $1 }
        #expect(KeyRecord(id: key.id, fields: stored) == key, "\(String(decoding: text, as: UTF8.self))")
    }
}

extension Chance {
    private static let texts = [
        "", "a", "echo", "a\nb", "a\r\nb", "a\tb", "\u{0}", "\u{1f}", "\u{85}", "\u{2028}", "\u{301}x", "😀", "10.0.0.1", "10.0.0.0/8",
        "::1", "1.2.3.4/33",
        "2030-01-01", "2030-01-01T00:00:00Z", "0001-01-01", "9999-12-31T23:59:59Z", "default", "true", "1", "pg_",
        String(repeating: "x", count: 600),
    ]
    private static let numbers: [JSONValue] = [0, 1, -1, 0.5, 1.5, 1e9, 1e10, 1e300, -1e300, .int(.max), .int(.min), 1_000_000_000, 100]

    /// A body with some of the endpoint's fields, and often with values that they take.
    mutating func body(for endpoint: Endpoint) -> JSONValue {
        var body: JSONObject = chance(4) ? ["stranger": value(depth: 3)] : [:]
        for field in endpoint.body where chance(3) { body[field.name] = chance(8) ? value(depth: 3) : likely(field.schema.json) }
        return .object(body)
    }

    private mutating func likely(_ schema: JSONValue) -> JSONValue {
        let names = [text, "10.0.0.1", "10.0.0.0/8"]
        return switch schema["type"]?[0]?.stringValue ?? schema["type"]?.stringValue {
        case "integer": .int(Int64.random(in: 0...100, using: &self))
        case "boolean": .bool(chance(2))
        case "string": .string(text)
        case "array": .array(names.prefix(Int.random(in: 0...3, using: &self)).shuffled(using: &self).map(JSONValue.string))
        case "object": .object(JSONObject((0..<Int.random(in: 0...3, using: &self)).map { _ in (text, .string(text)) }))
        default: .null
        }
    }

    private mutating func value(depth: Int) -> JSONValue {
        switch Int.random(in: 0..<(depth > 0 ? 6 : 4), using: &self) {
        case 0: .null
        case 1: .bool(chance(2))
        case 2: Self.numbers.randomElement(using: &self) ?? 0
        case 3: .string(text)
        case 4: .array((0..<Int.random(in: 0...4, using: &self)).map { _ in value(depth: depth - 1) })
        default: .object(JSONObject((0..<Int.random(in: 0...4, using: &self)).map { _ in (text, value(depth: depth - 1)) }))
        }
    }

    private var text: String {
        mutating get { (Self.texts.randomElement(using: &self) ?? "") + (chance(3) ? Self.texts.randomElement(using: &self) ?? "" : "") }
    }
}
