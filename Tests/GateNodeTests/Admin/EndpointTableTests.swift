// What holds for every endpoint because it stands in the table.

@testable import GateNode
@testable import GateSettings
@testable import GateValues
import GateTesting
import HTTPTypes
import MCPWire
import Synchronization
import Testing

@Suite("Every endpoint")
struct EndpointTableTests {
    /// The one that takes the key of the tests away comes last.
    static let served =
        EndpointTable.standard.all.filter { $0.handler != nil && $0.path != Endpoint.rotateBootstrap.path } + [.rotateBootstrap]
    static let guarded = served.filter { $0.requirement.leastRole != nil }
    static let writers = guarded.filter(\.takesBody)

    @Test("stands in the table once, and names each of its fields once")
    func unique() {
        let names = EndpointTable.standard.all.map { "\($0.method.rawValue) \($0.path)" }
        #expect(Set(names).count == names.count)
        for endpoint in EndpointTable.standard.all {
            #expect(Set(endpoint.fields.map(\.name)).count == endpoint.fields.count, "\(endpoint.path)")
            #expect(endpoint.path.hasPrefix("/") && endpoint.summary.hasSuffix("."), "\(endpoint.path)")
            #expect(
                endpoint.parameters.map(\.name) == endpoint.pattern.parameters && endpoint.parameters.allSatisfy(\.isRequired),
                "\(endpoint.path)")
            #expect(!endpoint.reads.isRaw || endpoint.body.isEmpty, "\(endpoint.path)")
        }
        #expect(EndpointTable.clashes(in: EndpointTable.standard.all) == [])
    }

    @Test("F-UI-04: is documented, with its inputs, its answer, its refusals and its role", arguments: EndpointTable.standard.all)
    func documented(_ endpoint: Endpoint) throws {
        let operation = try #require(
            EndpointTable.standard.document["paths"]?[endpoint.pattern.template]?[endpoint.method.rawValue.lowercased()])
        #expect(operation["summary"]?.stringValue == endpoint.summary)
        let parameters = operation["parameters"]?.arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
        #expect(parameters == (endpoint.parameters + endpoint.query + endpoint.headers).map(\.name))
        let schema = operation["requestBody"]?["content"]?["application/json"]?["schema"]
        #expect(schema?["properties"]?.objectValue?.names ?? [] == endpoint.body.map(\.name))
        #expect(schema?["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] == endpoint.body.filter(\.isRequired).map(\.name))
        let statuses = Set(operation["responses"]?.objectValue?.names ?? [])
        #expect(
            statuses == Set(([endpoint.success] + endpoint.failures + [endpoint.otherSuccess].compactMap(\.self)).map { String($0.code) }))
        #expect((operation["security"]?.arrayValue?.isEmpty ?? true) == (endpoint.requirement == .anyone))
    }

    @Test("has an operation id of its own")
    func operationIDs() {
        let operations = EndpointTable.standard.document["paths"]?.objectValue?.flatMap { $0.value.objectValue?.map(\.value) ?? [] } ?? []
        #expect(operations.count == EndpointTable.standard.all.count)
        #expect(Set(operations.compactMap { $0["operationId"]?.stringValue }).count == operations.count)
    }

    @Test("F-HTTP-01: refuses an administrator without the right key before it looks at anything else")
    func unauthorized() async throws {
        try await AdminBench.run { bench in
            for endpoint in Self.guarded {
                for key in [nil, "", "wrong", AdminBench.adminKey + "x", AdminBench.adminKey.uppercased()] {
                    let headers = ["Content-Type": "text/plain"].merging(key.map { ["X-Admin-Key": $0] } ?? [:]) { $1 }
                    let answer = try await bench.send(
                        endpoint.method, endpoint.path + "?limit=bad", headers, bytes: Array("{nonsense".utf8))
                    #expect(
                        answer.status == 401 && answer.error == "Invalid admin key", "\(endpoint.path) \(key ?? "no key"): \(answer.text)")
                }
            }
        }
    }

    @Test("X35: refuses each value that breaks the declaration of a field, with 400 and without any effect")
    func limits() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey(["name": "kept", "alias": "kept"])
            let before = try await bench.state()
            for endpoint in Self.writers {
                for field in endpoint.body {
                    for violation in SchemaConformance.violations(of: field.schema.json) {
                        var body = Self.good(endpoint, key: key.id)
                        body[field.name] = violation
                        let answer = try await bench.post(endpoint.path, .object(body))
                        #expect(
                            answer.status == 400 && answer.error?.contains(field.name) == true,
                            "\(endpoint.path) \(field.name) \(violation.text.prefix(80)): \(answer.text)")
                    }
                    guard field.isRequired else { continue }
                    for absence in [nil, JSONValue.null] {
                        var body = Self.good(endpoint, key: key.id)
                        body[field.name] = absence
                        let answer = try await bench.post(endpoint.path, .object(body))
                        #expect(
                            answer.status == 400 && answer.error == "Missing \(field.name)",
                            "\(endpoint.path) \(field.name): \(answer.text)")
                    }
                }
            }
            #expect(try await bench.state() == before)
        }
    }

    @Test("refuses query parameters and headers that break their declaration")
    func parameters() async throws {
        try await AdminBench.run { bench in
            for endpoint in Self.guarded {
                for field in endpoint.query where !SchemaConformance.isAnyText(field.schema.json) {
                    for text in ["nonsense", "1e400", "NaN", "%00"] {
                        // The others are good, so that it is this one which is refused.
                        let others = endpoint.query.filter { $0.isRequired && $0.name != field.name }.map { "\($0.name)=kept&" }.joined()
                        let path = "\(endpoint.path)?\(others)\(field.name)=\(text)"
                        let answer = try await bench.send(endpoint.method, path, ["X-Admin-Key": AdminBench.adminKey])
                        #expect(
                            answer.status == 400 && answer.error?.contains(field.name) == true,
                            "\(endpoint.path) \(field.name)=\(text): \(answer.text.prefix(200))")
                    }
                }
                for field in endpoint.headers {
                    for text in [String(repeating: "x", count: 201), "a b", "é"] {
                        let body = Self.good(endpoint, key: "kept")
                        let answer =
                            endpoint.takesBody
                            ? try await bench.post(endpoint.path, .object(body), headers: [field.name: text])
                            : try await bench.send(
                                endpoint.method, endpoint.path, ["X-Admin-Key": AdminBench.adminKey, field.name: text])
                        #expect(
                            answer.status == 400 && answer.error?.contains(field.name) == true,
                            "\(endpoint.path) \(field.name): \(answer.text)")
                    }
                }
            }
        }
    }

    @Test(
        "F-SEC-02: the id of a record of another kind names nothing: each route that takes a key or a team answers 4xx, and the record stays as it was"
    )
    func foreignIDs() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey(["alias": "kept"]).id
            let team = try #require(try await bench.post("/teams", ["name": "team"]).json[path: "team.id"]?.stringValue)
            _ = try await bench.post("/keys/templates", ["name": "template"])
            _ = try await bench.post("/keys/notes", ["key": .string(key), "text": "note"])
            _ = try await bench.post("/tokens", ["key": .string(key)])
            _ = try await bench.post("/keys/webhook", ["key": .string(key), "webhookUrl": "https://1.1.1.1/"])
            _ = try await bench.post("/webhooks/filters", ["events": ["*"], "url": "https://1.1.1.1/"])
            _ = try await bench.post("/keys/schedule", .object(Self.good(.createSchedule, key: key)))
            _ = try await bench.post("/admin/concurrency", ["maxConcurrentPerKey": 5])
            let other = try await bench.createKey().id
            let ids = try await bench.redis.command("--scan").split(separator: "\n").compactMap { name -> String? in
                let parts = name.split(separator: ":record:", maxSplits: 1)
                return parts.count == 2 ? String(parts[1]) : nil
            }
            let before = try await bench.state()
            #expect(Set(ids).isSuperset(of: [key, team, "template:template", "rules"]) && ids.count >= 9, "\(ids)")
            let kinds = ["key": "key_", "apiKey": "key_", "from": "key_", "to": "key_", "teamId": "team_", "id": "wf_"]
            var asked = 0
            for endpoint in Self.guarded where endpoint.requirement.leastRole != .superAdmin {
                for field in endpoint.query + endpoint.body {
                    guard let kind = kinds[field.name] else { continue }
                    for id in ids where !id.hasPrefix(kind) {
                        var body = Self.good(endpoint, key: key, team: team)
                        if body["from"] != nil { body["to"] = .string(other) }
                        if field.name == "key" { body["apiKey"] = nil }
                        body[field.name] = .string(id)
                        let others = endpoint.query.contains { $0.name == "index" } ? "&index=0" : ""
                        let isQuery = endpoint.query.contains { $0.name == field.name }
                        let path = endpoint.path + (isQuery ? "?\(field.name)=\(id)\(others)" : "")
                        let answer = try await bench.send(
                            endpoint.method, path, ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "application/json"],
                            bytes: endpoint.takesBody ? JSONValue.object(body).bytes : nil)
                        #expect(
                            (400..<500).contains(answer.status) && answer.status != 401,
                            "\(endpoint.method) \(endpoint.path) \(field.name)=\(id): \(answer.status) \(answer.text.prefix(200))")
                        asked += 1
                    }
                }
            }
            #expect(asked > 200)
            #expect(try await bench.state() == before)
        }
    }

    @Test("X34: refuses malformed, ambiguous and oversized bodies with their own status")
    func bodies() async throws {
        let malformed = [
            "{", "[]", "null", "\"text\"", "7", "{}{}", "{'a':1}", #"{"a":1,"a":2}"#, #"{"__proto__":{}}"#, #"{"constructor":1}"#,
            #"{"a":NaN}"#,
            #"{"a":1e400}"#, #"{"a":"\#u{0}"}"#, String(repeating: "[", count: 5000),
            #"{"a":"# + String(repeating: "[", count: 100) + String(repeating: "]", count: 100) + "}",
        ]
        try await AdminBench.run { bench in
            for endpoint in Self.writers {
                for body in malformed {
                    let answer = try await bench.post(endpoint.path, text: body)
                    #expect(answer.status == 400, "\(endpoint.path) \(body.prefix(40)): \(answer.status)")
                }
                let admin = ["X-Admin-Key": AdminBench.adminKey]
                for type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", ""] {
                    let answer = try await bench.send(
                        .post, endpoint.path, admin.merging(["Content-Type": type]) { $1 }, bytes: Array("{}".utf8))
                    #expect(answer.status == 415, "\(endpoint.path) \(type): \(answer.status)")
                }
                #expect(try await bench.send(.post, endpoint.path, admin, bytes: Array("{}".utf8)).status == 415)
                let limit = endpoint.reads.limit
                #expect(try await bench.post(endpoint.path, text: String(repeating: " ", count: limit + 1)).status == 413)
                #expect(try await bench.post(endpoint.path, text: "{}" + String(repeating: " ", count: limit - 2)).status != 413)
            }
        }
    }

    @Test("answers as it is documented, in success and in failure, and reads nothing that it does not declare")
    func answers() async throws {
        let undeclared = Mutex<[String]>([])
        try await Undeclared.$report.withValue({ sentence in undeclared.withLock { $0.append(sentence) } }) {
            try await checkAnswers()
        }
        #expect(undeclared.withLock { $0 } == [])
    }

    private func checkAnswers() async throws {
        // Named, so that the configuration can be reloaded; the bench reads it from elsewhere.
        try await AdminBench.run(adjusting: { settings in
            settings.configPath = "gate.json"
            // One that nothing is sent to.
            settings.webhookUrl = WebhookURL("http://127.0.0.1/hook")
        }) { bench in
            for endpoint in Self.served where endpoint.media.first == MediaType.json {
                let answer = try await bench.send(Self.request(to: endpoint, on: bench))
                let isExpected = answer.status == endpoint.success.code || endpoint.failures.contains { $0.code == answer.status }
                #expect(isExpected, "\(endpoint.path): \(answer.status) \(answer.text)")
                #expect(
                    SchemaConformance.faults(of: answer.json, against: endpoint.answer.json) == [],
                    "\(endpoint.method) \(endpoint.path): \(answer.text.prefix(300))")
            }
        }
    }

    @Test("F-HTTP-05: is reached by its own method alone; others are told which; unknown paths are unknown")
    func methods() async throws {
        try await AdminBench.run { bench in
            for (path, endpoints) in EndpointTable.standard.byPath {
                let allowed = try #require(try await bench.send(.options, path).header("Allow")).split(separator: ",").map {
                    $0.filter { $0 != " " }
                }
                #expect(Set(allowed).isSuperset(of: endpoints.map(\.method.rawValue)))
                for method in [HTTPRequest.Method.get, .post, .put, .patch, .delete, .trace] where !allowed.contains(method.rawValue) {
                    let answer = try await bench.send(method, path, ["X-Admin-Key": AdminBench.adminKey])
                    #expect(
                        answer.status == 405 && answer.error?.hasPrefix("Method not allowed") == true, "\(method) \(path): \(answer.status)"
                    )
                    #expect(answer.header("Allow") == allowed.joined(separator: ", "))
                }
            }
            for path in ["/nothing", "/keys/nothing", "/keys/../admin", "/%2e%2e/keys"] {
                let answer = try await bench.get(path)
                #expect(answer.status == 404 && answer.error == "Not found", "\(path): \(answer.status)")
            }
        }
    }

    @Test("tells about its public pages by HEAD: the same head, no body")
    func head() async throws {
        try await AdminBench.run { bench in
            for endpoint in Self.served where endpoint.answersHead {
                let (full, head) = (try await bench.send(.get, endpoint.path), try await bench.send(.head, endpoint.path))
                #expect(head.status == full.status && head.text.isEmpty && !full.text.isEmpty, "\(endpoint.path)")
                #expect(head.header("Content-Type") == full.header("Content-Type"))
            }
        }
    }

    /// A request that the endpoint takes, about records that were made for it.
    static func request(to endpoint: Endpoint, on bench: AdminBench) async throws -> AdminRequest {
        let key = try await bench.createKey(["alias": .string("for-\(endpoint.pathName)-\(endpoint.method.rawValue)")])
        if endpoint.path == "/keys/resume" { _ = try await bench.post("/keys/suspend", ["key": .string(key.id)]) }
        let team = try #require(try await bench.post("/teams", ["name": "test"]).json[path: "team.id"]?.stringValue)
        if endpoint.path == "/teams/remove" {
            _ = try await bench.post("/teams/assign", ["teamId": .string(team), "key": .string(key.id)])
        }
        if endpoint.method == .delete {
            _ = try await bench.post("/keys/notes", ["key": .string(key.id), "text": "to be deleted"])
        }
        let token =
            endpoint.path == "/tokens/revoke" ? try await bench.post("/tokens", ["key": .string(key.id)]).json["token"] : nil
        let other = try await bench.createKey()
        let held = try await bench.post("/keys/reserve", ["key": .string(key.id), "credits": 1])
        let headers = ["X-Admin-Key": AdminBench.adminKey, "X-API-Key": key.secret, "Content-Type": "application/json"]
        let admin = endpoint.path == "/admin/keys/revoke" ? try await bench.post("/admin/keys", ["name": "gone"]).json["id"] : nil
        var good = Self.good(endpoint, key: admin?.stringValue ?? key.id, team: team)
        if let token { good["token"] = token }
        if endpoint.path == "/keys/transfer" { good["to"] = .string(other.id) }
        if good["reservationId"] != nil { good["reservationId"] = held.json["id"] }
        if endpoint.path.hasPrefix("/webhooks/filters/") {
            good["id"] = try await bench.post("/webhooks/filters", ["events": ["*"], "url": "https://1.1.1.1/"]).json["id"]
        }
        let body = endpoint.takesBody ? JSONValue.object(good).bytes : nil
        var fields = ["teamId": team, "key": key.id, "index": "0", "id": "pii_ssn", "keys": "\(key.id),\(other.id)"]
        if endpoint.path == "/admin/tools/schema" { fields["tool"] = "echo" }
        if endpoint.path == "/keys/schedule", endpoint.method == .delete {
            let due = Self.good(.createSchedule, key: key.id)
            fields["id"] = try #require(try await bench.post("/keys/schedule", .object(due)).json["id"]?.stringValue)
        }
        let given = endpoint.query.compactMap { field in fields[field.name].map { "\(field.name)=\($0)" } }
        let query = given.isEmpty ? "" : "?" + given.joined(separator: "&")
        return AdminRequest(method: endpoint.method, path: endpoint.path + query, headers: headers, body: body)
    }

    /// A body that the endpoint takes.
    static func good(_ endpoint: Endpoint, key: String, team: String = "team_0123456789abcdef") -> JSONObject {
        let values: [String: JSONValue] = [
            "key": .string(key), "credits": 5, "name": "test", "teamId": .string(team), "spendingLimit": 10, "ips": ["10.0.0.1"],
            "enabled": false, "from": .string(key), "to": .string(key), "reservationId": "rsv_0123456789abcdef01234567", "threshold": 5,
            "amount": 5, "tags": ["a": "b"], "text": "a note", "token": "pgt_a.b",
            "apiKey": .string(key), "webhookUrl": "https://1.1.1.1/hook", "url": "https://1.1.1.1/hook", "events": ["usage"],
            "operations": [["action": "suspend", "key": .string(key)]],
        ]
        var body = endpoint.body.reduce(into: JSONObject()) { body, field in body[field.name] = values[field.name] }
        if endpoint.path.hasPrefix("/webhooks/filters/") { body["id"] = "wf_0123456789abcdef" }
        if endpoint.path == "/keys/expiry" { body["expiresIn"] = 600 }
        if endpoint.path == "/keys/alias" { body["alias"] = "another" }
        if endpoint.path == "/keys/import" { body["keys"] = [["key": "pg_brought-along", "name": "imported"]] }
        if endpoint.path == "/admin/tools/schema", endpoint.method == .post { (body["tool"], body["schema"]) = ("echo", [:]) }
        if endpoint.path == "/keys/geo" { body["allowedCountries"] = ["DE"] }
        if endpoint.path == "/admin/tasks" { body["action"] = "stats" }
        if endpoint.path == "/keys/schedule", endpoint.method == .post {
            (body["action"], body["executeAt"]) = ("suspend", "2100-01-01T00:00:00Z")
        }
        return body
    }
}

extension Endpoint: CustomTestStringConvertible {
    public var testDescription: String { "\(method.rawValue) \(path)" }
}
