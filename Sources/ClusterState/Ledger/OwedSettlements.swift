// Settlements that nobody waits for any more, and that Redis has not acknowledged yet.

import DequeModule

/// What a ledger owes Redis of its own accord, first come, first sent.
///
/// What Redis *refuses*, in words that do not say that it heals by itself (a corrupt account, a proxy, a missing right), waits apart and is
/// tried again ever more seldom: somebody has to mend something first, and nobody says when. Invariant: nothing is forgotten but the oldest
/// of more than `mostRefused`, whose holds then stay until the node leaves or is found dead.
struct OwedSettlements {
    struct Owed {
        let settlement: Settlement
        /// Microseconds between two tries; 0 for one that was never refused.
        fileprivate(set) var pause = 0
    }

    private var waiting: Deque<Owed> = []
    /// Microseconds of the node's uptime at which each is due.
    private var refused: Deque<(owed: Owed, due: Int)> = []
    private var nextDue = Int.max
    /// Those that were refused and have not been acknowledged since, also while they are on their way.
    private(set) var troubled = 0
    /// Refusals so far.
    private(set) var refusals = 0
    /// Those that were given up, so far.
    private(set) var dropped = 0

    static let mostRefused = 4096
    static let firstPause = 1_000_000
    static let longestPause = 30_000_000

    var count: Int { waiting.count + refused.count }

    mutating func append(_ settlement: Settlement) { waiting.append(Owed(settlement: settlement)) }

    /// Removes and returns those that may be sent by now, `most` at most.
    mutating func take(_ most: Int, at uptime: Int) -> [Owed] {
        wake(at: uptime)
        let taken = Array(waiting.prefix(most))
        waiting.removeFirst(taken.count)
        return taken
    }

    /// Redis was away: it goes out again as soon as Redis is back.
    mutating func putBack(_ owed: Owed) { waiting.append(owed) }

    /// Redis has refused it. - Returns: whether it is the first in trouble.
    mutating func refuse(_ owed: Owed, at uptime: Int) -> Bool {
        refusals += 1
        let wasWell = troubled == 0
        if owed.pause == 0 { troubled += 1 }
        var owed = owed
        owed.pause = owed.pause == 0 ? Self.firstPause : min(owed.pause * 2, Self.longestPause)
        refused.append((owed, uptime + owed.pause))
        nextDue = min(nextDue, uptime + owed.pause)
        if refused.count > Self.mostRefused {
            refused.removeFirst()
            (dropped, troubled) = (dropped + 1, troubled - 1)
        }
        return wasWell
    }

    /// Redis has it. - Returns: whether it was the last in trouble.
    mutating func acknowledge(_ owed: Owed) -> Bool {
        guard owed.pause > 0 else { return false }
        troubled -= 1
        return troubled == 0
    }

    private mutating func wake(at uptime: Int) {
        guard uptime >= nextDue else { return }
        waiting.append(contentsOf: refused.lazy.filter { $0.due <= uptime }.map(\.owed))
        refused.removeAll { $0.due <= uptime }
        nextDue = refused.lazy.map(\.due).min() ?? .max
    }
}
