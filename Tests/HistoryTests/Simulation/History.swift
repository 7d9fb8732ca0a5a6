// A history: a plan, a list of decisions, and what came of them; the same decisions make the same history.

import Foundation

/// What one history came to.
struct HistoryOutcome {
    let violations: [String]
    /// What happened, where it was asked for.
    let trace: [String]
    /// Decisions that were made before it was over.
    let made: Int
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

    /// - Parameter isTold: whether it is to leave a trace.
    func run(on redis: HistoryRedis, oldRule: OldRule? = nil, isTold: Bool = false) throws -> HistoryOutcome {
        let plan = HistoryPlan(seed: seed)
        let world = try World(redis, plan, seed: seed, oldRule: oldRule, isTold: isTold)
        let total = plan.weights.reduce(0) { $0 + $1.weight }
        var made = 0
        for decision in decisions {
            made += 1
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
        return HistoryOutcome(violations: world.violations, trace: world.trace, made: made)
    }

    /// The same fault with as few decisions as can be found.
    func shrunk(on redis: HistoryRedis, oldRule: OldRule? = nil) throws -> (history: History, outcome: HistoryOutcome) {
        var best = self
        let outcome = try run(on: redis, oldRule: oldRule)
        guard let kind = outcome.violations.first.map(Self.kind) else { return (best, outcome) }
        best.decisions.removeLast(decisions.count - outcome.made)
        var part = best.decisions.count / 2
        while part >= 1 {
            var start = 0
            while start < best.decisions.count {
                var candidate = best
                candidate.decisions.removeSubrange(start..<min(start + part, candidate.decisions.count))
                let tried = try candidate.run(on: redis, oldRule: oldRule)
                if tried.violations.first.map(Self.kind) == kind {
                    candidate.decisions.removeLast(candidate.decisions.count - tried.made)
                    best = candidate
                } else {
                    start += part
                }
            }
            part /= 2
        }
        return (best, try best.run(on: redis, oldRule: oldRule, isTold: true))
    }

    /// What of the invariants is broken.
    static func kind(_ violation: String) -> String { String(violation.prefix { $0 != ":" }) }
}
