// Nodes whose clocks are wrong.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Clocks")
    struct ClockTests {
        @Test("R16: windows, expiry and idempotency follow one clock: nodes at +90 s and −90 s agree with the others")
        func skewedNodes() async throws {
            let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler")
            let skews = [0: clock.environment(seconds: 90), 2: clock.environment(seconds: -90)]
            try await GateCluster.run(["--rate-limit", "50"], environments: skews) { cluster in
                let key = try await cluster[1].createKey()
                let tally = Tally(await concurrently(300) { await cluster[$0].echo(key: key) })
                #expect(tally.served == 50 && tally.count("rate_limited") == 250, "\(tally)")

                let start = ContinuousClock.now
                let brief = try await concurrently(3) { try await cluster[$0].createKey(["expiresIn": 3]) }
                for (creator, key) in brief.enumerated() {
                    for node in 0..<3 {
                        #expect(await cluster[node].echo(key: key).isServed, "made by node \(creator), asked on node \(node)")
                    }
                }
                try await Task.sleep(until: start + .seconds(3.5))
                for (creator, key) in brief.enumerated() {
                    for node in 0..<3 {
                        #expect(
                            await cluster[node].echo(key: key).word == "api_key_expired", "made by node \(creator), asked on node \(node)")
                    }
                }

                let other = try await cluster[2].createKey()
                for node in 0..<3 {
                    #expect(await cluster[node].attempt("echo", ["text": "x"], key: other, headers: [("X-Idempotency-Key", "k")]).isServed)
                }
                #expect(try await cluster[0].balance(other).spent == 1)
                let times = try await cluster[1].usage().compactMap { $0.json["timestamp"]?.string }
                #expect(times == times.sorted(), "events are ordered by the one clock")
            }
        }
    }
}
