// /webhooks/filters: events that go to sinks of their own (F-WH-10, F-WH-11).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// What the routes of filters work with.
struct WebhookFilterParts: Sendable {
    let webhooks: Webhooks
    let keys: KeyDirectory

    init(_ parts: AdminParts) {
        (webhooks, keys) = (parts.webhooks, parts.keys)
    }
}

extension Endpoint {
    static let listWebhookFilters = Endpoint(
        .get, "/webhooks/filters", "List the filters, those of the configuration first.", for: .atLeast(.viewer),
        answer: View<(Int, [WebhookFilter])>([.integer("count", \.0), .list("filters", WebhookFilter.view, \.1)]), using: \.webhooks
    ) { _, webhooks in
        let filters = try await webhooks.allFilters()
        return (filters.count, filters)
    }

    static let createWebhookFilter = Endpoint(
        .post, "/webhooks/filters", "Send some events to a sink of their own.", for: .atLeast(.admin),
        body: [Field.filterName, Field.filterEvents, Field.filterURL, Field.newFilterSecret, Field.newKeyPrefixes, Field.newFilterActive],
        success: .created, answer: WebhookFilter.view.schema, audits: ["webhook_filter.created"], using: WebhookFilterParts.init
    ) { request, parts in
        // All of them lie in one shard, so that one script counts them.
        let id = WebhookFilter.prefix + "00000000" + RandomHex.digits(8)
        let name = try request[.filterName] ?? ""
        var filter = WebhookFilter(id: id, name: name.isEmpty ? "Filter \(id)" : name, createdAt: request.now)
        filter.events = try request.told(request[.filterEvents])
        filter.isActive = try request[.newFilterActive]
        filter.secret = try request[.newFilterSecret].flatMap { $0.isEmpty ? nil : $0 }
        filter.url = try await parts.webhooks.accepted(request[.filterURL], as: "url")
        filter.keyPrefixes = try await parts.prefixes(request[.newKeyPrefixes])
        do {
            guard try await parts.webhooks.filters.count() < WebhookFilter.capacity else { throw RecordRefusal.full }
            let operation = Operation(audit: request.audit("Webhook filter created", of: filter))
            try await parts.webhooks.filters.create(filter, room: WebhookFilter.capacity, operation)
        } catch let refusal as RecordRefusal where refusal == .full {
            throw HTTPFailure.badRequest("There may be at most \(WebhookFilter.capacity) filters; delete one first")
        }
        return EndpointResponse(WebhookFilter.view, filter)
    }

    static let updateWebhookFilter = Endpoint(
        .post, "/webhooks/filters/update", "Change a filter; what is left out stays.", for: .atLeast(.admin),
        body: [
            Field.filterID, Field.filterName, Field.changedEvents, Field.changedURL, Field.changedFilterSecret, Field.changedPrefixes,
            Field.changedActive,
        ],
        answer: WebhookFilter.view.schema, failures: [.notFound, .conflict], audits: ["webhook_filter.updated"],
        using: WebhookFilterParts.init
    ) { request, parts in
        let id = try request[.filterID]
        let before = try await parts.webhooks.changeable(id)
        let (name, events, active) = (
            try request[.filterName], try request[.changedEvents].map(request.told), try request[.changedActive]
        )
        let secret = try request[.changedFilterSecret]
        var (url, prefixes) = (String?.none, [String]?.none)
        if let given = try request[.changedURL] { url = try await parts.webhooks.accepted(given, as: "url") }
        if let given = try request[.changedPrefixes] { prefixes = try await parts.prefixes(given) }
        let change: @Sendable (inout WebhookFilter) -> Void = { [url, prefixes] filter in
            if let name, !name.isEmpty { filter.name = name }
            if let events { filter.events = events }
            if let active { filter.isActive = active }
            if let url { filter.url = url }
            if let prefixes { filter.keyPrefixes = prefixes }
            switch secret {
            case .unchanged: break
            case .cleared: filter.secret = nil
            case .set(let value): filter.secret = value.isEmpty ? nil : value
            }
        }
        var after = before
        change(&after)
        let operation = Operation(audit: request.audit("Webhook filter updated", of: after))
        do {
            return EndpointResponse(
                WebhookFilter.view,
                try await parts.webhooks.filters.edit(id, operation) { (filter) throws(RecordRefusal) in change(&filter) })
        } catch RecordRefusal.missing {
            throw HTTPFailure.unknownFilter
        }
    }

    static let deleteWebhookFilter = Endpoint(
        .post, "/webhooks/filters/delete", "Delete a filter; what waits for its sink is dropped.", for: .atLeast(.admin),
        body: [Field.filterID], answer: View<(Bool, String)>([.flag("ok", \.0), .text("message", \.1)]), failures: [.notFound, .conflict],
        audits: ["webhook_filter.deleted"], using: \.webhooks
    ) { request, webhooks in
        let filter = try await webhooks.changeable(request[.filterID])
        do {
            try await webhooks.filters.delete(filter.id, Operation(audit: request.audit("Webhook filter deleted", of: filter)))
        } catch RecordRefusal.missing {
            throw HTTPFailure.unknownFilter
        }
        let dropped = try await webhooks.drop(filter.id)
        return (true, "Filter deleted" + (dropped > 0 ? "; \(dropped) events that waited for it were dropped" : ""))
    }
}

