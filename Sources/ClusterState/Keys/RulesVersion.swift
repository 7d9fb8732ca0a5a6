// Which version of the operator's rules holds: one number for the cluster, known to every shard.

import GateDomain
import LuaScripts

/// Raised by each reload of the configuration; an admission that was judged by an older one is stale (F-CFG-07, V21).
package struct RulesVersion: Sendable {
    /// The name that policies are guarded by.
    package static let name = "rules"

    private let store: any CommandStore
    private let records: RecordStore<SwitchRecord>
    private let origin: String

    package init(store: any CommandStore, origin: String) {
        self.store = store
        self.origin = origin
        records = RecordStore(store: store, origin: origin)
    }

    /// The version that holds; 0 before the first reload.
    /// - Throws: `store`.
    package func read() async throws(RecordRefusal) -> Int {
        try await records.read(Self.name)?.version ?? 0
    }

    /// Makes every node judge by its configuration as it is now, from the moment that this returns.
    /// - Parameter changed: names of the settings that differ, for people.
    /// - Returns: the new version.
    /// - Throws: `operationReused`, `contended` or `store`; some shards may have the new version then, which makes admissions stale and no more.
    package func raise(changed: [String], at milliseconds: Int, _ operation: Operation) async throws(RecordRefusal) -> Int {
        let values = ["changed": changed.joined(separator: " "), "at": String(milliseconds)]
        do {
            _ = try await records.edit(Self.name, operation) { (record) throws(RecordRefusal) in record.values = values }
        } catch RecordRefusal.missing {
            try await records.create(SwitchRecord(id: Self.name, values: values), operation)
        }
        // As it is stored: a repetition has made no new one, and another reload may have followed.
        let version = try await read()
        // Before the operator is answered every shard knows it.
        for shard in 0..<store.keys.shards {
            var command = RedisCommand(script: .raise, keys: 2)
            command.append(store.keys.versions(shard))
            command.append(store.keys.feed(shard))
            command.append(Self.name)
            command.append(version)
            command.append(store.keys.channel)
            command.append(Topic.rules.rawValue)
            command.append(origin)
            command.append(shard)
            _ = try await store.ask(command)
        }
        return version
    }
}
