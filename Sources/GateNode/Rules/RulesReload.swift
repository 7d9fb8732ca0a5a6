// Reading the configuration again: on the node that was asked, and on every other one.

import ClusterState
import GateDomain
import GateSettings
import Logging

/// Swaps the rules of a running node (F-CFG-03 to F-CFG-07).
///
/// `POST /config/reload` reads the file of the node that is asked, and raises the version of the rules in every shard; from then on every node's
/// admissions are stale until it has read its own file. A node whose file is not valid keeps the rules that it has and says so in its log.
/// What an operator sets in place of the configuration (`set`) raises the version too, and nobody reads a file for it.
struct RulesReload: Sendable {
    private let ruleBook: RuleBook
    private let version: RulesVersion
    private let clock: RedisClock
    private let logger: Logger
    private let resolve: @Sendable () -> SettingsResolution

    /// - Parameter resolve: reads flags, variables and file as the start did.
    init(
        _ ruleBook: RuleBook, version: RulesVersion, clock: RedisClock, logger: Logger,
        resolve: @escaping @Sendable () -> SettingsResolution
    ) {
        self.ruleBook = ruleBook
        self.version = version
        self.clock = clock
        self.logger = logger
        self.resolve = resolve
    }

    /// What a reload would change on this node.
    func read() -> (resolution: SettingsResolution, reload: SettingsReload) {
        let resolution = resolve()
        return (resolution, resolution.reloading(ruleBook.settings))
    }

    /// Puts the file into force on every node, from the moment that this returns.
    ///
    /// Invariant: settings carry a version only if their file was read after that version was raised, here and on every other node. So of
    /// two reloads at once the older file is never left in force.
    /// - Parameter reload: what `read` found; it holds if the file has become invalid meanwhile.
    func apply(_ reload: SettingsReload, _ operation: Operation) async throws(RecordRefusal) {
        let raised = try await version.raise(
            changed: reload.changed, above: ruleBook.rules.version, at: clock.milliseconds, operation)
        let (resolution, latest) = read()
        ruleBook.adopt(
            resolution.diagnostics.isValid ? latest.settings : reload.settings, version: raised.version, overrides: raised.overrides)
    }

    /// Sets something in place of what the configuration says, on every node from the moment that this returns.
    /// - Parameter changed: the names of what is set, for people.
    func set(
        _ changed: [String], _ operation: Operation, _ change: @escaping @Sendable (inout RuleOverrides) throws(RecordRefusal) -> Void
    ) async throws(RecordRefusal) {
        _ = try await version.raise(
            changed: changed, above: ruleBook.rules.version, at: clock.milliseconds, operation, override: change)
        await follow()
    }

    /// Changes the guardrails of every node from the moment that this returns.
    /// - Parameter change: makes the stored guardrails what they shall be; asked again where somebody else was faster.
    /// - Throws: what `change` throws, which is never `missing`, or why the store did not take it.
    func changeGuardrails(
        _ operation: Operation, _ change: @escaping @Sendable (inout StoredGuardrails) throws(RecordRefusal) -> Void
    ) async throws(RecordRefusal) {
        try await set(["guardrails"], operation) { (overrides) throws(RecordRefusal) in
            var stored = StoredGuardrails(overrides)
            try change(&stored)
            stored.write(to: &overrides)
        }
    }

    /// Reads the file again if another node's operator has asked for it, and takes over what operators have set beside it.
    func follow() async {
        // Without its answer nothing may be taken for the newest rules: what an operator has set would be missing in them for good. Calls wait
        // for the next look.
        guard let state = try? await version.read() else { return }
        let current = ruleBook.snapshot
        // What a shard was seen to hold counts too: a failover may have lost the record and not the shard's word.
        let newest = max(state.version, ruleBook.newestMet)
        guard newest > current.rules.version else { return }
        let overrides = state.overrides
        if state.version == newest, state.reloaded <= current.readAt {
            return ruleBook.adopt(current.settings, version: newest, readAt: current.readAt, overrides: overrides)
        }
        let (resolution, reload) = read()
        if let fault = resolution.diagnostics.errors.first {
            logger.error(
                "the configuration was reloaded elsewhere, but this node's is not valid; it keeps its rules",
                metadata: ["fault": "\(fault)"])
            return ruleBook.adopt(current.settings, version: newest, overrides: overrides)
        }
        if !reload.changed.isEmpty {
            logger.notice("configuration reloaded", metadata: ["changed": "\(reload.changed.joined(separator: " "))"])
        }
        ruleBook.adopt(reload.settings, version: newest, overrides: overrides)
    }
}
