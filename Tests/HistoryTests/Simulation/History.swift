// A history: a plan, a list of decisions, and what came of them; the same decisions make the same history.

import Foundation

/// What one history came to.
struct HistoryOutcome {
    let violations: [String]
    let trace: [String]
}

struct History {
    let seed: UInt64
    /// Each number is a move and everything about it.
    var decisions: [UInt64]

    /// The history that a seed stands for.
    init(seed: UInt64, length: Int = 140) {
        self.seed = seed
        var random = SeededRandom(seed: seed)
        decisions = (0..<length).map { _ in random.next() }
    }

    func run(on redis: HistoryRedis, oldRule: OldRule? = nil) throws -> HistoryOutcome {
        let plan = HistoryPlan(seed: seed)
        let world = try World(redis, plan, seed: seed, oldRule: oldRule)
        let total = plan.weights.reduce(0) { $0 + $1.weight }
        for decision in decisions {
            var random = SeededRandom(seed: decision)
            var place = random.below(total)
            let chosen = plan.weights.first { entry in
                place -= entry.weight
                return place < 0
            }
            if let chosen { world.make(chosen.move, choice: random.next()) }
            if !world.violations.isEmpty { break }
        }
        if world.violations.isEmpty {
            if world.heal() { world.check() } else { world.violate("F30: the cluster does not come to rest") }
        }
        return HistoryOutcome(violations: world.violations, trace: world.trace)
    }

    /// The same fault with as few decisions as can be found.
    func shrunk(on redis: HistoryRedis) throws -> (history: History, outcome: HistoryOutcome) {
        var best = self
        var outcome = try run(on: redis)
        guard let kind = outcome.violations.first.map(Self.kind) else { return (best, outcome) }
        var part = best.decisions.count / 2
        while part >= 1 {
            var start = 0
            while start < best.decisions.count {
                var candidate = best
                candidate.decisions.removeSubrange(start..<min(start + part, candidate.decisions.count))
                let tried = try candidate.run(on: redis)
                if tried.violations.first.map(Self.kind) == kind { (best, outcome) = (candidate, tried) } else { start += part }
            }
            part /= 2
        }
        return (best, outcome)
    }

    private static func kind(_ violation: String) -> String { String(violation.prefix { $0 != ":" }) }
}
