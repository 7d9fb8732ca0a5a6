// Durations as counts by size.

import GateDomain
import Testing

@Suite("Durations")
struct DurationTests {
    @Test("F-ANA-05: a percentile is the nearest rank: exact up to 100 ms, and beyond never less and at most 2.5 % more")
    func percentiles() {
        var counts = DurationCounts()
        #expect(counts.percentile(50) == nil)
        var random = SystemRandomNumberGenerator()
        for top in [10, 90, 900, 70_000, 400_000] {
            counts = DurationCounts()
            let durations = (0..<999).map { _ in Int.random(in: 0...top, using: &random) }.sorted()
            var histogram = DurationHistogram()
            for duration in durations.shuffled() { histogram.add(duration) }
            counts.add(histogram)
            #expect(histogram.count == 999 && counts.count == 999)
            for percent in [1, 25, 50, 75, 90, 95, 99, 100] {
                let exact = durations[(999 * percent + 99) / 100 - 1]
                let found = counts.percentile(percent) ?? -1
                #expect(
                    exact <= 100 ? found == exact : found >= exact && found * 40 <= exact * 41 + 40,
                    "\(percent) % of \(top): \(found), \(exact)")
            }
        }
    }

    @Test("every duration is in one bucket, no longer than its end; the ends of steps of 1, 2, 5 are ends of buckets")
    func buckets() {
        var last = -1
        for bucket in 0..<DurationHistogram.bucketCount - 1 {
            let end = DurationHistogram.end(of: bucket)
            #expect(end > last && DurationHistogram.bucket(of: end) == bucket && DurationHistogram.bucket(of: last + 1) == bucket)
            last = end
        }
        #expect(DurationHistogram.bucket(of: last + 1) == DurationHistogram.bucketCount - 1 && DurationHistogram.bucket(of: -5) == 0)
        #expect(DurationHistogram.bucket(of: .max) == DurationHistogram.bucketCount - 1 && DurationHistogram.bucketCount < 750)
        for end in [50, 100, 250, 500, 1000, 2000, 5000, 10_000, 300_000] {
            #expect(DurationHistogram.end(of: DurationHistogram.bucket(of: end)) == end)
        }
    }

    @Test("two add up to one of all their calls in any order, what is taken back leaves nothing, and bands are counted exactly")
    func sums() {
        var (one, other, all) = (DurationHistogram(), DurationHistogram(), DurationHistogram())
        for duration in [50, 51, 100, 101, 250, 251, 1000, 1001, 2_000_000] {
            if duration % 2 == 0 { one.add(duration) } else { other.add(duration) }
            all.add(duration)
        }
        var (forth, back) = (one, other)
        forth.add(other)
        back.add(one)
        #expect(forth == all && back == all)
        var counts = DurationCounts()
        counts.add(all)
        #expect(
            [(-1, 50), (50, 100), (100, 250), (250, 1000), (1000, Int.max)].map { counts.count(after: $0, upTo: $1) } == [1, 2, 2, 2, 2])
        for duration in [50, 51, 100, 101, 250, 251, 1000, 1001, 2_000_000] { all.add(duration, calls: -1) }
        #expect(all == DurationHistogram())
    }
}