extension Webhooks {
    /// A URL as it is stored, after its host has been looked up.
    /// - Parameters:
    ///   - name: of the field that it was given in.
    ///   - kind: whose sink it is.
    /// - Throws: 400 for an address that may not be reached.
    func accepted(_ url: WebhookURL, as name: String, for kind: WebhookSinkKind = .gate) async throws -> String {
        do throws(WebhookFault) {
            try await sender.check(url, for: kind)
        } catch {
            throw HTTPFailure.badRequest("Invalid \(name). Must not be \(error.sentence).")
        }
        return url.text
    }

    /// A filter that routes may change.
    /// - Throws: 404 if there is none, 409 for one of the configuration.
    fileprivate func changeable(_ id: String) async throws -> WebhookFilter {
        if configured.contains(where: { $0.id == id }) {
            throw HTTPFailure.conflict("The filter stands in the configuration; change it there")
        }
        guard let filter = try await filters.read(id) else { throw HTTPFailure.unknownFilter }
        return filter
    }
}

extension WebhookFilterParts {
    /// What keys of events are compared with. A whole key, and an alias, becomes the id of its key: no secret is kept, and a rotation changes
    /// nothing.
    fileprivate func prefixes(_ given: [String]) async throws -> [String] {
        var prefixes: [String] = []
        for entry in given { prefixes.append(try await keys.find(entry)?.id ?? entry) }
        return prefixes
    }
}

extension HTTPFailure {
    fileprivate static let unknownFilter = notFound("Filter not found")
}

extension EndpointRequest {
    /// The same types of events, each of which this gate tells.
    /// - Throws: 400 for another: nothing would ever come of it.
    fileprivate func told(_ events: [String]) throws(HTTPFailure) -> [String] {
        let known = WebhookEvent.ofTheGate.union(table.all.flatMap(\.audits))
        guard let stranger = events.first(where: { !known.contains($0) }) else { return events }
        throw .badRequest("Invalid events. Must be types of events that this gate tells, or *: \(stranger) is none.")
    }

    fileprivate func audit(_ message: String, of filter: WebhookFilter) -> AuditEntry {
        audit(message, ["filterId": filter.id, "name": filter.name, "events": filter.events.joined(separator: ",")])
    }
}

extension WebhookFilter {
    static let view = View<WebhookFilter>([
        .text("id", \.id), .text("name", \.name), .texts("events", \.events),
        .text("url") { WebhookURL($0.url)?.withoutCredentials ?? "" }, .text("secret") { $0.secret == nil ? nil : "***" }.maybe,
        .texts("keyPrefixes", \.keyPrefixes), .flag("active", \.isActive),
    ])
}

extension Field where Value == String {
    fileprivate static let filterID = Field(
        "id",
        .word(.string(pattern: "^wf_[0-9a-f]{16}$"), rule: "Must be wf_ and 16 hex digits.") { text in
            text.utf8.count == 19 && text.hasPrefix(WebhookFilter.prefix)
                && text.utf8.dropFirst(3).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        }, "The filter.")
}

extension Field where Value == String? {
    fileprivate static let filterName = Field<String>("name", .text(upTo: 500, rest: .cut), "What people call it.").optional
    fileprivate static let newFilterSecret = Field<String>("secret", .webhookSecret, "What events are signed with.").optional
}

extension Field where Value == Edit<String> {
    fileprivate static let changedFilterSecret = Field<String>("secret", .webhookSecret, "What events are signed with; null for nothing.")
        .clearable
}

extension Field where Value == [String] {
    fileprivate static let filterEvents = Field("events", .eventTypes, "Types of events: usage, those of the audit log, or * for all.")
    fileprivate static let newKeyPrefixes = Field("keyPrefixes", .keyPrefixes, "Only events of these keys; empty for all.").default([])
}

extension Field where Value == [String]? {
    fileprivate static let changedEvents = Field<[String]>("events", .eventTypes, "Types of events.").optional
    fileprivate static let changedPrefixes = Field<[String]>("keyPrefixes", .keyPrefixes, "Only events of these keys.").optional
}

extension Field where Value == WebhookURL {
    fileprivate static let filterURL = Field("url", .webhookURL, "Where they go, http or https.")
}

extension Field where Value == WebhookURL? {
    fileprivate static let changedURL = Field<WebhookURL>("url", .webhookURL, "Where they go, http or https.").optional
}

extension Field where Value == Bool {
    fileprivate static let newFilterActive = Field("active", .flag, "Whether events go there.").default(true)
}

extension Field where Value == Bool? {
    fileprivate static let changedActive = Field<Bool>("active", .flag, "Whether events go there.").optional
}
