// Finds out whom a proof proves.

import ClusterState
import GateDomain

/// Looks secrets up: API keys and admin keys in the store.
struct Authenticator: Sendable {
    private let admins: AdminKeyDirectory
    private let keys: KeyDirectory
    private let now: @Sendable () -> Int

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    init(admins: AdminKeyDirectory, keys: KeyDirectory, now: @escaping @Sendable () -> Int) {
        self.admins = admins
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

    /// The administrator who is proved; somebody who is not is noted.
    /// - Throws: `StoreFailure` if the store does not answer.
    func administrator(_ proof: Proof, from address: IPAddress?) async throws -> Administrator? {
        if case .adminKey(let secret) = proof, let administrator = try await admins.holder(of: secret, now: now()) { return administrator }
        await admins.noteRefusal(from: address, now: now())
        return nil
    }
}
