// A key as administrators see it: everything but its secret (F-KEY-02, F-SEC-13).

import ClusterState
import GateDomain
import MCPWire

extension KeySnapshot {
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    func listing(at now: Int) -> JSONObject {
        var listing: JSONObject = .of([
            "id": record.id, "name": record.name, "keyPrefix": record.prefix, "credits": account.credits, "totalSpent": account.spent,
            "totalCalls": account.calls, "createdAt": Timestamp.text(milliseconds: record.createdAt),
            "lastUsedAt": account.lastUsedAt.map(Timestamp.text), "active": record.state != .revoked,
            "suspended": record.state == .suspended, "expired": record.isExpired(at: now), "spendingLimit": record.spendingLimit,
            "allowedTools": record.access.allowed, "deniedTools": record.access.denied, "expiresAt": record.expiresAt.map(Timestamp.text),
            "tags": record.tags, "ipAllowlist": record.addresses, "namespace": record.namespace,
        ])
        listing["alias"] = record.alias?.json
        return listing
    }
}

extension Schema {
    static let tags = map(of: .string)

    /// What `listing` gives.
    static let keyListing: Schema = [
        "id": .string, "name": .string, "keyPrefix": .string, "credits": .integer, "totalSpent": .integer, "totalCalls": .integer,
        "createdAt": .time, "lastUsedAt": .time.nullable, "active": .boolean, "suspended": .boolean, "expired": .boolean,
        "spendingLimit": .integer, "allowedTools": .list(of: .string), "deniedTools": .list(of: .string), "expiresAt": .time.nullable,
        "tags": .tags, "ipAllowlist": .list(of: .string), "namespace": .string, "alias": .string.maybe,
    ]
}
