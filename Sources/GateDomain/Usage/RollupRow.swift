// One line of the hourly sums of calls, from which reports are made.

/// Calls of one hour that agree in everything but their number. What they have in common is numbers of `RollupNames`.
package struct RollupRow: Sendable, Equatable {
    /// Of `RollupNames.tools`.
    package var tool: Int32
    /// Of `RollupNames.keys`.
    package var key: Int32
    /// Of `RollupNames.kinds`.
    package var kind: Int32
    /// What the calls come to.
    package var sum: RollupSum

    package init(tool: Int32, key: Int32, kind: Int32, sum: RollupSum) {
        self.tool = tool
        self.key = key
        self.kind = kind
        self.sum = sum
    }
}

/// What the calls of a row add up to.
package struct RollupSum: Sendable, Equatable {
    /// How many there were.
    package var calls: Int32 = 0
    /// Those of them whose duration is known.
    package var timedCalls: Int32 = 0
    /// Milliseconds of the quickest of these, also of one that was taken back; `Int32.max` where there was none.
    package var quickest = Int32.max
    /// Milliseconds of the slowest.
    package var slowest: Int32 = 0
    /// Charged; a refund of a later hour may make it negative.
    package var credits = 0
    /// Milliseconds of all timed calls.
    package var milliseconds = 0

    package init() {}

    /// Counts a call, or takes one back.
    /// - Parameters:
    ///   - calls: 1 or -1.
    ///   - credits: below 0 where they are taken back.
    ///   - milliseconds: of the call; nil where nobody knows.
    package mutating func count(_ calls: Int32, credits: Int, milliseconds: Int?) {
        self.calls += calls
        self.credits = self.credits.saturating(adding: credits)
        guard let milliseconds else { return }
        timedCalls += calls
        self.milliseconds += Int(calls) * milliseconds
        quickest = min(quickest, Int32(clamping: milliseconds))
        slowest = max(slowest, Int32(clamping: milliseconds))
    }

    /// Adds those of another one.
    package mutating func add(_ other: RollupSum) {
        calls += other.calls
        timedCalls += other.timedCalls
        quickest = min(quickest, other.quickest)
        slowest = max(slowest, other.slowest)
        credits = credits.saturating(adding: other.credits)
        milliseconds = milliseconds.saturating(adding: other.milliseconds)
    }

    /// What was counted and taken back leaves nothing.
    package var isNothing: Bool { calls == 0 && credits == 0 }
}

/// What became of the calls of a row, and why.
package struct RollupKind: Sendable, Hashable {
    /// What became of them.
    package let outcome: CallEvent.Outcome
    /// Empty unless denied, or `shadow:<reason>`; a word of the gate's own.
    package let reason: String

    package init(outcome: CallEvent.Outcome, reason: String = "") {
        self.outcome = outcome
        self.reason = reason
    }
}

/// How long the calls of one tool and outcome took in an hour.
package struct RollupLatency: Sendable, Equatable {
    /// Of `RollupNames.tools`.
    package var tool: Int32
    /// Of `RollupNames.kinds`; one without a reason.
    package var kind: Int32
    /// Of the calls whose duration is known.
    package var durations: DurationHistogram

    package init(tool: Int32, kind: Int32, durations: DurationHistogram) {
        self.tool = tool
        self.kind = kind
        self.durations = durations
    }
}
