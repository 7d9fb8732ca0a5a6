// Whether a node knows what its store can do: masters that have moved, refusals, single connections, clocks that step, stores that are new.

import GateTesting
import Testing

extension ClusterTests.LedgerDefectTests {
    @Test(
        "F29: a master that was demoted answers READONLY; within 3 s of the promotion every node serves from the new one, without a restart"
    )
    func movedMaster() async throws {
        let replica = try await RedisServer()
        try await GateCluster.run(nodes: 2, proxied: [0, 1]) { cluster in
            let key = try await cluster[0].createKey(credits: 100)
            for node in 0...1 { #expect(await cluster[node].echo(key: key).isServed) }
            try await replica.follow(cluster.redis)
            for node in 0...1 { try cluster.proxy(node).redirect(to: replica.port) }
            try await replica.takeOver(from: cluster.redis)
            let promotion = ContinuousClock.now
            for node in 0...1 {
                try await eventually("node \(node) serves", within: .seconds(3) - (ContinuousClock.now - promotion)) {
                    await cluster[node].echo(key: key).isServed
                }
                try await eventually("node \(node) says so", within: .seconds(1)) { await cluster[node].isReady() }
            }
            #expect(try await cluster[0].balance(key).spent == 4)
        }
        try await replica.kill9()
    }

    @Test(
        "F25: a node whose Redis refuses writes is not ready within 2 s, and ready again within 3 s of the heal",
        arguments: RedisRefusal.allCases)
    func readyWhileRefused(_ refusal: RedisRefusal) async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            let key = try await cluster[0].createKey()
            #expect(await cluster[0].echo(key: key).isServed)
            try await cluster.redis.command(refusal.begin)
            #expect(await cluster[0].echo(key: key) == .refused(status: 503))
            try await eventually("/ready is 503", within: .seconds(2)) { await !cluster[0].isReady() }
            try await cluster.redis.command(refusal.end)
            try await eventually("/ready is 200", within: .seconds(3)) { await cluster[0].isReady() }
            #expect(await cluster[0].echo(key: key).isServed)
        }
    }

    @Test("F25: while one of a node's connections to Redis is dead, either every call is served or /ready is 503")
    func oneDeadConnection() async throws {
        try await GateCluster.run(nodes: 1, ["--threads", "2"], proxied: [0]) { cluster in
            let proxy = try cluster.proxy(0)
            let key = try await cluster[0].createKey()
            #expect(Tally(await concurrently(20) { _ in await cluster[0].echo(key: key) }).served == 20)
            for connection in proxy.connections where connection.isOpen && !connection.isFeed {
                try await proxy.set(.replies, .swallowed, on: .number(connection.index))
                _ = await concurrently(20) { _ in await cluster[0].echo(key: key) }
                let wasReady = await cluster[0].isReady()
                let tally = Tally(await concurrently(20) { _ in await cluster[0].echo(key: key) })
                let isReady = await cluster[0].isReady()
                #expect(tally.served == 20 || !wasReady || !isReady, "connection \(connection.index) is dead, /ready says 200: \(tally)")
                try await proxy.heal()
                try await eventually("all is well", within: .seconds(3)) {
                    Tally(await concurrently(20) { _ in await cluster[0].echo(key: key) }).served == 20
                }
            }
        }
    }

    @Test("R15: when Redis's clock steps back by 120 s, a key that has used its limit is admitted again a window later")
    func windowAfterStepBack() async throws {
        let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
        try await GateCluster.run(nodes: 1, ["--rate-limit", "5"], clock: clock) { cluster in
            let key = try await cluster[0].createKey()
            let first = Tally(await concurrently(6) { _ in await cluster[0].echo(key: key) })
            #expect(first.served == 5 && first.count("rate_limited") == 1, "\(first)")
            try clock.step(-120)
            _ = await cluster[0].echo(key: key)
            try clock.step(61)
            try await eventually("a window later", within: .seconds(2)) { await cluster[0].echo(key: key).isServed }
        }
    }

    @Test("D20: the hold of a node that dies as Redis's clock steps back by 120 s is resolved within 10 s")
    func deathAfterStepBack() async throws {
        let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
        try await GateCluster.run(nodes: 2, ["--price", "10"], clock: clock) { cluster in
            let key = try await cluster[1].createKey(credits: 100)
            async let call = cluster[0].attempt("slow", ["seconds": 60], key: key)
            try await eventually("the call is admitted", within: .seconds(3)) { try await cluster[1].balance(key).credits == 90 }
            try await cluster.nodes[0].kill9()
            try clock.step(-120)
            #expect(await call.word == "lost")
            try await eventually("the credits are back", within: .seconds(10)) { try await cluster[1].balance(key).credits == 100 }
        }
    }

    @Test("F-MCP-06: a session that was opened after Redis was restarted empty is known to nodes that start later")
    func sessionsOfTheOldAndTheNew() async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            try await cluster.redis.kill9()
            try await cluster.redis.restart()
            try await eventually("the old node is ready", within: .seconds(3)) { await cluster[0].isReady() }
            let late = try await cluster.coldNode()
            for (opener, user) in [(cluster[0], late.client), (late.client, cluster[0])] {
                let id = try #require(try await opener.openSession())
                let response = try await user.rpc("ping", [:], headers: [("Mcp-Session-Id", id)])
                #expect(response.status == 200, "\(response.status) \(response.text)")
            }
            try await late.kill9()
        }
    }

    @Test("F26: gates on two databases of one Redis do not hear each other")
    func twoDatabases() async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            let other = try await ClusterNode(
                "database 1",
                flags: [
                    "--server", "\(Repository.binary) demo-server", "--host", "127.0.0.1", "--admin-key", GateClient.adminKey,
                    "--redis-url", cluster.redis.url + "/1",
                ])
            let channels = try await cluster.redis.command("PUBSUB", "CHANNELS").split(separator: "\n").map(String.init)
            #expect(channels.count >= 2, "\(channels)")
            let listeners = try await cluster.redis.command(["PUBSUB", "NUMSUB"] + channels).split(separator: "\n").compactMap { Int($0) }
            #expect(listeners.allSatisfy { $0 == 1 }, "\(channels): \(listeners)")
            try await other.kill9()
        }
    }
}

extension GateClient {
    /// `initialize`; the id of the session, nil if it was refused.
    func openSession(key: String? = nil, from address: String? = nil) async throws -> String? {
        let params: JSON = ["protocolVersion": "2025-06-18", "capabilities": [:], "clientInfo": ["name": "test", "version": "1"]]
        let response = try await rpc("initialize", params, key: key, headers: address.map { [("X-Forwarded-For", $0)] } ?? [])
        return response.status == 200 ? response.header("Mcp-Session-Id") : nil
    }
}
