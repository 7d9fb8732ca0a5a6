// POST /keys/resume: lets a suspended key work again.

import ClusterState
import GateDomain
import HTTPTypes

extension Endpoint {
    static let resumeKey = Endpoint(
        .post, "/keys/resume", "Resume a suspended key.", for: .atLeast(.admin),
        body: [Field.key],
        answer: ["suspended": .boolean, "message": .string],
        failures: [.notFound], audits: ["key.resumed"]
    ) { request, node in
        let key = try await request.target(in: node, revoked: true)
        do {
            try await node.keys.change(
                key.id, in: [.suspended], fields: [(.state, KeyState.active.rawValue), (.suspendReason, "")],
                audit: request.audit("Key resumed", of: key))
        } catch KeyRefusal.state(let state) {
            throw HTTPFailure.badRequest(state == KeyState.revoked.rawValue ? "Key is revoked" : "Key is not suspended")
        }
        return ["suspended": false, "message": "Key resumed"]
    }
}
