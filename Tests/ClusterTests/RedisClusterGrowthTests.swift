// A Redis Cluster that grows, one of whose primaries stands still, and one that speaks TLS: calls go on, and the store adds up.

import GateTesting
import Testing

extension ClusterTests.RedisClusterTests {
    @Test(
        "F29, M1: a primary that is added under load takes over slots, that of shard 0 among them, without a restart of any node: each call has a definite answer and is charged once or not at all"
    )
    func growth() async throws {
        try await Self.run { cluster, group in
            let hot = try await Self.key(cluster, group)
            var own = 0
            let outcomes = try await underLoad(
                workers: Self.workers, pause: .milliseconds(10), { await cluster[$0].echo(key: hot.secret) }
            ) {
                try await eventually("calls are charged") { try await cluster[0].balance(hot.secret).calls > 20 }
                let new = try await group.grow()
                for slot in Set([hot.account, hot.credential, ClusterSlot.of("{0}")]).sorted() {
                    try await group.move(slot, to: new)
                    for node in 0...1 {
                        try await eventually("node \(node) serves after slot \(slot)", within: .seconds(10)) {
                            let isServed = await cluster[node].echo(key: hot.secret).isServed
                            if isServed { own += 1 }
                            return isServed
                        }
                    }
                }
                #expect(try await group.owner(of: hot.account).port == new.port)
                let before = try await cluster[0].balance(hot.secret).calls
                try await eventually("the new primary takes charges") { try await cluster[1].balance(hot.secret).calls > before + 20 }
            }
            let tally = Tally(outcomes)
            #expect(tally.served > 40 && tally.count("lost") == 0, "each call gets a definite answer: \(tally)")
            try await eventually("what was served is charged, once, and nothing else: \(tally)", within: .seconds(20)) {
                try await cluster[0].balance(hot.secret).spent == 3 * (tally.served + own)
            }
            for node in 0...1 {
                let balance = try await cluster[node].balance(hot.secret)
                #expect(balance.credits + balance.spent == Self.granted, "nothing is lost or made: \(balance)")
                try await eventually("node \(node) sees the new primary") {
                    let redis = try await cluster[node].get("/health").json["redis"]
                    return redis?["primaries"] == 4 && redis?["pubsub"] == true
                }
            }
            let (status, text) = try await Program.storeCheck(group.url)
            #expect(status == 0 && text.contains("in 64 shards"), "\(text)")
        }
    }

    @Test(
        "F29, M1: a primary that stands still is replaced, and follows when it goes on: with --min-replicas-ack no acknowledged charge is lost and none is taken without a replica, without it at most the calls in flight are"
    )
    func standstill() async throws {
        let group = try await ClusterGroup()
        let careful = [1: ["PAYGATE_MIN_REPLICAS_ACK": "1"]]
        try await GateCluster.run(nodes: 2, ["--redis-url", group.url, "--price", "3"], environments: careful) { cluster in
            let first = try await group.owner(of: ClusterSlot.of("{0}"))
            let ports = [first.port, group.servers[0].port]
            let doomed = try #require(try await group.members().first { $0.isPrimary && !$0.slots.isEmpty && !ports.contains($0.port) })
            let server = try #require(group.servers.first { $0.port == doomed.port })
            func isDoomed(_ slot: Int) -> Bool { doomed.slots.contains { $0.contains(slot) } }
            let keys = [
                try await Self.key(cluster, group) { isDoomed($0.account) }, try await Self.key(cluster, group) { isDoomed($0.account) },
            ]
            func serve(_ node: Int) async throws -> Int {
                var own = 0
                try await eventually("node \(node) serves", within: .seconds(20)) {
                    let isServed = await cluster[node].echo(key: keys[node].secret).isServed
                    if isServed { own += 1 }
                    return isServed
                }
                return own
            }
            var (own, ownCareful, carefulOutcomes): (Int, Int, [CallOutcome]) = (0, 0, [])
            let outcomes = try await underLoad(
                workers: Self.workers, pause: .milliseconds(10), { _ in await cluster[0].echo(key: keys[0].secret) }
            ) {
                carefulOutcomes = try await underLoad(
                    workers: Self.workers, pause: .milliseconds(10), { _ in await cluster[1].echo(key: keys[1].secret) }
                ) {
                    for node in 0...1 {
                        try await eventually("calls are charged") { try await cluster[node].balance(keys[node].secret).calls > 20 }
                    }
                    _ = try await group.stop(server)
                    own = try await serve(0)
                    try await eventually("calls without a replica are refused", within: .seconds(10)) {
                        await cluster[1].echo(key: keys[1].secret) == .refused(status: 503)
                    }
                    server.resume()
                    ownCareful = try await serve(1)
                }
            }
            let tallies = [Tally(outcomes), Tally(carefulOutcomes)]
            for tally in tallies { #expect(tally.served > 20 && tally.count("lost") == 0, "each call gets a definite answer: \(tally)") }
            let served = [tallies[0].served + own, tallies[1].served + ownCareful]
            let fitting = [served[0] - Self.workers...served[0] + tallies[0].unknown, served[1]...served[1] + tallies[1].unknown]
            for node in 0...1 {
                try await eventually(
                    "of node \(node) no charge is lost or doubled that must not be: \(tallies[node])", within: .seconds(20)
                ) {
                    let balance = try await cluster[node].balance(keys[node].secret)
                    return balance.spent % 3 == 0 && fitting[node].contains(balance.spent / 3)
                        && balance.credits + balance.spent == Self.granted
                }
            }
            let (status, text) = try await Program.storeCheck(group.url)
            #expect(status == 0, "\(text)")
        }
        try await group.end()
    }

    @Test(
        "A Redis Cluster that speaks TLS alone, to clients and within, is used with its authority, follows slots that move, and can be checked"
    )
    func tls() async throws {
        let files = try await TLSFiles()
        let group = try await ClusterGroup(replicas: 0, tls: files)
        let flags = ["--redis-url", group.url, "--redis-ca", files.authority]
        try await GateCluster.run(nodes: 2, flags + ["--price", "3"]) { cluster in
            let hot = try await Self.key(cluster, group)
            let outcomes = try await underLoad(
                workers: 4, pause: .milliseconds(10), { await cluster[$0].echo(key: hot.secret) }
            ) {
                for slot in [hot.account, hot.credential] {
                    let before = try await cluster[0].balance(hot.secret).calls
                    try await group.move(slot)
                    try await eventually("calls are charged where the slot is") {
                        try await cluster[1].balance(hot.secret).calls > before + 20
                    }
                }
            }
            let tally = Tally(outcomes)
            #expect(tally.count("lost") == 0, "\(tally)")
            try await eventually("what was served is charged: \(tally)", within: .seconds(20)) {
                try await cluster[0].balance(hot.secret).spent == 3 * tally.served
            }
            let redis = try await cluster[1].get("/health").json["redis"]
            #expect(redis?["primaries"] == 3 && redis?["pubsub"] == true, "\(redis?.text ?? "")")
            let (status, text) = try await Program.storeCheck(group.url, "--redis-ca", files.authority)
            #expect(status == 0, "\(text)")
            let distrusting = try await Program.storeCheck(group.url)
            #expect(distrusting.status == 69 && distrusting.text.contains("TLS with "), "\(distrusting.text)")
        }
        try await group.end()
    }
}
