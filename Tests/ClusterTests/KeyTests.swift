// What admins do to keys, through two gates and a restart.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Keys in full")
    struct KeyTests {
        @Test(
            "F-KEY-06, V21: a rotation keeps alias, team, credits, quota and counters; the old secret is dead on the other node with the answer, and after a restart"
        )
        func rotation() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let (a, b) = (cluster[0], cluster[1])
                let old = try await a.createKey(
                    credits: 100,
                    [
                        "alias": "agent", "tags": ["env": "prod"], "quota": ["dailyCallLimit": 5], "deniedTools": ["add"],
                        "spendingLimit": 50,
                    ])
                let team = try #require(try await a.order("/teams", ["name": "t", "budget": 4])["team"]?["id"]?.string)
                try await a.order("/teams/assign", ["teamId": .string(team), "key": "agent"])
                for gate in [a, b, b] { #expect(await gate.echo(key: old).isServed) }
                let token = try #require(try await a.order("/tokens", ["key": "agent"])["token"]?.string)
                try await a.order("/keys/notes", ["key": "agent", "text": "kept"])

                let answer = try await a.order("/keys/rotate", ["key": .string(old)])
                let new = try #require(answer["newKey"]?.string)
                #expect(answer["credits"] == 97 && answer["name"] == "test" && new != old)
                #expect(await b.echo(key: old).word == "invalid_api_key", "the first call on the other node")
                #expect(await a.echo(key: old).word == "invalid_api_key")
                #expect(try await b.get("/balance", headers: [("X-API-Key", old)]).status == 401)
                #expect(try await b.admin("/topup", ["key": .string(old), "credits": 1]).status == 404)
                #expect(await b.echo(key: new).isServed, "the team's budget has room for one more")
                #expect(await a.echo(key: new).word == "team_budget_exceeded")
                #expect(await a.attempt("add", ["a": 1, "b": 2], key: new).word == "tool_denied")
                let usage = try await b.admin("/teams/usage?teamId=\(team)").json
                #expect(usage["memberCount"] == 1 && usage["totalSpent"] == 4)
                try await a.order("/teams/update", ["teamId": .string(team), "budget": 100])
                #expect(await b.echo(key: token).isServed, "F-TOKEN-09: tokens of the key stay good")
                #expect(await a.echo(key: new).word == "daily_call_quota_exceeded", "the quota has counted the calls before, too")

                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(await b.echo(key: old).word == "invalid_api_key")
                let key = try #require(try await b.admin("/keys/search", ["tags": ["env": "prod"]]).json["keys"]?[0])
                #expect(key["alias"] == "agent" && key["teamId"] == .string(team) && key["totalSpent"] == 5 && key["spendingLimit"] == 50)
                #expect(key["keyPrefix"] == .string(new.prefix(10) + "..."))
                #expect(try await b.admin("/keys/notes?key=agent").json["notes"]?[0]?["text"] == "kept")
                let again = try #require(try await b.order("/keys/rotate", ["key": "agent"])["newKey"]?.string)
                #expect(await a.echo(key: new).word == "invalid_api_key")
                #expect(await a.echo(key: again).word == "daily_call_quota_exceeded")
                try await a.order("/keys/revoke", ["key": "agent"])
                #expect(try await b.admin("/keys/rotate", ["key": "agent"]).status == 404)
            }
        }

        @Test(
            "F-KEY-06: calls that are under way while a key is rotated are charged to it once, and no call by the old secret begins after it"
        )
        func rotationUnderLoad() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let old = try await cluster[0].createKey(credits: 100_000, ["alias": "busy"])
                let calls = try await underLoad(workers: 6, { await cluster[$0].echo(key: old) }) {
                    try await Task.sleep(for: .milliseconds(300))
                    let answer = try await cluster[0].order("/keys/rotate", ["key": "busy"])
                    let late = await concurrently(20, workers: 4) { await cluster[$0].echo(key: old) }
                    #expect(Tally(late).count("invalid_api_key") == 20, "\(Tally(late))")
                    let new = try #require(answer["newKey"]?.string)
                    #expect(await cluster[1].echo(key: new).isServed)
                }
                let tally = Tally(calls)
                // On a slow machine Redis may take too long for a call.
                let late = tally.count("HTTP 503")
                #expect(tally.served > 0 && tally.served + tally.count("invalid_api_key") + late == tally.total, "\(tally)")
                try await eventually("what the calls cost is what was spent") {
                    let key = try await cluster[1].admin("/keys").json[0]
                    let spent = key?["totalSpent"]?.int ?? 0
                    return (tally.served + 1...tally.served + 1 + late).contains(spent) && key?["credits"] == .int(100_000 - spent)
                }
            }
        }

        @Test("F-KEY-06, F-KEY-09: a key that was imported and rotated is not brought back by the next start of a node that imports it")
        func rotatedImport() async throws {
            let secret = "imported-by-the-operator"
            try await GateCluster.run(nodes: 1, ["--import-key", "\(secret):50"]) { cluster in
                #expect(await cluster[0].echo(key: secret).isServed)
                let new = try #require(try await cluster[0].order("/keys/rotate", ["key": .string(secret)])["newKey"]?.string)
                try await cluster.nodes[0].kill9()
                try await cluster.nodes[0].restart()
                #expect(await cluster[0].echo(key: secret).word == "invalid_api_key")
                #expect(try await cluster[0].balance(new).credits == 49)
                #expect(try await cluster[0].admin("/keys").json.array?.count == 1)
            }
        }

        @Test(
            "F-ALIAS-01 to F-ALIAS-04: of many keys that want one alias at once on two nodes one has it; it moves, and is found, everywhere"
        )
        func aliases() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let keys = try await concurrently(12, workers: 6) { try await cluster[$0].createKey(credits: 10) }
                let answers = try await concurrently(12, workers: 12) {
                    try await cluster[$0].admin("/keys/alias", ["key": .string(keys[$0]), "alias": "only-one"])
                }
                #expect(answers.filter { $0.status == 200 }.count == 1 && answers.filter { $0.status == 409 }.count == 11)
                let owner = try #require(answers.firstIndex { $0.status == 200 })
                let other = (owner + 1) % 12
                #expect(answers[owner].json["key"] == .string(keys[owner].prefix(10) + "..."))
                try await cluster[0].order("/topup", ["key": "only-one", "credits": 5])
                #expect(try await cluster[1].balance(keys[owner]).credits == 15)
                #expect(await cluster[1].echo(key: "only-one").word == "invalid_api_key", "F-ALIAS-02: it proves nothing")

                try await cluster[0].order("/keys/alias", ["key": "only-one", "alias": .null])
                #expect(try await cluster[1].admin("/topup", ["key": "only-one", "credits": 5]).status == 404)
                try await cluster[1].order("/keys/alias", ["key": .string(keys[other]), "alias": "only-one"])
                try await cluster[1].order("/keys/alias", ["key": "only-one", "alias": "another"])
                try await cluster[0].order("/keys/alias", ["key": .string(keys[owner]), "alias": "only-one"])
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                try await cluster[0].order("/topup", ["key": "another", "credits": 1])
                #expect(try await cluster[1].balance(keys[other]).credits == 11)
                let id = try #require(try await cluster[0].admin("/keys").json[0]?["id"])
                #expect(try await cluster[0].admin("/keys/alias", ["key": "another", "alias": id]).status == 409)
                #expect(try await cluster[0].admin("/keys/alias", ["key": "another", "alias": .string(keys[owner])]).status == 409)
                #expect(try await cluster[0].admin("/keys/alias", ["key": "another"]).status == 400)
                let clone = try await cluster[0].order("/keys/clone", ["key": "another"])
                #expect(try await cluster[1].balance(try #require(clone["key"]?.string)).credits == 11)
                #expect(try await cluster[1].admin("/keys").json[0]?["alias"] == nil, "F-ALIAS-03: not copied")
            }
        }

        @Test("F-KEY-13: tags that two nodes change at once are all there; search reads them, with namespaces, also after a restart")
        func tags() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let keys = try await concurrently(6, workers: 3) { index in
                    try await cluster[index].createKey(
                        credits: 10,
                        ["tags": ["env": index % 2 == 0 ? "prod" : "dev", "gone": "x"], "namespace": index < 3 ? "one" : "two"])
                }
                _ = try await concurrently(20, workers: 10) { index in
                    try await cluster[index].order("/keys/tags", ["key": .string(keys[0]), "tags": .object(["t\(index)": "v"])])
                }
                try await cluster[0].order("/keys/tags", ["key": .string(keys[0]), "tags": ["gone": .null, "env": "dev"]])
                let held = try await cluster[1].get("/balance", headers: [("X-API-Key", keys[0])]).json["tags"]
                #expect(held?["t7"] == "v" && held?["t19"] == "v" && held?["gone"] == nil && held?["env"] == "dev")
                func found(_ query: JSON, on node: Int) async throws -> Int? {
                    let answer = try await cluster[node].admin("/keys/search", query).json
                    #expect(answer["keys"]?.array?.count == answer["count"]?.int)
                    return answer["count"]?.int
                }
                for isRestarted in [false, true] {
                    if isRestarted {
                        try await cluster.nodes[1].kill9()
                        try await cluster.nodes[1].restart()
                    }
                    #expect(try await found(["tags": ["env": "prod"]], on: 1) == 2)
                    #expect(try await found(["tags": ["env": "dev"]], on: 0) == 4)
                    #expect(try await found(["tags": ["env": "dev", "t3": "v"]], on: 1) == 1)
                    #expect(try await found(["tags": ["env": "dev"], "namespace": "One"], on: 1) == 2)
                    #expect(try await found(["tags": ["gone": "x", "env": "dev"]], on: 0) == 3)
                    #expect(try await found(["tags": ["env": "pro"]], on: 0) == 0)
                }
                let many = JSON.object(Dictionary(uniqueKeysWithValues: (0..<40).map { ("m\($0)", JSON.string("v")) }))
                #expect(try await cluster[0].admin("/keys/tags", ["key": .string(keys[0]), "tags": many]).status == 400)
                #expect(try await found(["tags": ["m3": "v"]], on: 1) == 0, "nothing of it was made")
            }
        }

        @Test("F-KEY-11, F-KEY-13, F-NS-02: notes, the list of those that expire, and filters come from both nodes alike")
        func lists() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"]) { cluster in
                let key = try await cluster[0].createKey(["name": "soon", "expiresIn": 600, "namespace": "x"])
                _ = try await cluster[1].createKey(["name": "later", "expiresIn": 100_000, "namespace": "x"])
                let gone = try await cluster[1].createKey(["name": "gone", "expiresIn": 700])
                _ = try await cluster[1].createKey(["name": "past", "expiresAt": "2020-01-01"])
                try await cluster[0].order("/keys/revoke", ["key": .string(gone)])
                let expiring = try await cluster[1].admin("/keys/expiring").json
                #expect(expiring["count"] == 1 && expiring["keys"]?[0]?["name"] == "soon" && expiring["within"] == 86_400)
                #expect((1...600).contains(expiring["keys"]?[0]?["remainingSeconds"]?.int ?? 0))
                let longer = try await cluster[0].admin("/keys/expiring?within=200000").json["keys"]?.array?.map { $0["name"] }
                #expect(longer == ["soon", "later"])
                try await cluster[0].order("/keys/expiry", ["key": .string(key), "expiresAt": .null])
                #expect(try await cluster[1].admin("/keys/expiring").json["count"] == 0)
                func names(_ query: String) async throws -> Set<String> {
                    let answer = try await cluster[1].admin("/keys?\(query)").json
                    return Set((answer["keys"] ?? answer).array?.compactMap { $0["name"]?.string } ?? [])
                }
                #expect(try await names("namespace=X") == ["soon", "later"])
                #expect(try await names("active=false") == ["gone"])
                #expect(try await names("active=true&namespace=default") == ["past"])
                #expect(try await names("expired=true") == ["past"])
                #expect(try await names("expired=true&active=false") == [])

                _ = try await concurrently(60, workers: 10) {
                    try await cluster[$0].admin("/keys/notes", ["key": .string(gone), "text": .string("note \($0)")])
                }
                var notes = try await cluster[0].admin("/keys/notes?key=\(gone)").json
                #expect(notes["count"] == 50 && notes["notes"]?[49]?["author"] == "admin")
                #expect(try await cluster[0].admin("/keys/notes", ["key": .string(gone), "text": "x"]).status == 400)
                let last = notes["notes"]?[49]
                let deleted = try await cluster[1].send(
                    "DELETE", "/keys/notes?key=\(gone)&index=48", headers: [("X-Admin-Key", GateClient.adminKey)])
                #expect(deleted.status == 200 && deleted.json["deleted"] == notes["notes"]?[48] && deleted.json["remaining"] == 49)
                notes = try await cluster[0].admin("/keys/notes?key=\(gone)").json
                #expect(notes["count"] == 49 && notes["notes"]?[48] == last)
            }
        }

        @Test(
            "F-KEY-07, F-TPL-01, F-TPL-02, F-TPL-03: clones and keys from templates may do what they say on the other node, also after a restart"
        )
        func copies() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"]) { cluster in
                let source = try await cluster[0].createKey(
                    credits: 7, ["name": "source", "deniedTools": ["add"], "quota": ["dailyCallLimit": 2], "tags": ["a": "b"]])
                for _ in 0..<2 { #expect(await cluster[1].echo(key: source).isServed) }
                try await cluster[0].order("/keys/suspend", ["key": .string(source)])
                let clone = try await cluster[0].order("/keys/clone", ["key": .string(source)])
                let secret = try #require(clone["key"]?.string)
                #expect(clone["name"] == "source-clone" && clone["credits"] == 5 && clone["sourceName"] == "source")
                #expect(clone["tags"] == ["a": "b"] && clone["clonedFrom"] == .string(source.prefix(10) + "..."))
                #expect(await cluster[1].attempt("add", ["a": 1, "b": 1], key: secret).word == "tool_denied")
                for _ in 0..<2 { #expect(await cluster[1].echo(key: secret).isServed, "its quota is its own, and it is not suspended") }
                #expect(await cluster[1].echo(key: secret).word == "daily_call_quota_exceeded")
                try await cluster[0].order("/keys/revoke", ["key": .string(source)])
                #expect(try await cluster[1].admin("/keys/clone", ["key": .string(source)]).status == 400)

                let template: JSON = [
                    "name": "agents", "credits": 3, "deniedTools": ["add"], "tags": ["from": "template"], "namespace": "bots",
                    "expiryTtlSeconds": 600, "spendingLimit": 2, "ipAllowlist": ["127.0.0.1"], "quota": ["dailyCalls": 9],
                ]
                #expect(try await cluster[0].admin("/keys/templates", template).status == 201)
                let changed = try await cluster[1].admin("/keys/templates", ["name": "agents", "description": "for agents"])
                #expect(changed.status == 200 && changed.json["template"]?["credits"] == 3)
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                let list = try await cluster[1].admin("/keys/templates").json
                #expect(list["total"] == 1 && list["templates"]?[0]?["description"] == "for agents")
                let key = try await cluster[1].order("/keys", ["template": "agents", "name": "one"])
                let made = try #require(key["key"]?.string)
                #expect(
                    key["credits"] == 3 && key["namespace"] == "bots" && key["tags"] == ["from": "template"] && key["expiresAt"] != .null)
                #expect(await cluster[0].attempt("add", ["a": 1, "b": 1], key: made).word == "tool_denied")
                for _ in 0..<2 { #expect(await cluster[0].echo(key: made).isServed) }
                #expect(await cluster[0].echo(key: made).word == "spending_limit_exceeded")
                let own = try await cluster[0].order(
                    "/keys", ["template": "agents", "credits": 8, "tags": ["own": "x"], "expiresAt": .null, "deniedTools": []])
                #expect(own["credits"] == 8 && own["tags"] == ["own": "x"] && own["expiresAt"] == .null && own["deniedTools"] == [])
                #expect(await cluster[1].attempt("add", ["a": 1, "b": 1], key: own["key"]?.string ?? "").isServed)
                #expect(try await cluster[0].admin("/keys", ["template": "none"]).status == 400)
                try await cluster[0].order("/keys/templates/delete", ["name": "agents"])
                #expect(try await cluster[1].admin("/keys/templates/delete", ["name": "agents"]).status == 404)
                #expect(try await cluster[1].admin("/keys", ["template": "agents"]).status == 400)
            }
        }

        @Test("F-KEY-05, F-NS-02: a bulk carries out what it can, in order, and says what it could not; counts of both nodes agree with it")
        func bulk() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"]) { cluster in
                let key = try await cluster[0].createKey(credits: 10, ["alias": "old"])
                let answer = try await cluster[0].order(
                    "/keys/bulk",
                    [
                        "operations": [
                            ["action": "create", "name": "made", "credits": 5, "namespace": "bulk", "deniedTools": ["add"]],
                            ["action": "topup", "key": "old", "credits": 7.9], ["action": "topup", "key": "old"],
                            ["action": "suspend", "key": "old", "reason": "why"], ["action": "suspend", "key": "old"],
                            ["action": "explode", "key": "old"], ["action": "resume", "key": "nobody"],
                            ["action": "create", "credits": -1],
                        ]
                    ])
                #expect(answer["total"] == 8 && answer["succeeded"] == 4 && answer["failed"] == 4)
                let results = try #require(answer["results"]?.array)
                #expect(results.compactMap { $0["success"]?.bool } == [true, true, false, true, true, false, false, false])
                #expect(results[1]["result"]?["creditsAdded"] == 7 && results[1]["result"]?["newBalance"] == 17)
                #expect(results[4]["result"]?["alreadySuspended"] == true && results[2]["error"] == "Missing credits")
                #expect(results[6]["error"] == "Key not found" && results[3]["result"]?["keyMasked"]?.string?.hasPrefix("pg_") == true)
                let made = try #require(results[0]["result"]?["key"]?.string)
                #expect(await cluster[1].echo(key: made).isServed)
                #expect(await cluster[1].attempt("add", ["a": 1, "b": 1], key: made).word == "tool_denied")
                #expect(await cluster[1].echo(key: key).word == "key_suspended")
                try await cluster[1].order("/keys/bulk", ["operations": [["action": "revoke", "key": .string(made)]]])
                #expect(await cluster[0].echo(key: made).word == "invalid_api_key")
                for client in cluster.clients {
                    let stats = try await client.admin("/keys/stats").json
                    #expect(stats["total"] == 2 && stats["suspended"] == 1 && stats["revoked"] == 1 && stats["active"] == 0)
                    #expect(stats["totalCreditsRemaining"] == 21 && stats["totalCreditsAllocated"] == 22 && stats["totalCalls"] == 1)
                    #expect(stats["byNamespace"] == ["bulk": 1, "default": 1])
                    #expect(try await client.admin("/keys/stats?namespace=bulk").json["total"] == 1)
                    let namespaces = try await client.admin("/namespaces").json
                    #expect(namespaces["count"] == 2 && namespaces["namespaces"]?[0]?["activeKeys"] == 0)
                    #expect(namespaces["namespaces"]?[1]?["totalCredits"] == 17)
                }
                for bad: JSON in [[], .array(Array(repeating: ["action": "create"], count: 101)), "x", [1]] {
                    #expect(try await cluster[0].admin("/keys/bulk", ["operations": bad]).status == 400)
                }
            }
        }
    }
}
