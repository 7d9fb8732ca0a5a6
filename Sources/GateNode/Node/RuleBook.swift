// The rules of the moment, and the settings that they were made from.

package import GateDomain
import Synchronization

/// What the configuration says of calls: one snapshot that is swapped as a whole; event loops keep a copy of their own.
package final class RuleBook: Sendable {
    private let state: Mutex<(settings: Settings, rules: GateRules)>
    private let listener = Mutex<@Sendable (GateRules) -> Void>({ _ in })

    /// - Parameter version: of the rules in the cluster.
    package init(_ settings: Settings, version: Int) {
        state = Mutex((settings, GateRules(settings, version: version)))
    }

    package var rules: GateRules { state.withLock { $0.rules } }
    /// The settings as they hold now: those of the start, with what was reloaded since.
    package var settings: Settings { state.withLock { $0.settings } }

    package func adopt(_ settings: Settings, version: Int) {
        let rules = GateRules(settings, version: version)
        state.withLock { $0 = (settings, rules) }
        listener.withLock { $0 }(rules)
    }

    /// Who has to be told of new rules: every event loop.
    package func onAdoption(_ work: @escaping @Sendable (GateRules) -> Void) { listener.withLock { $0 = work } }
}

extension Node {
    package var rules: GateRules { ruleBook.rules }
}

extension GateRules {
    /// The part of the settings that may be reloaded and that calls are judged by (F-CFG-03).
    init(_ settings: Settings, version: Int) {
        self.init(
            version: version, prices: PriceBook(defaultPerCall: settings.defaultCreditsPerCall, tools: settings.toolPricing),
            callsPerMinute: settings.globalRateLimitPerMin, toolCallsPerMinute: settings.toolPricing.compactMapValues(\.rateLimitPerMin),
            isShadow: settings.shadowMode, refundsFailures: settings.refundOnFailure)
    }
}
