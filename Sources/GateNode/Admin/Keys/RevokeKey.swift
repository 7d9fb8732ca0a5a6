// POST /keys/revoke: ends a key for good.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let revokeKey = Endpoint(
        .post, "/keys/revoke", "Revoke a key for good.", for: .atLeast(.admin),
        body: [Field.key],
        answer: View<(Bool, String)>([.flag("revoked", \.0), .text("message", \.1)]),
        failures: [.notFound], audits: ["key.revoked"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        try await keys.edit(key.id, in: [.active, .suspended], Operation(audit: request.audit("Key revoked", of: key))) {
            $0.state = .revoked
        }
        return (true, "Key revoked")
    }
}
