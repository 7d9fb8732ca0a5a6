// The rules of the moment: everything of the configuration that may be reloaded, as one snapshot.

import ClusterState
import GateDomain
import GateSettings
import MCPWire
import NIOCore
import Synchronization

/// What the configuration says at one moment; immutable, so that a call never meets half of a reload.
final class RuleSnapshot: Sendable {
    /// Those of the start, with what was reloaded since.
    let settings: Settings
    /// The version of the rules that was raised last before the settings' file was read.
    let readAt: Int
    /// What operators have set beside them.
    let overrides: RuleOverrides
    let rules: GateRules
    /// The guardrails in force: the configuration's, as operators have changed them.
    let guardrails: GuardrailSettings
    /// What the arguments of tools have to be.
    let schemas: ToolSchemas
    /// What is asked of every call, in its order.
    let pipeline: Pipeline
    private let freeMethods: Set<String>

    /// - Parameters:
    ///   - version: of the rules in the cluster.
    ///   - readAt: the version that was raised last before the settings were read; `version` unless they are older.
    ///   - schemas: those of the rules before it, which are used again where nothing has changed.
    init(
        _ settings: Settings, version: Int, readAt: Int? = nil, overrides: RuleOverrides = RuleOverrides(), schemas: ToolSchemas? = nil
    ) {
        self.settings = settings
        self.readAt = readAt ?? version
        self.overrides = overrides
        rules = GateRules(settings, overrides, version: version)
        guardrails = StoredGuardrails(overrides).laid(over: settings.guardrails)
        self.schemas = schemas.flatMap { $0.registered == overrides.toolSchemas ? $0 : nil } ?? ToolSchemas(overrides.toolSchemas)
        pipeline = Pipeline(
            guardrails: guardrails.isEnabled ? guardrails.givenRules : [], schemas: self.schemas.ready,
            tellsContext: settings.guardrails.includesContext)
        freeMethods = Set(settings.freeMethods)
    }

    /// How long a tool may take; `timeoutMs` of the tool, else of all tools, and 0 of either is the hard maximum (F-TMO-01).
    func timeout(of tool: String) -> TimeAmount {
        let milliseconds = settings.toolPricing[tool]?.timeoutMs ?? settings.toolTimeoutMs
        return milliseconds > 0 ? min(.milliseconds(Int64(milliseconds)), Self.longestWait) : Self.longestWait
    }

    /// Nothing is waited for longer than this, five minutes, whatever is configured (MCP 2025-11-25 Lifecycle, Timeouts): half of the time
    /// for which nobody makes an idempotent call again that may be under way.
    static let longestWait = TimeAmount.milliseconds(Int64(Idempotency.longestCall / 2))

    /// Milliseconds for which the answer of an idempotent call is kept.
    var idempotencyRetention: Int { settings.idempotencyTtlSeconds * 1000 }

    /// Whether a request needs no key (F-GATE-05); a tool call never is free of it.
    func isFree(_ envelope: Envelope, in body: ByteBuffer) -> Bool {
        guard !envelope.method.isGated, let name = envelope.methodName, name.count <= Envelope.longestName else { return false }
        return freeMethods.contains(body.withUnsafeReadableBytes { String(decoding: $0[name], as: UTF8.self) })
    }
}

/// Holds the snapshot that is swapped as a whole; event loops keep a copy of their own.
final class RuleBook: Sendable {
    private let state: Mutex<RuleSnapshot>
    private let listener = Mutex<@Sendable (RuleSnapshot) -> Void>({ _ in })

    /// - Parameter version: of the rules in the cluster.
    init(_ settings: Settings, version: Int) {
        state = Mutex(RuleSnapshot(settings, version: version))
    }

    private let met = Atomic<Int>(0)

    /// The highest version of the rules that a shard was seen to hold, as far as it was newer than this node's.
    var newestMet: Int { met.load(ordering: .relaxed) }

    /// Somebody has met rules of this version in the store, which this node does not have.
    func meet(_ version: Int) { met.max(version, ordering: .relaxed) }

    var snapshot: RuleSnapshot { state.withLock { $0 } }
    var rules: GateRules { snapshot.rules }
    /// The settings as they hold now.
    var settings: Settings { snapshot.settings }

    /// Older rules than those that it has are not adopted: two readings of the configuration may overtake each other.
    func adopt(_ settings: Settings, version: Int, readAt: Int? = nil, overrides: RuleOverrides) {
        let next = RuleSnapshot(settings, version: version, readAt: readAt, overrides: overrides, schemas: snapshot.schemas)
        let isNewer = state.withLock { snapshot in
            guard version >= snapshot.rules.version else { return false }
            snapshot = next
            return true
        }
        if isNewer { listener.withLock { $0 }(next) }
    }

    /// Who has to be told of new rules: every event loop.
    func onAdoption(_ work: @escaping @Sendable (RuleSnapshot) -> Void) { listener.withLock { $0 = work } }
}

extension GateRules {
    /// The part of the settings that may be reloaded and that calls are judged by (F-CFG-03), with what operators have set in its place.
    init(_ settings: Settings, _ overrides: RuleOverrides, version: Int) {
        self.init(
            version: version, prices: PriceBook(defaultPerCall: settings.defaultCreditsPerCall, tools: settings.toolPricing),
            callsPerMinute: settings.globalRateLimitPerMin, toolCallsPerMinute: settings.toolPricing.compactMapValues(\.rateLimitPerMin),
            globalQuota: settings.globalQuota, maxInFlightPerKey: overrides.maxInFlightPerKey ?? settings.maxConcurrentPerKey,
            maxInFlightPerTool: overrides.maxInFlightPerTool ?? settings.maxConcurrentPerTool, isShadow: settings.shadowMode,
            refundsFailures: settings.refundOnFailure, refundsUnknown: settings.unknownCalls == .refund)
    }
}
