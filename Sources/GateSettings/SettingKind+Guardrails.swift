// The kinds of settings that the gate's rules are made of: quotas and guardrails.

package import GateDomain
package import GateValues
import MCPWire

/// What the operator does not want to pass (F-GUARD-01 to F-GUARD-04).
package struct GuardrailSettings: Sendable, Equatable {
    /// Whether the rules act (F-GUARD-03).
    package var isEnabled = false
    /// In the order in which they are asked; at most `GuardrailRule.capacity`.
    package var rules: [GuardrailRule] = []
    /// Whether the record of violations says what stands around them.
    package var includesContext = false
    /// Entries of that record; 0 for none.
    package var maxViolations = 10_000

    /// The defaults.
    package init() {}

    /// Somebody has taken all rules away, and wants none in their place.
    package var isCleared = false

    /// Those that were listed, else the built-in ones.
    package var givenRules: [GuardrailRule] { rules.isEmpty && !isCleared ? GuardrailRule.builtIn : rules }
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
    /// `[{id, name, pattern, flags, action, active, scope, tools, redactWith, description}]`; see `ValueKind.guardrailRule`.
    static var guardrails: Self { Self(.guardrails, .list(placeholder: "rule")) }
}

extension ValueKind where Value == [GuardrailRule] {
    /// Rules in their order, no two of one id, as the configuration has them.
    package static let guardrails = guardrails(of: .guardrailRule)
    /// The same as a client gives them.
    package static let givenGuardrails = guardrails(of: .givenGuardrailRule)

    private static func guardrails(of rule: ValueKind<GuardrailRule>) -> Self {
        Self(
            .list(of: rule.schema).with("maxItems", GuardrailRule.capacity),
            reading: { json, findings in
                guard case .array(let entries) = json, entries.count <= GuardrailRule.capacity else {
                    findings.refuse("Must be a list of at most \(GuardrailRule.capacity) rules.", showing: json)
                    return nil
                }
                let rules = entries.enumerated().compactMap { index, entry in findings.within("[\(index)]") { rule.read(entry, &$0) } }
                for (index, rule) in rules.enumerated() where rules[..<index].contains(where: { $0.id == rule.id }) {
                    findings.refuse("The id \"\(rule.id)\" is used twice.")
                }
                return rules
            })
    }
}

extension ValueKind where Value == GuardrailRule {
    /// A rule; `pattern` is the word of a detector or a regular expression. Nil after a refusal: a rule that is understood by half is none.
    /// A member that nobody knows is remarked.
    package static let guardrailRule = rule(requiring: ["id", "pattern", "action"], isGiven: false)
    /// The same as a client gives it: with a name, and without members that nobody knows.
    package static let givenGuardrailRule = rule(requiring: ["id", "name", "pattern", "action"], isGiven: true)

    private static func rule(requiring names: [String], isGiven: Bool) -> Self {
        let documented = RuleDraft.members.map { ($0.name, names.contains($0.name) ? $0.schema : $0.schema.maybe) }
        return members(Schema(members: documented).with("additionalProperties", !isGiven)) { members, findings in
            var draft = RuleDraft()
            let members = members.filter { !$0.value.isNull }
            for member in members {
                if isGiven, !RuleDraft.members.contains(where: { $0.name.hasSameBytes(as: member.name) }) {
                    findings.add(ValueFault(at: ".\(member.name)", RuleDraft.strange))
                } else {
                    findings.within(".\(member.name)") { draft.take(member, &$0) }
                }
            }
            for name in names where !members.contains(where: { $0.name.hasSameBytes(as: name) && $0.value.stringValue?.isEmpty != true }) {
                findings.within(".\(name)") { $0.refuse("Must be there.") }
            }
            return findings.faults.isEmpty ? draft.rule(&findings) : nil
        }
    }
}

/// The members of a rule as far as they have been read.
private struct RuleDraft {
    private var texts: [String: String] = [:]
    private var action: GuardrailRule.Action?
    private var scope = GuardrailRule.Scope.both
    private var tools: [String] = []
    private var isActive = true

    /// What is said of a member that is none.
    static let strange = "Must not be there. Its members are \(members.map(\.name).joined(separator: ", "))."

