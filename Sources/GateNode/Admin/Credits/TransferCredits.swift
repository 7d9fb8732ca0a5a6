// POST /keys/transfer: credits from one key to another, both legs or neither (F-CREDIT-04).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let transferCredits = Endpoint(
        .post, "/keys/transfer", "Move credits from one key to another.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey],
        body: [Field.sender, Field.receiver, Field.movedCredits, Field.memo],
        answer: [
            "transferred": .integer, "from": TransferSide.view.schema, "to": TransferSide.view.schema, "memo": .string, "message": .string,
        ],
        failures: [.notFound, .unprocessableContent], audits: ["key.credits_transferred"], using: \.keys
    ) { request, keys in
        let sender = try await keys.party(request[.sender])
        let receiver = try await keys.party(request[.receiver])
        guard !sender.id.hasSameBytes(as: receiver.id) else {
            throw HTTPFailure.badRequest("Cannot transfer credits to the same key; from and to must differ")
        }
        let (credits, memo) = (try request[.movedCredits], try request[.memo])
        let audit = request.audit(
            "Credits transferred", as: nil,
            [
                "fromMasked": sender.masked, "toMasked": receiver.masked, "fromId": sender.id, "toId": receiver.id,
                "credits": String(credits), "memo": memo,
            ])
        let balances = try await Transfers(store: keys.store).move(
            credits, from: sender.id, to: receiver.id,
            Operation(id: request.operation, fingerprint: "transfer \(credits) \(receiver.id) \(memo)", audit: audit))
        return [
            "transferred": credits, "from": TransferSide.view.json(TransferSide(key: sender, balance: balances.from)),
            "to": TransferSide.view.json(TransferSide(key: receiver, balance: balances.to)), "memo": memo,
            "message": "Transferred \(credits) credits",
        ]
    }
}

/// One of the two keys after a transfer.
private struct TransferSide: Sendable {
    let key: KeyRecord
    let balance: Int

    static let view = View<TransferSide>([
        .text("keyMasked", \.key.masked), .credits("balance", \.balance).described("What it may spend after it."),
    ])
}

extension KeyDirectory {
    /// - Throws: 404 if there is no such key or it is revoked.
    fileprivate func party(_ reference: String) async throws -> KeyRecord {
        guard let key = try await find(reference), key.state != .revoked else { throw HTTPFailure.unknownKey }
        return key
    }
}

extension Field where Value == String {
    fileprivate static let sender = Field("from", .keyReference, "Who gives: the key, its id or its alias.")
    fileprivate static let receiver = Field("to", .keyReference, "Who gets: the key, its id or its alias.")
    static let memo = Field("memo", .text(upTo: 500, rest: .cut), "What it is for.").default("")
}

extension Field where Value == Int {
    fileprivate static let movedCredits = Field("credits", .credits, "How many.")
}
