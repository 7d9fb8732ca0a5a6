// Nodes on a real Redis Cluster: slots that move, primaries that are replaced and killed under load.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Redis Cluster")
    struct RedisClusterTests {
        static let granted = 1_000_000
        static let workers = 6

        /// A key of a gate, and the slots that its account and its credential lie in.
        struct PlacedKey {
            let secret: String
            let account: Int
            let credential: Int
        }

        /// Nodes that share the cluster, and everything ended afterwards.
        static func run(_ body: (GateCluster, ClusterGroup) async throws -> Void) async throws {
            let group = try await ClusterGroup()
            try await GateCluster.run(nodes: 2, ["--redis-url", group.url, "--price", "3"]) { try await body($0, group) }
            try await group.end()
        }

        /// Makes keys until one lies where it is wanted.
        static func key(
            _ cluster: GateCluster, _ group: ClusterGroup, _ fits: (PlacedKey) -> Bool = { _ in true }
        ) async throws -> PlacedKey {
            func names() async throws -> Set<String> {
                try await group.names("pg:{*}:account:key_*").union(group.names("pg:{*}:credential:*"))
            }
            for _ in 0..<100 {
                let before = try await names()
                let secret = try await cluster[0].createKey(credits: granted)
                let made = try await names().subtracting(before)
                guard let account = made.first(where: { $0.contains(":account:") }),
                    let credential = made.first(where: { $0.contains(":credential:") })
                else { throw KitFailure("a key without an account or a credential: \(made)") }
                let key = PlacedKey(secret: secret, account: ClusterSlot.of(account), credential: ClusterSlot.of(credential))
                if fits(key) { return key }
            }
            throw KitFailure("no key lies where it is wanted")
        }

        @Test(
            "M1, M4: while slots of a busy shard move to another primary and back, and its primary gives way to its replica, each call has a definite answer, is charged once or not at all, and calls of other shards go on"
        )
        func moving() async throws {
            try await Self.run { cluster, group in
                let hot = try await Self.key(cluster, group)
                let calm = try await Self.key(cluster, group) { $0.account != hot.account && $0.credential != hot.account }
                var (own, calmOutcomes): (Int, [CallOutcome]) = (0, [])
                let outcomes = try await underLoad(
                    workers: Self.workers, pause: .milliseconds(10), { await cluster[$0].echo(key: hot.secret) }
                ) {
                    calmOutcomes = try await underLoad(workers: 2, pause: .milliseconds(20), { await cluster[$0].echo(key: calm.secret) }) {
                        try await eventually("calls are charged") { try await cluster[0].balance(hot.secret).calls > 20 }
                        for turn in 0..<4 {
                            if turn < 3 {
                                try await group.move(hot.account)
                            } else {
                                let old = try await group.owner(of: hot.account)
                                let new = try await group.failOver(old)
                                #expect(new.port != old.port)
                            }
                            for node in 0...1 {
                                try await eventually("node \(node) serves after turn \(turn)", within: .seconds(10)) {
                                    let isServed = await cluster[node].echo(key: hot.secret).isServed
                                    if isServed { own += 1 }
                                    return isServed
                                }
                            }
                        }
                    }
                }
                let (tally, calmTally) = (Tally(outcomes), Tally(calmOutcomes))
                #expect(tally.served > 20 && tally.count("lost") == 0, "each call gets a definite answer: \(tally)")
                // Its own primary may be the one that gives way.
                #expect(
                    calmTally.count("lost") == 0 && calmTally.served > 10 * calmTally.unknown, "calls of other shards go on: \(calmTally)")
                try await eventually("what was served is charged, once, and nothing else: \(tally)", within: .seconds(20)) {
                    try await cluster[0].balance(hot.secret).spent == 3 * (tally.served + own)
                }
                for node in 0...1 {
                    let (one, other) = (try await cluster[node].balance(hot.secret), try await cluster[node].balance(calm.secret))
                    #expect(one.credits + one.spent == Self.granted, "nothing is lost or made: \(one)")
                    #expect(other.credits + other.spent == Self.granted && other.spent == 3 * calmTally.served, "\(other) \(calmTally)")
                    try await eventually("node \(node) counts the promotion") {
                        try await cluster[node].metrics().sum("paygate_redis_failovers_total") == 1
                    }
                }
            }
        }

        @Test(
            "F29, M1: a primary that is killed is replaced without a restart of any node: only calls of its shards wait, none is charged twice, at most those in flight are lost, and whoever was subscribed at it hears on"
        )
        func death() async throws {
            try await Self.run { cluster, group in
                // Not that of shard 0, which has what there is once a cluster.
                let first = try await group.owner(of: ClusterSlot.of("{0}"))
                let doomed = try #require(try await group.members().first { $0.isPrimary && !$0.slots.isEmpty && $0.port != first.port })
                let server = try #require(group.servers.first { $0.port == doomed.port })
                func isDoomed(_ slot: Int) -> Bool { doomed.slots.contains { $0.contains(slot) } }
                let hot = try await Self.key(cluster, group) { isDoomed($0.account) }
                let calm = try await Self.key(cluster, group) { !isDoomed($0.account) && !isDoomed($0.credential) }
                try await eventually("a node is subscribed at the primary that will die", within: .seconds(60), every: .milliseconds(500)) {
                    if try await server.command("CLIENT", "LIST", "TYPE", "pubsub").contains("id=") { return true }
                    for other in group.servers { try await other.command("CLIENT", "KILL", "TYPE", "pubsub") }
                    return false
                }
                var (own, calmOutcomes): (Int, [CallOutcome]) = (0, [])
                let outcomes = try await underLoad(
                    workers: Self.workers, pause: .milliseconds(10), { await cluster[$0].echo(key: hot.secret) }
                ) {
                    calmOutcomes = try await underLoad(workers: 2, pause: .milliseconds(20), { await cluster[$0].echo(key: calm.secret) }) {
                        try await eventually("calls are charged") { try await cluster[0].balance(hot.secret).calls > 20 }
                        let killed = ContinuousClock.now
                        _ = try await group.kill(server)
                        let promotion = ContinuousClock.now
                        for node in 0...1 {
                            #expect(await cluster[node].isReady(), "the other shards are served")
                            try await eventually("node \(node) serves", within: .seconds(10)) {
                                let isServed = await cluster[node].echo(key: hot.secret).isServed
                                if isServed { own += 1 }
                                return isServed
                            }
                        }
                        print("promoted after \(promotion - killed), served by all nodes \(ContinuousClock.now - promotion) later")
                    }
                }
                let (tally, calmTally) = (Tally(outcomes), Tally(calmOutcomes))
                #expect(tally.served > 20 && tally.count("lost") == 0, "each call gets a definite answer: \(tally)")
                #expect(calmTally.wereServed, "only calls of its shards wait: \(calmTally)")
                let fitting = (tally.served + own - Self.workers)...(tally.served + own + tally.unknown)
                var balance = try await cluster[0].balance(hot.secret)
                try await eventually("no call is charged twice, and none is lost but those in flight: \(tally)") {
                    balance = try await cluster[0].balance(hot.secret)
                    return balance.spent % 3 == 0 && fitting.contains(balance.spent / 3)
                }
                #expect(balance.credits + balance.spent == Self.granted, "nothing is lost or made: \(balance)")
                #expect(try await cluster[1].balance(calm.secret).spent == 3 * calmTally.served, "\(calmTally)")
                try await server.restart()
                for node in 0...1 {
                    try await eventually(
                        "node \(node) sees all servers, and hears the feed", within: .seconds(30), every: .milliseconds(100)
                    ) {
                        let redis = try await cluster[node].get("/health").json["redis"]
                        return redis?["primaries"] == 3 && redis?["replicas"] == 3 && redis?["pubsub"] == true
                    }
                    let metrics = try await cluster[node].metrics()
                    #expect(metrics.sum("paygate_redis_failovers_total") == 1)
                    #expect(metrics.sum("paygate_redis_server_up") == 6)
                }
            }
        }
    }
}
