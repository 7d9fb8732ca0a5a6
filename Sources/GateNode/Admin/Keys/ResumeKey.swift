// POST /keys/resume: lets a suspended key work again.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let resumeKey = Endpoint(
        .post, "/keys/resume", "Resume a suspended key.", for: .atLeast(.admin),
        body: [Field.key],
        answer: View<(Bool, String)>([.flag("suspended", \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.resumed"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys, revoked: true)
        do {
            try await keys.edit(key.id, in: [.suspended], Operation(audit: request.audit("Key resumed", of: key))) { key in
                key.state = .active
                key.suspendReason = ""
            }
        } catch RecordRefusal.state(let state) {
            throw HTTPFailure.badRequest(state == KeyState.revoked.rawValue ? "Key is revoked" : "Key is not suspended")
        }
        return (false, "Key resumed")
    }
}
