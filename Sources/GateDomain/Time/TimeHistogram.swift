// Durations in buckets, as Prometheus wants them.

/// Counts of durations from a tenth of a millisecond to ten seconds; what is longer is in a last bucket that has no bound.
package struct TimeHistogram: Sendable, Equatable {
    /// The longest that each bucket but the last has, in nanoseconds.
    package static let bounds: [Int64] = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000,
        500_000_000, 1_000_000_000, 2_500_000_000, 5_000_000_000, 10_000_000_000,
    ]

    /// Counts a bucket, not cumulative; one more than there are bounds.
    package private(set) var buckets = [Int](repeating: 0, count: bounds.count + 1)
    /// Of all durations together.
    package private(set) var nanoseconds: Int64 = 0
    /// Durations that were recorded.
    package private(set) var count = 0

    package init() {}

    /// Counts a duration in nanoseconds.
    package mutating func record(_ nanoseconds: Int64) {
        buckets[Self.bounds.firstIndex { nanoseconds <= $0 } ?? Self.bounds.count] += 1
        self.nanoseconds += nanoseconds
        count += 1
    }

    /// Adds the counts of another one.
    package mutating func add(_ other: TimeHistogram) {
        for index in buckets.indices { buckets[index] += other.buckets[index] }
        nanoseconds += other.nanoseconds
        count += other.count
    }
}
