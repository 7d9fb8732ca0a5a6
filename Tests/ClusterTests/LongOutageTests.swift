// A Redis that is away for long, under load: what is charged, what nodes keep of it, what they say, and when they serve again.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Faults of Redis, a long outage")
    struct LongOutageTests {
        enum Outage: String, Sendable, CaseIterable {
            /// `kill -9`, and started again on its files.
            case killed
            /// It keeps its connections and says nothing.
            case standing
        }

        private static let granted = 1_000_000
        private static let price = 3

        @Test(
            "F25, F40, M1, M12: Redis is away for 12 s (60 s with LONG_TESTS=1) under load: calls are refused at once, /ready says so and /health goes on, nodes keep their size, and within 3 s of its return all serve; no call, top-up or call that was under way is lost or charged twice",
            .timeLimit(.minutes(6)), arguments: Outage.allCases)
        func away(_ outage: Outage) async throws {
            let away = Duration.seconds(longTestsAreWanted ? 60 : 12)
            try await GateCluster.run(["--price", "\(Self.price)"], durability: .everysec) { cluster in
                let (key, long, topped) = (
                    try await cluster[0].createKey(credits: Self.granted), try await cluster[0].createKey(credits: Self.granted),
                    try await cluster[0].createKey(credits: 1)
                )
                let added = Mutex(0)
                let slowest = Mutex((Duration.zero, isAway: false))
                let call: @Sendable (Int) async -> CallOutcome = { turn in
                    if turn % 16 == 0 {
                        let payment: GateClient.Headers = [("Idempotency-Key", "payment-\(turn)")]
                        for _ in 0..<600 {
                            let answer = try? await cluster[turn].admin("/topup", ["key": .string(topped), "credits": 7], headers: payment)
                            if answer?.status == 200 { break }
                            try? await Task.sleep(for: .milliseconds(200))
                        }
                        added.withLock { $0 += 7 }
                    }
                    let start = ContinuousClock.now
                    let outcome = await cluster[turn].echo(key: key)
                    slowest.withLock { if $0.isAway { $0.0 = max($0.0, ContinuousClock.now - start) } }
                    return outcome
                }
                _ = await concurrently(600, workers: 16) { await cluster[$0].echo(key: key) }
                let before = cluster.nodes.map(\.program.residentKilobytes)
                var back: [Duration] = []
                let outcomes = try await underLoad(workers: 16, pause: .milliseconds(5), call) {
                    // Calls that Redis admits and is not there to settle; some end while it is away, some after it is back.
                    let seconds = away / .seconds(1)
                    async let underWay = concurrently(6) { turn in
                        await cluster[turn].attempt("slow", ["seconds": .int(turn < 3 ? 3 : Int(seconds) + 6)], key: long)
                    }
                    try await eventually("six calls are open") {
                        try await cluster[0].balance(long).credits == Self.granted - 6 * Self.price
                    }
                    if outage == .killed { try await cluster.redis.kill9() } else { cluster.redis.pause() }
                    try await Task.sleep(for: .seconds(2))
                    slowest.withLock { $0.isAway = true }
                    let end = ContinuousClock.now + away - .seconds(2)
                    while ContinuousClock.now < end {
                        for client in cluster.clients {
                            let refusal = try await client.call("echo", ["text": "x"], key: key)
                            #expect(refusal.status == 503 && (refusal.integer("Retry-After") ?? 0) > 0, "\(refusal.status)")
                            #expect(try await client.get("/ready").status == 503)
                            let health = try await client.get("/health")
                            #expect(health.status == 200 && health.json["redis"]?["connected"] == false, "\(health.text)")
                        }
                        try await Task.sleep(for: .seconds(1))
                    }
                    slowest.withLock { $0.isAway = false }
                    if outage == .killed { try await cluster.redis.restart() } else { cluster.redis.resume() }
                    let returned = ContinuousClock.now
                    for (node, client) in cluster.clients.enumerated() {
                        try await eventually("node \(node) serves again", within: .seconds(3)) { await client.echo(key: long).isServed }
                        try await eventually("node \(node) is ready", within: .seconds(3)) { await client.isReady() }
                        back.append(ContinuousClock.now - returned)
                    }
                    let ended = Tally(await underWay)
                    #expect(ended.count("lost") == 0 && ended.served >= 3, "those that end when Redis is back are served: \(ended)")
                    try await eventually("what was not answered with success is given back", within: .seconds(20)) {
                        try await cluster[0].balance(long).spent == Self.price * (ended.served + cluster.nodes.count)
                    }
                }
                let (tally, after) = (Tally(outcomes), cluster.nodes.map(\.program.residentKilobytes))
                print(
                    "\(outage) for \(away): back after \(back), slowest refusal \(slowest.withLock(\.0)), \(before) then \(after) KB, \(tally)"
                )
                #expect(tally.count("lost") == 0 && tally.served > 50 && tally.count("HTTP 503") > 50, "\(tally)")
                for (one, other) in zip(before, after) { #expect(other - one < 24_000, "\(before) then \(after) KB") }
                #expect(slowest.withLock(\.0) < Duration.seconds(1).patiently)
                var balance = try await cluster[0].balance(key)
                try await eventually("what was served is charged, once: \(tally)", within: .seconds(20)) {
                    balance = try await cluster[1].balance(key)
                    return balance.spent == Self.price * (600 + tally.served) && balance.credits + balance.spent == Self.granted
                }
                #expect(balance.credits + balance.spent == Self.granted, "nothing is lost or made: \(balance)")
                #expect(try await cluster[2].balance(topped).credits == 1 + added.withLock(\.self), "each top-up is made once")
                let (status, text) = try await Program.storeCheck(cluster.redis.url)
                #expect(status == 0, "\(text)")
            }
        }
    }
}
