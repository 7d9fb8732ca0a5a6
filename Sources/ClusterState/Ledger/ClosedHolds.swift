// Holds that are closed and whose marks Redis still keeps, until no late copy of a command can arrive any more.

import DequeModule

/// A hold that is closed and whose mark Redis may forget.
struct Acknowledgement {
    let node: String
    let hold: String
    /// Milliseconds of Redis TIME until which a late copy of its admission would be carried out.
    let admissibleUntil: Int
    /// Whether such a copy may well be there: then it is waited for by a clock that never steps as well.
    var isDoubtful = false
    /// Microseconds of the node's uptime.
    let closedAt: Int

    /// Microseconds for which a command of a broken connection may still arrive.
    private static let longestWay = 10_000_000
    /// Microseconds after which a mark goes even if Redis's clock has stepped back.
    private static let longestWait = 60_000_000

    func isDue(_ clock: RedisClock) -> Bool {
        let age = clock.uptime - closedAt
        guard age <= Self.longestWait else { return true }
        return admissibleUntil + Ledger.admissible < clock.milliseconds && (!isDoubtful || age > Self.longestWay)
    }
}

/// Those of one shard. The few that are doubtful wait apart, so that nobody waits behind them.
struct ClosedHolds {
    private var usual: Deque<Acknowledgement> = []
    private var doubtful: Deque<Acknowledgement> = []

    var count: Int { usual.count + doubtful.count }

    mutating func append(_ mark: Acknowledgement) {
        if mark.isDoubtful { doubtful.append(mark) } else { usual.append(mark) }
    }

    /// Removes and returns marks that may be forgotten by now, `most` at most.
    mutating func takeDue(_ clock: RedisClock, most: Int) -> [Acknowledgement] {
        var due: [Acknowledgement] = []
        while due.count < most, let first = usual.first, first.isDue(clock) { due.append(usual.removeFirst()) }
        while due.count < most, let first = doubtful.first, first.isDue(clock) { due.append(doubtful.removeFirst()) }
        return due
    }
}

/// How many holds are open under each name that the node has had; all but one of them are names of before a failover.
struct HoldNames {
    private var present = (name: "", count: 0)
    private var former: [String: Int] = [:]

    func count(of name: String) -> Int { name == present.name ? present.count : former[name] ?? 0 }

    mutating func opened(under name: String) {
        if name != present.name { become(name) }
        present.count += 1
    }

    mutating func closed(under name: String) {
        if name == present.name {
            present.count -= 1
        } else if let count = former[name] {
            former[name] = count == 1 ? nil : count - 1
        }
    }

    private mutating func become(_ name: String) {
        if present.count > 0 { former[present.name] = present.count }
        present = (name, former.removeValue(forKey: name) ?? 0)
    }
}
