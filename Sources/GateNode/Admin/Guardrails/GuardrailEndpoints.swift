// /admin/guardrails: what may not pass in arguments and answers, changed while the gates run, on every node (F-GUARD-01 to 04).

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPWire

/// What the guardrail routes work with.
struct GuardrailParts: Sendable {
    let ruleBook: RuleBook
    let reload: RulesReload
    let violations: ViolationLog

    init(_ parts: AdminParts) {
        (ruleBook, reload, violations) = (parts.ruleBook, parts.reload, parts.violations)
    }

    /// The guardrails in force, with what other nodes have just changed.
    var current: GuardrailSettings {
        get async {
            await reload.follow()
            return ruleBook.snapshot.guardrails
        }
    }

    /// What a first change of the rules is made of.
    var base: [GuardrailRule] { ruleBook.settings.guardrails.givenRules }
}

extension Endpoint {
    static let readGuardrails = Endpoint(
        .get, "/admin/guardrails", "Read the guardrails and what they have found.", for: .atLeast(.viewer),
        answer: View<(Bool, [GuardrailRule], ViolationTotals)>([
            .flag("enabled", \.0), .list("rules", GuardrailRule.view, \.1), .object("stats", ViolationTotals.view, \.2),
        ]),
        using: GuardrailParts.init
    ) { _, parts in
        let guardrails = await parts.current
        var totals = ViolationTotals()
        try await parts.violations.forEach(ViolationLog.Filter()) { totals.add($0.event) }
        return (guardrails.isEnabled, guardrails.givenRules, totals)
    }

    static let changeGuardrails = Endpoint(
        .post, "/admin/guardrails",
        "Switch the guardrails, make or change one rule, or import rules; the first of enabled, rule and rules decides.",
        for: .atLeast(.admin), body: [Field.guardrailsEnabled, Field.guardrail, Field.guardrails, Field.importMode],
        answer: [
            "enabled": .boolean.maybe, "rule": GuardrailRule.view.schema.maybe, "imported": .integer.maybe,
            "mode": .choice(ImportMode.allCases.map(\.rawValue)).maybe, "totalRules": .integer.maybe,
        ],
        audits: ["guardrail.toggle", "guardrail.rule_upsert", "guardrail.rules_import"], using: GuardrailParts.init
    ) { request, parts in
        if let isEnabled = try request[.guardrailsEnabled] { return try await toggle(isEnabled, request, parts) }
        if let rule = try request[.guardrail] { return try await put(rule, request, parts) }
        if let rules = try request[.guardrails] { return try await take(rules, request[.importMode], request, parts) }
        throw HTTPFailure.badRequest("Missing enabled, rule or rules. Give one of them.")
    }

    static let deleteGuardrail = Endpoint(
        .delete, "/admin/guardrails", "Delete a rule.", for: .atLeast(.admin), query: [Field.deletedRule],
        answer: View<String>([.text("deleted", \.self)]),
        failures: [.notFound], audits: ["guardrail.rule_delete"], using: GuardrailParts.init
    ) { request, parts in
        let (id, base) = (try request[.deletedRule], parts.base)
        try await change(parts, request.audit("Guardrail deleted", ["ruleId": id])) { (stored) throws(RecordRefusal) in
            guard stored.remove(id, base: base) else { throw .state(unknown) }
        }
        return id
    }

    static let listViolations = Endpoint(
        .get, "/admin/guardrails/violations", "List what the guardrails have found, newest first.", for: .atLeast(.viewer),
        query: [
            Field.violationLimit, Field.violationOffset, Field.violatedRule, Field.violatingTool, Field.violationAction,
            Field.violationsSince,
            Field.violationsUntil,
        ],
        answer: [
            "violations": .list(of: LoggedViolation.view.schema), "total": .integer, "limit": .integer, "offset": .integer,
            "hasMore": .boolean,
        ],
        using: \.violations
    ) { request, violations in
        let (limit, offset) = (try request[.violationLimit], try request[.violationOffset])
        let filter = ViolationLog.Filter(
            rule: try request[.violatedRule], tool: try request[.violatingTool], action: try request[.violationAction]?.rawValue,
            since: try request[.violationsSince], until: try request[.violationsUntil])
        let (part, total) = try await violations.entries(filter, offset: offset, count: limit)
        return [
            "violations": part.map(LoggedViolation.view.json), "total": total, "limit": limit, "offset": offset,
            "hasMore": offset + part.count < total,
        ]
    }

    static let clearViolations = Endpoint(
        .delete, "/admin/guardrails/violations", "Empty the record of violations.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey], answer: View<Int>([.integer("cleared", \.self)]),
        failures: [.unprocessableContent], audits: ["guardrail.violations_cleared"], using: \.violations
    ) { request, violations in
        let audit = request.audit("Record of violations emptied")
        return try await violations.clear(Operation(id: request.operation, fingerprint: "clear violations", audit: audit))
    }

    private static func toggle(_ isEnabled: Bool, _ request: EndpointRequest, _ parts: GuardrailParts) async throws -> EndpointResponse {
        let audit = request.audit("Guardrails switched \(isEnabled ? "on" : "off")", as: "guardrail.toggle")
        try await change(parts, audit) { (stored) throws(RecordRefusal) in stored.isEnabled = isEnabled }
        return ["enabled": isEnabled]
    }

