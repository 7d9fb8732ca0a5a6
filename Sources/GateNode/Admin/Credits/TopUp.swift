// POST /topup: adds credits to a key, once for each operation.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let topUp = Endpoint(
        .post, "/topup", "Add credits to a key.", for: .atLeast(.admin),
        headers: [Field.idempotencyKey, Field.xIdempotencyKey],
        body: [Field.key, Field.addedCredits],
        answer: View<(Int, String)>([.integer("credits", \.0).described("The balance after it."), .text("message", \.1)]),
        failures: [.notFound, .unprocessableContent], audits: ["key.topup"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let credits = try request[.addedCredits]
        let balance = try await keys.topUp(
            key.id, credits: credits,
            Operation(
                id: request.operation, fingerprint: "topup \(credits)",
                audit: request.audit("Credits added", of: key, ["creditsAdded": String(credits)])))
        return (balance, "Added \(credits) credits")
    }
}

extension Field where Value == Int {
    fileprivate static let addedCredits = Field("credits", .credits, "What to add.")
}
