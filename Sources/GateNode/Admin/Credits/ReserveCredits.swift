// GET and POST /keys/reserve, POST /keys/reserve/commit and /keys/reserve/release: credits that are set aside (F-CREDIT-05).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let listReservations = Endpoint(
        .get, "/keys/reserve", "Active reservations of a key, or of all keys.", for: .atLeast(.viewer), query: [Field.heldKey],
        answer: [
            "reservations": .list(of: HeldCredits.view.schema), "count": .integer,
            "totalHeld": .integer.described("Of the reservations that are listed."),
            "hasMore": .boolean.described("Whether there are more than \(Reservations.listed); ask by key then."),
        ],
        failures: [.notFound], using: \.keys
    ) { request, keys in
        let reservations = Reservations(store: keys.store)
        var (held, hasMore): ([HeldCredits], Bool)
        if let reference = try request[.heldKey] {
            guard let key = try await keys.find(reference) else { throw HTTPFailure.unknownKey }
            held = try await reservations.open(of: key.id, at: request.now).map { HeldCredits(reservation: $0, masked: key.masked) }
            hasMore = false
        } else {
            let (found, areMore) = try await reservations.open(at: request.now)
            let masks = try await keys.masks(of: Set(found.map(\.key)))
            held = found.map { HeldCredits(reservation: $0.reservation, masked: masks[$0.key] ?? "") }
            hasMore = areMore
        }
        return [
            "reservations": held.map(HeldCredits.view.json), "count": held.count,
            "totalHeld": held.reduce(0) { $0 + $1.reservation.credits }, "hasMore": hasMore,
        ]
    }

    static let reserveCredits = Endpoint(
        .post, "/keys/reserve", "Set credits of a key aside, so that nothing else can spend them.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey],
        body: [Field.key, Field.reservedCredits, Field.ttlSeconds, Field.memo], success: .created,
        answer: HeldCredits.view.schema.adding("available", .integer.described("What the key may still spend.")),
        failures: [.notFound, .unprocessableContent], audits: ["credits.reserved"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys, revoked: true)
        let (credits, seconds, memo) = (try request[.reservedCredits], try request[.ttlSeconds], try request[.memo])
        let audit = request.audit("Credits reserved", of: key, ["credits": String(credits), "ttlSeconds": String(seconds), "memo": memo])
        let (reservation, available) = try await Reservations(store: keys.store).reserve(
            key.id, credits: credits, seconds: seconds, memo: memo,
            Operation(id: request.operation, fingerprint: "reserve \(credits) \(seconds) \(memo)", audit: audit))
        var answer = HeldCredits.view.json(HeldCredits(reservation: reservation, masked: key.masked))
        answer["available"] = .int(Int64(available))
        return EndpointResponse(json: .object(answer))
    }

    static let commitReservation = Endpoint(
        .post, "/keys/reserve/commit", "Charge the credits of a reservation.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey], body: [Field.reservationID],
        answer: View<(HeldCredits, Int)>([
            .object("committed", HeldCredits.view, \.0), .integer("remainingCredits", \.1).described("What the key may still spend."),
        ]),
        failures: [.notFound, .unprocessableContent], audits: ["credits.committed"], using: \.keys
    ) { request, keys in
        let (held, available) = try await request.endReservation(in: keys, committing: true, "Reserved credits charged")
        return (held, available)
    }

    static let releaseReservation = Endpoint(
        .post, "/keys/reserve/release", "Give the credits of a reservation back.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey], body: [Field.reservationID],
        answer: View<HeldCredits>([.object("released", HeldCredits.view, \.self)]),
        failures: [.notFound, .unprocessableContent], audits: ["credits.released"], using: \.keys
    ) { request, keys in
        let (held, _) = try await request.endReservation(in: keys, committing: false, "Reserved credits given back")
        return held
    }
}

/// A reservation as administrators see it.
private struct HeldCredits: Sendable {
    let reservation: Reservation
    let masked: String

    static let view = View<HeldCredits>([
        .text("id", \.reservation.id), .text("key", \.masked), .credits("credits", \.reservation.credits),
        .time("createdAt") { $0.reservation.createdAt }, .time("expiresAt") { $0.reservation.expiresAt },
        .text("memo") { (held: HeldCredits) -> String? in held.reservation.memo.isEmpty ? nil : held.reservation.memo }.maybe,
    ])
}

extension EndpointRequest {
    fileprivate func endReservation(in keys: KeyDirectory, committing: Bool, _ message: String) async throws
        -> (held: HeldCredits, available: Int)
    {
        let id = try self[.reservationID]
        guard let owner = Reservation.key(of: id), let key = try await keys.records.read(owner) else {
            throw CreditRefusal.unknownReservation
        }
        let (reservation, available) = try await Reservations(store: keys.store).end(
            id, committing: committing,
            Operation(
                id: operation, fingerprint: "\(committing ? "commit" : "release") \(id)",
                audit: audit(message, of: key, ["reservationId": id])))
        return (HeldCredits(reservation: reservation, masked: key.masked), available)
    }
}

extension KeyDirectory {
    fileprivate func masks(of ids: Set<String>) async throws -> [String: String] {
        Dictionary(try await records.read(Array(ids)).map { ($0.id, $0.masked) }, uniquingKeysWith: { first, _ in first })
    }
}

extension Schema {
    /// The object with one more member, which is always there.
    fileprivate func adding(_ name: String, _ member: Schema) -> Schema {
        var properties = members["properties"]?.objectValue ?? [:]
        properties[name] = member.json
        return with("properties", properties).with("required", (members["required"]?.arrayValue ?? []) + [.string(name)])
    }
}

extension Field where Value == String? {
    fileprivate static let heldKey = Field<String>("key", .keyReference, "Of this key alone: the key, its id or its alias.").optional
}

extension Field where Value == String {
    fileprivate static let reservationID = Field(
        "reservationId", .reference(upTo: 200, rule: "Must be the id of a reservation, as rsv_…."),
        "The id that POST /keys/reserve answered with.")
}

extension Field where Value == Int {
    fileprivate static let reservedCredits = Field("credits", .credits, "How many.")
    fileprivate static let ttlSeconds = Field("ttlSeconds", .integer(Reservations.spans, excess: .clamped), "For how long.").default(300)
}
