// What each verb on keys, credits and limits does.

import ClusterState
import GateDomain
@testable import GateNode
import GateSettings
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("The verbs on keys")
struct KeyEndpointTests {
    @Test("POST /keys: makes a key with all that was asked for, and its defaults where nothing was")
    func create() async throws {
        try await AdminBench.run { bench in
            let answer = try await bench.post(
                "/keys",
                [
                    "name": "  team\n x  ", "credits": 12.9, "allowedTools": ["a"], "deniedTools": ["b"], "expiresIn": 60,
                    "spendingLimit": 7,
                    "tags": ["env": "prod"], "ipAllowlist": ["10.0.0.0/8"], "namespace": "Team-X", "alias": "my_alias", "unknown": [1],
                ])
            #expect(answer.status == 201)
            let key = answer.json
            #expect(
                key["key"]?.stringValue?.wholeMatch(of: /pg_[0-9a-f]{48}/) != nil
                    && key["id"]?.stringValue?.wholeMatch(of: /key_[0-9a-f]{16}/) != nil)
            #expect(key["name"] == "team  x" && key["credits"] == 12 && key["namespace"] == "team-x" && key["tags"] == ["env": "prod"])
            #expect(key["expiresAt"]?.stringValue.flatMap(Timestamp.milliseconds) ?? 0 > WallClock.milliseconds)

            let plain = try await bench.post("/keys", text: "").json
            #expect(plain["name"] == "unnamed" && plain["credits"] == 100 && plain["namespace"] == "default" && plain["expiresAt"] == .null)
            let odd = try await bench.post("/keys", ["namespace": "no spaces!", "name": .string(String(repeating: "n", count: 300))]).json
            #expect(odd["namespace"] == "default" && odd["name"]?.stringValue?.count == 200)
        }
    }

    @Test("F-ALIAS-01, F-ALIAS-02: an alias is unique, no key's id, names its key in admin requests and proves nothing")
    func aliases() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey(["alias": "one"])
            #expect(try await bench.post("/keys", ["alias": "one"]).status == 409)
            #expect(try await bench.post("/keys", ["alias": .string(key.id)]).status == 409)
            for name in ["one", key.id, key.secret] {
                #expect(try await bench.post("/topup", ["key": .string(name), "credits": 1]).status == 200)
            }
            for name in ["one", key.id] { #expect(try await bench.balance(name).status == 401) }
            #expect(try await bench.balance(key.secret).json["credits"] == 103)
        }
    }

    @Test("X35, F-CREDIT-11: what somebody who means nothing or a little may send never makes a limit endless or a key rich")
    func smallAmounts() async throws {
        try await AdminBench.run { bench in
            for body: JSONValue in [["credits": nil], ["spendingLimit": nil], ["spendingLimit": 0.5], ["credits": 0.5]] {
                let refused = try await bench.post("/keys", body)
                #expect(refused.status == 400 && refused.error?.contains("Must") == true, "\(body.text): \(refused.text)")
            }
            let key = try await bench.createKey(["spendingLimit": 7])
            #expect(try await bench.post("/limits", ["key": .string(key.id), "spendingLimit": 0.5]).status == 400)
            #expect(try await bench.balance(key.secret).json["spendingLimit"] == 7)
            #expect(try await bench.post("/limits", ["key": .string(key.id), "spendingLimit": 8.9]).json["spendingLimit"] == 8)
            #expect(try await bench.post("/limits", ["key": .string(key.id), "spendingLimit": 0]).json["spendingLimit"] == 0)
        }
    }

    @Test("F-ALIAS-02: no text is an alias and a secret, of one key or of two, whichever came first")
    func aliasAndSecret() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey()
            let refused = try await bench.post("/keys", ["alias": .string(key.secret)])
            #expect(refused.status == 409 && refused.error?.contains("secret") == true)
            #expect(try await bench.balance(key.secret).status == 200)
            _ = try await bench.createKey(["alias": "public-name"])
            var record = KeyRecord(
                id: AccountID.make("key").text, name: "imported", prefix: "", masked: "", createdAt: 1)
            await #expect(throws: RecordRefusal.aliasIsSecret) {
                try await bench.node.keys.create(
                    record, secret: "public-name", credits: 1,
                    Operation(audit: AuditEntry(type: "t", actor: "t", message: "", metadata: [])))
            }
            #expect(try await bench.balance("public-name").status == 401)
            record.alias = "both-at-once"
            await #expect(throws: RecordRefusal.aliasIsSecret) {
                try await bench.node.keys.create(
                    record, secret: "both-at-once", credits: 1,
                    Operation(audit: AuditEntry(type: "t", actor: "t", message: "", metadata: [])))
            }
            #expect(try await bench.post("/keys", ["alias": "both-at-once"]).status == 201, "refused names are given back")
        }
    }

    @Test("F-IP-01: a key reads its balance from its own addresses alone, as trusted proxies tell them")
    func balanceByAddress() async throws {
        try await AdminBench.run(adjusting: { $0.trustedProxies = ["127.0.0.1"] }) { bench in
            let key = try await bench.createKey(["ipAllowlist": ["10.1.2.0/24"]])
            let refused = try await bench.balance(key.secret)
            #expect(refused.status == 403 && refused.error == "ip_not_allowed: 127.0.0.1")
            func from(_ address: String) async throws -> Int {
                try await bench.send(.get, "/balance", ["X-API-Key": key.secret, "X-Forwarded-For": address]).status
            }
            #expect(try await from("10.1.2.3") == 200)
            #expect(try await from("10.1.3.3") == 403)
        }
    }

    @Test("X34: times before 1970 are times", arguments: ["1969-12-31", "0001-01-01", "1969-12-31T23:59:59.999Z"])
    func earlyTimes(_ time: String) async throws {
        try await AdminBench.run { bench in
            for path in ["/usage?since=\(time)", "/usage?format=csv&since=\(time)", "/admin/hourly-traffic?from=\(time)&to=\(time)"] {
                let answer = try await bench.get(path)
                #expect(answer.status == 200, "\(path): \(answer.text)")
            }
        }
    }

    @Test("F-KEY-15: a list may have 1,000 tools or 200 addresses, and one more is refused")
    func clamps() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey()
            for (count, status) in [(1000, 200), (1001, 400)] {
                let tools = JSONValue.array((0..<count).map { .string("tool\($0)") })
                let acl = try await bench.post("/keys/acl", ["key": .string(key.id), "allowedTools": tools])
                #expect(acl.status == status, "\(acl.text.prefix(200))")
            }
            for (count, status) in [(200, 200), (201, 400)] {
                let addresses = JSONValue.array((0..<count).map { .string("10.0.0.\($0)") })
                let ip = try await bench.post("/keys/ip", ["key": .string(key.id), "ips": addresses])
                #expect(ip.status == status, "\(ip.text.prefix(200))")
            }
            let kept = try await bench.get("/keys").json[0]
            #expect(kept?["allowedTools"]?.arrayValue?.count == 1000 && kept?["ipAllowlist"]?.arrayValue?.count == 200)
            for bad in ["::1", "10.0.0.0/33", "10.0.0", "localhost", ""] {
                #expect(try await bench.post("/keys/ip", ["key": .string(key.id), "ips": [.string(bad)]]).status == 400, "\(bad)")
            }
        }
    }

    @Test("a feature that is not served is refused, never stored and ignored", arguments: ["group"])
    func later(_ field: String) async throws {
        try await AdminBench.run { bench in
            let answer = try await bench.post("/keys", .object(JSONObject([(field, .string("x"))])))
            #expect(answer.status == 400 && answer.error == "Invalid \(field). It is not available in this version.")
            #expect(try await bench.post("/keys", .object(JSONObject([(field, .null)]))).status == 201)
        }
    }

    @Test("suspend, resume and revoke: each from the states that allow it")
    func states() async throws {
        try await AdminBench.run { bench in
            let key: JSONValue = ["key": .string(try await bench.createKey().id)]
            #expect(try await bench.post("/keys/resume", key).error == "Key is not suspended")
            #expect(try await bench.post("/keys/suspend", key).json["suspended"] == true)
            #expect(try await bench.post("/keys/suspend", key).error == "Key is already suspended")
            for path in ["/keys/acl", "/keys/resume", "/keys/revoke"] { #expect(try await bench.post(path, key).status == 200, "\(path)") }
            #expect(try await bench.post("/keys/suspend", key).error == "Key is revoked")
            #expect(try await bench.post("/keys/resume", key).status == 400)
            for path in ["/keys/revoke", "/keys/acl"] { #expect(try await bench.post(path, key).status == 404, "\(path)") }
            for path in ["/keys/revoke", "/keys/suspend", "/keys/resume"] {
                #expect(try await bench.post(path, ["key": "pg_unknown"]).status == 404, "\(path)")
            }
        }
    }

    @Test("F-KEY-08: expiry is set, extended after it has passed, and removed by null")
    func expiry() async throws {
        try await AdminBench.run { bench in
            let (secret, id) = try await bench.createKey()
            let set = { @Sendable (name: String, value: JSONValue) in
                try await bench.post("/keys/expiry", .object(JSONObject([("key", .string(id)), (name, value)])))
            }
            #expect(try await set("expiresAt", "2020-01-01").json["expiresAt"] == "2020-01-01T00:00:00.000Z")
            #expect(try await bench.balance(secret).status == 401)
            #expect(try await bench.post("/topup", ["key": .string(id), "credits": 1]).status == 404)
            #expect(try await set("expiresAt", "1960-01-01").json["expiresAt"]?.stringValue?.hasPrefix("1970") == true)
            #expect(try await bench.balance(secret).status == 401)
            #expect(try await set("expiresIn", 600).status == 200)
            #expect(try await bench.balance(secret).status == 200)
            #expect(try await set("expiresAt", nil).json["expiresAt"] == .null)
            #expect(try await set("other", nil).status == 400)
        }
    }

    @Test("D17, D18: a top-up with an operation id is made once; with another amount it is refused")
    func topUp() async throws {
        try await AdminBench.run { bench in
            let (secret, id) = try await bench.createKey()
            let order = { @Sendable (credits: JSONValue, headers: [String: String]) in
                try await bench.post("/topup", ["key": .string(id), "credits": credits], headers: headers)
            }
            for header in ["Idempotency-Key", "X-Idempotency-Key"] {
                for _ in 0..<3 { #expect(try await order(10, [header: "op-1"]).json["credits"] == 110) }
                #expect(try await order(11, [header: "op-1"]).status == 422)
            }
            for expected in [111, 112] { #expect(try await order(1.5, [:]).json["credits"] == .int(Int64(expected))) }
            #expect(try await bench.balance(secret).json["credits"] == 112)
        }
    }

    @Test("D17, M12: many top-ups at once, each sent until it is acknowledged, are made once each", .timeLimit(.minutes(1)))
    func manyTopUps() async throws {
        try await AdminBench.run { bench in
            let (secret, id) = try await bench.createKey()
            try await withThrowingTaskGroup { group in
                for index in 0..<200 {
                    group.addTask {
                        let order = {
                            try await bench.post("/topup", ["key": .string(id), "credits": 3], headers: ["Idempotency-Key": "op-\(index)"])
                        }
                        while try await order().status == 503 {}
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await bench.balance(secret).json["credits"] == 700)
        }
    }

    @Test("GET /balance: a suspended key still reads; a revoked, unknown or missing one is 401")
    func balance() async throws {
        try await AdminBench.run { bench in
            let (secret, id) = try await bench.createKey(["spendingLimit": 40])
            #expect(try await bench.balance(secret).json["remainingBudget"] == 40)
            _ = try await bench.post("/limits", ["key": .string(id), "spendingLimit": 0])
            #expect(try await bench.send(.get, "/balance", ["Authorization": "Bearer \(secret)"]).json["remainingBudget"] == .null)
            _ = try await bench.post("/keys/suspend", ["key": .string(id)])
            #expect(try await bench.balance(secret).json["suspended"] == true)
            _ = try await bench.post("/keys/revoke", ["key": .string(id)])
            #expect(try await bench.balance(secret).status == 401)
            for headers in [
                [:], ["X-API-Key": "pg_*"], ["X-API-Key": ""], ["Authorization": "Bearer "], ["X-API-Key": AdminBench.adminKey],
            ] {
                #expect(try await bench.send(.get, "/balance", headers).status == 401)
            }
        }
    }

    @Test("F-AUDIT-06, F-SEC-13: every change is in the audit log with its actor and a masked key, never with a secret")
    func audit() async throws {
        try await AdminBench.run { bench in
            let (secret, id) = try await bench.createKey(["name": "audited"])
            for (path, more) in [
                ("/keys/acl", ("deniedTools", ["x"] as JSONValue)), ("/limits", ("spendingLimit", 5)), ("/keys/suspend", ("reason", "why")),
            ] {
                #expect(try await bench.post(path, .object(JSONObject([("key", .string(id)), more]))).status == 200)
            }
            let log = try await bench.redis.command("XRANGE", bench.node.store.keys.audit(0), "-", "+")
            for type in ["key.created", "key.acl_updated", "key.limit_updated", "key.suspended"] { #expect(log.contains(type), "\(type)") }
            #expect(log.contains(Credential.longMask(secret)) && log.contains("admin") && !log.contains(secret))
            #expect(!(try await bench.state().joined().contains(secret)))
        }
    }
}
