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
    /// Keys that one step of a walk reads: enough to be quick, few enough not to stand in the way of calls.
    static let stride = 500

    /// The keys of these ids, in their order; those that are not there are left out.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func snapshots(_ ids: [String], at now: Int) async throws -> [KeySnapshot] {
        let found = try await records.read(ids)
        let accounts = try await accounts(found.map(\.id))
        return zip(found, accounts).map { KeySnapshot(record: $0, account: $1, readAt: now) }
    }

    /// Calls `visit` with the ids of all keys, a stride at a time: what a walk holds is bounded, whatever the number of keys.
    func walk(_ visit: ([String]) async throws -> Void) async throws {
        var offset = 0
        while true {
            let ids = try await records.ids(.ascending, offset: offset, count: Self.stride)
            if ids.isEmpty { return }
            try await visit(ids)
            offset += ids.count
        }
    }
}
