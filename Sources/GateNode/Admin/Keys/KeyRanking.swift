// The first of many, in bounded memory.

/// Keeps the ids of the first `capacity` keys of an order, and counts all.
struct KeyRanking {
    /// What keys are ordered by; numbers before texts, which never meet.
    enum Rank: Comparable {
        case number(Int)
        case text(String)
    }

    private let direction: KeyQuery.Direction
    private let capacity: Int
    private var kept: [(rank: Rank, id: String)] = []
    private(set) var total = 0

    init(direction: KeyQuery.Direction, capacity: Int) {
        self.direction = direction
        self.capacity = capacity
    }

    mutating func add(_ id: String, by rank: Rank) {
        total += 1
        kept.append((rank, id))
        if kept.count >= 2 * capacity + KeyQuery.longest { kept = sorted }
    }

    /// The ids in order.
    var best: [String] { sorted.map(\.id) }

    /// Equal ranks are ordered by id, so that pages neither overlap nor leave out.
    private var sorted: [(rank: Rank, id: String)] {
        let ordered = kept.sorted { left, right in
            let isBefore = (left.rank, left.id) < (right.rank, right.id)
            return direction == .asc ? isBefore : (right.rank, right.id) < (left.rank, left.id)
        }
        return Array(ordered.prefix(capacity))
    }
}
