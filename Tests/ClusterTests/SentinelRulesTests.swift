// What is exact stays exact through a failover when a replica acknowledges: limits, idempotent calls, orders of admins.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Sentinel, rules through a failover")
    struct SentinelRulesTests {
        private static let granted = 1_000_000
        private static let price = 3
        private static let cap = 60

        /// Orders that are repeated under their idempotency key until they are answered.
        private final class Orders: Sendable {
            private let state = Mutex((open: [Int: Int](), next: 0, answered: 0))

            var answered: Int { state.withLock { $0.answered } }
            var open: [Int] { state.withLock { Array($0.open.keys) } }

            /// Calls the order that a worker has open, or a new one, at a node of its turn.
            func call(_ worker: Int, _ client: GateClient, _ key: String) async -> CallOutcome {
                let order = state.withLock { state in
                    if let open = state.open[worker] { return open }
                    state.next += 1
                    state.open[worker] = state.next
                    return state.next
                }
                let outcome = await client.echo("order \(order)", key: key, headers: [("X-Idempotency-Key", "order-\(order)")])
                guard outcome.isServed else { return outcome }
                state.withLock { state in
                    state.open[worker] = nil
                    state.answered += 1
                }
                return outcome
            }
        }

        @Test(
            "F29, R14, D17, V21: with --min-replicas-ack a failover of any kind under load lets no call more through a quota and none less, charges each idempotent call once, and forgets no change of an admin",
            arguments: SentinelGroup.Failover.allCases)
        func rules(_ how: SentinelGroup.Failover) async throws {
            let group = try await SentinelGroup()
            let flags = ["--redis-url", group.url, "--price", "\(Self.price)", "--min-replicas-ack", "1"]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let keys = try await concurrently(4) { try await cluster[$0].createKey(credits: Self.granted) }
                let (plain, ordered, capped, suspended) = (keys[0], keys[1], keys[2], keys[3])
                try await cluster[0].order("/keys/quota", ["key": .string(capped), "dailyCallLimit": .int(Self.cap)])
                let orders = Orders()
                let admitted = Atomic<Int>(0)
                @Sendable func callCapped(_ node: Int) async -> CallOutcome {
                    let outcome = await cluster[node].echo(key: capped)
                    if outcome.isServed { admitted.add(1, ordering: .relaxed) }
                    return outcome
                }
                let load: @Sendable (Int) async -> CallOutcome = { turn in
                    let (worker, round) = (turn % 8, turn / 8)
                    switch worker {
                    case 4, 5: return await orders.call(worker, cluster[worker + round], ordered)
                    case 6,
                        7 where round % 8 == 0:
                        return await callCapped(worker)
                    default: return await cluster[worker].echo(key: plain)
                    }
                }
                let outcomes = try await underLoad(workers: 8, pause: .milliseconds(10), load) {
                    try await eventually("calls are charged") { try await cluster[0].balance(plain).calls > 20 }
                    try await cluster[0].order("/keys/suspend", ["key": .string(suspended)])
                    let (old, new) = try await group.failOver(how)
                    switch how {
                    case .kill: try await old.restart()
                    case .stop: old.resume()
                    case .command: break
                    }
                    try await old.command("REPLICAOF", "127.0.0.1", "\(new.port)")
                    for node in 0...1 {
                        try await eventually("node \(node) serves with a replica", within: .seconds(40)) {
                            await cluster[node].echo(key: plain).isServed
                        }
                        #expect(await cluster[node].echo(key: suspended).word == "key_suspended")
                    }
                    try await cluster[1].order("/keys/resume", ["key": .string(suspended)])
                    #expect(await cluster[0].echo(key: suspended).isServed, "the first call after the answer obeys")
                    let before = try await cluster[0].balance(plain).calls
                    try await eventually("charges go on") { try await cluster[1].balance(plain).calls > before + 20 }
                }
                #expect(Tally(outcomes).count("lost") == 0, "\(Tally(outcomes))")
                for worker in orders.open {
                    try await eventually("each order is answered in the end", within: .seconds(20)) {
                        await orders.call(worker, cluster[worker], ordered).isServed
                    }
                }
                try await eventually("the quota is used up", within: .seconds(20)) {
                    await callCapped(0) == .denied("daily_call_quota_exceeded")
                }
                #expect(admitted.load(ordering: .relaxed) == Self.cap, "of a quota of \(Self.cap)")
                for (key, calls) in [(ordered, orders.answered), (capped, Self.cap)] {
                    try await eventually("what was answered is charged, once", within: .seconds(20)) {
                        let balance = try await cluster[1].balance(key)
                        return balance.spent == Self.price * calls && balance.credits + balance.spent == Self.granted
                    }
                }
                let (status, text) = try await Program.storeCheck(group.url)
                #expect(status == 0, "\(text)")
            }
            try await group.end()
        }
    }
}
