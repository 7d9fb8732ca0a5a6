// Finds out whom a proof proves.

import ClusterState
import GateDomain

/// Looks up what is shown off the call path: what proves a key, in the way in which calls look it up too (`CredentialLookup`), and admin keys.
/// Nothing is remembered.
struct Authenticator: Sendable {
    private let admins: AdminKeyDirectory
    private let credentials: CredentialStore
    private let now: @Sendable () -> Int

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    init(admins: AdminKeyDirectory, credentials: CredentialStore, now: @escaping @Sendable () -> Int) {
        self.admins = admins
        self.credentials = credentials
        self.now = now
    }

    /// The key that is proved: one that is not revoked and has not expired; a suspended one still is. An id or an alias proves
    /// nothing (F-ALIAS-02).
    /// - Parameter kinds: credentials that will do.
    /// - Throws: `RecordRefusal.store` if the store does not answer.
    func holder(_ proof: Proof, by kinds: Set<Credential.Kind>) async throws -> KeyRecord? {
        guard let secret = proof.secret, !secret.isEmpty, let (credential, key) = try await credentials.proof(by: secret, of: kinds) else {
            return nil
        }
        let now = now()
        return credential.isExpired(at: now) || key.state == .revoked || key.isExpired(at: now) ? nil : key
    }

    /// The administrator who is proved; somebody who is not is noted.
    /// - Throws: `StoreFailure` if the store does not answer.
    func administrator(_ proof: Proof, from address: IPAddress?) async throws -> Administrator? {
        if case .adminKey(let secret) = proof, let administrator = try await admins.holder(of: secret, now: now()) { return administrator }
        await admins.noteRefusal(from: address, now: now())
        return nil
    }
}
