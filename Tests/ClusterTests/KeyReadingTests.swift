// What admins are told of a key, from whichever node, while and after it calls.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Readings of keys")
    struct KeyReadingTests {
        @Test(
            "F-RATE-01 to F-RATE-03, F-HDR-04, F-HDR-05: the window of a key is told by every node without using it, and with refusals that come before the ledger"
        )
        func windows() async throws {
            let config: JSON = ["toolPricing": ["add": ["creditsPerCall": 1, "rateLimitPerMin": 7]]]
            try await GateCluster.run(nodes: 2, ["--rate-limit", "20", "--redis-shards", "16"], config: config) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["alias": "agent", "name": "a"])
                for node in 0..<2 { #expect(await cluster[node].echo(key: key).isServed) }
                #expect(await cluster[0].attempt("add", ["a": 1, "b": 2], key: key).isServed)
                for node in [0, 1, 0, 1] {
                    let status = try await cluster[node].admin("/keys/rate-limit-status?key=agent").json
                    #expect(status["name"] == "a" && status["key"] == .string("\(key.prefix(7))...\(key.suffix(4))"), "\(status.text)")
                    let all = status["global"]
                    #expect(all?["limit"] == 20 && all?["used"] == 3 && all?["remaining"] == 17 && all?["windowMs"] == 60_000)
                    #expect(all?["resetInMs"]?.int.map { (1...60_000).contains($0) } == true)
                    let tool = status["perTool"]?["add"]
                    #expect(tool?["limit"] == 7 && tool?["used"] == 1 && tool?["remaining"] == 6, "\(status.text)")
                }
                #expect(try await cluster[1].admin("/keys/rate-limit-status?key=nobody").status == 404)

                try await cluster[0].order("/keys/acl", ["key": "agent", "deniedTools": ["echo", "add"]])
                for (tool, limit, left) in [("echo", 20, 17), ("add", 7, 6)] {
                    for node in 0..<2 {
                        let refused = try await cluster[node].call(tool, ["text": "x"], key: key)
                        #expect(refused.outcome == .denied("tool_denied"))
                        #expect(refused.integer("X-RateLimit-Limit") == limit && refused.integer("X-RateLimit-Remaining") == left)
                        #expect(refused.integer("X-RateLimit-Reset").map { (1...60).contains($0) } == true)
                        #expect(refused.integer("X-Credits-Remaining") == 97)
                    }
                }
                let stranger = try await cluster[0].call("echo", ["text": "x"], key: "pg_unknown")
                #expect(stranger.header("X-RateLimit-Limit") == nil)
            }
        }

        @Test(
            "F-KEY-11, F-QUOTA-01, F-CREDIT-09: records of keys tell what their quota and automatic top-up have counted, and their notes, in lists, searches and exports, on every node, after a restart"
        )
        func records() async throws {
            try await GateCluster.run(nodes: 2, ["--price", "2", "--redis-shards", "4"]) { cluster in
                let key = try await cluster[0].createKey(
                    credits: 5,
                    [
                        "name": "counted", "tags": ["env": "prod"], "quota": ["dailyCallLimit": 100, "monthlyCreditLimit": 100],
                        "autoTopup": ["threshold": 5, "amount": 7, "maxDaily": 3],
                    ])
                _ = try await cluster[1].createKey(credits: 5, ["name": "quiet"])
                for note in ["first", "second"] { try await cluster[1].order("/keys/notes", ["key": .string(key), "text": .string(note)]) }
                for node in 0..<3 { #expect(await cluster[node].echo(key: key).isServed) }
                for round in 0..<2 {
                    for gate in cluster.clients {
                        let search = try await gate.admin("/keys/search", ["tags": ["env": "prod"]]).json["keys"]?[0]
                        let page = try await gate.admin("/keys?namePrefix=counted&sortBy=name").json["keys"]?[0]
                        let flat = try await gate.admin("/keys").json.array?.first { $0["name"] == "counted" }
                        let export = try await gate.admin("/keys/export").json["keys"]?.array?.first { $0["name"] == "counted" }
                        for (record, place) in [(search, "search"), (page, "page"), (flat, "list"), (export, "export")] {
                            let record = try #require(record, "\(place)")
                            #expect(
                                record["quotaDailyCalls"] == 3 && record["quotaMonthlyCalls"] == 3 && record["quotaDailyCredits"] == 6
                                    && record["quotaMonthlyCredits"] == 6, "\(place), \(round): \(record.text)")
                            #expect(record["autoTopupTodayCount"] == 1 && record["credits"] == 6, "\(place): \(record.text)")
                            let day = record["quotaLastResetDay"]?.string ?? ""
                            #expect(day.wholeMatch(of: /\d{4}-\d\d-\d\d/) != nil && record["autoTopupLastResetDay"] == .string(day))
                            #expect(record["quotaLastResetMonth"] == .string(String(day.prefix(7))))
                            #expect(record["notes"]?.array?.map { $0["text"] } == ["first", "second"], "\(place): \(record.text)")
                        }
                        let quiet = try await gate.admin("/keys").json.array?.first { $0["name"] == "quiet" }
                        #expect(quiet?["notes"] == [] && quiet?["quotaDailyCalls"] == 0 && quiet?["autoTopupTodayCount"] == 0)
                    }
                    if round == 0 {
                        for node in cluster.nodes { try await node.kill9() }
                        for node in cluster.nodes { try await node.restart() }
                    }
                }
            }
        }

        @Test(
            "health, dashboard, comparison and activity of a key agree with its calls, on every node, after a restart, whatever its state")
        func standing() async throws {
            try await GateCluster.run(nodes: 2, ["--rate-limit", "50", "--price", "2", "--redis-shards", "4"]) { cluster in
                let key = try await cluster[0].createKey(
                    credits: 100, ["alias": "busy", "quota": ["dailyCallLimit": 4], "tags": ["a": "b"]])
                let idle = try await cluster[0].createKey(credits: 7, ["alias": "idle"])
                for node in [0, 1, 0] { #expect(await cluster[node].echo(key: key).isServed) }
                try await cluster[1].order("/keys/acl", ["key": "busy", "deniedTools": ["add"]])
                #expect(await cluster[1].attempt("add", ["a": 1, "b": 2], key: key).word == "tool_denied")
                try await cluster[0].order("/topup", ["key": "busy", "credits": 6])
                func expectTold() async throws {
                    for client in cluster.clients {
                        // The sums follow the record of calls.
                        try await eventually("the sums have all calls", within: .seconds(30)) {
                            let usage = try await client.admin("/keys/dashboard?key=busy").json["usage"]
                            return usage?["totalAllowed"] == 3 && usage?["totalDenied"] == 1
                        }
                        let health = try await client.admin("/keys/health?key=busy").json
                        let parts = health["components"]
                        // 100 credits at 6 an hour, or less where the hour is young; 3 of 4 calls of the day; 3 of 50; 1 of 4 refused.
                        #expect(parts?["balance"]?["score"] == 40 || parts?["balance"]?["score"] == 60, "\(health.text)")
                        #expect(parts?["quota"]?["score"] == 25 && parts?["quota"]?["risk"] == "caution", "\(health.text)")
                        #expect(parts?["errorRate"]?["score"] == 75 && parts?["errorRate"]?["risk"] == "warning", "\(health.text)")
                        #expect(health["issues"]?.array?.isEmpty == false)
                        let healthy = try await client.admin("/keys/health?key=idle").json
                        #expect(healthy["score"] == 100 && healthy["status"] == "healthy" && healthy["issues"] == [], "\(healthy.text)")

                        let page = try await client.admin("/keys/dashboard?key=busy").json
                        #expect(
                            page["balance"]?["credits"] == 100 && page["balance"]?["totalSpent"] == 6
                                && page["balance"]?["totalAllocated"] == 106)
                        #expect(page["quotas"]?["source"] == "per-key" && page["quotas"]?["daily"]?["callsUsed"] == 3)
                        #expect(page["usage"]?["totalCalls"] == 4 && page["usage"]?["totalCredits"] == 6)
                        #expect(
                            page["velocity"]?["creditsPerHour"]?.int ?? 6 > 0 && page["velocity"]?["estimatedDepletionDate"]?.string != nil)
                        let recent = page["recentActivity"]?.array ?? []
                        #expect(
                            recent.contains { $0["event"] == "gate.allow" && $0["tool"] == "echo" && $0["credits"] == 2 }, "\(page.text)")
                        #expect(recent.contains { $0["event"] == "gate.deny" && $0["tool"] == "add" })
                        #expect(recent.contains { $0["event"] == "key.topup" && $0["credits"] == 6 } && recent.count == 7)

                        let both = try await client.admin("/keys/compare?keys=busy,idle,nobody,busy").json
                        #expect(both["compared"] == 2 && both["notFound"] == ["#3"], "\(both.text)")
                        #expect(both["keys"]?[0]?["usage"] == ["totalCalls": 4, "totalAllowed": 3, "totalDenied": 1])
                        #expect(both["keys"]?[1]?["credits"] == ["current": 7, "totalSpent": 0])
                        #expect(both["keys"]?[1]?["velocity"]?["estimatedHoursRemaining"] == .null)
                        #expect(both["keys"]?[0]?["metadata"]?["tags"] == ["a": "b"])
                    }
                }
                try await expectTold()
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                try await expectTold()

                let newer = try await cluster[0].order("/keys/rotate", ["key": "busy"])["newKey"]?.string ?? ""
                try await cluster[0].order("/keys/revoke", ["key": .string(newer)])
                let trail = try await cluster[1].admin("/keys/activity?key=busy&limit=3").json
                #expect(trail["total"] == 9 && trail["limit"] == 3 && trail["searchedSince"] == .null, "\(trail.text)")
                #expect(
                    trail["events"]?.array?.compactMap { $0["type"]?.string } == ["key.revoked", "key.rotated", "key.topup"],
                    "\(trail.text)")
                let all = try await cluster[1].admin("/keys/activity?key=busy").json["events"]?.array ?? []
                #expect(all.last?["type"] == "key.created" && all.filter { $0["source"] == "usage" }.count == 4)
                #expect(all.first { $0["type"] == "tool.denied" }?["metadata"]?["allowed"] == false)
                #expect(!trail.text.contains(key) && !trail.text.contains(idle))
                #expect(try await cluster[0].admin("/keys/activity?key=busy&since=2100-01-01").json["total"] == 0)
                #expect(try await cluster[0].admin("/keys/dashboard?key=busy").json["status"] == "revoked")
                #expect(try await cluster[0].admin("/keys/compare?keys=busy,idle").json["keys"]?[0]?["status"] == "revoked")
                for bad in ["keys=busy", "keys=a,b,c,d,e,f,g,h,i,j,k", "keys=,,", ""] {
                    #expect(try await cluster[0].admin("/keys/compare?\(bad)").status == 400, "\(bad)")
                }
            }
        }

        @Test(
            "M11, F-CREDIT-11: calls at once over two nodes never pass a spending limit and reach it, also while it is changed, and with credits reserved"
        )
        func spendingLimit() async throws {
            try await GateCluster.run(nodes: 2, ["--price", "3", "--redis-shards", "16"]) { cluster in
                let key = try await cluster[0].createKey(credits: 10_000, ["spendingLimit": 50, "alias": "capped"])
                func use(_ calls: Int, exactly expected: Int) async throws {
                    let tally = Tally(await concurrently(calls, workers: 16) { await cluster[$0].echo(key: key) })
                    // On a slow machine Redis may take too long for a call, which then gives back what it had.
                    #expect(tally.served + tally.count("spending_limit_exceeded", "HTTP 503") == tally.total, "\(tally)")
                    try await eventually("all that the limit lets through is spent", within: .seconds(30)) {
                        let word = await cluster[0].echo(key: key).word
                        let spent = try await cluster[1].balance(key).spent
                        #expect(spent <= expected, "never more")
                        return word == "spending_limit_exceeded" && spent == expected
                    }
                }
                try await use(80, exactly: 48)

                // What is reserved counts, and what is given back has room again.
                try await cluster[1].order("/limits", ["key": "capped", "spendingLimit": 100])
                let held = try await cluster[0].order("/keys/reserve", ["key": "capped", "credits": 40])
                try await use(40, exactly: 60)
                try await cluster[1].order("/keys/reserve/release", ["reservationId": held["reservationId"] ?? held["id"] ?? .null])
                try await use(40, exactly: 99)

                // Lowered under load: from the answer on nothing more is spent, and before it never more than the old limit.
                try await cluster[0].order("/limits", ["key": "capped", "spendingLimit": 9000])
                var after = 0
                _ = try await underLoad(workers: 8, { await cluster[$0].echo(key: key) }) {
                    try await eventually("something was spent", within: .seconds(30)) { try await cluster[0].balance(key).spent > 150 }
                    try await cluster[1].order("/limits", ["key": "capped", "spendingLimit": 120])
                    let late = Tally(await concurrently(20, workers: 8) { await cluster[$0].echo(key: key) })
                    #expect(late.served == 0 && late.count("spending_limit_exceeded") > 0, "\(late)")
                    after = try await cluster[0].balance(key).spent
                }
                #expect(try await cluster[1].balance(key).spent <= after)
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                for node in 0..<2 {
                    try await eventually("the limit holds after a restart") {
                        await cluster[node].echo(key: key).word == "spending_limit_exceeded"
                    }
                }
                #expect(try await cluster[0].balance(key).spent <= after)
            }
        }

        @Test(
            "F-KEY-10, V24: keys that one node imports are served by the other at once; two imports of the same keys at once make each once"
        )
        func imported() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let secrets = (0..<20).map { "pg_imported-key-number-\($0)" }
                let rows: [JSON] = secrets.map { ["key": .string($0), "credits": 3, "name": .string($0.suffix(4) + "")] }
                let answers = try await concurrently(6, workers: 6) { try await cluster[$0].order("/keys/import", ["keys": .array(rows)]) }
                #expect(answers.reduce(0) { $0 + ($1["imported"]?.int ?? 0) } == 20, "\(answers.map(\.text))")
                #expect(answers.allSatisfy { $0["errors"] == 0 && $0["total"] == 20 }, "\(answers.map(\.text))")
                for (index, secret) in secrets.enumerated() { #expect(await cluster[index].echo(key: secret).isServed, "\(secret)") }
                #expect(try await cluster[1].admin("/keys/stats").json["total"] == 20)
                let again = try await cluster[1].order("/keys/import", ["keys": .array(rows)])
                #expect(again["skipped"] == 20)
                for secret in secrets { #expect(try await cluster[0].balance(secret).credits == 2) }
                let export = try await cluster[0].admin("/keys/export").json
                #expect(export["count"] == 20 && export["keys"]?.array?.allSatisfy { $0["keyHash"]?.string?.count == 64 } == true)
            }
        }
    }
}
