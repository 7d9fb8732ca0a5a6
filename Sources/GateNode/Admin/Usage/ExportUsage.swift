// GET /usage: the record of calls, as JSON or CSV; written page by page, so that it may be as long as it is.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let exportUsage = Endpoint(
        .get, "/usage", "Export the record of calls, oldest first.", for: .atLeast(.viewer),
        query: [Field.since, Field.format, Field.namespaceFilter],
        answer: ["since": .string, "events": .list(of: LoggedCall.view.schema), "count": .integer],
        media: [MediaType.json, MediaType.csv], using: \.events
    ) { request, events in
        let since = try request[.since]
        let record = try await UsageRecord(events.pages(since: since ?? 0), namespace: request[.namespaceFilter]?.lowercased())
        return switch try request[.format] {
        case .json:
            EndpointResponse(
                streaming: LoggedCall.view, as: "events", behind: .of(["since": since.map(Timestamp.text) ?? "all"]),
                parts: record.forEachPage)
        case .csv: EndpointResponse(streaming: LoggedCall.table, parts: record.forEachPage)
        }
    }
}

/// The calls of an export. Its first page is read at once, so that a store that is away is said and not found out half way.
private struct UsageRecord: Sendable {
    private let first: [LoggedCall]?
    private let rest: EventPages.Iterator
    private let namespace: String?

    init(_ pages: EventPages, namespace: String?) async throws {
        var iterator = pages.makeAsyncIterator()
        first = try await iterator.next()
        rest = iterator
        self.namespace = namespace
    }

    func forEachPage(_ body: ([LoggedCall]) async throws -> Void) async throws -> JSONObject {
        var (page, pages) = (first, rest)
        while let calls = page {
            try await body(namespace == nil ? calls : calls.filter { $0.key.namespace == namespace })
            page = try await pages.next()
        }
        return [:]
    }
}

enum UsageFormat: String, CaseIterable, JSONRepresentable {
    case json, csv
}

extension Field where Value == Int? {
    fileprivate static let since = Field<Int>("since", .time, "Calls at or after this time.").optional
}

extension Field where Value == UsageFormat {
    fileprivate static let format = Field("format", .choice, "How the record is written.").default(.json)
}

extension Field where Value == String? {
    fileprivate static let namespaceFilter = Field<String>("namespace", .text(upTo: 50), "Calls of keys of this namespace.").optional
}

extension LoggedCall {
    fileprivate static let view = View<LoggedCall>([
        .time("timestamp", \.time), .text("apiKey", \.key.prefix), .text("keyName", \.key.name), .text("tool", \.event.tool),
        .credits("creditsCharged", \.credits), .flag("allowed", \.isAllowed),
        .choice("outcome", ["ok", "failed", "unknown", "denied"], \.event.outcome.rawValue), .text("namespace", \.key.namespace),
        .text("requestId", \.event.requestID), .text("denyReason", \.reason).maybe, .integer("durationMs", \.duration).maybe,
    ])

    fileprivate static let table = view.table(["timestamp", "apiKey", "keyName", "tool", "creditsCharged", "allowed", "denyReason"])

    private var isAllowed: Bool { event.outcome != .denied }
    private var reason: String? { event.reason.isEmpty ? nil : event.reason }
    private var duration: Int? { isAllowed ? event.milliseconds : nil }
}
