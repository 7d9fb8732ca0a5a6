// The ledger over thousands of histories in which everything goes wrong that can.

import Foundation
import Testing

/// `HISTORIES=1000000 FIRST_SEED=5` runs others, and `scripts/explore` does so by hand.
@Suite("Histories", .serialized)
struct HistoryTests {
    private static let count = ProcessInfo.processInfo.environment["HISTORIES"].flatMap { Int($0) } ?? 10_000
    private static let first = ProcessInfo.processInfo.environment["FIRST_SEED"].flatMap { UInt64($0) } ?? 1

    @Test("Money, limits, idempotency and visibility hold in every history (M1 to M6, M11 to M13, D17 to D20, F30)")
    func histories() async throws {
        let redis = try await HistoryRedis()
        let start = Date()
        for seed in Self.first..<(Self.first + UInt64(Self.count)) {
            let outcome = try History(seed: seed).run(on: redis)
            guard !outcome.violations.isEmpty else { continue }
            let (history, shrunk) = try History(seed: seed).shrunk(on: redis)
            Issue.record(
                "seed \(seed), \(history.decisions.count) decisions: \(shrunk.violations)\n\(shrunk.trace.joined(separator: "\n"))")
            return
        }
        print("\(Self.count) histories from seed \(Self.first) in \(Int(Date().timeIntervalSince(start))) s")
    }

    @Test("Each defect that the ledger once had is found again when its old rule is put back", arguments: OldRule.allCases)
    func oldRules(_ rule: OldRule) async throws {
        let redis = try await HistoryRedis()
        try redis.replaceRules(rule.edits)
        for seed in UInt64(1)...4000 where !rule.isOfCredits || HistoryPlan(seed: seed).movesCredits {
            let outcome = try History(seed: seed).run(on: redis, oldRule: rule)
            guard let first = outcome.violations.first else { continue }
            return print("\(rule.rawValue): seed \(seed): \(first)")
        }
        Issue.record("4,000 histories did not find it")
    }

    @Test("A seed replays its history exactly")
    func replay() async throws {
        let redis = try await HistoryRedis()
        for seed in UInt64(1)...20 {
            let (one, other) = (try History(seed: seed).run(on: redis), try History(seed: seed).run(on: redis))
            #expect(one.trace == other.trace)
        }
    }
}
