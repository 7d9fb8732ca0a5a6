// Limits of calls per window, over three nodes.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Rate limits")
    struct RateTests {
        @Test("R14, R15: of a burst of 10 R calls over three nodes exactly R pass; the denied cost nothing and carry Retry-After")
        func burst() async throws {
            let limit = 100
            try await GateCluster.run(["--rate-limit", "\(limit)"]) { cluster in
                let key = try await cluster[0].createKey()
                let other = try await cluster[1].createKey()
                let responses = try await concurrently(10 * limit) { try await cluster[$0].call("echo", ["text": "hello"], key: key) }
                let tally = Tally(responses.map(\.outcome))
                #expect(tally.served == limit)
                #expect(tally.count("rate_limited") == 9 * limit, "\(tally)")
                for response in responses where !response.outcome.isServed {
                    #expect(response.integer("Retry-After").map { (1...60).contains($0) } ?? false)
                    #expect(response.integer("X-RateLimit-Remaining") == 0)
                    #expect(response.integer("X-RateLimit-Limit") == limit)
                }
                try await cluster.expectConservation(of: key, granted: 1_000_000, price: 1, tally)
                #expect(await cluster[2].echo(key: other).isServed, "the window is the key's own")
            }
        }

        @Test("F-RATE-02, F-RATE-03: a tool's own limit is exact over three nodes, and what it denies uses nothing of the global window")
        func perTool() async throws {
            let config: JSON = ["toolPricing": ["add": ["creditsPerCall": 1, "rateLimitPerMin": 20]]]
            try await GateCluster.run(["--rate-limit", "60"], config: config) { cluster in
                let key = try await cluster[0].createKey()
                let adds = try await concurrently(200) { try await cluster[$0].call("add", ["a": 1, "b": 2], key: key) }
                let tally = Tally(adds.map(\.outcome))
                #expect(tally.served == 20 && tally.count("tool_rate_limited") == 180, "\(tally)")
                #expect(adds.allSatisfy { $0.integer("X-RateLimit-Limit") == 20 }, "F-HDR-05: the tool's limit is shown")
                #expect(adds.allSatisfy { $0.outcome.isServed || $0.header("Retry-After") != nil })
                let echoes = Tally(await concurrently(200) { await cluster[$0].echo(key: key) })
                #expect(echoes.served == 40 && echoes.count("rate_limited") == 160, "\(echoes)")
            }
        }

        @Test("F-RATE-08, M10: a batch of n calls takes n places of the window or none")
        func batches() async throws {
            try await GateCluster.run(["--rate-limit", "60"]) { cluster in
                let key = try await cluster[0].createKey()
                func batch(of size: Int, on node: Int) async throws -> CallOutcome {
                    try await cluster[node].batch((0..<size).map { ("echo", ["text": .string("\($0)")]) }, key: key).outcome
                }
                #expect(try await batch(of: 50, on: 0).isServed)
                #expect(try await batch(of: 11, on: 1).word == "rate_limited")
                #expect(try await batch(of: 10, on: 2).isServed)
                #expect(await cluster[0].echo(key: key).word == "rate_limited")
                #expect(try await cluster[1].balance(key).spent == 60)
            }
        }

        @Test(
            "R14, R15: over a trace of 130 s no 60 s hold more than R calls, and each window is used up",
            .enabled(if: longTestsAreWanted), .timeLimit(.minutes(4)))
        func longTrace() async throws {
            let limit = 300
            try await GateCluster.run(["--rate-limit", "\(limit)"]) { cluster in
                let key = try await cluster[0].createKey(credits: 100_000)
                let admitted = Mutex<[(sent: ContinuousClock.Instant, received: ContinuousClock.Instant)]>([])
                let call: @Sendable (Int) async -> CallOutcome = { turn in
                    let sent = ContinuousClock.now
                    let outcome = await cluster[turn].echo(key: key)
                    if outcome.isServed { admitted.withLock { $0.append((sent, .now)) } }
                    return outcome
                }
                let outcomes = try await underLoad(workers: 6, pause: .milliseconds(100), call) {
                    try await Task.sleep(for: .seconds(130))
                }
                let trace = admitted.withLock { $0 }.sorted { $0.sent < $1.sent }
                for first in trace {
                    let certain = trace.filter { $0.sent >= first.sent && $0.received < first.sent + .seconds(60) }
                    #expect(certain.count <= limit, "in the minute after \(first.sent)")
                }
                #expect(trace.count >= 2 * limit, "R15: each window is used up")
                #expect(trace.count <= 3 * limit)
                try await cluster.expectConservation(of: key, granted: 100_000, price: 1, Tally(outcomes))
            }
        }
    }
}
