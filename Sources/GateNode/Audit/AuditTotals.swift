// How many entries of the audit log a filter takes: by what is known of each, or counted once for many pages.

import ClusterState

/// Remembers what was counted: who leafs through a log does not have all of it read for each page.
///
/// Bounded: one count at a time, of `AuditLog.searched` entries at most, and `capacity` of them are remembered.
actor AuditTotals {
    private struct Entry {
        let total: Int
        let countedAt: ContinuousClock.Instant
    }

    private var known: [AuditLog.Filter: Entry] = [:]
    private var isCounting = false
    private var waiting: [CheckedContinuation<Void, Never>] = []

    /// How long a count holds.
    static let life = Duration.seconds(15)
    /// Filters that are remembered.
    static let capacity = 64

    /// Of types and times what the log has now, by what this node has read of it; of an actor as it was counted last.
    /// - Throws: `StoreFailure`.
    func total(of filter: AuditLog.Filter, in log: AuditLog, knownTo book: AuditBook) async throws -> Int {
        // That of all entries Redis knows.
        if filter == AuditLog.Filter() { return try await log.count(filter) }
        if filter.actor.isEmpty { return try await book.count(filter) }
        if let total = remembered(filter) { return total }
        await begin()
        defer { end() }
        if let total = remembered(filter) { return total }
        let total = try await log.count(filter)
        if known.count >= Self.capacity, let oldest = known.min(by: { $0.value.countedAt < $1.value.countedAt })?.key {
            known[oldest] = nil
        }
        known[filter] = Entry(total: total, countedAt: .now)
        return total
    }

    private func remembered(_ filter: AuditLog.Filter) -> Int? {
        guard let entry = known[filter], .now - entry.countedAt < Self.life else { return nil }
        return entry.total
    }

    private func begin() async {
        if !isCounting {
            isCounting = true
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func end() {
        if waiting.isEmpty { isCounting = false } else { waiting.removeFirst().resume() }
    }
}
