// How long calls took, as counts by size: small enough to keep for every hour, and two of them add up to one of all their calls.

/// Counts of durations in buckets of about 2 %, of which there are fewer than 750, whatever is counted.
///
/// A bucket is a millisecond wide up to 100 ms, and no wider than a fortieth of its lower end beyond. 50, 100, 250, 500, 1000 and every
/// other end of a step of 1, 2, 5 are ends of buckets, so what lies below or above them is counted exactly.
package struct DurationHistogram: Sendable, Equatable {
    /// Calls of one bucket.
    package struct Entry: Sendable, Equatable {
        /// 0 to `bucketCount` - 1.
        package let bucket: Int32
        /// Never 0; below 0 only in a difference.
        package var calls: Int32
    }

    /// In the order of their buckets.
    package private(set) var entries: [Entry] = []

    package init() {}

    /// Calls that were counted.
    package var count: Int { entries.reduce(0) { $0 + Int($1.calls) } }

    /// - Parameters:
    ///   - milliseconds: of one call; below 0 counts as 0.
    ///   - calls: below 0 takes calls back.
    package mutating func add(_ milliseconds: Int, calls: Int = 1) {
        add(bucket: Self.bucket(of: milliseconds), calls: calls)
    }

    /// - Parameters:
    ///   - bucket: 0 to `bucketCount` - 1.
    ///   - calls: below 0 takes calls back.
    package mutating func add(bucket: Int, calls: Int) {
        add(Entry(bucket: Int32(bucket), calls: Int32(clamping: calls)))
    }

    /// Adds the counts of another one.
    package mutating func add(_ other: DurationHistogram) {
        if entries.isEmpty { entries = other.entries } else { for entry in other.entries { add(entry) } }
    }

    private mutating func add(_ entry: Entry) {
        guard entry.calls != 0 else { return }
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].bucket < entry.bucket { low = middle + 1 } else { high = middle }
        }
        guard low < entries.count, entries[low].bucket == entry.bucket else {
            entries.insert(entry, at: low)
            return
        }
        entries[low].calls = Int32(clamping: Int(entries[low].calls) + Int(entry.calls))
        if entries[low].calls == 0 { entries.remove(at: low) }
    }
}

extension DurationHistogram {
    /// Buckets of one step: from an end that it leaves out to one that it has, each so many milliseconds wide.
    private struct Step {
        let start: Int
        let end: Int
        let width: Int
        /// The number of its first bucket.
        let first: Int
    }

    /// 1, 2, 5, 10, … up to a thousand seconds, longer than any call may take.
    private static let steps: [Step] = {
        var steps = [Step(start: -1, end: 100, width: 1, first: 0)]
        var (decade, next) = (100, 101)
        while decade < 1_000_000 {
            for (start, end, width) in [(1, 2, 2), (2, 5, 5), (5, 10, 10)] {
                let step = Step(start: start * decade, end: end * decade, width: width * decade / 100, first: next)
                next += (step.end - step.start) / step.width
                steps.append(step)
            }
            decade *= 10
        }
        return steps
    }()

    /// How many buckets there are; the last one has all that is longer than a thousand seconds.
    package static let bucketCount = 1 + (steps.last.map { $0.first + ($0.end - $0.start) / $0.width } ?? 0)

    /// The bucket of one duration in milliseconds.
    package static func bucket(of milliseconds: Int) -> Int {
        guard let step = steps.first(where: { milliseconds <= $0.end }) else { return bucketCount - 1 }
        return step.first + (max(0, milliseconds) - step.start - 1) / step.width
    }

    /// The longest duration of a bucket in milliseconds; of the last one, the shortest.
    package static func end(of bucket: Int) -> Int {
        guard let step = steps.last(where: { bucket >= $0.first }) else { return 0 }
        return min(step.start + (bucket - step.first + 1) * step.width, step.end)
    }
}

/// Counts of all buckets, to which many histograms are added.
package struct DurationCounts: Sendable {
    private var calls = [Int](repeating: 0, count: DurationHistogram.bucketCount)

    package init() {}

    /// Adds the counts of a histogram.
    package mutating func add(_ histogram: DurationHistogram) {
        for entry in histogram.entries { calls[Int(entry.bucket)] += Int(entry.calls) }
    }

    /// Calls that were counted.
    package var count: Int { calls.reduce(0, +) }

    /// Calls that took longer than one time and no longer than another, both in milliseconds and ends of buckets.
    package func count(after start: Int, upTo end: Int) -> Int {
        calls.indices.reduce(0) { sum, bucket in
            let last = DurationHistogram.end(of: bucket)
            return last > start && last <= end && (bucket < calls.count - 1 || end == .max) ? sum + calls[bucket] : sum
        }
    }

    /// The end of the bucket that the nearest rank lies in (F-ANA-05), in milliseconds; nil if nothing was counted.
    /// - Parameter percent: 1 to 100.
    package func percentile(_ percent: Int) -> Int? {
        let rank = (count * percent + 99) / 100
        var seen = 0
        for (bucket, count) in calls.enumerated() where count > 0 {
            seen += count
            if seen >= rank { return DurationHistogram.end(of: bucket) }
        }
        return nil
    }
}
