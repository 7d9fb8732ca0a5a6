// What clients are told when a quota is used up, and what is told of its use.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Quotas")
    struct QuotaTests {
        @Test(
            "F-QUOTA-01, F-QUOTA-02, F-QUOTA-03, F-QUOTA-04, F-QUOTA-05, F-HDR-04, F-RPC-10: each quota's denial is exact on every node, and after a restart; /balance tells its use"
        )
        func denials() async throws {
            let config: JSON = ["globalQuota": ["dailyCallLimit": 2]]
            try await GateCluster.run(nodes: 2, ["--rate-limit", "50", "--price", "3"], config: config) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                for node in 0..<2 { #expect(await cluster[node].echo(key: key).isServed) }
                func expectDenial(
                    _ key: String, _ word: String, remaining: Int, window: Int, sourceLocation: SourceLocation = #_sourceLocation
                )
                    async throws
                {
                    for node in 0..<2 {
                        let response = try await cluster[node].call("echo", ["text": "x"], key: key)
                        let error = response.json["error"]
                        #expect(response.status == 200 && error?["code"] == -32402, "\(response.text)", sourceLocation: sourceLocation)
                        #expect(error?["message"] == .string("Payment required: " + word), sourceLocation: sourceLocation)
                        #expect(error?["data"]?["reason"] == .string(word), sourceLocation: sourceLocation)
                        #expect(
                            error?["data"]?["creditsRequired"] == 3 && error?["data"]?["remainingCredits"] == .int(remaining),
                            "\(response.text)", sourceLocation: sourceLocation)
                        #expect(response.integer("X-Credits-Remaining") == remaining, sourceLocation: sourceLocation)
                        #expect(response.integer("X-RateLimit-Limit") == 50, sourceLocation: sourceLocation)
                        #expect(response.integer("X-RateLimit-Remaining") == window, sourceLocation: sourceLocation)
                        #expect(response.integer("X-RateLimit-Reset").map { (1...60).contains($0) } == true, sourceLocation: sourceLocation)
                        #expect(response.header("Retry-After") == nil, sourceLocation: sourceLocation)
                    }
                }
                try await expectDenial(key, "daily_call_quota_exceeded", remaining: 94, window: 48)
                let quotas: [(quota: JSON, word: String)] = [
                    (["monthlyCallLimit": 1], "monthly_call_quota_exceeded"), (["dailyCreditLimit": 5], "daily_credit_quota_exceeded"),
                    (["monthlyCreditLimit": 3], "monthly_credit_quota_exceeded"),
                    // The first that is reached is named, in the documented order.
                    (["dailyCreditLimit": 3, "monthlyCallLimit": 1], "monthly_call_quota_exceeded"),
                ]
                for (quota, word) in quotas {
                    let own = try await cluster[0].createKey(credits: 100, ["quota": quota])
                    #expect(await cluster[1].echo(key: own).isServed)
                    try await expectDenial(own, word, remaining: 97, window: 49)
                    let events = try await cluster[1].usage(of: own).filter { !$0.isAllowed }
                    #expect(events.count == 2 && events.allSatisfy { $0.json["denyReason"] == .string(word) && $0.credits == 0 })
                }
                // The money's denials carry the window as well.
                let poor = try await cluster[0].createKey(credits: 4)
                #expect(await cluster[0].echo(key: poor).isServed)
                try await expectDenial(poor, "insufficient_credits: need 3, have 1", remaining: 1, window: 49)

                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                let refused = try await cluster[1].call("echo", ["text": "x"], key: key)
                #expect(refused.outcome == .denied("daily_call_quota_exceeded"))
                for client in cluster.clients {
                    let page = try await client.get("/balance", headers: [("X-API-Key", key)]).json
                    #expect(
                        page["quota"] == ["dailyCallLimit": 2, "monthlyCallLimit": 0, "dailyCreditLimit": 0, "monthlyCreditLimit": 0],
                        "the gate's quota is told as the key's")
                    #expect(page["quotaUsage"] == ["dailyCalls": 2, "monthlyCalls": 2, "dailyCredits": 6, "monthlyCredits": 6])
                }
                for node in 0..<2 {
                    let status = try await cluster[node].admin("/keys/quota-status?key=\(key)").json
                    #expect(status["quotaSource"] == "global" && status["key"] == .string(key.prefix(10) + "..."), "\(status.text)")
                    let daily = status["daily"]
                    #expect(daily?["callsUsed"] == 2 && daily?["callsLimit"] == 2 && daily?["callsRemaining"] == 0)
                    #expect(daily?["creditsUsed"] == 6 && daily?["creditsLimit"] == 0 && daily?["creditsRemaining"] == .null)
                    #expect(daily?["resetDay"]?.string?.hasPrefix(status["monthly"]?["resetMonth"]?.string ?? "?") == true)
                    #expect(status["monthly"]?["callsUsed"] == 2 && status["monthly"]?["creditsUsed"] == 6)
                }
                #expect(try await cluster[0].admin("/keys/quota-status?key=nobody").status == 404)
                // What was used counts for the next quota too; one of zeros is one without limits.
                try await cluster[0].order("/keys/quota", ["key": .string(key), "dailyCreditLimit": 8])
                try await expectDenial(key, "daily_credit_quota_exceeded", remaining: 94, window: 48)
                try await cluster[1].order("/keys/quota", ["key": .string(key), "dailyCreditLimit": 0])
                #expect(await cluster[0].echo(key: key).isServed)
                let free = try await cluster[1].get("/balance", headers: [("X-API-Key", key)]).json
                #expect(free["quota"] == .null)
                #expect(try await cluster[0].admin("/keys/quota-status?key=\(key)").json["quotaSource"] == "none")
            }
        }

        @Test(
            "F-TEAM-02, F-DENY-04: the four quotas of a team and its budget refuse in their own words, with what the key itself has left",
            arguments: [1, 16])
        func teams(shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--price", "3", "--redis-shards", "\(shards)"]) { cluster in
                let teams: [(team: JSON, word: String)] = [
                    (["name": "a", "quota": ["dailyCalls": 1]], "team_daily_call_limit"),
                    (["name": "b", "quota": ["monthlyCallLimit": 1]], "team_monthly_call_limit"),
                    (["name": "c", "quota": ["dailyCredits": 5]], "team_daily_credit_limit"),
                    (["name": "d", "quota": ["monthlyCreditLimit": 3]], "team_monthly_credit_limit"),
                    (["name": "e", "budget": 4], "team_budget_exceeded"),
                ]
                for (team, word) in teams {
                    let id = try await cluster[0].order("/teams", team)["team"]?["id"] ?? .null
                    let keys = try await concurrently(2) { try await cluster[$0].createKey(credits: 100) }
                    for key in keys { try await cluster[1].order("/teams/assign", ["teamId": id, "apiKey": .string(key)]) }
                    #expect(await cluster[0].echo(key: keys[0]).isServed)
                    for (turn, left) in [97, 100].enumerated() {
                        let response = try await cluster[turn].call("echo", ["text": "x"], key: keys[turn])
                        #expect(response.outcome == .denied(word) && response.header("Retry-After") == nil, "\(response.text)")
                        #expect(response.json["error"]?["data"]?["remainingCredits"] == .int(left), "\(word): \(response.text)")
                        #expect(response.integer("X-Credits-Remaining") == left)
                    }
                }
                let list = try await cluster[1].admin("/teams").json["teams"]?.array ?? []
                #expect(list.allSatisfy { $0["totalSpent"] == 3 })
                #expect(list.prefix(4).allSatisfy { $0["quotaDailyCalls"] == 1 && $0["quotaMonthlyCredits"] == 3 })
            }
        }
    }
}
