// Actions on keys that wait for their time: made, taken back, and carried out once, by whichever node sees that they are due.

package import GateDomain

/// The schedules of all keys (F-KEY-12).
///
/// Invariant: an action is carried out once. Whoever sees that it is due marks it, so that nobody can take it back any more, carries it out
/// as the operation of its own id, and strikes it out; every step may be done twice, by several nodes and after any of them has died.
package struct Schedules: Sendable {
    private let keys: KeyDirectory
    private var store: any CommandStore { keys.store }

    /// What is said of a key that can have no more.
    package static let isFull = "full of schedules"
    /// What is said of an action that is being carried out.
    package static let isUnderWay = "under way"
    /// Keys whose actions one look at a shard sees to, and that one list shows.
    package static let most = 1000
    private static let atOnce = 100
    /// Milliseconds for which a scheduled top-up is remembered: for longer than anybody leaves the cluster off in the middle of one.
    private static let retention = 31 * 86_400_000

    /// - Parameter keys: whose schedules they are.
    package init(_ keys: KeyDirectory) {
        self.keys = keys
    }

    /// Adds an action to a key.
    /// - Throws: `state(isFull)`, `operationReused`, `contended` or `store`.
    package func add(_ entry: KeySchedules.Entry, to key: String, _ operation: Operation) async throws(RecordRefusal) {
        let id = KeySchedules.id(of: key)
        if try await keys.schedules.read(id) == nil {
            do {
                return try await keys.schedules.create(KeySchedules(of: key, entries: [entry]), operation)
            } catch {
                // Somebody else has written the first one meanwhile.
                if error != .contended { throw error }
            }
        }
        _ = try await keys.schedules.edit(id, operation) { (all) throws(RecordRefusal) in
            guard all.entries.count < KeySchedules.capacity else { throw .state(Self.isFull) }
            all.entries.append(entry)
        }
    }

    /// Takes an action back before its time.
    /// - Returns: the action as it was.
    /// - Throws: `missing` where there is none of that id, `state(isUnderWay)`, `contended` or `store`.
    package func cancel(_ entry: String, of key: String, _ operation: Operation) async throws(RecordRefusal) -> KeySchedules.Entry {
        var cancelled: KeySchedules.Entry?
        _ = try await keys.schedules.edit(KeySchedules.id(of: key), operation) { (all) throws(RecordRefusal) in
            guard let index = all.entries.firstIndex(where: { $0.id.hasSameBytes(as: entry) }) else { throw .missing }
            guard !all.entries[index].isUnderWay else { throw .state(Self.isUnderWay) }
            cancelled = all.entries.remove(at: index)
        }
        guard let cancelled else { throw .missing }
        return cancelled
    }

    /// What waits for one key, the soonest first.
    /// - Throws: `store`.
    package func pending(of key: String) async throws(RecordRefusal) -> [KeySchedules.Entry] {
        try await keys.schedules.read(KeySchedules.id(of: key))?.entries ?? []
    }

    /// What waits for all keys, those first of which the first action is the soonest; of `most` keys at most, and whether there are more.
    /// - Throws: `store`.
    package func pending() async throws(RecordRefusal) -> (schedules: [KeySchedules], hasMore: Bool) {
        let found = try await keys.schedules.ids(in: KeySchedules.due, from: 0, to: .max, count: Self.most)
        return (try await keys.schedules.read(found.ids), found.total > found.ids.count)
    }

    /// Carries out what is due. A shard that is away, and a key whose record others keep changing, delay what is theirs alone.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: why something was left, when all else has been done; it is seen to with the next look.
    package func seeToDue(at now: Int) async throws(RecordRefusal) {
        let pages = await store.each(
            (0..<store.keys.shards).map {
                RedisCommand(
                    "ZRANGEBYSCORE", store.keys.index(KeySchedules.due, $0), "-inf", String(now), "LIMIT", "0", String(Self.atOnce))
            })
        var failure: RecordRefusal?
        for page in pages {
            switch page {
            case .success(let page):
                for id in page.array?.compactMap(\.string) ?? [] {
                    do throws(RecordRefusal) { try await carryOut(id, dueAt: now) } catch {
                        failure = error
                        // The rest of its shard would wait for as long, each.
                        if case .store = error { break }
                    }
                }
            case .failure(let reason): failure = .store(reason)
            }
        }
        if let failure { throw failure }
    }

    private func carryOut(_ id: String, dueAt now: Int) async throws(RecordRefusal) {
        guard let schedules = try await keys.schedules.read(id) else { return }
        for entry in schedules.entries where entry.executeAt <= now { try await carryOut(entry, of: schedules.keyID) }
    }

    private func carryOut(_ entry: KeySchedules.Entry, of key: String) async throws(RecordRefusal) {
        if !entry.isUnderWay {
            guard try await change(entry, of: key, .untold, { $0[$1].isUnderWay = true }) else { return }
        }
        let facts = await facts(of: entry, key)
        var outcome = AuditEntry.untold
        do {
            try await act(entry, on: key, Self.audit("Scheduled action carried out", facts))
        } catch {
            guard let why = error.word else { throw error }
            outcome = Self.audit("Scheduled action passed over: \(why)", facts)
        }
        _ = try await change(entry, of: key, outcome) { $0.remove(at: $1) }
    }

    private func act(_ entry: KeySchedules.Entry, on key: String, _ audit: AuditEntry) async throws(RecordRefusal) {
        let operation = Operation(id: "schedule:" + entry.id, fingerprint: entry.action.rawValue, audit: audit)
        switch entry.action {
        case .revoke: try await keys.edit(key, in: [.active, .suspended], operation) { $0.state = .revoked }
        case .suspend:
            try await keys.edit(key, in: [.active], operation) { key in
                key.state = .suspended
                key.suspendReason = "scheduled"
            }
        case .topup: _ = try await keys.topUp(key, credits: entry.credits, operation, retention: Self.retention)
        }
    }

    /// - Returns: whether the action was still there.
    private func change(
        _ entry: KeySchedules.Entry, of key: String, _ audit: AuditEntry, _ change: (inout [KeySchedules.Entry], Int) -> Void
    ) async throws(RecordRefusal) -> Bool {
        do {
            _ = try await keys.schedules.edit(KeySchedules.id(of: key), Operation(audit: audit)) { (all) throws(RecordRefusal) in
                guard let index = all.entries.firstIndex(where: { $0.id.hasSameBytes(as: entry.id) }) else { throw .missing }
                change(&all.entries, index)
            }
            return true
        } catch {
            if error == .missing { return false }
            throw error
        }
    }

    private func facts(of entry: KeySchedules.Entry, _ key: String) async -> [(String, String)] {
        let masked = (try? await keys.records.read(key))?.masked ?? ""
        return [("keyMasked", masked), ("keyId", key), ("action", entry.action.rawValue), ("scheduleId", entry.id)]
            + (entry.action == .topup ? [("credits", String(entry.credits))] : [])
    }

    private static func audit(_ message: String, _ facts: [(String, String)]) -> AuditEntry {
        AuditEntry(type: "schedule.executed", actor: "system", message: message, metadata: facts)
    }
}

extension RecordRefusal {
    /// Why an action can never be carried out; nil where it is worth trying again.
    fileprivate var word: String? {
        switch self {
        case .missing: "there is no such key"
        case .state(let state): "the key is \(state)"
        case .aboveCeiling: Credits.ceilingRule
        case .operationReused: "its id was used before"
        case .credentialExists, .aliasTaken, .aliasIsSecret, .contended, .store: nil
        }
    }
}
