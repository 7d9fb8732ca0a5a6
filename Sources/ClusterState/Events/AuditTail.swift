// What the audit log is told from now on, over all shards.

import GateDomain

/// Reads the streams of all shards from where they end when it is made.
package struct AuditTail: Sendable {
    private let store: any CommandStore
    /// The last entry of each shard that was read.
    private var places: [String]
    /// Entries of a shard that are read at once.
    private static let page = 200

    /// - Throws: `StoreFailure`.
    package init(store: any CommandStore) async throws(StoreFailure) {
        self.store = store
        places = try await store.sendAll(
            (0..<store.keys.shards).map { RedisCommand("XREVRANGE", store.keys.audit($0), "+", "-", "COUNT", "1") }
        ).map { $0.array?.first?.array?.first?.string ?? "0-0" }
    }

    /// What is new, the oldest first; a shard that is away is read later.
    /// - Returns: the entries, and whether there may be more.
    package mutating func next() async -> (entries: [AuditLog.Entry], hasMore: Bool) {
        let pages = await store.each(
            places.enumerated().map {
                RedisCommand("XRANGE", store.keys.audit($0.offset), "(" + $0.element, "+", "COUNT", String(Self.page))
            })
        var (found, hasMore) = ([(place: StreamPlace, entry: AuditLog.Entry)](), false)
        for (shard, page) in pages.enumerated() {
            guard case .success(let reply) = page, let entries = reply.array, let last = entries.last?.array?.first?.string else {
                continue
            }
            places[shard] = last
            hasMore = hasMore || entries.count == Self.page
            for entry in entries {
                guard let place = (entry.array?.first?.string).flatMap({ StreamPlace($0) }), let change = LoggedChange(entry) else {
                    continue
                }
                found.append((place, AuditLog.Entry(place, of: shard, among: store.keys.shards, change)))
            }
        }
        return (found.sorted { $0.place < $1.place }.map(\.entry), hasMore)
    }
}
