// POST /keys/rotate: another secret for a key, and nothing else of it changes (F-KEY-06).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let rotateKey = Endpoint(
        .post, "/keys/rotate", "Give a key another secret; the old one proves nothing from then on, and all else stays.",
        for: .atLeast(.admin),
        body: [Field.key],
        answer: [
            "message": .string, "newKey": .string.described("The secret; it is never shown again."), "name": .string, "credits": .integer,
        ],
        failures: [.notFound, .conflict], audits: ["key.rotated"], using: \.keys
    ) { request, keys in
        let key = try await request.target(in: keys)
        let secret = Credential.generate()
        let audit = request.audit("Key rotated", of: key, ["oldKeyMasked": key.masked, "newKeyMasked": Credential.longMask(secret)])
        let rotated = try await keys.rotate(key.id, to: secret, Operation(audit: audit))
        return [
            "message": "Key rotated. Store the new one now: it is not shown again, and the old one has stopped working.", "newKey": secret,
            "name": rotated.name, "credits": try await keys.account(key.id).credits,
        ]
    }
}
