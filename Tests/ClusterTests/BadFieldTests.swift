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
                try await eventually("the key is counted, which follows a moment behind", within: .seconds(10)) {
                    let (changed, built) = (
                        try await cluster.redis.command("ZCARD", "pg:{0}:index:keys.changed"),
                        try await cluster.redis.command("HGET", "pg:{0}:keys.sums", "built")
                    )
                    return changed == "0" && built == "1"
                }
                let before = try await cluster.redis.kept()
                let attempts = fields.flatMap { field in field.violations.map { (field, $0) } }
                let faults = await concurrently(attempts.count, workers: 8) { index -> String? in
                    let (field, bad) = attempts[index]
                    guard let answer = try? await gate.admin(field.path, field.body(with: bad.value, key: key)) else {
                        return "\(field): no answer"
                    }
                    // Of rows that are carried out one by one, each says for itself what is wrong with it.
                    let row = answer.status == 200 && ["operations", "keys"].contains(field.name) ? answer.json["results"]?[0] : nil
                    let sentence = (row ?? answer.json)["error"]?.string ?? ""
                    let says = ["Must ", "Missing ", "Its members", "not available"].contains { sentence.contains($0) }
                    let names = sentence.contains(row == nil ? field.name : "") && sentence.contains(bad.member ?? "")
                    if answer.status == 400 || row != nil, names, says { return nil }
                    return "\(field), \(bad.kind), \(bad.value?.text.prefix(60) ?? "left out"): \(answer.status) \(answer.text.prefix(200))"
                }
                #expect(attempts.count > 1500 && attempts.contains { $0.1.member == "deniedTools" })
                let found = faults.compactMap(\.self)
                #expect(found.isEmpty, "\(found.count): \(found.prefix(30).joined(separator: "\n"))")
                #expect(Set(try await cluster.redis.kept()).symmetricDifference(before).map { $0.prefix(60) } == [])
                #expect(await gate.echo(key: key).isServed)
            }
        }

        @Test(
            "rule 8: a text that costs the square of its length to compare costs a node nothing, in whatever place of whatever body of the documented routes it stands"
        )
        func costlyTexts() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let gate = cluster[0]
                let key = try await gate.createKey(credits: 100)
                let fields = DocumentedField.all(in: try await gate.get("/openapi.json").json)
                let costly = HostileClient.unicodeBomb(bytes: 200_000)
                let attempts = fields.flatMap { field in field.costly.map { (field, $0) } }
                let faults = await concurrently(attempts.count, workers: 4) { index -> String? in
                    let (field, value) = attempts[index]
                    // As text: a dictionary of ours would take as long over it as one of theirs.
                    let parts = field.body(with: value, key: key).text.split(
                        separator: DocumentedField.mark, omittingEmptySubsequences: false)
                    guard let answer = try? await gate.admin(field.path, text: parts.joined(separator: costly)) else {
                        return "\(field) \(value.text): no answer"
                    }
                    // It takes twenty seconds to hash it once.
                    return answer.status < 500 && answer.elapsed < .seconds(6).patiently
                        ? nil : "\(field) \(value.text): \(answer.status) after \(answer.elapsed)"
                }
                #expect(attempts.count > 300)
                let found = faults.compactMap(\.self)
                #expect(found.isEmpty, "\(found.count): \(found.prefix(10).joined(separator: "\n"))")
            }
        }

        @Test(
            "F-KEY-15, F-WH-10, F-GUARD-02: a list that is too long is refused as a whole, so that no denial is lost; so is a filter for events that nobody tells, and a rule without a name"
        )
        func refusedAsAWhole() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let (a, b) = (cluster[0], cluster[1])
                let many: [JSON] = (0..<1000).map { .string("tool\($0)") }
                let key = try await a.createKey(credits: 10)
                func refusal(_ path: String, _ body: JSON) async throws -> String {
                    let answer = try await a.admin(path, body)
                    return "\(answer.status) \(answer.json["error"]?.string ?? answer.text)"
                }
                let tools = JSON.array(many + ["echo"])
                #expect(try await refusal("/keys", ["deniedTools": tools]) == "400 Invalid deniedTools. Must have at most 1000 entries.")
                for field in ["deniedTools", "allowedTools"] {
                    let body = JSON.object(["key": .string(key), field: tools])
                    #expect(try await refusal("/keys/acl", body).hasPrefix("400 Invalid \(field). Must have at most 1000"))
                }
                let blocks = JSON.array((0..<201).map { .string("10.0.\($0).0/24") })
                #expect(
                    try await refusal("/keys/ip", ["key": .string(key), "ips": blocks]) == "400 Invalid ips. Must have at most 200 entries."
                )
                let rows = try await a.order("/keys/import", ["keys": [["key": "pg_brought-along", "deniedTools": tools]]])
                #expect(rows["errors"] == 1 && rows["results"]?[0]?["error"]?.string?.contains("at most 1000") == true)
                #expect(await b.echo(key: key).isServed, "nothing was changed")
                let listed = try await b.admin("/keys").json
                #expect(listed.array?.count == 1 && listed[0]?["deniedTools"] == [] && listed[0]?["ipAllowlist"] == [])
                let whole = try await a.createKey(credits: 10, ["deniedTools": .array(many.dropLast() + ["echo"])])
                #expect(await b.echo(key: whole).word == "tool_denied", "the last of as many as there may be counts")

                let filter: JSON = ["events": ["usage", "no.such.event"], "url": "https://1.1.1.1/"]
                #expect(try await refusal("/webhooks/filters", filter).contains("400 Invalid events. Must be types of events"))
                #expect(try await b.admin("/webhooks/filters").json["count"] == 0)
                let made = try await a.order(
                    "/webhooks/filters", ["name": "before", "events": ["key.expired", "team.key_removed"], "url": "https://1.1.1.1/"])
                let id = try #require(made["id"])
                #expect(try await refusal("/webhooks/filters/update", ["id": id, "events": ["nonsense"]]).hasPrefix("400 Invalid events"))
                try await b.order("/webhooks/filters/update", ["id": id, "name": "after", "events": ["*"]])
                let told = try await a.admin("/audit?types=webhook_filter.updated").json["events"]?[0]?["metadata"]
                #expect(told?["name"] == "after" && told?["events"] == "*", "the audit log says what it is now")

                let rule: JSON = ["id": "r", "pattern": "x", "action": "block"]
                #expect(try await refusal("/admin/guardrails", ["rule": rule]) == "400 Invalid rule.name. Must be there.")
                #expect(try await b.admin("/admin/guardrails").json["rules"]?.array?.count == 8)
                for path in ["/keys/reserve/commit", "/keys/reserve/release"] {
                    #expect(try await refusal(path, ["reservationId": "nope"]).hasPrefix("404 "))
                }
                #expect(
                    try await refusal("/keys/notes", ["key": .string(key), "text": .string(String(repeating: "n", count: 1001))])
                        == "400 Invalid text. Must be text of at most 1000 characters.")
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
    var hasBounds: Bool { Self.hasBounds(schema) }

    private static func hasBounds(_ schema: JSON) -> Bool {
        if schema["readOnly"] == true { return true }
        let help = schema["description"]?.string ?? ""
        return types(of: schema).allSatisfy { type in
            switch type {
            case "integer", "number": schema["minimum"] != nil && schema["maximum"] != nil || help.contains("Kept within")
            case "string":
                ["maxLength", "pattern", "enum", "format"].contains { schema[$0] != nil } || help.contains("Cut after")
                    || help.contains("anything else means")
            case "array": schema["maxItems"] != nil && schema["items"].map(hasBounds) == true
            case "object":
                schema["oneOf"]?.array?.allSatisfy(hasBounds)
                    ?? schema["properties"]?.object?.values.allSatisfy(hasBounds)
                    ?? (schema["maxProperties"] != nil && schema["additionalProperties"].map(hasBounds) == true)
            default: true
            }
        }
    }

    /// A value that it does not take.
    struct Violation: Sendable {
        let kind: String
        /// The member of it that is wrong; nil for the value as a whole.
        var member: String?
        /// Nil is leaving it out.
        let value: JSON?
    }

    var violations: [Violation] {
        let absent = isRequired ? [Violation(kind: "missing", value: nil), Violation(kind: "null", value: .null)] : []
        return absent + Self.violations(of: schema).map { Violation(kind: $0.kind, member: $0.member, value: $0.value) }
    }

    private static func violations(of schema: JSON) -> [(kind: String, member: String?, value: JSON)] {
        if schema["readOnly"] == true { return [] }
        if let choices = schema["oneOf"]?.array { return choices.flatMap(violations) }
        func of(_ kind: String, _ value: JSON) -> (kind: String, member: String?, value: JSON) { (kind, nil, value) }
        let types = types(of: schema)
        let help = schema["description"]?.string ?? ""
        let strangers: [(type: String, value: JSON)] = [
            ("boolean", true), ("integer", 7), ("string", "text"), ("array", [[]]), ("object", ["a": ["b"]]),
        ]
        if types.isEmpty { return strangers.map { of("not served", $0.value) } }
        var found = strangers.filter { !types.contains($0.type) && !($0.type == "integer" && types.contains("number")) }
            .map { of("wrong type", $0.value) }
        if types.contains("integer") {
            if !help.contains("also to 0") { found.append(of("fraction", help.contains("rounded down") ? 0.5 : 1.5)) }
            if let least = schema["minimum"]?.int {
                found.append(of("negative", .int(min(-1, least - 1))))
                found.append(of("too small", .int(least - 1)))
                found.append(of("too small", .double(-1e300)))
            }
            if let most = schema["maximum"]?.int {
                found.append(of("too large", .int(most + 1)))
                found.append(of("too large", .double(1e300)))
            }
        }
        if let most = schema["maxLength"]?.int { found.append(of("too long", .string(String(repeating: "x", count: most + 1)))) }
        if schema["minLength"] == 1 { found.append(of("empty", "")) }
        if ["enum", "format", "pattern"].contains(where: { schema[$0] != nil }) {
            for word: JSON in ["nonsense of nobody", "ä", .string(String(repeating: "x", count: 5000))] {
                found.append(of("unknown word", word))
            }
        }
        if let items = schema["items"] {
            if let most = schema["maxItems"]?.int {
                found.append(of("too many", .array(Array(repeating: good(items), count: most + 1))))
            }
            if let least = schema["minItems"]?.int, least > 0 { found.append(of("too few", [])) }
            for bad in violations(of: items) { found.append(("element: " + bad.kind, bad.member, .array([bad.value]))) }
            found.append(of("element: null", [.null]))
        }
        if let most = schema["maxProperties"]?.int {
            let many = Dictionary((0...most).map { ("name\($0)", JSON.string("x")) }, uniquingKeysWith: { first, _ in first })
            found.append(of("too many", .object(many)))
        }
        let members = schema["properties"]?.object ?? [:]
        let needed = needed(schema)
        for (name, member) in members.sorted(by: { $0.key < $1.key }) {
            for bad in violations(of: member) {
                found.append(("\(name): \(bad.kind)", name, .object(needed.merging([name: bad.value]) { $1 })))
            }
            if needed[name] != nil { found.append(("\(name): missing", name, .object(needed.filter { $0.key != name }))) }
        }
        if schema["additionalProperties"] == false {
            found.append(("unknown member", "stranger", .object(needed.merging(["stranger": "x"]) { $1 })))
        }
        return found
    }

    /// What stands in the place of a costly text.
    static let mark = "@costly@"

    /// Values with a costly text in each place where one can stand.
    var costly: [JSON] { Self.costly(schema) + [.array([.string(Self.mark)]), .object([Self.mark: .null])] }

    private static func costly(_ schema: JSON) -> [JSON] {
        if let choices = schema["oneOf"]?.array { return choices.flatMap(costly) }
        let needed = needed(schema)
        let members = (schema["properties"]?.object ?? [:]).sorted { $0.key < $1.key }
        return [.string(mark), .object(needed.merging([mark: "x"]) { $1 })]
            + (schema["items"].map(costly) ?? []).map { .array([$0]) }
            + members.flatMap { name, member in costly(member).map { .object(needed.merging([name: $0]) { $1 }) } }
    }

    /// The members that an object has to have.
    private static func needed(_ schema: JSON) -> [String: JSON] {
        let names = schema["required"]?.array?.compactMap(\.string) ?? []
        return (schema["properties"]?.object ?? [:]).filter { names.contains($0.key) }.mapValues(good)
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
        if let choice = schema["oneOf"]?[0] { return good(choice) }
        return switch types(of: schema).first {
        case "integer", "number": .int(max(1, schema["minimum"]?.int ?? 1))
        case "boolean": true
        case "array": []
        case "object": .object(needed(schema))
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
