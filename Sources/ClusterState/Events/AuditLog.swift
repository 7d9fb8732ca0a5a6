// The audit log of all shards as one: what admins, and the gate by itself, have changed.

package import GateDomain

/// The newest entries first, over all shards (F-AUDIT-10).
///
/// Bounded: `searched` entries are gone through, a page of a shard at a time, so that neither the node nor Redis is kept by a long log.
package struct AuditLog: Sendable {
    /// What is asked for.
    package struct Filter: Sendable, Hashable {
        /// Types as `key.created`; empty for all.
        package var types: Set<String>
        /// Part of the actor's name, in whatever case; empty for all.
        package var actor: String
        /// Milliseconds since 1970, included.
        package var since: Int?
        /// Milliseconds since 1970, included.
        package var until: Int?

        package init(types: Set<String> = [], actor: String = "", since: Int? = nil, until: Int? = nil) {
            self.types = types
            self.actor = actor.lowercased()
            self.since = since
            self.until = until
        }

        /// Whether everything is asked for.
        var takesAll: Bool { types.isEmpty && actor.isEmpty && since == nil && until == nil }

        func takes(_ change: LoggedChange) -> Bool {
            (types.isEmpty || types.contains(change.type)) && (actor.isEmpty || change.actor.lowercased().contains(actor))
        }
    }

    /// An entry with its number.
    package struct Entry: Sendable {
        /// Grows with the time, and is no other entry's as long as no millisecond of a shard has more than 4,096 / shards of them.
        package let number: Int
        /// What was changed, when and by whom.
        package let change: LoggedChange

        init(_ place: StreamPlace, of shard: Int, among shards: Int, _ change: LoggedChange) {
            number = place.milliseconds * 4096 + (place.sequence * shards + shard) % 4096
            self.change = change
        }
    }

    /// Entries that are gone through at most, the newest ones.
    package static let searched = 100_000
    /// Entries of a command: few enough not to occupy Redis.
    fileprivate static let page = 500

    private let store: any CommandStore

    package init(store: any CommandStore) {
        self.store = store
    }

    private struct Enough: Error {}

    /// What the filter takes, from the newest on; what lies behind the page is not looked at.
    /// - Throws: `StoreFailure`.
    package func page(_ filter: Filter, offset: Int, count: Int) async throws -> [Entry] {
        var (found, passed) = ([Entry](), 0)
        do {
            try await forEach(filter) { entry in
                if passed < offset { passed += 1 } else { found.append(entry) }
                if found.count == count { throw Enough() }
            }
        } catch is Enough {}
        return found
    }

    /// How many entries the filter takes.
    /// - Throws: `StoreFailure`.
    package func count(_ filter: Filter) async throws -> Int {
        if filter.takesAll {
            let sizes = try await store.sendAll((0..<store.keys.shards).map { RedisCommand("XLEN", store.keys.audit($0)) })
            return min(Self.searched, sizes.reduce(0) { $0 + ($1.integer ?? 0) })
        }
        var count = 0
        try await forEach(filter) { _ in count += 1 }
        return count
    }

    /// Hands out what the filter takes, the newest first.
    /// - Throws: `StoreFailure`, and what `body` throws.
    package func forEach(_ filter: Filter, _ body: (Entry) async throws -> Void) async throws {
        let keys = store.keys
        // The one with the newest head comes last.
        var cursors: [AuditCursor] = []
        for shard in 0..<keys.shards {
            var cursor = AuditCursor(shard: shard, of: keys, filter)
            try await cursor.fill(from: store)
            if cursor.head != nil { cursors.append(cursor) }
        }
        cursors.sort { $0.isBefore($1) }
        for _ in 0..<Self.searched {
            guard let newest = cursors.indices.last, let entry = cursors[newest].next() else { return }
            if filter.takes(entry.change) { try await body(entry) }
            if cursors[newest].needsMore { try await cursors[newest].fill(from: store) }
            let cursor = cursors.removeLast()
            guard cursor.head != nil else { continue }
            // Entries of one shard often follow one another, so its place is looked for from the end.
            cursors.insert(cursor, at: cursors.lastIndex { $0.isBefore(cursor) }.map { $0 + 1 } ?? 0)
        }
    }
}

/// Reads the stream of one shard from its end on.
private struct AuditCursor {
    private let shard: Int
    private let shards: Int
    private let stream: String
    private let start: String
    private var end: String
    private var entries: ArraySlice<(place: StreamPlace, change: LoggedChange)> = []
    private var isAtEnd = false

    init(shard: Int, of keys: RedisKeys, _ filter: AuditLog.Filter) {
        (self.shard, shards, stream) = (shard, keys.shards, keys.audit(shard))
        start = filter.since.map { String(max(0, $0)) } ?? "-"
        end = filter.until.map { String(max(0, $0)) } ?? "+"
    }

    var head: StreamPlace? { entries.first?.place }
    var needsMore: Bool { entries.isEmpty && !isAtEnd }

    /// Both have a head.
    func isBefore(_ other: AuditCursor) -> Bool {
        guard let own = head, let others = other.head else { return false }
        return own < others
    }

    mutating func fill(from store: any CommandStore) async throws {
        while needsMore {
            let page =
                try await store.sendPatiently(RedisCommand("XREVRANGE", stream, end, start, "COUNT", String(AuditLog.page))).array ?? []
            isAtEnd = page.count < AuditLog.page
            if let last = page.last?.array?.first?.string { end = "(" + last }
            entries =
                page.compactMap { entry in
                    guard let place = (entry.array?.first?.string).flatMap({ StreamPlace($0) }), let change = LoggedChange(entry) else {
                        return nil
                    }
                    return (place, change)
                }[...]
        }
    }

    mutating func next() -> AuditLog.Entry? {
        guard let (place, change) = entries.popFirst() else { return nil }
        return AuditLog.Entry(place, of: shard, among: shards, change)
    }
}
