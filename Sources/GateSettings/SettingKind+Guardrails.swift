// The kinds of settings that the gate's rules are made of: quotas and guardrails.

package import GateDomain
import GateValues
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
    static var quota: Self { Self(.quotaOfAll, .value(placeholder: "quota")) }
}

extension ValueKind where Value == Quota {
    /// `{dailyCallLimit, monthlyCallLimit, dailyCreditLimit, monthlyCreditLimit}`, each 0 or left out for no limit (F-QUOTA-01).
    fileprivate static let quotaOfAll = members { members, findings in
        var quota = Quota()
        for member in members where !member.value.isNull {
            findings.within(".\(member.name)") { findings in
                guard let path = Quota.limits.first(where: { $0.name == member.name })?.path else {
                    return findings.remark(Setting.unknown)
                }
                quota[keyPath: path] = ValueKind<Int>.amount().read(member.value, &findings) ?? 0
            }
        }
        return quota
    }
}

extension Quota {
    /// The four caps by the names that clients and files have for them.
    package static let limits: [(name: String, path: any WritableKeyPath<Quota, Int> & Sendable)] = [
        ("dailyCallLimit", \.dailyCalls), ("monthlyCallLimit", \.monthlyCalls), ("dailyCreditLimit", \.dailyCredits),
        ("monthlyCreditLimit", \.monthlyCredits),
    ]
}

extension SettingKind where Value == [GuardrailRule] {
    /// `[{id, pattern, action, scope, tools}]`; patterns are the words of `GuardrailPattern`.
    static var guardrails: Self { Self(.guardrails, .list(placeholder: "rule")) }
}

extension ValueKind where Value == [GuardrailRule] {
    fileprivate static let guardrails = Self(
        .list(of: .object),
        reading: { json, findings in
            guard case .array(let entries) = json, entries.count <= GuardrailRule.capacity else {
                findings.refuse("Must be a list of at most \(GuardrailRule.capacity) rules.", showing: json)
                return nil
            }
            let rules = entries.enumerated().compactMap { index, entry in
                findings.within("[\(index)]") { ValueKind<GuardrailRule>.rule.read(entry, &$0) }
            }
            for (index, rule) in rules.enumerated() where rules[..<index].contains(where: { $0.id == rule.id }) {
                findings.refuse("The id \"\(rule.id)\" is used twice.")
            }
            return rules
        })
}

extension ValueKind where Value == GuardrailRule {
    /// Nil after a refusal: a rule that is understood by half is none.
    fileprivate static let rule = members { members, findings in
        var (id, pattern, action) = (String?.none, GuardrailPattern?.none, GuardrailRule.Action?.none)
        var (scope, tools): (GuardrailRule.Scope?, [String]?) = (.both, [])
        let members = members.filter { !$0.value.isNull }
        for member in members {
            findings.within(".\(member.name)") { findings in
                switch member.name {
                case "id": id = ValueKind<String>.ruleName.read(member.value, &findings)
                case "pattern": pattern = ValueKind<GuardrailPattern>.choice.read(member.value, &findings)
                case "action": action = ValueKind<GuardrailRule.Action>.choice.read(member.value, &findings)
                case "scope": scope = ValueKind<GuardrailRule.Scope>.choice.read(member.value, &findings)
                case "tools": tools = ValueKind<[String]>.words { !$0.isEmpty }.read(member.value, &findings)
                default: findings.remark(Setting.unknown)
                }
            }
        }
        for name in ["id", "pattern", "action"] where !members.contains(where: { $0.name == name }) { findings.refuse("It needs \(name).") }
        guard let id, let pattern, let action, let scope, let tools else { return nil }
        return GuardrailRule(id: id, pattern: pattern, action: action, scope: scope, tools: Set(tools))
    }
}

extension ValueKind where Value == String {
    fileprivate static let ruleName = word(.string, rule: "Must be 1–64 visible ASCII characters.") { text in
        (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
