// /audit: what admins, and the gate by itself, have changed (F-AUDIT-10).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let readAudit = Endpoint(
        .get, "/audit", "Query the audit log, newest first; of a longer one the newest \(AuditLog.searched) entries.",
        for: .atLeast(.viewer),
        query: [Field.auditTypes, Field.auditSince, Field.auditUntil, Field.auditLimit, Field.auditOffset, Field.auditActor],
        answer: [
            "total": .integer.described("With an actor as it was \(AuditTotals.life.components.seconds) s ago at most."),
            "offset": .integer,
            "limit": .integer, "events": .list(of: AuditLog.Entry.view.schema),
        ],
        using: { (store: $0.store, totals: $0.auditTotals, book: $0.auditBook) }
    ) { request, parts in
        let (limit, offset) = (try request[.auditLimit], try request[.auditOffset])
        let filter = AuditLog.Filter(
            types: try request[.auditTypes].auditTypes, actor: try request[.auditActor] ?? "", since: try request[.auditSince],
            until: try request[.auditUntil])
        let log = AuditLog(store: parts.store)
        let events = try await log.page(filter, offset: offset, count: limit)
        // What was written meanwhile is on the page before it is counted.
        let total = max(try await parts.totals.total(of: filter, in: log, knownTo: parts.book), events.isEmpty ? 0 : offset + events.count)
        return ["total": total, "offset": offset, "limit": limit, "events": events.map(AuditLog.Entry.view.json)]
    }

    static let exportAudit = Endpoint(
        .get, "/audit/export", "Export the audit log, newest first, as JSON or CSV; all of it unless a limit is given.",
        for: .atLeast(.viewer),
        query: [Field.auditFormat, Field.auditTypes, Field.auditSince, Field.auditUntil, Field.exportedAudit, Field.auditOffset],
        answer: [
            "limit": .integer.described("The total where none was given."), "offset": .integer,
            "events": .list(of: AuditLog.Entry.view.schema), "count": .integer,
            "total": .integer,
        ],
        media: [MediaType.json, MediaType.csv], using: \.store
    ) { request, store in
        let filter = AuditLog.Filter(
            types: try request[.auditTypes].auditTypes, since: try request[.auditSince], until: try request[.auditUntil])
        let export = AuditExport(
            log: AuditLog(store: store), filter: filter, limit: try request[.exportedAudit], offset: try request[.auditOffset])
        return export.answer(as: try request[.auditFormat])
    }

    static let auditStats = Endpoint(
        .get, "/audit/stats", "Count the audit log.", for: .atLeast(.viewer),
        answer: [
            "totalEvents": .integer, "oldestEvent": .time.nullable, "newestEvent": .time.nullable, "eventsByType": .map(of: .integer),
            "eventsLastHour": .integer, "eventsLast24h": .integer,
        ],
        using: \.auditBook
    ) { request, book in
        let figures = try await book.figures(at: request.now)
        return [
            "totalEvents": figures.total, "oldestEvent": figures.oldest.map(Timestamp.text),
            "newestEvent": figures.newest.map(Timestamp.text),
            "eventsByType": figures.types, "eventsLastHour": figures.lastHour, "eventsLast24h": figures.lastDay,
        ]
    }
}

/// The log as somebody takes it along, written as it is read.
private struct AuditExport: Sendable {
    let log: AuditLog
    let filter: AuditLog.Filter
    /// Nil for all.
    let limit: Int?
    let offset: Int

    /// Entries that are written at once.
    private static let part = 200

    func answer(as format: UsageFormat) -> EndpointResponse {
        switch format {
        case .json:
            EndpointResponse(
                streaming: AuditLog.Entry.view, as: "events", behind: .of(["offset": offset]), parts: forEachPart)
        case .csv: EndpointResponse(streaming: AuditLog.Entry.table, parts: forEachPart)
        }
    }

    private func forEachPart(_ body: ([AuditLog.Entry]) async throws -> Void) async throws -> JSONObject {
        var (part, count, total) = ([AuditLog.Entry](), 0, 0)
        try await log.forEach(filter) { entry in
            defer { total += 1 }
            guard total >= offset, count < limit ?? .max else { return }
            part.append(entry)
            count += 1
            if part.count == Self.part {
                try await body(part)
                part.removeAll(keepingCapacity: true)
            }
        }
        try await body(part)
        return .of(["total": total, "limit": limit ?? total])
    }
}

extension AuditLog.Entry {
    static let view = View<AuditLog.Entry>([
        .integer("id", \.number), .time("timestamp", \.change.time), .text("type", \.change.type), .text("actor", \.change.actor),
        .text("message", \.change.message),
        .of("metadata", .object) { entry in JSONObject(entry.change.metadata.map { ($0.0, .string($0.1)) }) },
    ])

    fileprivate static let table = view.table(["id", "timestamp", "type", "actor", "message"])
}

extension String? {
    /// The types of a list with commas.
    fileprivate var auditTypes: Set<String> { Set(self?.commaSeparatedParts ?? []) }
}

extension Field where Value == UsageFormat {
    fileprivate static let auditFormat = Field("format", .choice, "How the log is written.").default(.json)
}

extension Field where Value == String? {
    fileprivate static let auditTypes = Field<String>("types", .text(upTo: 2000), "Types of events with commas between them.").optional
    fileprivate static let auditActor = Field<String>("actor", .text(upTo: 200), "Part of the actor, in whatever case.").optional
}

extension Field where Value == Int? {
    fileprivate static let auditSince = Field<Int>("since", .time, "Events at or after this time.").optional
    fileprivate static let auditUntil = Field<Int>("until", .time, "Events at or before this time.").optional
    fileprivate static let exportedAudit = Field<Int>("limit", .integer(1...1000, excess: .clamped), "How many; all of them by default.")
        .optional
}

extension Field where Value == Int {
    fileprivate static let auditLimit = Field("limit", .integer(1...1000, excess: .clamped), "How many are shown.").default(100)
    fileprivate static let auditOffset = Field("offset", .integer(0...100_000, excess: .clamped), "How many are left out before them.")
        .default(0)
}
