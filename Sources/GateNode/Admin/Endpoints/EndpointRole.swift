// Who may use an endpoint, and how they prove it.

import GateDomain
import HTTPTypes
import ClusterState

/// Who may use an endpoint.
enum EndpointRole: Sendable, Equatable {
    case anyone
    /// Whoever holds an API key; it is told of that key alone.
    case apiKey
    /// An administrator of this role or a higher one (F-ADMIN).
    case atLeast(AdminRole)

    /// Whose window its requests count in (F-RATE-04, F-RATE-06).
    var throttle: AddressLimiter.Scope? {
        switch self {
        case .anyone: .public
        case .apiKey: nil
        case .atLeast: .admin
        }
    }
}

/// Who sent a request.
enum Caller: Sendable {
    case anyone
    case holder(KeyRecord)
    case admin(AdminRole)
}

extension EndpointRole {
    /// - Throws: 401 or 403, before anything of the body has been looked at.
    func caller(_ headers: HTTPFields, _ node: Node) async throws -> Caller {
        switch self {
        case .anyone: return .anyone
        case .apiKey:
            guard let secret = headers.apiKey, let key = try await node.keys.proven(by: secret), key.state != .revoked,
                !key.isExpired(at: node.members.now)
            else { throw HTTPFailure.unauthorized("Missing or invalid API key") }
            return .holder(key)
        case .atLeast(let required):
            guard let role = headers[.xAdminKey].flatMap(node.adminKeys.role) else { throw HTTPFailure.unauthorized("Invalid admin key") }
            guard role >= required else { throw HTTPFailure.forbidden(required: required, current: role) }
            return .admin(role)
        }
    }
}

extension KeyDirectory {
    /// The key that a secret proves; an id or an alias proves nothing (F-ALIAS-02).
    fileprivate func proven(by secret: String) async throws -> KeyRecord? {
        guard secret.utf8.count <= KeyCache.longestCredential else { return nil }
        let id = try await store.sendPatiently(RedisCommand("HGET", store.keys.credential(KeyCache.digest(secret)), "owner")).string
        guard let id else { return nil }
        return try await records.read(id)
    }
}

extension HTTPFields {
    /// X-API-Key, else a Bearer token (F-GATE-04).
    fileprivate var apiKey: String? {
        if let key = self[.xAPIKey] { return key }
        guard let authorization = self[.authorization], authorization.prefix(7).lowercased() == "bearer " else { return nil }
        return String(authorization.dropFirst(7))
    }
}
