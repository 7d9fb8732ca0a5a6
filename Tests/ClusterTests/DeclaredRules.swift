// What can deny, charge, delay or change a call, as the code declares it: a rule that is added is on this list before anybody thinks of it.

import GateDomain
import GateSettings

/// The rules of the gate by names that follow from their declarations, as `key.quota` or `setting.shadowMode`.
enum DeclaredRules {
    /// Every declaration that may be a rule.
    static var all: Set<String> {
        let key = KeyRecord(id: "key_0000000000000000", name: "", prefix: "", masked: "", createdAt: 0)
        let lent = CredentialRecord(Credential(digest: "", kind: .token, keyID: key.id), createdAt: 0)
        return Set(
            Denial.Label.allCases.map { "denial.\($0.rawValue)" } + Setting.all.filter(\.isReloadable).map { "setting.\($0.name)" }
                + GuardrailRule.Action.allCases.map { "guardrail.\($0.rawValue)" } + fields(of: key, "key")
                + fields(of: TeamRecord(id: "", name: "", createdAt: 0), "team") + fields(of: lent, "lent")
                + fields(of: lent.credential, "credential")
                + fields(of: GateRules(prices: PriceBook(defaultPerCall: 1, tools: [:])), "rules") + fields(of: RuleOverrides(), "override")
                + ["switch.maintenance"])
    }

    private static func fields(of record: Any, _ kind: String) -> [String] {
        Mirror(reflecting: record).children.compactMap { $0.label.map { "\(kind).\($0)" } }
    }

    /// Declarations that are no rule of a call, and why.
    static let exempt: [String: String] = [
        "key.id": "names it", "key.name": "for people", "key.prefix": "for people", "key.masked": "for people",
        "key.createdAt": "for people",
        "key.tags": "for people", "key.namespace": "for lists", "key.alias": "names it to admins", "key.suspendReason": "for people",
        "key.toldExpiry": "of webhooks", "key.warnedExpiry": "of webhooks", "key.version": "guards the others",
        "team.id": "names it", "team.name": "for people", "team.description": "for people", "team.tags": "for people",
        "team.createdAt": "for people", "team.version": "guards the others",
        "credential.digest": "names it", "credential.kind": "says which of the others it has", "lent.credential": "its fields are listed",
        "lent.label": "for people", "lent.createdAt": "for people", "lent.revokeReason": "for people", "lent.version": "guards the others",
        "rules.version": "guards the others", "rules.refundsUnknown": "said at the start alone; NodeDeathTests",
        "setting.webhookUrl": "of webhooks", "setting.webhookSecret": "of webhooks", "setting.webhookMaxRetries": "of webhooks",
        "setting.guardrails.includeContext": "of the record of violations",
        "setting.guardrails.maxViolations": "of the record of violations",
        "setting.alertRules": "not served",
    ]
}
