// What grows while nothing but calls happens.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Soak")
    struct SoakTests {
        @Test(
            "F40: under a steady load descriptors and Redis keys stay flat, memory bounded, no call fails (120 s with LONG_TESTS=1)",
            .timeLimit(.minutes(4)))
        func steadyLoad() async throws {
            let seconds = longTestsAreWanted ? 120 : 5, workers = 16
            try await GateCluster.run { cluster in
                let keys = try await concurrently(10) { try await cluster[$0].createKey(credits: 1_000_000_000) }
                let call: @Sendable (Int) async -> CallOutcome = { await cluster[$0].echo(key: keys[$0 % keys.count]) }
                let warmUp = Tally(await concurrently(1500, workers: workers, call))
                #expect(warmUp.served == warmUp.total)
                let before = Growth(of: cluster), names = try await cluster.redis.command("DBSIZE")
                let outcomes = try await underLoad(workers: workers, call) { try await Task.sleep(for: .seconds(seconds)) }
                let after = Growth(of: cluster)
                let tally = Tally(outcomes)
                #expect(tally.served == tally.total, "\(tally)")
                #expect(try await cluster.redis.command("DBSIZE") == names)
                for node in 0..<3 {
                    let megabytes = (after.kilobytes[node] - before.kilobytes[node]) / 1024
                    #expect(megabytes <= max(16, 4 * seconds / 60), "\(megabytes) MB in \(seconds) s")
                    #expect(after.descriptors[node] <= before.descriptors[node] + workers, "but for the connections of the load")
                }
                let balances = try await concurrently(keys.count) { try await cluster[0].balance(keys[$0]) }
                #expect(balances.reduce(0) { $0 + $1.spent } == warmUp.served + tally.served)
            }
        }

        private struct Growth {
            let kilobytes: [Int]
            let descriptors: [Int]

            init(of cluster: GateCluster) {
                kilobytes = cluster.nodes.map(\.program.residentKilobytes)
                descriptors = cluster.nodes.map(\.program.descriptors)
            }
        }
    }
}
