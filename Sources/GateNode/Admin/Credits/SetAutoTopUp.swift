// POST /keys/auto-topup: credits that are added by themselves when the balance falls low (F-CREDIT-09).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let setAutoTopUp = Endpoint(
        .post, "/keys/auto-topup", "Add credits to a key by itself whenever a call leaves less than a threshold, or stop that.",
        for: .atLeast(.admin),
        body: [Field.key, Field.threshold, Field.topUpAmount, Field.maxDaily, Field.disablesTopUp],
        answer: View<(AutoTopUp?, String)>([.object("autoTopup", AutoTopUp.view, \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.auto_topup_configured"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let order = try request.autoTopUp
        let words = order.map { "Auto-topup enabled: add \($0.amount) credits when balance drops below \($0.threshold) (\($0.frequency))" }
        let audit = request.audit(
            order == nil ? "Automatic top-up disabled" : "Automatic top-up configured", of: key,
            [
                "threshold": order.map { String($0.threshold) } ?? "", "amount": order.map { String($0.amount) } ?? "",
                "maxDaily": order.map { String($0.maxDaily) } ?? "",
            ])
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: audit)) { $0.autoTopUp = order }
        return (order, words ?? "Auto-topup disabled")
    }
}

extension AutoTopUp {
    static let view = View<AutoTopUp>([
        .credits("threshold", \.threshold), .credits("amount", \.amount), .integer("maxDaily", \.maxDaily),
    ])

    fileprivate var frequency: String { maxDaily > 0 ? "max \(maxDaily)/day" : "no daily limit" }
}

extension ValueKind where Value == AutoTopUp {
    /// An object of threshold, amount and maxDaily, as `POST /keys/auto-topup` takes them.
    static let autoTopUp = Self(
        Schema(members: [
            ("threshold", ValueKind<Int>.credits(1...AutoTopUp.ceiling).schema),
            ("amount", ValueKind<Int>.credits(1...AutoTopUp.ceiling).schema),
            ("maxDaily", .integer(0...Credits.operationCeiling).maybe),
        ]).with("additionalProperties", false)
    ) { json throws(ValueFault) in
        guard let members = json.objectValue, let threshold = members["threshold"], let amount = members["amount"] else {
            throw ValueFault("Must be an object with threshold and amount.")
        }
        if let stranger = members.first(where: { member in
            !["threshold", "amount", "maxDaily"].contains { $0.hasSameBytes(as: member.name) }
        }) {
            throw ValueFault(at: ".\(stranger.name)", "Must not be there. Its members are threshold, amount, maxDaily.")
        }
        let credits = ValueKind<Int>.credits(1...AutoTopUp.ceiling)
        var order = AutoTopUp(
            threshold: try credits.value(of: threshold, at: ".threshold"), amount: try credits.value(of: amount, at: ".amount"), maxDaily: 0
        )
        if let most = members["maxDaily"], !most.isNull {
            order.maxDaily = try ValueKind<Int>.integer(0...Credits.operationCeiling).value(of: most, at: ".maxDaily")
        }
        return order
    }
}

extension Field where Value == AutoTopUp? {
    static let autoTopUp = Field<AutoTopUp>("autoTopup", .autoTopUp, "What is added when a call leaves less than the threshold.").optional
}

extension EndpointRequest {
    /// What is ordered; nil for nothing from now on.
    fileprivate var autoTopUp: AutoTopUp? {
        get throws(HTTPFailure) {
            if try self[.disablesTopUp] { return nil }
            guard let threshold = try self[.threshold] else { throw .badRequest("Missing threshold") }
            guard let amount = try self[.topUpAmount] else { throw .badRequest("Missing amount") }
            return AutoTopUp(threshold: threshold, amount: amount, maxDaily: try self[.maxDaily])
        }
    }
}

extension Field where Value == Int? {
    fileprivate static let threshold = Field<Int>(
        "threshold", .credits(1...AutoTopUp.ceiling), "A balance below it is low; needed unless disable is true."
    ).optional
    fileprivate static let topUpAmount = Field<Int>(
        "amount", .credits(1...AutoTopUp.ceiling), "What is added; needed unless disable is true."
    ).optional
}

extension Field where Value == Int {
    fileprivate static let maxDaily = Field(
        "maxDaily", .integer(0...Credits.operationCeiling), "How often a UTC day at most; 0 for any number."
    ).default(0)
}

extension Field where Value == Bool {
    fileprivate static let disablesTopUp = Field("disable", .flag, "Nothing is added from now on.").default(false)
}