    /// As they are documented.
    static let members: [(name: String, schema: Schema)] = [
        ("id", ValueKind<String>.ruleName.schema), ("name", ValueKind<String>.nameOfRule.schema),
        ("pattern", ValueKind<String>.source.schema.described("The word of a detector, or a regular expression.")),
        ("flags", ValueKind<String>.flags.schema), ("action", ValueKind<GuardrailRule.Action>.choice.schema),
        ("active", ValueKind<Bool>.flag.schema), ("scope", ValueKind<GuardrailRule.Scope>.choice.schema),
        ("tools", ValueKind<[String]>.toolNames.schema), ("redactWith", ValueKind<String>.replacement.schema),
        ("description", ValueKind<String>.helpOfRule.schema),
    ]

    mutating func take(_ member: JSONObject.Member, _ findings: inout ValueFindings) {
        switch member.name {
        case "id": texts["id"] = ValueKind<String>.ruleName.read(member.value, &findings)
        case "name": texts["name"] = ValueKind<String>.nameOfRule.read(member.value, &findings)
        case "description": texts["description"] = ValueKind<String>.helpOfRule.read(member.value, &findings)
        case "redactWith": texts["redactWith"] = ValueKind<String>.replacement.read(member.value, &findings)
        case "pattern": texts["pattern"] = ValueKind<String>.source.read(member.value, &findings)
        case "flags": texts["flags"] = ValueKind<String>.flags.read(member.value, &findings)
        case "action": action = ValueKind<GuardrailRule.Action>.choice.read(member.value, &findings)
        case "scope": scope = ValueKind<GuardrailRule.Scope>.choice.read(member.value, &findings) ?? .both
        case "active": isActive = ValueKind<Bool>.flag.read(member.value, &findings) ?? true
        case "tools": tools = ValueKind<[String]>.toolNames.read(member.value, &findings) ?? []
        default: findings.remark(Setting.unknown)
        }
    }

    func rule(_ findings: inout ValueFindings) -> GuardrailRule? {
        guard let id = texts["id"], let source = texts["pattern"], let action else { return nil }
        let pattern: GuardrailMatcher
        do throws(ValueFault) {
            pattern = try GuardrailMatcher(source, flags: texts["flags"] ?? "")
        } catch {
            findings.within(".pattern") { $0.add(error) }
            return nil
        }
        return GuardrailRule(
            id: id, name: texts["name"].flatMap { $0.isEmpty ? nil : $0 }, pattern: pattern, action: action, scope: scope,
            tools: Set(tools), isActive: isActive, redactWith: texts["redactWith"], help: texts["description"])
    }
}

extension GuardrailRule {
    /// As it is listed, and stored.
    package static let view = View<GuardrailRule>([
        .text("id", \.id), .text("name", \.name),
        .text("pattern", \.pattern.text).described("The word of a detector, or a regular expression."),
        .text("flags") { $0.pattern.flags.isEmpty ? nil : $0.pattern.flags }.maybe, .choice("action", \.action),
        .flag("active", \.isActive), .choice("scope", \.scope), .texts("tools") { $0.tools.sorted() },
        .text("redactWith", \.redactWith).maybe,
        .text("description", \.help).maybe,
    ])
}

extension ValueKind where Value == String {
    fileprivate static let ruleName = word(.string(pattern: "^[!-~]{1,64}$"), rule: "Must be 1–64 visible ASCII characters.") { text in
        (1...64).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
    fileprivate static let nameOfRule = text(upTo: 200)
    fileprivate static let helpOfRule = text(upTo: 500)
    fileprivate static let flags = word(.string(pattern: "^[gimsu]{0,5}$"), rule: "Must be of the letters g, i, m, s, u, each once.") {
        text in
        text.utf8.allSatisfy { "gimsu".utf8.contains($0) } && Set(text.utf8).count == text.utf8.count
    }
    fileprivate static let source = word(.string(0...500), rule: "Must be text of at most 500 bytes.") { $0.utf8.count <= 500 }
    fileprivate static let replacement = word(.string(0...100), rule: "Must be text of at most 100 bytes.") { $0.utf8.count <= 100 }
}
