// How fast a key spends, from each node.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Spending velocity")
    struct VelocityTests {
        @Test(
            "F-CREDIT-12: what the calls of a window have cost, by hour and tool, and how long the balance lasts, on each node, after a restart"
        )
        func velocity() async throws {
            try await GateCluster.run(nodes: 2, ["--price", "2", "--tool-price", "add:7", "--redis-shards", "4"]) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["alias": "busy"])
                _ = try await cluster[1].createKey(credits: 7, ["alias": "idle"])
                for node in 0..<4 { #expect(await cluster[node].echo(key: key).isServed) }
                #expect(await cluster[1].attempt("add", ["a": 1, "b": 2], key: key).isServed)
                func expectTold() async throws {
                    for client in cluster.clients {
                        try await eventually("the sums have all calls", within: .seconds(30), every: .milliseconds(100)) {
                            try await client.admin("/keys/spending-velocity?key=busy").json["velocity"]?["dataPoints"] == 5
                        }
                        let told = try await client.admin("/keys/spending-velocity?key=busy&window=720").json
                        #expect(
                            told["currentBalance"] == 85 && told["name"] == "test" && told["velocity"]?["windowHours"] == 720,
                            "\(told.text)")
                        let tools = told["topTools"]?.array?.map { [$0["tool"], $0["calls"], $0["credits"]] }
                        #expect(tools == [["echo", 4, 8], ["add", 1, 7]], "\(told.text)")
                        // The key is younger than an hour: what it has spent counts as that of one.
                        let velocity = told["velocity"]
                        #expect(velocity?["creditsPerHour"] == 15 && velocity?["creditsPerDay"] == 360 && velocity?["callsPerHour"] == 5)
                        #expect(velocity?["estimatedHoursRemaining"] == 5 && velocity?["estimatedDepletionDate"]?.string != nil)
                    }
                }
                try await expectTold()
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                try await expectTold()
                let idle = try await cluster[1].admin("/keys/spending-velocity?key=idle").json["velocity"]
                #expect(idle?["creditsPerHour"] == 0 && idle?["estimatedHoursRemaining"] == .null && idle?["dataPoints"] == 0)
                #expect(try await cluster[0].admin("/keys/spending-velocity?key=nobody").status == 404)
                for bad in ["0", "721", "1.5", "x"] {
                    #expect(try await cluster[0].admin("/keys/spending-velocity?key=busy&window=\(bad)").status == 400)
                }
                // A fortune ends no node: that of this key cannot be counted in hundredths a day.
                let rich = try await cluster[0].order("/keys", ["name": "rich", "alias": "rich", "credits": 10])
                #expect(await cluster[0].echo(key: rich["key"]?.string ?? "").isServed)
                let spend =
                    "local n = 0; for _, s in ipairs(redis.call('KEYS', '*}:usage')) do "
                    + "for _, entry in ipairs(redis.call('XREVRANGE', s, '+', '-')) do local f = entry[2]; for i = 1, #f, 2 do "
                    + "if f[i] == 'e' and string.find(f[i + 1], ARGV[1], 1, true) then "
                    + "redis.call('XADD', s, '*', 'c', '4000000000000000', 'e', f[i + 1]); n = n + 1 end end end end return n"
                let id = try #require(rich["id"]?.string)
                try await eventually("its call is in the record", within: .seconds(30), every: .milliseconds(100)) {
                    try await cluster.redis.command("EVAL", spend, "0", id) == "1"
                }
                for client in cluster.clients {
                    try await eventually("the sums have it", within: .seconds(30), every: .milliseconds(100)) {
                        try await client.admin("/keys/spending-velocity?key=rich").json["velocity"]?["dataPoints"] == 2
                    }
                    for path in [
                        "/keys/spending-velocity?key=rich", "/keys/compare?keys=rich,busy", "/keys/dashboard?key=rich", "/admin/costs",
                        "/admin/tool-profitability", "/admin/consumer-retention", "/analytics",
                    ] {
                        #expect(try await client.admin(path).status == 200, "\(path)")
                    }
                    let told = try await client.admin("/keys/spending-velocity?key=rich").json
                    #expect(told["velocity"]?["creditsPerHour"] == 4_000_000_000_000_002, "\(told.text)")
                }
            }
        }
    }
}
