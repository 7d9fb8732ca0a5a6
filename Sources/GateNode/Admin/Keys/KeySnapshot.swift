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
        let records = try await store.sendAll(ids.map { RedisCommand("HGETALL", store.keys.record($0)) })
        let accounts = try await store.sendAll(ids.map { RedisCommand("HMGET", store.keys.balance($0), "credits", "spent", "calls", "used") })
        return zip(ids, zip(records, accounts)).compactMap { id, read in
            KeyRecord(id: id, fields: read.0.fields).map { KeySnapshot(record: $0, account: Account(read.1), readAt: now) }
        }
    }

    /// Ids from the oldest key on, so that keys made meanwhile come at the end and none is met twice.
    func oldestIDs(offset: Int, count: Int) async throws -> [String] {
        let reply = try await store.sendPatiently(RedisCommand("ZRANGE", store.keys.index, String(offset), String(offset + count - 1)))
        return reply.array?.compactMap(\.string) ?? []
    }

    /// Calls `visit` with the ids of all keys, a stride at a time: what a walk holds is bounded, whatever the number of keys.
    func walk(_ visit: ([String]) async throws -> Void) async throws {
        var offset = 0
        while true {
            let ids = try await oldestIDs(offset: offset, count: Self.stride)
            if ids.isEmpty { return }
            try await visit(ids)
            offset += ids.count
        }
    }
}
