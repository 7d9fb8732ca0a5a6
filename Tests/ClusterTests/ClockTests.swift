// Nodes whose clocks are wrong.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Clocks")
    struct ClockTests {
        /// Nodes at +90 s, 0 and −90 s.
        private static let skews = [0: FakeTime.environment(offset: "+90s"), 2: FakeTime.environment(offset: "-90s")]

        @Test("R16: windows, expiry and idempotency follow one clock: nodes at +90 s and −90 s agree with the others", .enabled(if: FakeTime.isInstalled))
        func skewedNodes() async throws {
            try await GateCluster.run(["--rate-limit", "50"], environments: Self.skews) { cluster in
                let key = try await cluster[1].createKey()
                let tally = Tally(await concurrently(300) { await cluster[$0].echo(key: key) })
                #expect(tally.served == 50 && tally.count("rate_limited") == 250, "\(tally)")

                for creator in 0..<3 {
                    let start = ContinuousClock.now
                    let brief = try await cluster[creator].createKey(["expiresIn": 3])
                    for node in 0..<3 { #expect(await cluster[node].echo(key: brief).isServed, "made by node \(creator), asked on node \(node)") }
                    try await Task.sleep(until: start + .seconds(3.3))
                    for node in 0..<3 {
                        #expect(await cluster[node].echo(key: brief).word == "api_key_expired", "made by node \(creator), asked on node \(node)")
                    }
                }

                let other = try await cluster[2].createKey()
                for node in 0..<3 { #expect(await cluster[node].attempt("echo", ["text": "x"], key: other, headers: [("X-Idempotency-Key", "k")]).isServed) }
                #expect(try await cluster[0].balance(other).spent == 1)
                let times = try await cluster[1].usage().compactMap { $0.json["timestamp"]?.string }
                #expect(times == times.sorted(), "events are ordered by the one clock")
            }
        }
    }
}
