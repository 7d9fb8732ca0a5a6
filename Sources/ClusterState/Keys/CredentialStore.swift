// What proves keys, as Redis has it: the one place that reads and writes credentials of every kind.

package import GateDomain
import LuaScripts

/// The credentials of the cluster.
///
/// A key's own secret is a name that the key has alone (`credential:<digest>`), which stays taken when it proves nothing any more. What lends
/// a key is a record with a life of its own (`CredentialRecord`). The way back from a key to its secrets is `credentials:<id>`; a record
/// names its key itself.
package struct CredentialStore: Sendable {
    /// Those that lend keys.
    package let records: RecordStore<CredentialRecord>
    private let store: any CommandStore
    private var keys: RedisKeys { store.keys }

    init(store: any CommandStore, origin: String) {
        self.store = store
        records = RecordStore(store: store, origin: origin)
    }

    /// What a secret proves; nil if it proves no key, or none any more. An id or an alias proves nothing. Nothing is remembered.
    /// - Parameter kinds: what will do; a secret of another kind proves nothing here.
    /// - Throws: `store`.
    package func proof(by secret: String, of kinds: Set<Credential.Kind>) async throws(RecordRefusal) -> (
        credential: Credential, key: KeyRecord
    )? {
        var lookup = CredentialLookup(secret, keys: keys)
        var step = lookup.begin()
        while case .ask(let command) = step { step = lookup.hear(try await store.ask(command)) }
        guard case .proven(let credential, let key) = step, kinds.contains(credential.kind) else { return nil }
        return (credential, key)
    }

    // MARK: Secrets of keys

    /// Takes the name of a secret for its key. False where another key has it, or has had it.
    func claim(_ credential: Credential) async throws(RecordRefusal) -> Bool {
        try await store.claim(keys.credential(credential.digest), for: credential.keyID, fields: credential.nameFields)
    }

    /// Gives back what was claimed for a key that was not made.
    func leave(_ credential: Credential) async throws(RecordRefusal) {
        try await store.leave(keys.credential(credential.digest), of: credential.keyID)
    }

    /// Notes a secret with its key: the way back.
    func list(_ credential: Credential) async throws(RecordRefusal) {
        _ = try await store.ask(RedisCommand("SADD", keys.credentials(of: credential.keyID), credential.digest))
    }

    /// The id of the key that has, had, or was about to have a secret; nil if nobody had it. - Parameter digest: in hex digits.
    /// - Throws: `store`.
    package func owner(ofDigest digest: String) async throws(RecordRefusal) -> String? {
        try await store.owner(of: keys.credential(digest))
    }

    /// The SHA-256 of each key's secret in hex digits, in their order; nil where a rotation was cut short, so that nobody knows which it is.
    /// - Throws: `store`.
    package func digests(of records: [KeyRecord]) async throws(RecordRefusal) -> [String?] {
        let unsaid = records.filter { $0.credential == nil }
        let replies: [RedisReply]
        do { replies = try await store.sendAll(unsaid.map { RedisCommand("SMEMBERS", keys.credentials(of: $0.id)) }) } catch {
            throw .store(error)
        }
        let found = Dictionary(zip(unsaid.map(\.id), replies), uniquingKeysWith: { first, _ in first })
        return records.map { record in
            if let credential = record.credential { return credential }
            let digests = found[record.id]?.array ?? []
            return digests.count == 1 ? digests[0].string : nil
        }
    }

    // MARK: What lends keys

    /// Revokes a credential, and then makes what was judged by its key stale, so that no node lets anything pass by what it remembers of it.
    /// The second is done however often it is asked for: who was cut short between the two asks again.
    /// - Parameter now: milliseconds since 1970.
    /// - Returns: false if it was revoked before.
    /// - Throws: `missing` if it has ended meanwhile, `contended` or `store`.
    package func revoke(
        _ record: CredentialRecord, at now: Int, reason: String, _ operation: Operation
    ) async throws(RecordRefusal) -> Bool {
        let isNew: Bool
        do {
            _ = try await records.edit(record.id, operation) { (record) throws(RecordRefusal) in
                guard record.revokedAt == nil else { throw .state(Self.revokedBefore) }
                (record.revokedAt, record.revokeReason) = (now, reason)
            }
            isNew = true
        } catch {
            guard error == .state(Self.revokedBefore) else { throw error }
            isNew = false
        }
        do {
            let owners = RecordStore<KeyRecord>(store: store, origin: records.origin)
            _ = try await owners.edit(record.credential.keyID, Operation(audit: .untold)) { (_) throws(RecordRefusal) in }
        } catch {
            // A key that is gone lends nothing.
            if error != .missing { throw error }
        }
        return isNew
    }

    private static let revokedBefore = "revoked before"
}

/// Names that one owner has alone: the digest of a secret, an alias.
extension CommandStore {
    func owner(of name: String) async throws(RecordRefusal) -> String? { try await ask(RedisCommand("HGET", name, "owner")).string }

    /// False where somebody else has the name.
    func claim(_ name: String, for owner: String, fields: [String: String] = [:]) async throws(RecordRefusal) -> Bool {
        try await ask(RedisCommand(claiming: name, owner, "take", fields)).status == 0
    }

    /// Gives a name back, if the owner has it.
    func leave(_ name: String, of owner: String) async throws(RecordRefusal) {
        _ = try await ask(RedisCommand(claiming: name, owner, "leave", [:]))
    }
}

extension RedisCommand {
    fileprivate init(claiming name: String, _ owner: String, _ verb: String, _ fields: [String: String]) {
        self.init(script: .claim, keys: 1)
        append(name)
        append(owner)
        append(verb)
        for (field, value) in fields.sorted(by: { $0.key < $1.key }) {
            append(field)
            append(value)
        }
    }
}
