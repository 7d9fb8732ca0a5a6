// Keys on their way from one gate to another.

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("Export and import of keys")
struct KeyImportTests {
    private static func secret(_ digit: String) -> String { "pg_" + String(repeating: digit, count: 48) }

    private func statuses(_ answer: Answer) -> [String] {
        answer.json["results"]?.arrayValue?.compactMap { $0["status"]?.stringValue } ?? []
    }

    @Test("F-ALIAS-02: no import makes an alias a secret, nor a secret an alias, though only its digest is known")
    func aliases() async throws {
        try await AdminBench.run { bench in
            func bring(_ entry: JSONValue) async throws -> JSONValue {
                let answer = try await bench.post("/keys/import", ["keys": [entry]])
                return try #require(answer.json["results"]?.arrayValue?.first, "\(answer.text)")
            }
            let alias = "pg_seen-by-everybody"
            let key = try await bench.createKey(["alias": .string(alias)])
            let hash = JSONValue.string(Credential.digest(of: alias))
            let refused = try await bring(["keyHash": hash, "name": "trap"])
            #expect(refused["status"] == "error" && refused["error"]?.stringValue?.contains("lias") == true, "\(refused.text)")
            #expect(try await bring(["key": .string(alias), "name": "trap"])["status"] == "error")
            #expect(try await bench.balance(alias).status == 401)
            let generated = "pg_" + String(repeating: "0a", count: 24)
            _ = try await bench.createKey(["alias": .string(generated)])
            #expect(try await bring(["key": .string(generated), "name": "trap"])["status"] == "error", "one of our own form, too")
            #expect(try await bring(["keyHash": hash, "name": "trap", "alias": .string(alias)])["status"] == "error")

            // Given back, it may be a secret; and then no alias again.
            _ = try await bench.post("/keys/alias", ["key": .string(key.id), "alias": .null])
            #expect(try await bring(["keyHash": hash, "name": "taken"])["status"] == "imported")
            #expect(try await bench.post("/keys/alias", ["key": .string(key.id), "alias": .string(alias)]).status == 409)
            #expect(try await bench.post("/keys", ["alias": .string(alias)]).status == 409)
            let own = JSONValue.string(Credential.digest(of: "own-alias"))
            #expect(try await bring(["keyHash": own, "name": "both", "alias": "own-alias"])["status"] == "error")
            #expect(try await bench.post("/keys", ["alias": "own-alias"]).status == 201, "what was refused is given back")
        }
    }

    @Test("F-ALIAS-02: of an alias and an import of its digest that are made at once at most one is there")
    func aliasesAtOnce() async throws {
        try await AdminBench.run { bench in
            for round in 0..<20 {
                let alias = "at-once-\(round)"
                async let made = bench.post("/keys", ["alias": .string(alias)])
                async let brought = bench.post("/keys/import", ["keys": [["keyHash": .string(Credential.digest(of: alias)), "name": "x"]]])
                let (first, second) = try await (made, brought)
                #expect(!(first.status == 201 && second.json["imported"] == 1), "\(first.text) \(second.text)")
            }
        }
    }

