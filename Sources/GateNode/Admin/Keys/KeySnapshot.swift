// Keys with their money, many at a time, as lists and counts need them.

import ClusterState
import GateDomain

/// A key and its account as they were when they were read.
struct KeySnapshot: Sendable {
    let record: KeyRecord
    let account: Account
    /// Milliseconds since 1970 of Redis TIME.
    let readAt: Int
    /// What lists of records show besides; nothing where a walk over many keys has read this one.
    var counts = KeyCounts()
    /// What people have written down about it; none where a walk over many keys has read this one.
    var notes: [KeyNotes.Note] = []
}

extension KeyDirectory {
    /// The keys of these ids, in their order; those that are not there are left out.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func snapshots(_ ids: [String], at now: Int) async throws -> [KeySnapshot] {
        let found = try await records.read(ids)
        let accounts = try await accounts(found.map(\.id))
        return zip(found, accounts).map { KeySnapshot(record: $0, account: $1, readAt: now) }
    }

    /// The keys of these ids as lists of records show them, with what they have used of the day and month, and their notes.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func wholeSnapshots(_ ids: [String], at now: Int) async throws -> [KeySnapshot] {
        let found = try await records.read(ids)
        let (counted, written) = (
            try await accountsWithCounts(found.map(\.id), at: now), try await notes.read(found.map { KeyNotes.id(of: $0.id) })
        )
        let notes = Dictionary(written.map { ($0.id, $0.notes) }, uniquingKeysWith: { first, _ in first })
        return zip(found, counted).map { key, counted in
            KeySnapshot(
                record: key, account: counted.account, readAt: now, counts: counted.counts, notes: notes[KeyNotes.id(of: key.id)] ?? [])
        }
    }
}
