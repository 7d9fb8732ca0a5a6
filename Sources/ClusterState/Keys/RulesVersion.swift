// Which version of the operator's rules holds: one number for the cluster, known to every shard.

import GateDomain
import LuaScripts

/// What the cluster's record of the rules says, read as one.
package struct RulesState: Sendable, Equatable {
    /// The version that holds; 0 before the first change.
    package let version: Int
    /// The version from which on every node judges by its configuration as it was then or later; nil where that is not known.
    package let configured: Int?
    /// What routes have changed of the rules, by names of their own.
    package let values: [String: String]
}

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

    /// The record of the rules as it is.
    /// - Throws: `store`.
    package func state() async throws(RecordRefusal) -> RulesState {
        try await records.read(Self.name)?.state ?? RulesState(version: 0, configured: nil, values: [:])
    }

    /// Makes every node judge by new rules from the moment that this returns: by its configuration as it is now, or by what `change` makes
    /// of the values of routes.
    /// - Parameters:
    ///   - changed: names of the settings that differ, for people.
    ///   - known: a version that the new one has to be above, besides those that the shards hold: the record may have been lost.
    ///   - milliseconds: since 1970.
    ///   - change: edits the values of routes; nil where nodes shall read their configuration again.
    /// - Returns: the record as it is then; its version is the new one or a later one.
    /// - Throws: what `change` throws, `operationReused`, `contended` or `store`; some shards may have the new version then, which makes admissions stale and no more.
    package func raise(
        changed: [String], above known: Int = 0, at milliseconds: Int, _ operation: Operation,
        _ change: (@Sendable (inout [String: String]) throws(RecordRefusal) -> Void)? = nil
    ) async throws(RecordRefusal) -> RulesState {
        let values = ["changed": changed.joined(separator: " "), "at": String(milliseconds)]
        let least = max(known, try await heldByShards())
        try await write(values, above: least, operation, change)
        // As it is stored: a repetition has made no new one, and another reload may have followed.
        let state = try await state()
        // Before the operator is answered every shard knows it.
        for shard in 0..<store.keys.shards {
            var command = RedisCommand(script: .raise, keys: 2)
            command.append(store.keys.versions(shard))
            command.append(store.keys.feed(shard))
            command.append(Self.name)
            command.append(state.version)
            command.append(store.keys.channel)
            command.append(Topic.rules.rawValue)
            command.append(origin)
            command.append(shard)
            _ = try await store.ask(command)
        }
        return state
    }

    private func write(
        _ values: [String: String], above least: Int, _ operation: Operation,
        _ change: (@Sendable (inout [String: String]) throws(RecordRefusal) -> Void)?
    ) async throws(RecordRefusal) {
        if try await records.read(Self.name) == nil {
            var record = SwitchRecord(id: Self.name, values: [:])
            try record.raise(values, above: least, change)
            do { return try await records.create(record, operation) } catch { if error != .contended { throw error } }
        }
        _ = try await records.edit(Self.name, operation) { (record) throws(RecordRefusal) in
            try record.raise(values, above: least, change)
        }
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

    /// What routes have changed has names of this beginning.
    private static let own = "route."
    private static let configured = "configured"

    fileprivate var state: RulesState {
        RulesState(
            version: rulesVersion, configured: values[Self.configured].flatMap { Int($0) },
            values: values.reduce(into: [:]) { own, value in
                if value.key.hasPrefix(Self.own) { own[String(value.key.dropFirst(Self.own.count))] = value.value }
            })
    }

    /// Writing the record makes its version one more.
    fileprivate mutating func raise(
        _ told: [String: String], above least: Int, _ change: ((inout [String: String]) throws(RecordRefusal) -> Void)?
    ) throws(RecordRefusal) {
        let (before, base) = (state, max(base, least - version))
        var own = before.values
        try change?(&own)
        values = told
        if base > 0 { values["base"] = String(base) }
        // A record that does not say it is one of a version that only configurations raised.
        values[Self.configured] = String(change == nil ? version + 1 + base : before.configured ?? before.version)
        for (name, value) in own { values[Self.own + name] = value }
    }
}
