// The order in which a call is judged: by phase, and within a phase the array is the order.

/// All that is asked of a call without asking Redis (F-GATE-07, F-GATE-17).
///
/// What needs the truth of all nodes at once (meters, balance, spending limit) is part of the plan (`Policy.plan`) and checked by the
/// script that executes it. Dry run, shadow mode, tool lists and estimates run these same phases and stop earlier.
package struct Pipeline: Sendable {
    private let stages: [Stage]
    /// Where each phase ends in `stages`, by its raw value.
    private let ends: [Int]

    /// - Parameter stages: in any order of phases; those of one phase run in the order given.
    package init(_ stages: [Stage] = Pipeline.standard) {
        var (ordered, ends): ([Stage], [Int]) = ([], [])
        for phase in Phase.allCases {
            ordered += stages.filter { $0.phase == phase }
            ends.append(ordered.count)
        }
        self.stages = ordered
        self.ends = ends
    }

    /// The stages of every gate.
    package static let standard: [Stage] = [
        .keyPresent, .keyKnown, .keyNotSuspended, .keyNotExpired, .tokenNotExpired, .addressAllowed, .countryAllowed, .toolAllowed,
        .toolInToken,
    ]

    /// What a run of the stages came to.
    package enum Decision: Sendable, Equatable {
        /// No stage refused it or knew its answer.
        case passed
        /// The first refusal.
        case denied(Denial)
        /// The JSON of a result that one of the stages knew.
        case answered([UInt8])
    }

    /// Runs the phases from the first to `last`.
    package func run(upTo last: Phase, _ call: inout CallView) -> Decision {
        run(.identity, upTo: last, &call)
    }

    /// Runs one phase.
    package func run(_ phase: Phase, _ call: inout CallView) -> Decision {
        run(phase, upTo: phase, &call)
    }

    /// Runs the phases from `first` to `last`; what their stages said on the way stands in the call.
    package func run(_ first: Phase, upTo last: Phase, _ call: inout CallView) -> Decision {
        let start = first == .identity ? 0 : ends[first.rawValue - 1]
        for index in start..<max(start, ends[last.rawValue]) {
            var effect = stages[index].decide(call)
            while true {
                if case .found(let violation, let consequence) = effect {
                    call.note(violation)
                    effect = consequence
                } else if case .checked(let consequence) = effect {
                    call.hasCheckedArguments = true
                    effect = consequence
                } else {
                    break
                }
            }
            switch effect {
            case .pass, .found, .checked: continue
            case .deny(let denial): return .denied(denial)
            case .answer(let result): return .answered(result)
            case .warn(let text): call.warn(text)
            case .note(let text): call.note(text)
            case .rewrite(let bytes): call.rewritten = bytes
            }
        }
        return .passed
    }

    /// Whether the phase has any stage, so that nobody prepares what nobody looks at.
    package func hasStages(of phase: Phase) -> Bool {
        ends[phase.rawValue] > (phase == .identity ? 0 : ends[phase.rawValue - 1])
    }
}
