// How far a work on a whole store has come, and how long it will still take.

/// What a tool that goes through a store is doing just now.
package struct StoreProgress: Sendable, Equatable {
    /// The parts of such a work, in their order.
    package enum Step: String, Sendable {
        /// Taking away what an earlier run has left in the target.
        case emptying
        /// Copying everything once.
        case copying
        /// Copying what has changed meanwhile.
        case following
        /// Reading everything once.
        case reading
        /// Reading the record of calls, shard by shard.
        case summing
    }

    /// Which part it is.
    package let step: Step
    /// Names, of `summing` shards, that are done of this part.
    package let done: Int
    /// About how many there are; 0 where nobody knows.
    package let total: Int

    /// - Parameter total: 0 where nobody knows.
    package init(_ step: Step, done: Int, of total: Int) {
        (self.step, self.done, self.total) = (step, done, max(0, total))
    }

    /// How much of this part is done, 0 to 100; nil where nobody knows.
    package var percent: Int? { total > 0 ? min(100, done * 100 / total) : nil }

    /// Seconds that this part will still take if it goes on as it has; nil where nobody knows.
    /// - Parameter elapsed: since it has begun.
    package func secondsLeft(after elapsed: Duration) -> Int? {
        guard total > 0, done > 0 else { return nil }
        return Int((elapsed / .seconds(1) * Double(max(0, total - done)) / Double(done)).rounded(.up))
    }
}
