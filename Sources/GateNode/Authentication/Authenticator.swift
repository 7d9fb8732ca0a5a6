// Finds out whom a proof proves.

import ClusterState
import GateDomain

/// Looks secrets up: API keys in the store, admin keys by the digests that the node has.
struct Authenticator: Sendable {
    private let adminKeys: AdminKeys
    private let keys: KeyDirectory
    private let now: @Sendable () -> Int

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    init(adminKeys: AdminKeys, keys: KeyDirectory, now: @escaping @Sendable () -> Int) {
        self.adminKeys = adminKeys
        self.keys = keys
        self.now = now
    }

    /// The key that is proved: one that is not revoked and has not expired; a suspended one still is. An id or an alias proves
    /// nothing (F-ALIAS-02).
    /// - Throws: `RecordRefusal.store` if the store does not answer.
    func holder(_ proof: Proof) async throws -> KeyRecord? {
        guard let secret = proof.secret, !secret.isEmpty else { return nil }
        guard let key = try await keys.holder(of: secret), key.state != .revoked, !key.isExpired(at: now()) else { return nil }
        return key
    }

    /// What the administrator who is proved may do.
    func administrator(_ proof: Proof) -> AdminRole? {
        guard case .adminKey(let secret) = proof else { return nil }
        return adminKeys.role(of: secret)
    }
}
