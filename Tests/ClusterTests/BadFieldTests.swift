// Every field of every body, as the running gate documents it, against every kind of value that it does not take.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Bad fields")
    struct BadFieldTests {
        @Test(
            "X35: each field of each body refuses a wrong type, nothing, what is too long, negative, a fraction, too large, an unknown word or too many with 400, names itself and what it takes, and changes nothing"
        )
        func fields() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let gate = cluster[0]
                let key = try await gate.createKey(credits: 100, ["alias": "kept"])
                let document = try await gate.get("/openapi.json").json
                let fields = DocumentedField.all(in: document)
                #expect(fields.count > 100 && fields.contains { $0.path == "/keys/quota" } && fields.contains { $0.isRequired })
                for field in fields { #expect(field.hasBounds, "\(field) says no bound: \(field.schema.text)") }
                let before = try await cluster.redis.kept()
                let attempts = fields.flatMap { field in field.violations.map { (field, $0) } }
                let faults = await concurrently(attempts.count, workers: 8) { index -> String? in
                    let (field, bad) = attempts[index]
                    guard let answer = try? await gate.admin(field.path, field.body(with: bad.value, key: key)) else {
                        return "\(field): no answer"
                    }
                    let sentence = answer.json["error"]?.string ?? ""
                    let says = ["Must ", "Missing ", "Its members", "not available"].contains { sentence.contains($0) }
                    if answer.status == 400, sentence.contains(field.name), says { return nil }
                    return "\(field), \(bad.kind), \(bad.value?.text.prefix(60) ?? "left out"): \(answer.status) \(answer.text.prefix(200))"
                }
                #expect(attempts.count > 500 && faults.compactMap(\.self) == [])
                #expect(try await cluster.redis.kept() == before)
                #expect(await gate.echo(key: key).isServed)
            }
        }
    }
}

/// A field of a body as the document describes it.
private struct DocumentedField: Sendable, CustomStringConvertible {
    let path: String
    let name: String
    let schema: JSON
    let isRequired: Bool
    /// The other fields that have to be there, with their schemas.
    let others: [String: JSON]

    var description: String { "\(path) \(name)" }

    static func all(in document: JSON) -> [DocumentedField] {
        (document["paths"]?.object ?? [:]).sorted { $0.key < $1.key }.flatMap { path, methods -> [DocumentedField] in
            let body = methods["post"]?["requestBody"]?["content"]?["application/json"]?["schema"]
            let properties = body?["properties"]?.object ?? [:]
            let required = Set(body?["required"]?.array?.compactMap(\.string) ?? [])
            return properties.sorted { $0.key < $1.key }.map { name, schema in
                DocumentedField(
                    path: path, name: name, schema: schema, isRequired: required.contains(name),
                    others: properties.filter { required.contains($0.key) && $0.key != name })
            }
        }
    }

    private static func types(of schema: JSON) -> [String] {
        schema["type"]?.array?.compactMap(\.string) ?? schema["type"]?.string.map { [$0] } ?? []
    }

    private var help: String { schema["description"]?.string ?? "" }

    /// Whether the document says how much of it is taken: a bound, or what becomes of more.
    var hasBounds: Bool {
        Self.types(of: schema).allSatisfy { type in
            switch type {
            case "integer", "number": schema["minimum"] != nil && schema["maximum"] != nil || help.contains("Kept within")
            case "string":
                ["maxLength", "pattern", "enum", "format"].contains { schema[$0] != nil } || help.contains("Cut after")
                    || help.contains("anything else means")
            case "array": schema["maxItems"] != nil || help.contains("count.")
            case "object": schema["maxProperties"] != nil || schema["properties"] != nil || help.contains("have to be there")
            default: true
            }
        }
    }

    /// A value that it does not take.
    struct Violation: Sendable {
        let kind: String
        /// Nil is leaving it out.
        let value: JSON?
    }

    var violations: [Violation] {
        let absent = isRequired ? [Violation(kind: "missing", value: nil), Violation(kind: "null", value: .null)] : []
        return absent + Self.violations(of: schema).map { Violation(kind: $0.kind, value: $0.value) }
    }