    @Test(
        "F-KEY-10, F-KEY-17: an export is imported by another gate with all that it has, as JSON and as a table, and again without harm",
        arguments: ["json", "csv"])
    func roundTrip(_ format: String) async throws {
        let other = try await RedisServer()
        try await AdminBench.run { bench in
            let full = try await bench.createKey([
                "name": "=full, \"with\" all", "credits": 70, "allowedTools": ["a", "b"], "deniedTools": ["c"], "tags": ["env": "prod"],
                "ipAllowlist": ["10.0.0.0/8"], "namespace": "moved", "alias": "full", "spendingLimit": 90, "quota": ["dailyCallLimit": 5],
                "expiresAt": "2100-01-01", "autoTopup": ["threshold": 1, "amount": 2],
            ])
            _ = try await bench.post("/keys/geo", ["key": "full", "allowedCountries": ["de"]])
            let revoked = try await bench.createKey(["name": "gone", "namespace": "moved"])
            _ = try await bench.post("/keys/revoke", ["key": .string(revoked.id)])
            _ = try await bench.createKey(["name": "elsewhere"])
            let rotated = try await bench.createKey(["name": "rotated", "namespace": "moved"])
            let new = try await bench.post("/keys/rotate", ["key": .string(rotated.id)]).json["newKey"]?.stringValue ?? ""

            let export = try await bench.get("/keys/export?namespace=MOVED&format=\(format)")
            #expect(export.status == 200 && !export.text.contains(full.secret) && !export.text.contains(new))
            #expect(
                export.header("Content-Disposition")?.wholeMatch(of: /attachment; filename="paygate-keys-\d{4}-\d\d-\d\d\.(json|csv)"/)
                    != nil)
            if format == "json" {
                #expect(export.json["version"] == "1.0" && export.json["count"] == 3 && export.json["total"] == 3)
                #expect(export.json["limit"] == 3 && export.json["keys"]?.arrayValue?.count == 3)
            } else {
                let head = "key,name,credits,totalSpent,totalCalls,createdAt,lastUsedAt,active,namespace,expiresAt,spendingLimit\r\n"
                #expect(export.text.hasPrefix(head))
            }
            try await AdminBench.run(on: other) { second in
                func send(_ mode: String) async throws -> Answer {
                    if format == "json" {
                        return try await second.post("/keys/import", ["keys": export.json["keys"] ?? .null, "mode": .string(mode)])
                    }
                    return try await second.send(
                        .post, "/keys/import?csvMode=\(mode)",
                        ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "text/csv; charset=utf-8"],
                        bytes: Array(export.text.utf8))
                }
                let first = try await send("skip")
                #expect(first.status == 200 && statuses(first) == ["imported", "imported", "imported"], "\(first.text)")
                #expect(!first.text.contains(full.secret) && first.json["imported"] == 3 && first.json["total"] == 3)
                let before = try await second.held()
                #expect(statuses(try await send("skip")) == ["skipped", "skipped", "skipped"])
                #expect(statuses(try await send("error")) == ["error", "error", "error"])
                #expect(try await second.held() == before, "what is skipped or refused changes nothing")

                #expect(try await second.balance(revoked.secret).status == 401, "a revoked key stays revoked")
                #expect(try await second.balance(new).json["name"] == "rotated")
                #expect(try await second.balance(rotated.secret).status == 401, "a secret from before the rotation is nobody's")
                let balance = try await second.balance(full.secret)
                if format == "json" {
                    #expect(balance.status == 403, "the addresses have come along: \(balance.text)")
                    let here = try await bench.get("/keys?namePrefix=%3Dfull").json["keys"]?[0]
                    let there = try await second.get("/keys?namePrefix=%3Dfull").json["keys"]?[0]
                    for name in here?.objectValue?.names ?? [] where name != "id" { #expect(there?[name] == here?[name], "\(name)") }
                } else {
                    #expect(
                        balance.json["name"] == "=full, \"with\" all" && balance.json["credits"] == 70
                            && balance.json["spendingLimit"] == 90)
                    #expect(balance.json["expiresAt"] == "2100-01-01T00:00:00.000Z" && balance.json["namespace"] == "moved")
                }
            }
        }
    }

    @Test("An import in mode overwrite leaves alone what it is silent about: a table cannot lift what it has no column for")
    func silence() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey([
                "name": "guarded", "credits": 9, "deniedTools": ["rm"], "ipAllowlist": ["10.0.0.0/8"], "tags": ["env": "prod"],
                "quota": ["dailyCallLimit": 5],
            ])
            _ = try await bench.post("/keys/suspend", ["key": .string(key.id)])
            let before = try await bench.get("/keys?namePrefix=guarded").json["keys"]?[0]
            let table = "key,name,credits,spendingLimit\r\n\(key.secret),guarded,1000,7\r\n"
            let answer = try await bench.send(
                .post, "/keys/import?csvMode=overwrite", ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "text/csv"],
                bytes: Array(table.utf8))
            #expect(statuses(answer) == ["overwritten"], "\(answer.text)")
            let after = try await bench.get("/keys?namePrefix=guarded").json["keys"]?[0]
            #expect(after?["spendingLimit"] == 7)
            for name in before?.objectValue?.names ?? [] where name != "spendingLimit" { #expect(after?[name] == before?[name], "\(name)") }
            let both = try await bench.post(
                "/keys/import?csvMode=overwrite", ["mode": "error", "keys": [["key": .string(key.secret), "name": "x"]]])
            #expect(both.status == 400 && both.error?.contains("csvMode") == true, "\(both.text)")
        }
    }

    @Test("Accounts that hold the most that there is are counted without a trap: the sum stays at the highest number")
    func fullAccounts() async throws {
        try await AdminBench.run { bench in
            for part in 0..<2 {
                let rows: [JSONValue] = (0..<600).map { index in
                    ["key": .string("pg_full_\(part)_\(index)_0000"), "credits": .int(Int64(Credits.balanceCeiling))]
                }
                let answer = try await bench.post("/keys/import", ["keys": .array(rows)])
                #expect(answer.json["imported"] == 600, "\(answer.text.prefix(200))")
            }
            let stats = try await bench.get("/keys/stats")
            #expect(stats.status == 200 && stats.json["total"] == 1200, "\(stats.text)")
            #expect(stats.json["totalCreditsRemaining"]?.intValue == .max)
        }
    }

    @Test("F-KEY-10: each row says what became of it, money is never undone, and what is wrong changes nothing")
    func rows() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey(["name": "here", "credits": 9])
            let rows: [JSONValue] = [
                ["key": .string(Self.secret("1")), "name": "new", "credits": 5.9, "totalSpent": 3.5, "totalCalls": 2],
                ["key": .string(Self.secret("1")), "name": "twice"], ["key": "sk_no_prefix_here"], ["name": "no key"],
                ["key": .string(Self.secret("2")), "credits": -1], ["key": .string(Self.secret("2")), "credits": "5"],
                ["keyHash": "nonsense"], ["key": .string(Self.secret("2")), "alias": "no spaces"], ["key": "sha256:zz"],
                ["key": .string(Self.secret("2")), "credits": 9_007_199_254_740_991, "totalSpent": 5],
                ["key": .string(key.secret), "name": "renamed", "credits": 1_000_000, "suspended": true],
            ]
            let answer = try await bench.post("/keys/import", ["keys": .array(rows), "mode": "overwrite"])
            #expect(
                statuses(answer) == ["imported", "overwritten"] + Array(repeating: "error", count: 8) + ["overwritten"], "\(answer.text)")
            #expect(answer.json["errors"] == 8 && answer.json["imported"] == 1 && answer.json["overwritten"] == 2)
            #expect(!answer.text.contains(Self.secret("1")) && !answer.text.contains(key.secret))
            let made = try await bench.balance(Self.secret("1")).json
            #expect(made["credits"] == 5 && made["totalSpent"] == 3 && made["totalCalls"] == 2 && made["name"] == "twice")
            let changed = try await bench.balance(key.secret).json
            #expect(changed["name"] == "renamed" && changed["credits"] == 9 && changed["suspended"] == true)
            #expect(try await bench.balance(Self.secret("2")).status == 401)
            let id = try #require(try await bench.get("/keys?namePrefix=twice").json["keys"]?[0]?["id"]?.stringValue)
            let account = try await bench.node.store.send(
                RedisCommand("HMGET", bench.node.store.keys.account(id), "granted", "credits", "spent"))
            #expect(account.array?.map(\.integer) == [8, 5, 3], "M1: what was granted is what is left and what was spent")
            for bad: JSONValue in [[], "x", [1], .array(Array(repeating: ["key": "pg_12345"], count: 1001))] {
                #expect(try await bench.post("/keys/import", ["keys": bad]).status == 400)
            }
            #expect(try await bench.post("/keys/import", ["keys": .array([rows[0]]), "mode": "merge"]).status == 400)
            let table = try await bench.send(
                .post, "/keys/import", ["X-Admin-Key": AdminBench.adminKey, "Content-Type": "text/csv"], bytes: Array("key\nx,y\n".utf8))
            #expect(table.status == 400 && table.error == "Invalid CSV body. Line 2 has 2 values and not 1.")
        }
    }

    @Test("an import that was cut short between secret and record is finished by the next; an alias that somebody has makes no half a key")
    func cutShort() async throws {
        try await AdminBench.run { bench in
            let (store, secret) = (bench.node.store, Self.secret("3"))
            _ = try await store.send(
                RedisCommand("HSET", store.keys.credential(Credential.digest(of: secret)), "owner", "key_0123456789abcdef", "kind", "key"))
            #expect(try await bench.balance(secret).status == 401)
            let row: JSONValue = ["key": .string(secret), "credits": 4]
            #expect(statuses(try await bench.post("/keys/import", ["keys": [row]])) == ["imported"])
            #expect(try await bench.balance(secret).json["credits"] == 4)
            #expect(statuses(try await bench.post("/keys/import", ["keys": [row]])) == ["skipped"])

            _ = try await bench.createKey(["alias": "taken"])
            let other: JSONValue = ["key": .string(Self.secret("4")), "alias": "taken"]
            #expect(try await bench.post("/keys/import", ["keys": [other]]).json["results"]?[0]?["error"] == "Alias is already in use")
            #expect(statuses(try await bench.post("/keys/import", ["keys": [["key": .string(Self.secret("4"))]]])) == ["imported"])
        }
    }

    @Test("F-ALIAS-01: no key is brought along with another one's id as its alias; an account takes so much, and its refusal says how much")
    func aliasThatIsAnID() async throws {
        try await AdminBench.run { bench in
            let victim = try await bench.createKey()
            let thief: JSONValue = ["key": .string(Self.secret("7")), "credits": 0, "alias": .string(victim.id)]
            #expect(try await bench.post("/keys/import", ["keys": [thief]]).json["results"]?[0]?["error"] == "Alias is already in use")
            #expect(try await bench.post("/keys", ["alias": .string(victim.id)]).status == 409)
            #expect(try await bench.balance(Self.secret("7")).status == 401)

            let most = Credits.balanceCeiling
            let tooMuch: JSONValue = ["key": .string(Self.secret("8")), "credits": .int(Int64(most)), "totalSpent": 1]
            let error = try await bench.post("/keys/import", ["keys": [tooMuch]]).json["results"]?[0]?["error"]?.stringValue
            #expect(error?.contains("9000000000000000") == true, "\(error ?? "")")
            let full: JSONValue = ["key": .string(Self.secret("9")), "credits": .int(Int64(most) - 5), "totalSpent": 5]
            #expect(statuses(try await bench.post("/keys/import", ["keys": [full]])) == ["imported"])
            let refused = try await bench.post("/topup", ["key": .string(Self.secret("9")), "credits": 1])
            #expect(refused.status == 400 && refused.error?.contains("9000000000000000") == true, "\(refused.text)")
        }
    }

    @Test("A tag whose name is given in another Unicode form is stored as it was given last, and answered so")
    func tagForms() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey()
            for name in ["caf\u{e9}", "cafe\u{301}"] {
                let answer = try await bench.post(
                    "/keys/tags", ["key": .string(key.id), "tags": .object(JSONObject([(name, .string("x"))]))])
                #expect(answer.json["tags"]?.objectValue?.map(\.name).allSatisfy { $0.hasSameBytes(as: name) } == true, "\(answer.text)")
                let stored =
                    try await bench.node.store.send(RedisCommand("HGET", bench.node.store.keys.record(key.id), "tags")).string ?? ""
                #expect(stored.utf8.starts(with: name.utf8), "\(stored)")
            }
        }
    }

    @Test("F-ADMIN-03, F-AUDIT-02: viewers read no export, and an export is noted before it is told")
    func audited() async throws {
        try await AdminBench.run { bench in
            let viewer = try await bench.post("/admin/keys", ["name": "v", "role": "viewer"]).json["key"]?.stringValue ?? ""
            #expect(try await bench.send(.get, "/keys/export", ["X-Admin-Key": viewer]).status == 403)
            for index in 0..<7 {
                _ = try await bench.createKey(["name": .string("k\(index)")])
                try await Task.sleep(for: .milliseconds(3))
            }
            let part = try await bench.get("/keys/export?limit=2&offset=3").json
            #expect(
                part["keys"]?.arrayValue?.compactMap { $0["name"]?.stringValue } == ["k3", "k4"] && part["count"] == 2 && part["limit"] == 2
            )
            #expect(try await bench.get("/keys/export?offset=50").json["keys"] == [])
            let audit = try await bench.redis.command("XREVRANGE", "pg:{0}:audit", "+", "-", "COUNT", "1")
            #expect(audit.contains("keys.exported"))
        }
    }
}

extension AdminBench {
    /// The keys, and how many changes the audit log has.
    fileprivate func held() async throws -> [String] {
        let audited = try await node.store.send(RedisCommand("XLEN", node.store.keys.audit(0)))
        return [try await get("/keys").text, String(audited.integer ?? 0)]
    }
}
