// GET /keys/activity: what was done with a key and what it has called, the newest first.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let keyActivity = Endpoint(
        .get, "/keys/activity", "Show what admins have done with a key and what it has called, the newest first, whatever its state.",
        for: .atLeast(.viewer), query: [Field.key, Field.activitySince, Field.activityLimit],
        answer: [
            "key": .string, "name": .string, "total": .integer.described("Of all that was found, whatever part is shown."),
            "limit": .integer, "events": .list(of: KeyEvent.view.schema),
            "searchedSince": Schema.time.nullable.described(
                "What is older was not looked at: of each record of the cluster the last \(KeyTrail.searched) entries are gone through. Null where all of it was."
            ),
        ],
        failures: [.notFound], using: { (keys: $0.keys, events: $0.events) }
    ) { request, parts in
        let key = try await request.target(in: parts.keys, revoked: true)
        let limit = try request[.activityLimit]
        let trail = try await parts.events.trail(of: key, since: request[.activitySince] ?? 0, most: limit)
        return [
            "key": key.masked, "name": key.name, "total": trail.total, "limit": limit,
            "events": trail.events.map { event in
                var json = KeyEvent.view.json(event)
                json["metadata"] = .object(event.metadata(of: key))
                return json
            },
            "searchedSince": trail.searchedSince.map(Timestamp.text),
        ]
    }
}

extension KeyEvent {
    /// Its word in the vocabulary of the audit log.
    var type: String {
        switch self {
        case .call(let call): call.event.outcome == .denied ? "gate.deny" : "gate.allow"
        case .change(let change): change.type
        }
    }

    var tool: String? { if case .call(let call) = self { call.event.tool } else { nil } }

    /// What it has cost or moved.
    var credits: Int? {
        switch self {
        case .call(let call): call.credits
        case .change(let change): change.fact("creditsAdded").flatMap { Int($0) } ?? change.fact("credits").flatMap { Int($0) }
        }
    }

    fileprivate static let view = View<KeyEvent>([
        .time("timestamp", \.time), .choice("source", ["audit", "usage"]) { if case .call = $0 { "usage" } else { "audit" } },
        .text("type") { event -> String in
            guard case .call(let call) = event else { return event.type }
            return call.event.outcome == .denied ? "tool.denied" : "tool.call"
        }, .text("message", \.message), .of("metadata", .object) { _ in JSONObject() },
    ])

    private var message: String {
        switch self {
        case .call(let call) where call.event.outcome == .denied: "\(call.event.tool) was refused: \(call.event.reason)"
        case .call(let call): "\(call.event.tool) was called for \(call.credits) credits"
        case .change(let change): change.message
        }
    }

    fileprivate func metadata(of key: KeyRecord) -> JSONObject {
        var metadata: JSONObject
        switch self {
        case .call(let call):
            metadata = .of([
                "tool": call.event.tool, "creditsCharged": call.credits, "allowed": call.event.outcome != .denied,
                "requestId": call.event.requestID,
            ])
            if !call.event.reason.isEmpty { metadata["reason"] = .string(call.event.reason) }
        case .change(let change):
            metadata = JSONObject(change.metadata.map { ($0.0, .string($0.1)) })
            metadata["actor"] = .string(change.actor)
        }
        metadata["key"] = .string(key.masked)
        metadata["keyMasked"] = .string(key.masked)
        return metadata
    }
}

extension Field where Value == Int? {
    fileprivate static let activitySince = Field<Int>("since", .time, "Events at or after this time.").optional
}

extension Field where Value == Int {
    fileprivate static let activityLimit = Field("limit", .integer(1...200, excess: .clamped), "How many are shown.").default(50)
}
