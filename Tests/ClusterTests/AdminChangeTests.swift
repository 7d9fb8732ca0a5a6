// An order that was acknowledged binds every node.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Admin changes")
    struct AdminChangeTests {
        enum Feed: String, CaseIterable, CustomTestStringConvertible {
            case up, cut
            var testDescription: String { "change feed \(rawValue)" }
        }

        @Test(
            "V21, V22, V24: the first call on node B after node A's answer obeys, 200 times out of 200, whether or not the change feed works",
            arguments: Feed.allCases)
        func firstCall(_ feed: Feed) async throws {
            try await GateCluster.run { cluster in
                if feed == .cut { try await cluster.redis.cutChangeFeed() }
                for client in cluster.clients {
                    try await eventually("the change feed is \(feed)", within: .seconds(3)) {
                        try await client.get("/health").json["redis"]?["pubsub"] == .bool(feed == .up)
                    }
                }
                for change in AdminChange.allCases {
                    let words = try await concurrently(200, workers: 8) { round in
                        let a = cluster[round], b = cluster[round + 1]
                        let key = try await change.prepare(on: a)
                        if let before = change.outcomes.before {
                            let word = await b.echo(key: key).word
                            guard word == before else { return "\(word) before the change" }
                        }
                        try await change.order(key, on: a)
                        return await b.echo(key: key).word
                    }
                    let disobeyed = words.filter { $0 != change.outcomes.after }
                    #expect(disobeyed.isEmpty, "\(change), change feed \(feed): \(disobeyed.count) of 200 did not obey: \(Set(disobeyed))")
                }
            }
        }

        @Test("V23: once denied for suspension, a key stays denied on every node, through a cut feed, a resync and a restart")
        func noFlapping() async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                for node in 0..<3 { #expect(await cluster[node].echo(key: key).isServed) }
                try await cluster[0].order("/keys/suspend", ["key": .string(key)])
                let outcomes = try await underLoad(workers: 6, pause: .milliseconds(20), { await cluster[$0].echo(key: key) }) {
                    try await cluster.redis.cutChangeFeed()
                    try await Task.sleep(for: .milliseconds(500))
                    try await cluster.redis.restoreChangeFeed()
                    try await cluster.redis.killConnections()
                    try await cluster.nodes[2].kill9()
                    try await cluster.nodes[2].restart()
                    try await Task.sleep(for: .milliseconds(500))
                }
                #expect(Tally(outcomes).served == 0)
                for node in 0..<3 { #expect(await cluster[node].echo(key: key).word == "key_suspended") }
            }
        }

        @Test("V21: maintenance declared on node A refuses calls on node B within a second, and its end lets them pass")
        func maintenance() async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                try await cluster[0].order("/maintenance", ["enabled": true, "message": "back soon"])
                for client in cluster.clients {
                    try await eventually("maintenance", within: .seconds(1)) { await client.echo(key: key) == .refused(status: 503) }
                    let response = try await client.call("echo", ["text": "hello"], key: key)
                    #expect(response.json["error"] == "back soon" && response.json["requestId"]?.string == response.header("X-Request-Id"))
                    #expect(try await client.get("/ready").status == 503)
                    #expect(try await client.get("/health").status == 200)
                }
                try await cluster[1].order("/maintenance", ["enabled": false])
                for client in cluster.clients {
                    try await eventually("the end of maintenance", within: .seconds(1)) { await client.echo(key: key).isServed }
                }
            }
        }

        @Test("M12: what a node has acknowledged outlives the kill -9 of that node and of Redis in the same instant")
        func acknowledgedOrders() async throws {
            try await GateCluster.run(durability: .always) { cluster in
                let node = cluster.nodes[0]
                let revoked = try await cluster[1].createKey(), suspended = try await cluster[1].createKey()
                let created = try await node.client.createKey(credits: 7)
                async let revoke: Void = AdminChange.revoke.order(revoked, on: node.client)
                async let suspend: Void = AdminChange.suspend.order(suspended, on: node.client)
                _ = try await (revoke, suspend)
                try await node.client.topUp(created, 5)
                try await node.kill9()
                try await cluster.redis.kill9()
                try await cluster.redis.restart()
                let survivor = cluster[1]
                try await eventually("the survivor is ready", within: .seconds(3)) { await survivor.isReady() }
                #expect(try await survivor.balance(created).credits == 12)
                #expect(await survivor.echo(key: created).isServed)
                #expect(await survivor.echo(key: revoked).word == "invalid_api_key")
                #expect(await survivor.echo(key: suspended).word == "key_suspended")
            }
        }
    }
}
