// Lists of keys in the orders that calls change, through the real binary.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Orders of key lists")
    struct KeyOrderTests {
        @Test(
            "every order and filter of GET /keys follows calls and movements of credits on each node, with a node killed meanwhile, after a restart, and in a store that never had them",
            arguments: [1, 16])
        func orders(_ shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--price", "2", "--redis-shards", "\(shards)"]) { cluster in
                let keys = try await concurrently(6) {
                    try await cluster[$0].createKey(
                        credits: 100 + 10 * $0,
                        ["name": .string("Agent \($0)"), "alias": .string("a\($0)"), "namespace": $0 < 4 ? "x" : "y"])
                }
                for (number, key) in keys.enumerated() {
                    for _ in 0..<(5 - number) { #expect(await cluster[number].echo(key: key).isServed) }
                }
                try await cluster.nodes[0].kill9()
                #expect(await cluster[1].echo(key: keys[5]).isServed)
                try await cluster[1].order("/topup", ["key": "a0", "credits": 500])
                try await cluster[1].order("/keys/transfer", ["from": "a1", "to": "a4", "credits": 60])
                try await cluster.nodes[0].restart()
                // Credits by now: 590, 42, 114, 126, 198, 148; spent 10, 8, 6, 4, 2, 2.
                let expected: [(query: String, names: [Int])] = [
                    ("sortBy=credits", [0, 4, 5, 3, 2, 1]), ("sortBy=totalSpent&order=asc&limit=4&offset=2", [3, 2, 1, 0]),
                    ("sortBy=totalCalls&limit=4", [0, 1, 2, 3]), ("sortBy=lastUsedAt&limit=1", [5]),
                    ("sortBy=name&order=asc", [0, 1, 2, 3, 4, 5]), ("namePrefix=AGENT%203", [3]),
                    ("minCredits=126&maxCredits=198&sortBy=credits", [4, 5, 3]),
                    ("maxCredits=125.5&namespace=x&sortBy=credits&order=asc", [1, 2]), ("namespace=y&sortBy=credits", [4, 5]),
                ]
                func expectOrders(_ client: GateClient) async throws {
                    for (query, names) in expected {
                        try await eventually("\(query) is up to date", within: .seconds(30), every: .milliseconds(100)) {
                            let page = try await client.admin("/keys?\(query)").json
                            return page["totalIsExact"] == true
                                && page["keys"]?.array?.compactMap { $0["name"] } == names.map { .string("Agent \($0)") }
                        }
                    }
                }
                for client in cluster.clients { try await expectOrders(client) }
                for node in cluster.nodes { try await node.kill9() }
                let lists =
                    "local n = 0; for _, p in ipairs({'*index:keys.by:*', '*index:keys.names', '*keys.orders'}) do "
                    + "for _, key in ipairs(redis.call('KEYS', p)) do n = n + redis.call('DEL', key) end end; return n"
                #expect(try await Int(cluster.redis.command("EVAL", lists, "0")) ?? 0 >= 6)
                for node in cluster.nodes { try await node.restart() }
                try await eventually("the orders are made anew", within: .seconds(60), every: .milliseconds(100)) {
                    let count = try await cluster.redis.command("EVAL", "return #redis.call('KEYS', '*index:keys.by:*')", "0")
                    let built =
                        "local n = 0; for _, k in ipairs(redis.call('KEYS', '*keys.orders')) do n = n + redis.call('HEXISTS', k, 'built') end; return n"
                    return try await Int(cluster.redis.command("EVAL", built, "0")) == shards && Int(count) ?? 0 >= 4
                }
                for client in cluster.clients { try await expectOrders(client) }
            }
        }

        @Test(
            "F-KEY-05: what thousands of keys add up to follows calls, top-ups and changes on each node, with a node killed meanwhile, after a restart, and where the sums were lost"
        )
        func sums() async throws {
            try await GateCluster.run(nodes: 2, ["--price", "2"]) { cluster in
                let fill = """
                    for i = 1, 2100 do
                      local id = string.format('key_%016x', i)
                      redis.call('HSET', 'pg:{0}:record:' .. id, 'state', 'active', 'version', '1', 'name', 'n', 'created', '86400000', 'namespace', 'many')
                      redis.call('HSET', 'pg:{0}:account:' .. id, 'credits', '5', 'granted', '5', 'spent', '0', 'calls', '0', 'version', '1')
                      redis.call('ZADD', 'pg:{0}:index:keys', i, id)
                    end
                    return 1
                    """
                #expect(try await cluster.redis.command("EVAL", fill, "0") == "1")
                let key = try await cluster[0].createKey(credits: 100, ["alias": "a", "namespace": "x"])
                _ = try await cluster[1].createKey(credits: 30, ["alias": "b", "namespace": "x"])
                for _ in 0..<3 { #expect(await cluster[0].echo(key: key).isServed) }
                try await cluster.nodes[0].kill9()
                #expect(await cluster[1].echo(key: key).isServed)
                try await cluster[1].order("/topup", ["key": "a", "credits": 500])
                try await cluster[1].order("/keys/suspend", ["key": "b"])
                try await cluster.nodes[0].restart()
                func expectSums(_ client: GateClient) async throws {
                    try await eventually("the sums are up to date", within: .seconds(60), every: .milliseconds(200)) {
                        let stats = try await client.admin("/keys/stats").json
                        return stats["total"] == 2102 && stats["suspended"] == 1 && stats["totalCalls"] == 4
                            && stats["totalCreditsSpent"] == 8 && stats["totalCreditsRemaining"] == 11_122
                    }
                    let space = try await client.admin("/keys/stats?namespace=x").json
                    #expect(space["total"] == 2 && space["active"] == 1 && space["totalCreditsRemaining"] == 622, "\(space.text)")
                    let spaces = try await client.admin("/namespaces").json
                    #expect(spaces["count"] == 2 && spaces["namespaces"]?[0]?["totalCredits"] == 10_500, "\(spaces.text)")
                    let cohorts = try await client.admin("/admin/consumer-retention").json
                    #expect(cohorts["summary"]?["totalKeys"] == 2101 && cohorts["summary"]?["retainedKeys"] == 1, "\(cohorts.text)")
                    #expect(cohorts["cohorts"]?[0]?["avgSpend"] == 8 && cohorts["cohorts"]?[1]?["created"] == 2100)
                }
                for client in cluster.clients { try await expectSums(client) }
                for node in cluster.nodes { try await node.kill9() }
                #expect(try await cluster.redis.command("DEL", "pg:{0}:keys.sums") == "1")
                for node in cluster.nodes { try await node.restart() }
                for client in cluster.clients { try await expectSums(client) }
            }
        }
    }
}
