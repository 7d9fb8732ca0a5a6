// The ledger over thousands of histories in which everything goes wrong that can.

import Foundation
import LuaScripts
import Testing

/// `HISTORIES=1000000 FIRST_SEED=5` runs others, and `scripts/explore` does so by hand.
@Suite("Histories", .serialized)
struct HistoryTests {
    private static let count = ProcessInfo.processInfo.environment["HISTORIES"].flatMap { Int($0) } ?? 10_000
    private static let first = ProcessInfo.processInfo.environment["FIRST_SEED"].flatMap { UInt64($0) } ?? 1

    /// How many histories run beside each other, each on a Redis of its own: a history and its Redis take turns on one processor.
    private static let lanes =
        ProcessInfo.processInfo.environment["HISTORY_LANES"].flatMap { Int($0) } ?? ProcessInfo.processInfo.activeProcessorCount

    @Test("Money, limits, idempotency and visibility hold in every history (M1 to M6, M11 to M13, D17 to D20, F30)")
    func histories() async throws {
        let start = Date()
        let found = try await Self.search(Self.first..<(Self.first + UInt64(Self.count))) { seed, redis in
            guard !(try History(seed: seed).run(on: redis).violations.isEmpty) else { return nil }
            let (history, shrunk) = try History(seed: seed).shrunk(on: redis)
            return "seed \(seed), \(history.decisions.count) decisions: \(shrunk.violations)\n\(shrunk.trace.joined(separator: "\n"))"
        }
        if let found { Issue.record("\(found)") }
        print("\(Self.count) histories from seed \(Self.first) in \(Int(Date().timeIntervalSince(start))) s")
    }

    @Test("Each defect that the ledger once had is found again when its old rule is put back", arguments: OldRule.allCases)
    func oldRules(_ rule: OldRule) async throws {
        let found = try await Self.search(1..<16_001, edits: rule.edits) { seed, redis in
            guard !rule.isOfCredits || HistoryPlan(seed: seed).movesCredits, !rule.isOfDamage || HistoryPlan(seed: seed).isDamaged else {
                return nil
            }
            return try History(seed: seed).run(on: redis, oldRule: rule).violations.first.map { "\(rule.rawValue): seed \(seed): \($0)" }
        }
        guard let found else {
            Issue.record("16,000 histories did not find it")
            return
        }
        print(found)
    }

    /// The first that is found, by whichever lane; the others end with the history that they are at.
    private static func search(
        _ seeds: Range<UInt64>, edits: [LuaScript: [(String, String)]] = [:],
        _ look: @escaping @Sendable (UInt64, HistoryRedis) throws -> String?
    ) async throws -> String? {
        try await withThrowingTaskGroup(of: String?.self) { group in
            for lane in 0..<max(1, lanes) {
                group.addTask {
                    let redis = try await HistoryRedis()
                    try redis.replaceRules(edits)
                    for seed in stride(from: seeds.lowerBound + UInt64(lane), to: seeds.upperBound, by: lanes) where !Task.isCancelled {
                        if let found = try look(seed, redis) { return found }
                    }
                    return nil
                }
            }
            while let found = try await group.next() {
                guard let found else { continue }
                group.cancelAll()
                return found
            }
            return nil
        }
    }

    @Test("A history that fails is shrunk to a shorter one that breaks the same promise")
    func shrinking() async throws {
        let (redis, rule) = (try await HistoryRedis(), OldRule.releaseAfterSettlement)
        try redis.replaceRules(rule.edits)
        for seed in UInt64(1)...400 {
            let history = History(seed: seed)
            guard let broken = try history.run(on: redis, oldRule: rule).violations.first else { continue }
            let (shrunk, outcome) = try history.shrunk(on: redis, oldRule: rule)
            #expect(outcome.violations.first.map(History.kind) == History.kind(broken))
            #expect(shrunk.decisions.count < history.decisions.count / 2)
            #expect(!outcome.trace.isEmpty)
            return
        }
        Issue.record("no history of 400 fails under an old rule")
    }

    @Test("A seed replays its history exactly")
    func replay() async throws {
        let redis = try await HistoryRedis()
        for seed in UInt64(1)...20 {
            let (one, other) = (try History(seed: seed).run(on: redis, isTold: true), try History(seed: seed).run(on: redis, isTold: true))
            #expect(!one.trace.isEmpty)
            #expect(one.trace == other.trace)
        }
    }
}
