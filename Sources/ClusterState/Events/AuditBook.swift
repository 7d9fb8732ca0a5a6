// What the audit log adds up to, as a node has read it: once, and from then on what is new.

import GateDomain

/// Keeps of every entry of every shard its place and its type, so that a count reads what has come since the last one and forgets what Redis
/// has dropped: it says what is in Redis at that moment, and never goes through the log again.
///
/// Bounded by the log: some 10,000 entries a shard, 24 bytes each. The first count reads all of them, a page of each shard at a time.
package actor AuditBook {
    /// How many entries there are.
    package struct Figures: Sendable, Equatable {
        /// All that are kept.
        package var total = 0
        /// Milliseconds since 1970; nil where there is none.
        package var oldest: Int?
        /// Milliseconds since 1970; nil where there is none.
        package var newest: Int?
        /// By `key.created` and the like.
        package var types: [String: Int] = [:]
        /// Those of the last 3,600 s.
        package var lastHour = 0
        /// Those of the last 86,400 s.
        package var lastDay = 0

        package init() {}
    }

    private struct Entry {
        let place: StreamPlace
        let type: Int
    }

    private let store: any CommandStore
    /// Of each shard, the oldest first.
    private var entries: [[Entry]]
    private var types: [String] = []
    private var numbers: [String: Int] = [:]
    private let turn = Turn()

    /// Entries of a shard that a command reads: few enough not to occupy Redis.
    private static let page = 500
    /// Shards that are read at once.
    private static let together = 8
    /// Types that are told apart, which is more than there are; others count as one.
    private static let mostTypes = 1000

    package init(store: any CommandStore) {
        self.store = store
        entries = [[Entry]](repeating: [], count: store.keys.shards)
    }

    /// Counts the log as it is now; of several that ask at once one reads at a time.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `StoreFailure`.
    package func figures(at now: Int) async throws -> Figures {
        await turn.take()
        defer { turn.pass() }
        try await update()
        var (figures, counts) = (Figures(), [Int](repeating: 0, count: types.count))
        for entry in entries.joined() {
            let time = entry.place.milliseconds
            counts[entry.type] += 1
            if now - time < 3_600_000 { figures.lastHour += 1 }
            if now - time < 86_400_000 { figures.lastDay += 1 }
        }
        figures.total = entries.reduce(0) { $0 + $1.count }
        figures.oldest = entries.compactMap(\.first?.place.milliseconds).min()
        figures.newest = entries.compactMap(\.last?.place.milliseconds).max()
        for (type, count) in zip(types, counts) where count > 0 { figures.types[type] = count }
        return figures
    }

    /// How many entries a filter of types and times takes, of the newest `AuditLog.searched`; who did something is not in the book.
    /// - Throws: `StoreFailure`.
    package func count(_ filter: AuditLog.Filter) async throws -> Int {
        await turn.take()
        defer { turn.pass() }
        try await update()
        let wanted = filter.types.isEmpty ? nil : Set(filter.types.compactMap { numbers[$0] })
        let (since, until) = (max(filter.since ?? 0, oldestSearched), filter.until ?? .max)
        let count = entries.joined().reduce(into: 0) { count, entry in
            let isIn = since <= entry.place.milliseconds && entry.place.milliseconds <= until
            if isIn, wanted?.contains(entry.type) ?? true { count += 1 }
        }
        return min(AuditLog.searched, count)
    }

    /// The time of the oldest entry that a page of the log may have.
    private var oldestSearched: Int {
        guard entries.reduce(0, { $0 + $1.count }) > AuditLog.searched else { return 0 }
        return entries.joined().map(\.place.milliseconds).sorted(by: >)[AuditLog.searched - 1]
    }

    private func update() async throws {
        let keys = store.keys
        let replies = try await store.sendAll((0..<keys.shards).flatMap { LogSpan.questions(keys.audit($0)) })
        let spans = (0..<keys.shards).map { LogSpan(replies[LogSpan.count * $0..<LogSpan.count * ($0 + 1)]) }
        var open: [Int] = []
        for shard in 0..<keys.shards {
            guard let first = spans[shard].first, let last = spans[shard].last else {
                entries[shard] = []
                continue
            }
            // A log that ends before what was read of it is another one.
            if let known = entries[shard].last?.place, last < known { entries[shard] = [] }
            if let kept = entries[shard].firstIndex(where: { !($0.place < first) }) {
                if kept > 0 { entries[shard].removeFirst(kept) }
            } else {
                entries[shard] = []
            }
            if entries[shard].last?.place != last { open.append(shard) }
        }
        try await read(open)
        // One that has lost its end and was written on, as after a failover, is another one too.
        let others = (0..<keys.shards).filter { shard in
            guard let length = spans[shard].length, let last = spans[shard].last else { return false }
            return length != (entries[shard].lastIndex { !(last < $0.place) } ?? -1) + 1
        }
        for shard in others { entries[shard] = [] }
        try await read(others)
    }

    /// Reads on, or from the beginning where nothing is known yet.
    private func read(_ shards: [Int]) async throws {
        let keys = store.keys
        var open = shards
        while !open.isEmpty {
            let some = open.prefix(Self.together)
            let pages = try await store.sendAll(
                some.map { shard in
                    let from = entries[shard].last.map { "(\($0.place.milliseconds)-\($0.place.sequence)" } ?? "-"
                    return RedisCommand("XRANGE", keys.audit(shard), from, "+", "COUNT", String(Self.page))
                })
            var rest = Array(open.dropFirst(Self.together))
            for (shard, page) in zip(some, pages) {
                let found = page.array ?? []
                for entry in found {
                    // What nobody can read is no entry, but is not read again.
                    guard let place = (entry.array?.first?.string).flatMap({ StreamPlace($0) }) else { continue }
                    entries[shard].append(Entry(place: place, type: number(of: LoggedChange(entry)?.type ?? "unknown")))
                }
                if found.count == Self.page { rest.append(shard) }
            }
            open = rest
        }
    }

    private func number(of type: String) -> Int {
        if let number = numbers[type] { return number }
        if types.count >= Self.mostTypes { return Self.mostTypes - 1 }
        types.append(type)
        numbers[type] = types.count - 1
        return types.count - 1
    }
}

/// Where the log of a shard begins and ends.
private struct LogSpan {
    let first: StreamPlace?
    let last: StreamPlace?
    /// How many entries it has; nil where it was written to while it was asked.
    let length: Int?

    /// Replies that one is made of.
    static let count = 5

    /// The length stands between two looks at the ends, so that it is theirs if they are the same.
    static func questions(_ log: String) -> [RedisCommand] {
        let ends = [RedisCommand("XRANGE", log, "-", "+", "COUNT", "1"), RedisCommand("XREVRANGE", log, "+", "-", "COUNT", "1")]
        return ends + [RedisCommand("XLEN", log)] + ends
    }

    init(_ replies: ArraySlice<RedisReply>) {
        let replies = Array(replies)
        let places = replies.map { $0.array?.first?.array?.first?.string.flatMap { StreamPlace($0) } }
        (first, last) = (places[0], places[1])
        length = places[0] == places[3] && places[1] == places[4] ? replies[2].integer : nil
    }
}