    private static func put(_ rule: GuardrailRule, _ request: EndpointRequest, _ parts: GuardrailParts) async throws -> EndpointResponse {
        let audit = request.audit(
            "Guardrail changed", as: "guardrail.rule_upsert", ["ruleId": rule.id, "name": rule.name, "action": rule.action.rawValue])
        let base = parts.base
        try await change(parts, audit) { (stored) throws(RecordRefusal) in
            guard stored.put(rule, base: base) else { throw .aboveCeiling }
        }
        return ["rule": GuardrailRule.view.json(rule)]
    }

    private static func take(
        _ rules: [GuardrailRule], _ mode: ImportMode, _ request: EndpointRequest, _ parts: GuardrailParts
    ) async throws -> EndpointResponse {
        let audit = request.audit(
            "Guardrails imported", as: "guardrail.rules_import", ["imported": String(rules.count), "mode": mode.rawValue])
        let base = parts.base
        try await change(parts, audit) { (stored) throws(RecordRefusal) in
            if mode == .replace { stored.rules = [] }
            for rule in rules { guard stored.put(rule, base: base) else { throw .aboveCeiling } }
        }
        return ["imported": rules.count, "mode": mode, "totalRules": parts.ruleBook.snapshot.guardrails.givenRules.count]
    }

    private static func change(
        _ parts: GuardrailParts, _ audit: AuditEntry, _ change: @escaping @Sendable (inout StoredGuardrails) throws(RecordRefusal) -> Void
    ) async throws {
        do {
            try await parts.reload.changeGuardrails(Operation(audit: audit), change)
        } catch {
            throw failure(of: error)
        }
    }

    /// What is said of a rule that is not there.
    private static let unknown = "unknown guardrail"

    private static func failure(of refusal: RecordRefusal) -> HTTPFailure {
        switch refusal {
        case .state(unknown): .notFound("Guardrail not found")
        case .aboveCeiling: .badRequest("There may be at most \(GuardrailRule.capacity) rules; delete one first")
        default: refusal.failure
        }
    }
}

/// How imported rules meet those that are there.
private enum ImportMode: String, CaseIterable, Sendable, JSONRepresentable {
    /// A rule takes the place of the one of its id; the others stay.
    case merge
    /// They take the place of all.
    case replace
}

/// Sums over the record of violations.
private struct ViolationTotals: Sendable {
    private var total = 0
    private var byRule: [String: Int] = [:]
    private var byAction: [String: Int] = [:]
    private var byTool: [String: Int] = [:]

    mutating func add(_ event: ViolationEvent) {
        total += 1
        byRule[event.violation.rule, default: 0] += 1
        byAction[event.violation.action, default: 0] += 1
        byTool[event.tool, default: 0] += 1
    }

    static let view = View<ViolationTotals>([
        .integer("totalViolations", \.total), .of("byRule", .map(of: .integer), \.byRule), .of("byAction", .map(of: .integer), \.byAction),
        .of("byTool", .map(of: .integer), \.byTool), .integer("totalBlocked") { $0.byAction[GuardrailRule.Action.block.rawValue] ?? 0 },
        .integer("totalRedacted") { $0.byAction[GuardrailRule.Action.redact.rawValue] ?? 0 },
    ])
}

extension LoggedViolation {
    fileprivate static let view = View<LoggedViolation>([
        .time("timestamp", \.time), .text("ruleId", \.event.violation.rule), .text("ruleName", \.event.violation.name),
        .text("action", \.event.violation.action), .text("tool", \.event.tool),
        .choice("scope", ["input", "output"]) { $0.event.violation.isInAnswer ? "output" : "input" }, .text("keyPrefix", \.keyPrefix),
        .integer("matchCount", \.event.violation.count),
        .text("context") { $0.event.violation.context.isEmpty ? nil : $0.event.violation.context }.maybe,
        .text("requestId", \.event.requestID),
    ])
}

extension Field where Value == Bool? {
    fileprivate static let guardrailsEnabled = Field<Bool>("enabled", .flag, "Whether the rules act.").optional
}

extension Field where Value == GuardrailRule? {
    fileprivate static let guardrail = Field<GuardrailRule>("rule", .givenGuardrailRule, "Takes the place of the rule of its id.").optional
}

extension Field where Value == [GuardrailRule]? {
    fileprivate static let guardrails = Field<[GuardrailRule]>("rules", .givenGuardrails, "Rules, at most \(GuardrailRule.capacity).")
        .optional
}

extension Field where Value == ImportMode {
    fileprivate static let importMode = Field("mode", .choice, "What becomes of the other rules when rules are imported.").default(.merge)
}

extension Field where Value == String {
    fileprivate static let deletedRule = Field(
        "id", .reference(upTo: 64, rule: "Must be the id of a rule."), "The rule.")
}

extension Field where Value == Int {
    fileprivate static let violationLimit = Field("limit", .integer(1...1000, excess: .clamped), "How many are shown.").default(100)
    fileprivate static let violationOffset = Field("offset", .integer(0...100_000, excess: .clamped), "How many are left out before them.")
        .default(0)
}

extension Field where Value == Int? {
    fileprivate static let violationsSince = Field<Int>("since", .time, "Found at this time or later.").optional
    fileprivate static let violationsUntil = Field<Int>("until", .time, "Found at this time or earlier.").optional
}

extension Field where Value == String? {
    fileprivate static let violatedRule = Field<String>("ruleId", .text(upTo: 64), "Found by this rule.").optional
    fileprivate static let violatingTool = Field<String>("tool", .text(upTo: 256), "Found in calls of this tool.").optional
}

extension Field where Value == GuardrailRule.Action? {
    fileprivate static let violationAction = Field<GuardrailRule.Action>("action", .choice, "Found by rules that do this.").optional
}
