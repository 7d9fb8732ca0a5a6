// POST /keys/suspend: stops a key for a while; everything else about it goes on working (F-GATE-13).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let suspendKey = Endpoint(
        .post, "/keys/suspend", "Suspend a key until it is resumed.", for: .atLeast(.admin),
        body: [Field.key, Field.suspendReason],
        answer: View<(Bool, String)>([.flag("suspended", \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.suspended"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys, revoked: true)
        let reason = try request[.suspendReason] ?? ""
        do {
            let audit = request.audit("Key suspended", of: key, ["reason": reason])
            try await keys.edit(key.id, in: [.active], Operation(audit: audit)) { key in
                key.state = .suspended
                key.suspendReason = reason
            }
        } catch RecordRefusal.state(let state) {
            throw HTTPFailure.badRequest(state == KeyState.revoked.rawValue ? "Key is revoked" : "Key is already suspended")
        }
        return (true, "Key suspended")
    }
}

extension Field where Value == String? {
    fileprivate static let suspendReason = Field<String>("reason", .text(upTo: 500, rest: .cut), "Why, for the audit log.").optional
}
