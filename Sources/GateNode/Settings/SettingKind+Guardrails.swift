// The kinds of settings that the gate's rules are made of: quotas and guardrails.

import GateDomain
import MCPWire

/// What the operator does not want to pass (F-GUARD-01 to F-GUARD-04).
package struct GuardrailSettings: Sendable, Equatable {
    /// Whether the rules act (F-GUARD-03).
    package var isEnabled = false
    /// In the order in which they are asked; at most `GuardrailRule.capacity`.
    package var rules: [GuardrailRule] = []

    /// The defaults.
    package init() {}
}

extension SettingKind where Value == Quota {
    /// `{dailyCallLimit, monthlyCallLimit, dailyCreditLimit, monthlyCreditLimit}`, each 0 or left out for no limit (F-QUOTA-01).
    static var quota: Self {
        Self(
            .value(placeholder: "quota"),
            read: { document, place, diagnostics in
                guard let fields = place.members(document, &diagnostics) else { return nil }
                var quota = Quota()
                for member in fields where !member.value.isNull {
                    let field = place.member(member.name)
                    guard let path = Quota.limits.first(where: { $0.name == member.name })?.path else {
                        diagnostics.warn(field.field, Setting.unknown)
                        continue
                    }
                    quota[keyPath: path] = field.wholeNumber(member.value, &diagnostics) ?? 0
                }
                return quota
            }
        )
    }
}

extension Quota {
    /// The four caps by the names that clients and files have for them.
    static let limits: [(name: String, path: any WritableKeyPath<Quota, Int> & Sendable)] = [
        ("dailyCallLimit", \.dailyCalls), ("monthlyCallLimit", \.monthlyCalls), ("dailyCreditLimit", \.dailyCredits),
        ("monthlyCreditLimit", \.monthlyCredits),
    ]
}

extension SettingKind where Value == [GuardrailRule] {
    /// `[{id, pattern, action, scope, tools}]`; patterns are the words of `GuardrailPattern`.
    static var guardrails: Self {
        Self(
            .list(placeholder: "rule"),
            read: { document, place, diagnostics in
                guard case .array(let entries) = document, entries.count <= GuardrailRule.capacity else {
                    diagnostics.refuse(place, showing: document.shown, "Must be a list of at most \(GuardrailRule.capacity) rules.")
                    return nil
                }
                let rules = entries.enumerated().compactMap { index, entry in GuardrailRule(entry, place.element(index), &diagnostics) }
                for (index, rule) in rules.enumerated() where rules[..<index].contains(where: { $0.id == rule.id }) {
                    diagnostics.refuse(place, "The id \"\(rule.id)\" is used twice.")
                }
                return rules
            }
        )
    }
}

extension GuardrailRule {
    /// Nil after a refusal: a rule that is understood by half is none.
    fileprivate init?(_ document: JSONValue, _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics) {
        guard let fields = place.members(document, &diagnostics) else { return nil }
        var (id, pattern, action, scope, tools) = (String?.none, GuardrailPattern?.none, Action?.none, Scope.both, [String]())
        var isWhole = true
        for member in fields where !member.value.isNull {
            let (field, value) = (place.member(member.name), member.value)
            switch member.name {
            case "id": id = Self.name.read(value, field, &diagnostics)
            case "pattern": pattern = SettingKind.choice().read(value, field, &diagnostics)
            case "action": action = SettingKind.choice().read(value, field, &diagnostics)
            case "scope":
                if let read = SettingKind<Scope>.choice().read(value, field, &diagnostics) { scope = read } else { isWhole = false }
            case "tools":
                if let read = field.words(value, where: { !$0.isEmpty }, &diagnostics) { tools = read } else { isWhole = false }
            default: diagnostics.warn(field.field, Setting.unknown)
            }
        }
        for name in ["id", "pattern", "action"] where document[path: name] == nil {
            diagnostics.refuse(place, "It needs \(name).")
        }
        guard isWhole, let id, let pattern, let action else { return nil }
        self.init(id: id, pattern: pattern, action: action, scope: scope, tools: Set(tools))
    }

    private static let name = SettingKind<String>.text("id", rule: "Must be 1–64 visible ASCII characters.") { text in
        (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
