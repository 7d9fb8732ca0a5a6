// POST /keys/revoke: ends a key for good.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let revokeKey = Endpoint(
        .post, "/keys/revoke", "Revoke a key for good.", for: .atLeast(.admin),
        body: [Field.key],
        answer: ["revoked": .boolean, "message": .string],
        failures: [.notFound], audits: ["key.revoked"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: request.audit("Key revoked", of: key))) {
            $0.state = .revoked
        }
        return ["revoked": true, "message": "Key revoked"]
    }
}
