// POST /keys/expiry: when a key stops working; an expired key can be extended (F-KEY-08).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let setKeyExpiry = Endpoint(
        .post, "/keys/expiry", "Set, extend or remove the expiry of a key.", for: .atLeast(.admin),
        body: [Field.key, Field.expiresIn, Field.expiresAt],
        answer: ["expiresAt": .time.nullable, "message": .string],
        failures: [.notFound], audits: ["key.expiry_updated"], using: \.keys
    ) { request, keys in
        let expiry = try request.expiry(now: request.now)
        if case .unchanged = expiry { throw HTTPFailure.badRequest("Missing expiresIn or expiresAt") }
        let key = try await request.target(in: keys)
        let time = expiry.value.map(Timestamp.text)
        let audit = request.audit("Expiry changed", of: key, ["expiresAt": time ?? "never"])
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: audit)) { $0.expiresAt = expiry.value }
        return ["expiresAt": time, "message": time == nil ? "Expiry removed" : "Expiry updated"]
    }
}