    private static func violations(of schema: JSON) -> [(kind: String, value: JSON)] {
        let types = types(of: schema)
        let help = schema["description"]?.string ?? ""
        let strangers: [(type: String, value: JSON)] = [
            ("boolean", true), ("integer", 7), ("string", "text"), ("array", [[]]), ("object", ["a": ["b"]]),
        ]
        if types.isEmpty { return strangers.map { (kind: "not served", value: $0.value) } }
        var found = strangers.filter { !types.contains($0.type) && !($0.type == "integer" && types.contains("number")) }
            .map { (kind: "wrong type", value: $0.value) }
        if types.contains("integer") {
            found.append((kind: "fraction", value: help.contains("rounded down") ? 0.5 : 1.5))
            if let least = schema["minimum"]?.int {
                found.append((kind: "negative", value: .int(min(-1, least - 1))))
                found.append((kind: "too small", value: .int(least - 1)))
                found.append((kind: "too small", value: .double(-1e300)))
            }
            if let most = schema["maximum"]?.int {
                found.append((kind: "too large", value: .int(most + 1)))
                found.append((kind: "too large", value: .double(1e300)))
            }
        }
        if let most = schema["maxLength"]?.int { found.append((kind: "too long", value: .string(String(repeating: "x", count: most + 1)))) }
        if schema["minLength"] == 1 { found.append((kind: "empty", value: "")) }
        if ["enum", "format", "pattern"].contains(where: { schema[$0] != nil }) {
            for word: JSON in ["nonsense of nobody", "ä", .string(String(repeating: "x", count: 5000))] {
                found.append((kind: "unknown word", value: word))
            }
        }
        if let items = schema["items"] {
            if let most = schema["maxItems"]?.int {
                found.append((kind: "too many", value: .array(Array(repeating: good(items), count: most + 1))))
            }
            if let least = schema["minItems"]?.int, least > 0 { found.append((kind: "too few", value: [])) }
            for bad in violations(of: items) { found.append((kind: "element: " + bad.kind, value: .array([bad.value]))) }
            found.append((kind: "element: null", value: [.null]))
        }
        if let most = schema["maxProperties"]?.int {
            let many = Dictionary((0...most).map { ("name\($0)", JSON.string("x")) }, uniquingKeysWith: { first, _ in first })
            found.append((kind: "too many", value: .object(many)))
        }
        let members = schema["properties"]?.object ?? [:]
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            for bad in violations(of: member) {
                found.append((kind: "\(name): \(bad.kind)", value: .object(members.mapValues(good).merging([name: bad.value]) { $1 })))
            }
        }
        return found
    }

    /// A body of which this field is all that is wrong.
    func body(with value: JSON?, key: String) -> JSON {
        let known: [String: JSON] = [
            "key": .string(key), "apiKey": .string(key), "from": .string(key), "to": .string(key), "teamId": "team_0123456789abcdef",
            "reservationId": "rsv_0123456789abcdef01234567", "ips": ["10.0.0.1"], "tags": ["a": "b"], "token": "pgt_a.b",
            "webhookUrl": "https://1.1.1.1/", "url": "https://1.1.1.1/", "events": ["usage"], "executeAt": "2100-01-01T00:00:00Z",
            "id": path.hasPrefix("/webhooks/filters") ? "wf_0123456789abcdef" : "ak_0123456789abcdef",
            "operations": [["action": "suspend", "key": "nobody"]], "keys": [["key": "pg_brought-along"]],
        ]
        var body = others.reduce(into: [:]) { body, other in body[other.key] = known[other.key] ?? Self.good(other.value) }
        body[name] = value
        return .object(body)
    }

    private static func good(_ schema: JSON) -> JSON {
        if let word = schema["enum"]?[0] { return word }
        return switch types(of: schema).first {
        case "integer", "number": .int(max(1, schema["minimum"]?.int ?? 1))
        case "boolean": true
        case "array": []
        case "object": [:]
        default: "text"
        }
    }
}

extension RedisServer {
    /// Everything that admins keep, as it lies there.
    fileprivate func kept() async throws -> [String] {
        let kinds = [
            "record:", "index:", "credential:", "credentials:", "alias:", "account:", "audit", "reservations:", "members:", "webhooks:dead",
        ]
        var kept: [String] = []
        for name in try await command("--scan").split(separator: "\n").sorted() where kinds.contains(where: { name.contains("}:" + $0) }) {
            kept.append("\(name) \(try await command("DUMP", String(name)))")
        }
        return kept
    }
}
