// Tells, once for all nodes, that a key will soon have run out of its time.

package import GateDomain
import LuaScripts

/// `key.expiry_warning` in the audit log, and with it to every webhook (F-WH-08, F-ALERT-04).
///
/// A list holds each key that expires under the time of its next warning, or under 0 where that is not known: whatever changes a key writes it
/// there so, and the next look puts it where it belongs. So a look reads the keys that are due and no others, and an expiry or a threshold that
/// is set anew is noticed. The warning is written in the step that notes in the record that it was: once, by whichever node looks, whenever one
/// dies. One look warns of a key once; a smaller threshold that has come as well is told with the next look.
package struct ExpiryWarnings: Sendable {
    private let keys: KeyDirectory
    private let thresholds: [Int]
    private let interval: Int
    private var store: any CommandStore { keys.store }
    /// Keys of a shard that are read at once.
    private static let atOnce = 100
    /// Where keys stand of which nothing is to be told any more.
    private static let never = Credits.balanceCeiling

    /// - Parameters:
    ///   - thresholds: seconds before the expiry.
    ///   - interval: seconds from one look to the next, over all nodes.
    package init(_ keys: KeyDirectory, thresholds: [Int], interval: Int) {
        self.keys = keys
        self.thresholds = thresholds.sorted(by: >)
        self.interval = interval
    }

    /// Looks, if no node has for as long as the interval is.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `store`; what is left is told with the next look.
    package func lookIfDue(at now: Int) async throws(RecordRefusal) {
        let turn = RedisCommand("SET", store.keys.expiryScan, "1", "NX", "PX", String(interval * 1000))
        let reply: RedisReply
        do { reply = try await store.send(turn) } catch { throw .store(error) }
        if reply == .null { return }
        try await look(at: now)
    }

    /// Tells of all that is due; a shard that is away delays the warnings of its own keys alone.
    /// - Throws: `store` where nothing can be told.
    func look(at now: Int) async throws(RecordRefusal) {
        var open = Array(0..<store.keys.shards)
        var (failure, away) = (StoreFailure?.none, 0)
        while !open.isEmpty {
            let pages = await store.each(
                open.map {
                    RedisCommand(
                        "ZRANGEBYSCORE", store.keys.index(KeyRecord.unwarned, $0), "-inf", String(now), "LIMIT", "0", String(Self.atOnce))
                })
            var rest: [Int] = []
            for (shard, page) in zip(open, pages) {
                do throws(RecordRefusal) {
                    let ids = try page.mapped.array?.compactMap(\.string) ?? []
                    var hasMoved = false
                    for id in ids where try await see(to: id, at: now) { hasMoved = true }
                    if hasMoved, ids.count >= Self.atOnce { rest.append(shard) }
                } catch {
                    guard case .store(let reason) = error else { throw error }
                    (failure, away) = (reason, away + 1)
                }
            }
            open = rest
        }
        if let failure, away == store.keys.shards { throw .store(failure) }
    }

    /// How often anybody was warned.
    /// - Throws: `store`.
    package func count() async throws(RecordRefusal) -> Int {
        try await store.ask(RedisCommand("GET", store.keys.expiryWarnings)).integer ?? 0
    }

    /// Warns of a key, if that is due, and puts it where the next warning of it is.
    /// - Returns: whether it stands elsewhere now.
    private func see(to id: String, at now: Int) async throws(RecordRefusal) -> Bool {
        guard var key = try await keys.records.read(id), let expiry = key.expiresAt, key.state != .revoked else { return false }
        if let threshold = next(for: key), expiry > now, expiry - now <= threshold * 1000 {
            guard try await warn(key, expiry, threshold, at: now), let told = try await keys.records.read(id) else { return false }
            key = told
        }
        // Not before the next look, whatever has come by now.
        let due = next(for: key).flatMap { threshold in key.expiresAt.map { max($0 - threshold * 1000, now + 1) } }
        let place = (key.expiresAt ?? 0) > now ? due ?? Self.never : Self.never
        var command = RedisCommand(script: .listKey, keys: 2)
        command.append(store.keys.record(id))
        command.append(store.keys.index(KeyRecord.unwarned, store.keys.shard(of: id)))
        command.append(id)
        command.append(key.version)
        for number in [1, place, 0] { command.append(number) }
        return try await store.ask(command).status == 0
    }

    /// The largest threshold that nobody was told of; nil if there is none.
    private func next(for key: KeyRecord) -> Int? {
        guard let warned = key.warnedExpiry, warned.expiry == key.expiresAt else { return thresholds.first }
        return thresholds.first { $0 < warned.threshold }
    }

    private func warn(_ key: KeyRecord, _ expiry: Int, _ threshold: Int, at now: Int) async throws(RecordRefusal) -> Bool {
        let audit = AuditEntry(
            type: "key.expiry_warning", actor: "system", message: "Key expires soon",
            metadata: [
                ("keyMasked", key.masked), ("keyId", key.id), ("name", key.name), ("alias", key.alias ?? ""), ("namespace", key.namespace),
                ("expiresAt", Timestamp.text(milliseconds: expiry)), ("remainingSeconds", String((expiry - now) / 1000)),
                ("threshold", String(threshold)),
            ].filter { !$0.1.isEmpty })
        do {
            let operation = Operation(id: "expires:\(key.id):\(expiry):\(threshold):\(key.version)", audit: audit)
            _ = try await keys.records.edit(key.id, operation) { [version = key.version] (key) throws(RecordRefusal) in
                guard key.expiresAt == expiry, key.version == version, key.state != .revoked else { throw .state("changed") }
                key.warnedExpiry = ExpiryNotice(expiry: expiry, threshold: threshold)
            }
        } catch {
            // Somebody has changed the key just before; the next look sees to it.
            if case .store = error { throw error }
            return false
        }
        // For people who look at how busy it is: it may be one short.
        _ = try? await store.send(RedisCommand(once: "INCR", store.keys.expiryWarnings))
        return true
    }
}

extension Result<RedisReply, StoreFailure> {
    /// - Throws: `store`.
    fileprivate var mapped: RedisReply {
        get throws(RecordRefusal) {
            switch self {
            case .success(let reply): reply
            case .failure(let failure): throw .store(failure)
            }
        }
    }
}
