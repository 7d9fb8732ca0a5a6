// GET /admin/events: the audit log as it is written, on whichever node.

import ClusterState
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let streamAudit = Endpoint(
        .get, "/admin/events",
        "Stream the audit log of all nodes as server-sent events: `connected`, then `audit` for each entry, a comment every 15 s, and `end` with a reason where the gate ends it.",
        for: .atLeast(.viewer), query: [Field.streamedTypes], headers: [Field.acceptedStream],
        answer: Schema.string.described("`event: audit` has an entry of GET /audit as its data."), media: [MediaType.eventStream],
        failures: [.serviceUnavailable], using: { (feed: $0.auditFeed, admins: $0.admins) }
    ) { request, parts in
        guard try request[.acceptedStream]?.lowercased().contains(MediaType.eventStream) == true else {
            throw HTTPFailure.badRequest("Invalid Accept. Must be text/event-stream.")
        }
        let raw = try request[.streamedTypes]
        let types = Set(raw?.commaSeparatedParts ?? [])
        let administrator = try request.administrator
        let heard = try await parts.feed.listen(for: administrator.key.id) { types.isEmpty || types.contains($0.change.type) }
        guard let seat = heard else {
            throw HTTPFailure(.serviceUnavailable, "As many streams are open as may be, or the node is stopping").retryable(after: 5)
        }
        let hello: JSONValue = ["message": "Admin event stream connected", "filters": .string(types.isEmpty ? "all" : raw ?? "all")]
        var answer = EndpointResponse(streaming: MediaType.eventStream, whenGone: seat.release) { write in
            do {
                try await write(Self.event("connected", hello))
                var (isOver, heldUntil) = (false, ContinuousClock.now + Self.trust)
                for await signal in seat.signals {
                    // A key that is revoked hears no more, and not even of that.
                    if signal.mayTellOfAdmins || ContinuousClock.now >= heldUntil {
                        heldUntil = .now + Self.trust
                        if (try? await parts.admins.isHeld(by: administrator)) == false {
                            try await write(Self.event("end", ["message": "The admin key was revoked."]))
                            isOver = true
                            break
                        }
                    }
                    switch signal {
                    case .entry(let entry): try await write(Self.event("audit", AuditLog.Entry.view.json(entry).json))
                    case .silence: try await write(Array(": keepalive\n\n".utf8))
                    case .end(let why):
                        try await write(Self.event("end", ["message": .string(why)]))
                        isOver = true
                    }
                    if isOver { break }
                }
                if !isOver {
                    try await write(Self.event("end", ["message": "Events were lost, as they were not read in time; connect again."]))
                }
            } catch {
                // Its client has gone, as all of them do some day.
            }
            await parts.feed.leave(seat)
            return
        }
        answer.headers[.cacheControl] = "no-store"
        return answer
    }

    /// How long who has held a key is believed to hold it, while nothing is told of admin keys.
    private static let trust = Duration.seconds(1)

    private static func event(_ name: String, _ data: JSONValue) -> [UInt8] { Array("event: \(name)\ndata: \(data.text)\n\n".utf8) }
}

extension AuditFeed.Signal {
    /// Whether it may be news of the end of somebody's key.
    fileprivate var mayTellOfAdmins: Bool {
        switch self {
        case .entry(let entry): entry.change.type.hasPrefix("admin_key.")
        case .silence: true
        case .end: false
        }
    }
}

extension Field where Value == String? {
    fileprivate static let streamedTypes = Field<String>("types", .text(upTo: 2000), "Types of events with commas between them.").optional
    fileprivate static let acceptedStream = Field<String>("Accept", .text(upTo: 500), "Has to name text/event-stream.").optional
}
