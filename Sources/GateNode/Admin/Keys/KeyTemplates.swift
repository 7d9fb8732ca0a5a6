// GET and POST /keys/templates, POST /keys/templates/delete: what keys are made from (F-TPL-01 to F-TPL-03).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Resource where Record == KeyTemplate {
    static let templates = Resource(
        "template", path: "/keys/templates", role: .admin, id: Field.templateName, view: KeyTemplate.view, capacity: KeyTemplate.capacity,
        store: { KeyTemplateResource(templates: $0.keys.templates, clock: $0.clock) },
        attributes: [
            .fixed(Field.templateName, \.name),
            .defaulting(Field("description", .text(upTo: 500, rest: .cut), "What it is for."), to: "", \.description),
            .defaulting(Field("credits", .credits, "What a key may spend."), to: 100, \.credits),
            .defaulting(Field.allowedTools, to: [], \.access.allowed), .defaulting(Field.deniedTools, to: [], \.access.denied),
            .optional(Field("quota", .quota, "What a key may do a UTC day and month."), \.quota),
            .defaulting(Field("ipAllowlist", .addresses, "From where a key may call; empty for everywhere."), to: [], \.addresses),
            .defaulting(Field.spendingLimit, to: 0, \.spendingLimit),
            .defaulting(Field("tags", .tags, "Labels, in place of all that there are."), to: [:], \.tags),
            .defaulting(Field("namespace", .namespace, "Where a key belongs."), to: "default", \.namespace),
            .defaulting(
                Field("expiryTtlSeconds", .integer(0...Credits.operationCeiling), "Seconds that a key lives; 0 for ever."), to: 0, \.life),
            .optional(Field("autoTopup", .autoTopUp, "What is added when a call leaves less than the threshold."), \.autoTopUp),
        ],
        make: { now in KeyTemplate(name: "", createdAt: now, updatedAt: now) }, identify: \.name,
        verbs: [
            .list(as: "templates", count: "total"), .put(.post, as: "template"), .delete(.post, "/keys/templates/delete"),
        ])
}

extension KeyTemplate {
    static let view = View<KeyTemplate>([
        .text("name", \.name), .text("description", \.description), .credits("credits", \.credits),
        .texts("allowedTools", \.access.allowed),
        .texts("deniedTools", \.access.denied), .object("quota", Quota.view, \.quota).maybe,
        .texts("ipAllowlist") { $0.addresses.map(\.text) }, .credits("spendingLimit", \.spendingLimit), .tags("tags", \.tags),
        .text("namespace", \.namespace), .integer("expiryTtlSeconds", \.life),
        .object("autoTopup", AutoTopUp.view, \.autoTopUp).maybe, .time("createdAt", \.createdAt),
        .time("updatedAt", \.updatedAt),
    ])
}

extension Field where Value == String {
    fileprivate static let templateName = Field("name", .templateName, "The template.")
}

extension ValueKind where Value == String {
    static let templateName = word(
        .string(pattern: "^[A-Za-z0-9_-]{1,50}$"), rule: "Must be 1 to 50 letters, digits, hyphens or underscores."
    ) { text in
        text.utf8.count <= 50 && (try? ValueKind.alias.value(of: .string(text))) != nil
    }
}

/// Templates as the routes of a resource need them.
private struct KeyTemplateResource: ResourceStore {
    let templates: RecordStore<KeyTemplate>
    let clock: RedisClock

    /// By their names.
    func list(offset: Int, count: Int) async throws -> (records: [KeyTemplate], total: Int) {
        let ids = try await templates.ids(.ascending, count: 2 * KeyTemplate.capacity)
        let all = try await templates.read(ids).sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
        return (Array(all.dropFirst(offset).prefix(count)), all.count)
    }

    func record(_ name: String) async throws -> KeyTemplate? { try await templates.read(KeyTemplate.id(of: name)) }

    func create(_ template: KeyTemplate, capacity: Int, audit: AuditEntry) async throws {
        guard try await templates.count() < capacity else { throw ResourceRefusal.full(capacity: capacity) }
        do {
            try await templates.create(template, Operation(audit: audit))
        } catch RecordRefusal.contended {
            throw ResourceRefusal.taken("name")
        }
    }

    func update(
        _ name: String, audit: @Sendable (KeyTemplate) -> AuditEntry, _ change: @Sendable (inout KeyTemplate) throws -> Void
    ) async throws -> KeyTemplate? {
        guard var after = try await record(name) else { return nil }
        try change(&after)
        return try await edit(name, Operation(audit: audit(after)), change)
    }

    private func edit(
        _ name: String, _ operation: Operation, _ change: @Sendable (inout KeyTemplate) throws -> Void
    ) async throws -> KeyTemplate? {
        let now = clock.milliseconds
        do {
            return try await templates.edit(KeyTemplate.id(of: name), operation) { (template) throws(RecordRefusal) in
                // What it throws it has thrown before the first change.
                do { try change(&template) } catch { throw .contended }
                template.updatedAt = now
            }
        } catch RecordRefusal.missing {
            return nil
        }
    }

    func delete(_ name: String, audit: @Sendable (KeyTemplate) -> AuditEntry) async throws -> KeyTemplate? {
        guard let found = try await record(name) else { return nil }
        do {
            try await templates.delete(found.id, Operation(audit: audit(found)))
            return found
        } catch RecordRefusal.missing {
            return nil
        }
    }
}
