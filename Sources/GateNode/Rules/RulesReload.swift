// Reading the configuration again: on the node that was asked, and on every other one.

import ClusterState
import GateDomain
import GateSettings
import Logging

/// Swaps the rules of a running node (F-CFG-03 to F-CFG-07).
///
/// `POST /config/reload` reads the file of the node that is asked, and raises the version of the rules in every shard; from then on every node's
/// admissions are stale until it has read its own file. A node whose file is not valid keeps the rules that it has and says so in its log.
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
        let state = try await version.raise(
            changed: reload.changed, above: ruleBook.rules.version, at: clock.milliseconds, operation)
        let (resolution, latest) = read()
        ruleBook.adopt(
            resolution.diagnostics.isValid ? latest.settings : reload.settings, version: state.version,
            guardrails: StoredGuardrails(state.values))
    }

    /// Changes the guardrails of every node, from the moment that this returns: the version guard makes every admission stale that was judged
    /// by others (`RulesVersion`).
    /// - Parameter change: makes the stored guardrails what they shall be; asked again where somebody else was faster.
    /// - Throws: what `change` throws, or why the store did not take it.
    func changeGuardrails(
        _ operation: Operation, _ change: @escaping @Sendable (inout StoredGuardrails) throws(RecordRefusal) -> Void
    ) async throws(RecordRefusal) {
        _ = try await version.raise(changed: ["guardrails"], above: ruleBook.rules.version, at: clock.milliseconds, operation) {
            (values) throws(RecordRefusal) in
            var stored = StoredGuardrails(values)
            try change(&stored)
            stored.write(to: &values)
        }
        await follow()
    }

    /// Takes over what another node's operator has changed: reads the file again if that was asked for.
    func follow() async {
        // What a shard was seen to hold counts too: a failover may have lost the record and not the shard's word.
        guard let state = try? await version.state() else { return }
        let newest = max(state.version, ruleBook.newestMet)
        let running = ruleBook.snapshot
        guard newest > running.rules.version else { return }
        let guardrails = StoredGuardrails(state.values)
        if newest == state.version, let configured = state.configured, configured <= running.configured {
            return ruleBook.adopt(running.settings, version: newest, configured: running.configured, guardrails: guardrails)
        }
        let (resolution, reload) = read()
        if let fault = resolution.diagnostics.errors.first {
            logger.error(
                "the configuration was reloaded elsewhere, but this node's is not valid; it keeps its rules",
                metadata: ["fault": "\(fault)"])
            return ruleBook.adopt(ruleBook.settings, version: newest, guardrails: guardrails)
        }
        if !reload.changed.isEmpty {
            logger.notice("configuration reloaded", metadata: ["changed": "\(reload.changed.joined(separator: " "))"])
        }
        ruleBook.adopt(reload.settings, version: newest, guardrails: guardrails)
    }
}
