// GET /usage: the record of calls, as JSON or CSV.

import ClusterState
import GateDomain
import HTTPTypes
import MCPWire

extension Endpoint {
    static let exportUsage = Endpoint(
        .get, "/usage", "Export the record of calls, oldest first.", for: .atLeast(.viewer),
        query: [Field.since, Field.format, Field.namespaceFilter],
        answer: ["count": .integer, "since": .string, "events": .list(of: .usageEvent)],
        media: [MediaType.json, MediaType.csv]
    ) { request, node in
        let since = try request[.since]
        let namespace = try request[.namespaceFilter]?.lowercased()
        let calls = try await node.events.entries(since: since ?? 0).filter { namespace == nil || $0.key.namespace == namespace }
        switch try request[.format] {
        case .json: return ["count": calls.count, "since": since.map(Timestamp.text) ?? "all", "events": calls.map(\.listing)]
        case .csv:
            var table = CSVTable(columns: LoggedCall.columns)
            for call in calls { table.add(call.row) }
            return EndpointResponse(table.bytes, type: MediaType.csv)
        }
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
    fileprivate static let columns = ["timestamp", "apiKey", "keyName", "tool", "creditsCharged", "allowed", "denyReason"]

    fileprivate var row: [String] {
        [Timestamp.text(milliseconds: time), key.prefix, key.name, event.tool, String(credits), String(isAllowed), event.reason]
    }

    fileprivate var listing: JSONObject {
        var listing: JSONObject = .of([
            "timestamp": Timestamp.text(milliseconds: time), "apiKey": key.prefix, "keyName": key.name, "tool": event.tool,
            "creditsCharged": credits, "allowed": isAllowed, "outcome": event.outcome.rawValue, "namespace": key.namespace,
            "requestId": event.requestID,
        ])
        if !event.reason.isEmpty { listing["denyReason"] = event.reason.json }
        if isAllowed { listing["durationMs"] = event.milliseconds.json }
        return listing
    }

    private var isAllowed: Bool { event.outcome != .denied }
}

extension Schema {
    fileprivate static let usageEvent: Schema = [
        "timestamp": .time, "apiKey": .string, "keyName": .string, "tool": .string, "creditsCharged": .integer, "allowed": .boolean,
        "outcome": .choice(["ok", "failed", "unknown", "denied"]), "namespace": .string, "requestId": .string, "denyReason": .string.maybe,
        "durationMs": .integer.maybe,
    ]
}
