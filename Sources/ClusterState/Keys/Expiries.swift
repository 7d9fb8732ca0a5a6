// Tells, once for all nodes, that a key has run out of its time.

import GateDomain

/// `key.expired` in the audit log, and with it to every webhook (F-WH-20).
///
/// Invariant: the entry is written in the step that notes in the record that it was, under an operation of its own. So each expiry is told
/// once, by whichever node sees it, whenever one dies; one that is set anew is told anew, a key that was revoked before is not.
package struct Expiries: Sendable {
    private let keys: KeyDirectory
    /// Keys of a shard that one look sees to.
    private static let atOnce = 100

    /// - Parameter keys: those whose expiries are told.
    package init(_ keys: KeyDirectory) {
        self.keys = keys
    }

    /// Tells of the expiries that have come. A shard that is away delays those of its own keys alone.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Returns: whether there may be more, and looking again at once helps.
    /// - Throws: `store` where nothing can be told; what is left is told with the next look.
    package func tell(at now: Int) async throws(RecordRefusal) -> Bool {
        let (names, shards) = (keys.store.keys, keys.store.keys.shards)
        let pages = await keys.store.each(
            (0..<shards).map {
                RedisCommand("ZRANGEBYSCORE", names.index(KeyRecord.untold, $0), "-inf", String(now), "LIMIT", "0", String(Self.atOnce))
            })
        var (hasMore, failure, away) = (false, StoreFailure?.none, 0)
        for page in pages {
            switch page {
            case .success(let page):
                do throws(RecordRefusal) {
                    var hasTold = false
                    for id in page.array?.compactMap(\.string) ?? [] where try await tell(id, at: now) { hasTold = true }
                    hasMore = hasMore || hasTold && (page.array?.count ?? 0) >= Self.atOnce
                } catch {
                    guard case .store(let reason) = error else { throw error }
                    (failure, away) = (reason, away + 1)
                }
            case .failure(let reason): (failure, away) = (reason, away + 1)
            }
        }
        if let failure, away == shards { throw .store(failure) }
        return hasMore
    }

    private func tell(_ id: String, at now: Int) async throws(RecordRefusal) -> Bool {
        guard let key = try await keys.records.read(id), let expiry = key.expiresAt, key.toldExpiry != expiry, expiry <= now else {
            return false
        }
        let audit = AuditEntry(
            type: "key.expired", actor: "system", message: "Key expired",
            metadata: [
                ("keyMasked", key.masked), ("keyId", key.id), ("name", key.name), ("expiresAt", Timestamp.text(milliseconds: expiry)),
            ])
        do {
            // Of this version: one and the same expiry that is set once more is told once more.
            let operation = Operation(id: "expired:\(id):\(expiry):\(key.version)", audit: audit)
            _ = try await keys.records.edit(id, operation) { [version = key.version] (key) throws(RecordRefusal) in
                guard key.expiresAt == expiry, key.version == version, key.state != .revoked else { throw .state("changed") }
                key.toldExpiry = expiry
            }
            return true
        } catch {
            // Somebody has changed the expiry, or revoked the key, just before.
            if case .store = error { throw error }
            return false
        }
    }
}
