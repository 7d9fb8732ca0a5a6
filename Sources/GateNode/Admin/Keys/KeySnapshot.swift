// Keys with their money, many at a time, as lists and counts need them.

import ClusterState
import GateDomain

/// A key and its account as they were when they were read.
struct KeySnapshot: Sendable {
    let record: KeyRecord
    let account: Account
    /// Milliseconds since 1970 of Redis TIME.
    let readAt: Int
}

extension KeyDirectory {
    /// The keys of these ids, in their order; those that are not there are left out.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func snapshots(_ ids: [String], at now: Int) async throws -> [KeySnapshot] {
        let found = try await records.read(ids)
        let accounts = try await accounts(found.map(\.id))
        return zip(found, accounts).map { KeySnapshot(record: $0, account: $1, readAt: now) }
    }
}
