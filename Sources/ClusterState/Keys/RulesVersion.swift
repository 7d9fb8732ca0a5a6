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
        try await records.read(Self.name)?.rulesVersion ?? 0
    }

    /// Makes every node judge by its configuration as it is now, from the moment that this returns.
    /// - Parameters:
    ///   - changed: names of the settings that differ, for people.
    ///   - known: a version that the new one has to be above, besides those that the shards hold: the record may have been lost.
    ///   - milliseconds: since 1970.
    /// - Returns: the new version.
    /// - Throws: `operationReused`, `contended` or `store`; some shards may have the new version then, which makes admissions stale and no more.
    package func raise(
        changed: [String], above known: Int = 0, at milliseconds: Int, _ operation: Operation
    ) async throws(RecordRefusal) -> Int {
        let values = ["changed": changed.joined(separator: " "), "at": String(milliseconds)]
        let least = max(known, try await heldByShards())
        do {
            _ = try await records.edit(Self.name, operation) { (record) throws(RecordRefusal) in record.raise(values, above: least) }
        } catch RecordRefusal.missing {
            var record = SwitchRecord(id: Self.name, values: [:])
            record.raise(values, above: least)
            try await records.create(record, operation)
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

    /// The highest version that any shard judges by.
    private func heldByShards() async throws(RecordRefusal) -> Int {
        let commands = (0..<store.keys.shards).map { RedisCommand("HGET", store.keys.versions($0), Self.name) }
        do { return try await store.sendAll(commands).compactMap(\.integer).max() ?? 0 } catch { throw .store(error) }
    }
}

extension SwitchRecord {
    /// What the record's own version is ahead of: a record that was lost begins at 1 again, the rules do not.
    private var base: Int { values["base"].flatMap { Int($0) } ?? 0 }
    fileprivate var rulesVersion: Int { version + base }

    /// Writing the record makes its version one more.
    fileprivate mutating func raise(_ values: [String: String], above least: Int) {
        let base = max(base, least - version)
        self.values = values
        if base > 0 { self.values["base"] = String(base) }
    }
}
