// A switch of the whole cluster: a hash in Redis that one script changes and announces.

import LuaScripts

/// Fields that every node reads, e.g. those of maintenance; the feed tells of each change by the switch's name.
package struct ClusterSwitch: Sendable {
    private let name: String
    private let key: String
    private let store: RedisStore
    private let origin: String

    package init(_ name: String, at key: String, store: RedisStore, origin: String) {
        self.name = name
        self.key = key
        self.store = store
        self.origin = origin
    }

    package func read() async throws(StoreFailure) -> [String: String] {
        try await store.sendPatiently(RedisCommand("HGETALL", key)).fields
    }

    /// Sets the fields; a field `since` keeps its value unless the field `decisive` changes. The audit entry is written with a change alone.
    package func set(_ fields: [(String, String)], decisive: String, audit: AuditEntry) async throws(StoreFailure) {
        var command = RedisCommand(script: .declare, keys: 3)
        for key in [key, store.keys.feed, store.keys.audit] { command.append(key) }
        for argument in [name, store.keys.channel, origin, audit.packed, String(KeyDirectory.retainedAudit), decisive] {
            command.append(argument)
        }
        for (field, value) in fields {
            command.append(field)
            command.append(value)
        }
        _ = try await store.sendPatiently(command)
    }
}
