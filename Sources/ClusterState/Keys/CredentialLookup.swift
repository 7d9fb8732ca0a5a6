// From a secret to the key that it proves: one way for both doors, whatever kind of credential it is.

import GateDomain

/// The steps of looking a secret up: what Redis is to be asked next, and what its answers come to. It does no I/O: the cache of an event loop
/// carries it out between calls (`KeyCache`), the admin API by waiting (`CredentialStore`).
struct CredentialLookup: Sendable {
    enum Step: Sendable {
        case ask(RedisCommand)
        /// The secret proves this key, in whatever state that is; the credential may have expired.
        case proven(Credential, KeyRecord)
        case unknown
    }

    private enum Question {
        case record, name
        case key(Credential)
        /// A record is read again after its key: who revokes one raises the key's version afterwards, so the version that was read has met
        /// this record.
        case recordAgain(KeyRecord)
    }

    private let digest: String
    private let keys: RedisKeys
    private let isLent: Bool
    private var question: Question

    /// - Parameter secret: as it was shown; of bounded length.
    init(_ secret: String, keys: RedisKeys) {
        digest = Credential.digest(of: secret)
        self.keys = keys
        isLent = Credential.Kind.allCases.contains { $0.lends && secret.utf8.starts(with: $0.prefix.utf8) }
        question = isLent ? .record : .name
    }

    func begin() -> Step { isLent ? readRecord : readName }

    /// - Parameter reply: to what was asked last.
    mutating func hear(_ reply: RedisReply) -> Step {
        switch question {
        case .record:
            // A secret that was imported may begin like a token.
            guard let record = CredentialRecord(digest: digest, fields: reply.fields) else { return turn(to: .name, readName) }
            return read(record.credential)
        case .name:
            guard let credential = Credential(named: digest, fields: reply.fields) else { return .unknown }
            return read(credential)
        case .key(let credential):
            guard let key = KeyRecord(id: credential.keyID, fields: reply.fields) else { return .unknown }
            if credential.kind.lends { return turn(to: .recordAgain(key), readRecord) }
            return key.isProved(by: digest) ? .proven(credential, key) : .unknown
        case .recordAgain(let key):
            guard let record = CredentialRecord(digest: digest, fields: reply.fields), record.revokedAt == nil,
                record.credential.keyID == key.id
            else { return .unknown }
            return .proven(record.credential, key)
        }
    }

    private mutating func read(_ credential: Credential) -> Step {
        turn(to: .key(credential), .ask(RedisCommand("HGETALL", keys.record(credential.keyID))))
    }

    private mutating func turn(to question: Question, _ step: Step) -> Step {
        self.question = question
        return step
    }

    private var readRecord: Step { .ask(RedisCommand("HGETALL", keys.record(CredentialRecord.id(of: digest)))) }
    private var readName: Step { .ask(RedisCommand("HGETALL", keys.credential(digest))) }
}
