// A Redis that dies, hangs, forgets its scripts or drops its connections.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Faults of Redis")
    struct RedisFaultTests {
        @Test(
            "M4, M12, F25: kill -9 of Redis under load loses no acknowledged charge or top-up, and service resumes within 3 s of its restart",
            arguments: [RedisServer.Durability.always, .everysec])
        func killed(_ durability: RedisServer.Durability) async throws {
            let initial = 1_000_000, price = 3
            try await GateCluster.run(["--price", "\(price)"], durability: durability) { cluster in
                let key = try await cluster[0].createKey(credits: initial)
                let topUps = Mutex((acknowledged: 0, unknown: 0))
                let call: @Sendable (Int) async -> CallOutcome = { turn in
                    guard turn % 8 == 0 else { return await cluster[turn].echo(key: key) }
                    let response = try? await cluster[turn].admin(
                        "/topup", ["key": .string(key), "credits": 7], headers: [("Idempotency-Key", "payment-\(turn)")])
                    topUps.withLock { if response?.status == 200 { $0.acknowledged += 1 } else { $0.unknown += 1 } }
                    return await cluster[turn].echo(key: key)
                }
                let outcomes = try await underLoad(workers: 16, pause: .milliseconds(5), call) {
                    try await Task.sleep(for: .seconds(1))
                    try await cluster.redis.kill9()
                    try await Task.sleep(for: .milliseconds(800))
                    try await cluster.redis.restart()
                    for (node, client) in cluster.clients.enumerated() {
                        try await eventually("node \(node) serves again", within: .seconds(3)) { await client.echo(key: key).isServed }
                    }
                    try await Task.sleep(for: .milliseconds(500))
                }
                let tally = Tally(outcomes)
                let (acknowledged, unknown) = topUps.withLock { $0 }
                #expect(tally.served > 100 && acknowledged > 10, "\(tally), \(acknowledged) top-ups")
                #expect(tally.count("lost") == 0, "F25: each call gets a definite answer: \(tally)")
                let cold = try await cluster.coldNode()
                let balance = try await cold.client.balance(key)
                let granted = balance.credits + balance.spent
                #expect((acknowledged...(acknowledged + unknown)).contains((granted - initial) / 7) && (granted - initial) % 7 == 0)
                try await cluster.expectConservation(of: key, granted: granted, price: price, tally, within: .seconds(12))
                try await cold.kill9()
            }
        }

        @Test(
            "M4: what was answered with success is paid, even if every node and Redis are killed in the next instant",
            arguments: [RedisServer.Durability.always, .everysec])
        func everythingKilled(_ durability: RedisServer.Durability) async throws {
            try await GateCluster.run(["--price", "3"], durability: durability) { cluster in
                let key = try await cluster[0].createKey(credits: 10_000)
                let outcomes = try await underLoad(workers: 8, { await cluster[$0].echo(key: key) }) {
                    try await Task.sleep(for: .seconds(1))
                    try await concurrently(4) { index in
                        if index < 3 { try await cluster.nodes[index].kill9() } else { try await cluster.redis.kill9() }
                    }
                }
                let tally = Tally(outcomes)
                try await cluster.redis.restart()
                let cold = try await cluster.coldNode()
                try await eventually("the holds of the dead are resolved", within: .seconds(12)) {
                    let balance = try await cold.client.balance(key)
                    return balance.credits + balance.spent == 10_000 && balance.spent >= tally.served * 3
                }
                #expect(try await cold.client.balance(key).spent >= tally.served * 3)
                try await cold.kill9()
            }
        }

        @Test(
            "F25, M5: while Redis answers every write with an error, calls are refused with 503 and cost nothing; service resumes within 3 s",
            arguments: RedisRefusal.allCases)
        func refusing(_ refusal: RedisRefusal) async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                let outcomes = try await underLoad(workers: 6, pause: .milliseconds(10), { await cluster[$0].echo(key: key) }) {
                    try await Task.sleep(for: .milliseconds(500))
                    try await cluster.redis.command(refusal.begin)
                    try await Task.sleep(for: .seconds(1))
                    for node in 0..<3 {
                        let response = try await cluster[node].call("echo", ["text": "hello"], key: key)
                        #expect(response.status == 503 && response.header("Retry-After") != nil, "\(response.status) \(response.text)")
                        #expect(try await cluster[node].get("/health").status == 200)
                    }
                    try await cluster.redis.command(refusal.end)
                    for client in cluster.clients {
                        try await eventually("service resumes", within: .seconds(3)) { await client.echo(key: key).isServed }
                    }
                }
                // Those three calls of the test itself, one a node, were served besides the load.
                let tally = Tally(outcomes + Array(repeating: CallOutcome.served(.null), count: 3))
                #expect(tally.count("lost") == 0 && tally.count("HTTP 503") > 0 && tally.served > 50, "\(tally)")
                try await cluster.expectConservation(of: key, granted: 1_000_000, price: 1, tally)
                try await eventually("M5: what was refused costs nothing", within: .seconds(10)) {
                    try await cluster[0].balance(key).spent == tally.served
                }
            }
        }

        @Test("F26: a Redis that takes up to 200 ms for a command makes calls slow and fails none")
        func slow() async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                let outcomes = try await underLoad(workers: 8, { await cluster[$0].echo(key: key) }) {
                    let pausing = try cluster.redis.repeating("CLIENT", "PAUSE", "200", "ALL", every: 250)
                    try await Task.sleep(for: .seconds(4))
                    for client in cluster.clients { #expect(await client.isReady()) }
                    try await pausing.kill9()
                }
                let tally = Tally(outcomes)
                #expect(tally.served == tally.total && tally.total > 50, "\(tally)")
                try await cluster.expectConservation(of: key, granted: 1_000_000, price: 1, tally)
            }
        }

        @Test(
            "F25: while Redis hangs, calls are refused within 1 s with 503 and Retry-After, /ready is 503, /health 200; service resumes within 3 s"
        )
        func hanging() async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                for node in 0..<3 { #expect(await cluster[node].echo(key: key).isServed) }
                cluster.redis.pause()
                let refusals = try await concurrently(3 * 45, workers: 3 * 45) { index in
                    try await Task.sleep(for: .milliseconds(100 * (index / 3)))
                    return try await cluster[index].call("echo", ["text": "hello"], key: key)
                }
                for client in cluster.clients {
                    #expect(try await client.get("/ready").status == 503)
                    #expect(try await client.get("/health").status == 200)
                    #expect(try await client.rpc("tools/list", [:]).status == 200, "free methods go on")
                }
                cluster.redis.resume()
                #expect(refusals.allSatisfy { $0.status == 503 }, "\(Tally(refusals.map(\.outcome)))")
                #expect(refusals.allSatisfy { $0.integer("Retry-After").map { $0 > 0 } ?? false })
                let slowest = refusals.map(\.elapsed).max() ?? .zero
                #expect(slowest < .seconds(1).patiently, "the slowest refusal took \(slowest)")
                for client in cluster.clients {
                    try await eventually("service resumes", within: .seconds(3)) { await client.echo(key: key).isServed }
                    try await eventually("/ready says so", within: .seconds(3)) { await client.isReady() }
                }
                let served = 3 + 3
                try await eventually("M5: what was refused costs nothing", within: .seconds(10)) {
                    try await cluster[0].balance(key).spent == served
                }
            }
        }

        @Test("F27: SCRIPT FLUSH, again and again under load: no call fails and none is charged twice")
        func scriptFlush() async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                let outcomes = try await underLoad(workers: 16, { await cluster[$0].echo(key: key) }) {
                    let flushing = try cluster.redis.repeating("SCRIPT", "FLUSH", every: 20)
                    try await Task.sleep(for: .seconds(3))
                    try await flushing.kill9()
                }
                let tally = Tally(outcomes)
                #expect(tally.served == tally.total && tally.total > 200, "\(tally)")
                try await cluster.expectConservation(of: key, granted: 1_000_000, price: 1, tally)
            }
        }

        @Test("F28: killing every connection of Redis under load fails no call but those in flight, shifts no reply, charges none twice")
        func connectionsKilled() async throws {
            let workers = 16, kills = 8
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey()
                let shifted = Atomic<Int>(0)
                let call: @Sendable (Int) async -> CallOutcome = { turn in
                    let outcome = await cluster[turn].echo("turn \(turn)", key: key)
                    if outcome.isServed, outcome.text != "turn \(turn)" { shifted.add(1, ordering: .relaxed) }
                    return outcome
                }
                let outcomes = try await underLoad(workers: workers, call) {
                    for _ in 0..<kills {
                        try await Task.sleep(for: .milliseconds(400))
                        try await cluster.redis.killConnections()
                    }
                    try await Task.sleep(for: .seconds(1))
                    for client in cluster.clients {
                        try await eventually("the subscription is back", within: .seconds(1)) {
                            let redis = try await client.get("/health").json["redis"]
                            return redis?["connected"] == true && redis?["pubsub"] == true
                        }
                    }
                }
                let tally = Tally(outcomes)
                #expect(tally.total - tally.served <= kills * workers, "only calls in flight may fail: \(tally)")
                #expect(tally.count("lost") == 0, "\(tally)")
                #expect(shifted.load(ordering: .relaxed) == 0)
                try await cluster.expectConservation(of: key, granted: 1_000_000, price: 1, tally, within: .seconds(10))
                try await eventually("M5: what was answered with 503 costs nothing", within: .seconds(10)) {
                    try await cluster[0].balance(key).spent == tally.served
                }
                #expect(Tally(await concurrently(60) { await cluster[$0].echo(key: key) }).served == 60)
            }
        }
    }
}

/// Errors that a Redis which is up answers writes with.
enum RedisRefusal: String, CaseIterable, CustomTestStringConvertible {
    case outOfMemory, readOnly, noReplicas

    var testDescription: String { rawValue }

    var begin: [String] {
        switch self {
        case .outOfMemory: ["CONFIG", "SET", "maxmemory", "1"]
        case .readOnly: ["REPLICAOF", "127.0.0.1", "1"]
        case .noReplicas: ["CONFIG", "SET", "min-replicas-to-write", "1"]
        }
    }

    var end: [String] {
        switch self {
        case .outOfMemory: ["CONFIG", "SET", "maxmemory", "0"]
        case .readOnly: ["REPLICAOF", "NO", "ONE"]
        case .noReplicas: ["CONFIG", "SET", "min-replicas-to-write", "0"]
        }
    }
}
