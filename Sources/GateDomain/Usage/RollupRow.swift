// One line of the hourly sums of calls, from which reports are made.

/// Calls of one hour that agree in everything but their number: same tool, key, outcome and reason.
package struct RollupRow: Sendable, Equatable {
    /// Hours since 1970, UTC.
    package var hour: Int
    /// At most `CallEvent.toolBytes` long.
    package var tool: String
    /// Empty for callers that no key is known of.
    package var keyID: String
    /// As the key was called when its last call of the hour came.
    package var keyName: String
    /// Of the key when its last call of the hour came.
    package var namespace: String
    /// What became of the calls.
    package var outcome: CallEvent.Outcome
    /// Empty unless denied, or `shadow:<reason>`.
    package var reason: String
    /// How many calls the row sums up.
    package var calls: Int
    /// Charged; a refund of a later hour may make it negative.
    package var credits: Int
    /// How long they took.
    package var durations: DurationHistogram

    package init(
        hour: Int, tool: String, keyID: String, keyName: String, namespace: String, outcome: CallEvent.Outcome, reason: String = "",
        calls: Int, credits: Int, durations: DurationHistogram = DurationHistogram()
    ) {
        self.hour = hour
        self.tool = tool
        self.keyID = keyID
        self.keyName = keyName
        self.namespace = namespace
        self.outcome = outcome
        self.reason = reason
        self.calls = calls
        self.credits = credits
        self.durations = durations
    }
}

/// Durations as a sum and as counts by their size; two of them add up to one of all their durations.
package struct DurationHistogram: Sendable, Equatable {
    /// Upper ends of the buckets in milliseconds, each within its bucket; what is longer than the last one is in one more.
    package static let bounds = [1, 2, 5, 10, 25, 50, 75, 100, 150, 250, 375, 500, 750, 1000, 2500, 5000, 10_000, 30_000, 60_000]

    /// Milliseconds.
    package private(set) var sum = 0
    /// One more than there are bounds, or none while it is empty.
    package private(set) var counts: [Int] = []

    package init() {}

    /// What was stored of one; nil if it is none.
    package init?(sum: Int, counts: [Int]) {
        guard counts.isEmpty || counts.count == Self.bounds.count + 1, counts.allSatisfy({ $0 >= 0 }) else { return nil }
        (self.sum, self.counts) = (sum, counts)
    }

    /// Calls that were counted.
    package var count: Int { counts.reduce(0, +) }

    /// - Parameter milliseconds: of one call.
    package mutating func add(_ milliseconds: Int) {
        if counts.isEmpty { counts = Array(repeating: 0, count: Self.bounds.count + 1) }
        sum += milliseconds
        counts[Self.bucket(of: milliseconds)] += 1
    }

    /// The bucket of one duration in milliseconds, 0 to the number of bounds.
    package static func bucket(of milliseconds: Int) -> Int { bounds.firstIndex { milliseconds <= $0 } ?? bounds.count }

    /// Adds the counts of another one.
    package mutating func add(_ other: DurationHistogram) {
        sum += other.sum
        if counts.isEmpty {
            counts = other.counts
            return
        }
        for (index, count) in other.counts.enumerated() { counts[index] += count }
    }

    /// The upper end of the bucket that the nearest rank lies in (F-ANA-05); the last bound for what is longer. Nil if there is none.
    /// - Parameter percent: 1 to 100.
    package func percentile(_ percent: Int) -> Int? {
        let rank = (count * percent + 99) / 100
        var seen = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            if seen >= rank { return Self.bounds[min(index, Self.bounds.count - 1)] }
        }
        return nil
    }
}
