// Which version of the operator's rules holds: one number for the cluster, known to every shard.

package import GateDomain
import LuaScripts

/// What holds in the cluster: a version, and what operators have set beside the configuration.
package struct RulesState: Sendable, Equatable {
    /// 0 before the first reload or override.
    package let version: Int
    /// That of the last reload: a node whose file was read after it was raised need not read it again.
    package let reloaded: Int
    /// What holds in place of what the configuration says.
    package let overrides: RuleOverrides
}

/// Raised by each reload of the configuration and each override; an admission that was judged by an older one is stale (F-CFG-07, V21).
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
    package func read() async throws(RecordRefusal) -> RulesState {
        try await records.read(Self.name)?.rulesState ?? RulesState(version: 0, reloaded: 0, overrides: RuleOverrides())
    }

    /// Makes every node judge by its configuration as it is now, from the moment that this returns.
    /// - Parameters:
    ///   - changed: names of the settings that differ, for people.
    ///   - known: a version that the new one has to be above, besides those that the shards hold: the record may have been lost.
    ///   - milliseconds: since 1970.
    ///   - override: changes what operators have set beside the configuration, which is not read again then; nil for a reload.
    /// - Returns: what holds from now on.
    /// - Throws: what `override` throws (never `missing`), `operationReused`, `contended` or `store`; some shards may have the new version then, which makes admissions stale and no more.
    package func raise(
        changed: [String], above known: Int = 0, at milliseconds: Int, _ operation: Operation,
        override: (@Sendable (inout RuleOverrides) throws(RecordRefusal) -> Void)? = nil
    ) async throws(RecordRefusal) -> RulesState {
        let values = ["changed": changed.joined(separator: " "), "at": String(milliseconds)]
        let least = max(known, try await heldByShards())
        do {
            _ = try await records.edit(Self.name, operation) { (record) throws(RecordRefusal) in
                try record.raise(values, above: least, override)
            }
        } catch RecordRefusal.missing {
            var record = SwitchRecord(id: Self.name, values: [:])
            try record.raise(values, above: least, override)
            try await records.create(record, operation)
        }
        // As it is stored: a repetition has made no new one, and another reload may have followed.
        let state = try await read()
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

    /// The highest version that any shard judges by.
    private func heldByShards() async throws(RecordRefusal) -> Int {
        let commands = (0..<store.keys.shards).map { RedisCommand("HGET", store.keys.versions($0), Self.name) }
        do { return try await store.sendAll(commands).compactMap(\.integer).max() ?? 0 } catch { throw .store(error) }
    }
}

extension SwitchRecord {
    /// What the record's own version is ahead of: a record that was lost begins at 1 again, the rules do not.
    private var base: Int { values["base"].flatMap { Int($0) } ?? 0 }

    fileprivate var rulesState: RulesState {
        let number = { (name: String) in values[name].flatMap { Int($0) } }
        // One that was written before there were overrides knows reloads alone.
        return RulesState(
            version: version + base, reloaded: number("reloaded") ?? version + base,
            overrides: RuleOverrides(
                maxInFlightPerKey: number(Self.perKey), maxInFlightPerTool: number(Self.perTool),
                guardrailsEnabled: values[Self.guardrailsEnabled].map { $0 == "1" }, guardrails: values[Self.guardrails],
                toolSchemas: toolSchemas))
    }

    /// Writing the record makes its version one more.
    fileprivate mutating func raise(
        _ values: [String: String], above least: Int, _ override: (@Sendable (inout RuleOverrides) throws(RecordRefusal) -> Void)?
    ) throws(RecordRefusal) {
        var (base, overrides) = (max(base, least - version), rulesState.overrides)
        let reloaded = override == nil || version == 0 && base > 0 ? version + base + 1 : rulesState.reloaded
        try override?(&overrides)
        self.values = values
        if base > 0 { self.values["base"] = String(base) }
        self.values["reloaded"] = String(reloaded)
        self.values[Self.perKey] = overrides.maxInFlightPerKey.map(String.init)
        self.values[Self.perTool] = overrides.maxInFlightPerTool.map(String.init)
        self.values[Self.guardrailsEnabled] = overrides.guardrailsEnabled.map { $0 ? "1" : "0" }
        self.values[Self.guardrails] = overrides.guardrails
        for (tool, schema) in overrides.toolSchemas {
            self.values[Self.schema + Hex.string(Array(tool.text.utf8))] = "\(schema.createdAt) \(schema.updatedAt) \(schema.text.text)"
        }
    }

    /// Each is a field of its own, so that only what changes is written.
    private var toolSchemas: [ExactText: RegisteredSchema] {
        var schemas: [ExactText: RegisteredSchema] = [:]
        for (name, value) in values where name.hasPrefix(Self.schema) {
            let words = value.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
            guard words.count == 3, let createdAt = Int(words[0]), let updatedAt = Int(words[1]),
                let tool = Hex.bytes(name.dropFirst(Self.schema.count)).flatMap({ String(validating: $0, as: UTF8.self) })
            else { continue }
            schemas[ExactText(tool)] = RegisteredSchema(ExactText(String(words[2])), createdAt: createdAt, updatedAt: updatedAt)
        }
        return schemas
    }

    private static let perKey = "maxConcurrentPerKey"
    private static let perTool = "maxConcurrentPerTool"
    private static let guardrailsEnabled = "guardrails.enabled"
    private static let guardrails = "guardrails.rules"
    private static let schema = "schema."
}
