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
            }
        }
    }
}
