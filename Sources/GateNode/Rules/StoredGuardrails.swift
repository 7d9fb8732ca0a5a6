// What routes have made of the guardrails: kept with the version of the rules, laid over the configuration's.

import GateDomain
import GateSettings
import GateValues
import MCPWire

/// The guardrails of the cluster as far as routes have changed them; what is nil is as each node's configuration says.
struct StoredGuardrails: Sendable, Equatable {
    var isEnabled: Bool?
    /// All rules in their order, from the first change of one on.
    var rules: [GuardrailRule]?

    /// A rule that this version cannot read is left out.
    init(_ overrides: RuleOverrides) {
        isEnabled = overrides.guardrailsEnabled
        guard let text = overrides.guardrails, let entries = (try? JSONValue.parse(text))?.arrayValue else { return }
        rules = entries.compactMap { entry in
            var findings = ValueFindings()
            return ValueKind<GuardrailRule>.guardrailRule.read(entry, &findings)
        }
    }

    func write(to overrides: inout RuleOverrides) {
        overrides.guardrailsEnabled = isEnabled
        overrides.guardrails = rules.map { JSONValue.array($0.map { .object(GuardrailRule.view.json($0)) }).text }
    }

    func laid(over configured: GuardrailSettings) -> GuardrailSettings {
        var guardrails = configured
        guardrails.isEnabled = isEnabled ?? configured.isEnabled
        guardrails.rules = rules ?? configured.givenRules
        guardrails.isCleared = rules?.isEmpty ?? false
        return guardrails
    }
}

extension StoredGuardrails {
    /// Puts a rule into the place of the one of its id, or behind the others.
    /// - Parameter base: the rules of the configuration, which the first change is made of.
    /// - Returns: false where there is no room for it.
    mutating func put(_ rule: GuardrailRule, base: [GuardrailRule]) -> Bool {
        var rules = self.rules ?? base
        if let index = rules.firstIndex(where: { $0.id == rule.id }) {
            rules[index] = rule
        } else {
            guard rules.count < GuardrailRule.capacity else { return false }
            rules.append(rule)
        }
        self.rules = rules
        return true
    }

    /// - Returns: false where there is no rule of that id.
    mutating func remove(_ id: String, base: [GuardrailRule]) -> Bool {
        var rules = self.rules ?? base
        guard let index = rules.firstIndex(where: { $0.id.hasSameBytes(as: id) }) else { return false }
        rules.remove(at: index)
        self.rules = rules
        return true
    }
}
