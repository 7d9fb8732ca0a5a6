// What the operator's configuration says of every call: one immutable snapshot, swapped as a whole when it is reloaded.

/// The rules of a gate that may be reloaded (F-CFG-03).
package struct GateRules: Sendable {
    /// Counts reloads over the whole cluster; every admission is guarded by it.
    package let version: Int
    /// What calls cost.
    package let prices: PriceBook
    /// Calls a minute and key, 0 for none (F-RATE-01).
    package let callsPerMinute: Int
    /// Calls a minute, key and tool (F-RATE-02).
    package let toolCallsPerMinute: [String: Int]
    /// What a key has that has no quota of its own (F-QUOTA-03).
    package let globalQuota: Quota
    /// Open calls a key may have at once, 0 for any number (F-CONC-01).
    package let maxInFlightPerKey: Int
    /// Open calls a tool may have at once, whoever makes them, 0 for any number (F-CONC-01).
    package let maxInFlightPerTool: Int
    /// Decide and record, but deny and charge nothing (F-GATE-14).
    package let isShadow: Bool
    /// Whether the credits of failed calls go back (F-CREDIT-02).
    package let refundsFailures: Bool
    /// Whether they go back where nobody knows what became of a call (`--unknown-calls`).
    package let refundsUnknown: Bool

    package init(
        version: Int = 0, prices: PriceBook, callsPerMinute: Int = 0, toolCallsPerMinute: [String: Int] = [:], globalQuota: Quota = Quota(),
        maxInFlightPerKey: Int = 0, maxInFlightPerTool: Int = 0, isShadow: Bool = false, refundsFailures: Bool = false,
        refundsUnknown: Bool = true
    ) {
        self.version = version
        self.prices = prices
        self.callsPerMinute = callsPerMinute
        self.toolCallsPerMinute = toolCallsPerMinute.filter { $0.value > 0 }
        self.globalQuota = globalQuota
        self.maxInFlightPerKey = maxInFlightPerKey
        self.maxInFlightPerTool = maxInFlightPerTool
        self.isShadow = isShadow
        self.refundsFailures = refundsFailures
        self.refundsUnknown = refundsUnknown
    }
}

/// What operators have set while the gate runs, in place of what the configuration says; it outlives reloads and restarts.
package struct RuleOverrides: Sendable, Equatable {
    /// Open calls a key may have at once, 0 for any number; nil leaves it to the configuration.
    package var maxInFlightPerKey: Int?
    /// Open calls a tool may have at once, 0 for any number; nil leaves it to the configuration.
    package var maxInFlightPerTool: Int?

    /// Whether the guardrails act; nil leaves it to the configuration.
    package var guardrailsEnabled: Bool?
    /// All guardrails as the JSON that lists them; nil leaves them to the configuration.
    package var guardrails: String?
    /// What the arguments of tools have to be, by the tools' names; empty for no tool.
    package var toolSchemas: [ExactText: RegisteredSchema] = [:]

    package init(
        maxInFlightPerKey: Int? = nil, maxInFlightPerTool: Int? = nil, guardrailsEnabled: Bool? = nil, guardrails: String? = nil,
        toolSchemas: [ExactText: RegisteredSchema] = [:]
    ) {
        self.toolSchemas = toolSchemas
        self.maxInFlightPerKey = maxInFlightPerKey
        self.maxInFlightPerTool = maxInFlightPerTool
        self.guardrailsEnabled = guardrailsEnabled
        self.guardrails = guardrails
    }
}

/// A JSON schema as an operator has registered it for a tool (F-SCHEMA-01).
package struct RegisteredSchema: Sendable, Equatable {
    /// JSON.
    package let text: ExactText
    /// Milliseconds since 1970.
    package let createdAt: Int
    /// Milliseconds since 1970 of the last registration.
    package let updatedAt: Int

    /// The most schemas that a gate has.
    package static let capacity = 500
    /// Bytes of the texts of all of them: every node reads them again and again.
    package static let mostBytes = 262_144

    package init(_ text: ExactText, createdAt: Int, updatedAt: Int) {
        (self.text, self.createdAt, self.updatedAt) = (text, createdAt, updatedAt)
    }
}
