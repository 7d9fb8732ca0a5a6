// The first of many, in bounded memory.

import ClusterState

/// Keeps the ids of the first `capacity` keys of an order behind a place, and counts all.
struct KeyRanking {
    private let direction: KeyQuery.Direction
    private let capacity: Int
    private let start: KeyPlace?
    private var kept: [KeyPlace] = []
    private(set) var total = 0
    /// Keys behind the place.
    private(set) var count = 0

    init(_ query: KeyQuery) {
        (direction, capacity, start) = (query.direction, query.offset + query.limit, query.cursor)
    }

    mutating func add(_ place: KeyPlace) {
        total += 1
        if let start, !precedes(start, place) { return }
        count += 1
        kept.append(place)
        if kept.count >= 2 * capacity + KeyQuery.longest { kept = best }
    }

    /// The places in order; of keys with the same rank by id, so that pages neither overlap nor leave out.
    var best: [KeyPlace] { Array(kept.sorted(by: precedes).prefix(capacity)) }

    private func precedes(_ one: KeyPlace, _ other: KeyPlace) -> Bool { direction == .asc ? one < other : other < one }
}
