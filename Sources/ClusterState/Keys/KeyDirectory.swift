// Keys as admins see and change them: every mutation is one script, may be sent twice, and binds every node at once.

package import GateDomain
import LuaScripts

/// Who did what to which key, written with the change itself (F-AUDIT-06).
package struct AuditEntry: Sendable {
    package let type: String
    package let actor: String
    package let message: String
    /// Pairs for people; never a secret.
    package let metadata: [(String, String)]

    package init(type: String, actor: String, message: String, metadata: [(String, String)]) {
        self.type = type
        self.actor = actor
        self.message = message
        self.metadata = metadata
    }

    package var packed: String {
        String(decoding: PackedFields([type, actor, message] + metadata.flatMap { [$0.0, $0.1] }).bytes, as: UTF8.self)
    }
}

/// Why a mutation was not carried out; nothing has changed.
package enum KeyRefusal: Error, Sendable, Equatable {
    case noSuchKey
    /// The state that the key is in does not allow it: `suspended`, `revoked`, `expired`, `active`.
    case state(String)
    case credentialExists
    case aliasTaken
    case operationReused
    case aboveCeiling
    case store(StoreFailure)

    /// An answer that the script does not give.
    static let unexpected = KeyRefusal.store(.fault("an answer that belongs to no script"))
}

/// The keys of the cluster.
package struct KeyDirectory: Sendable {
    package let store: RedisStore
    private let origin: String
    private var keys: RedisKeys { store.keys }

    static let retainedAudit = 10_000
    static let operationRetention = 48 * 3_600_000

    package init(store: RedisStore, origin: String) {
        self.store = store
        self.origin = origin
    }

    /// Makes a key. Sending the same record twice makes one key.
    package func create(_ record: KeyRecord, secret: String, credits: Int, audit: AuditEntry) async throws(KeyRefusal) {
        var command = RedisCommand(script: .createKey, keys: 7)
        for key in [
            keys.record(record.id), keys.balance(record.id), keys.credential(KeyCache.digest(secret)), keys.index, keys.feed,
            keys.audit, keys.alias(record.alias ?? ""),
        ] { command.append(key) }
        for argument in [
            record.id, String(record.createdAt), keys.channel, origin, audit.packed, String(Self.retainedAudit), record.alias ?? "",
            String(credits), String(record.spendingLimit), String(record.expiresAt ?? 0),
        ] { command.append(argument) }
        for (field, value) in record.fields {
            command.append(field.rawValue)
            command.append(value)
        }
        switch try await send(command).status {
        case 0: return
        case 1: throw .credentialExists
        case 2: throw .aliasTaken
        default: throw .unexpected
        }
    }

    /// Finds a key by its credential, its id or its alias; nil if there is none.
    package func find(_ reference: String) async throws(KeyRefusal) -> KeyRecord? {
        var id = try await send(RedisCommand("GET", keys.credential(KeyCache.digest(reference)))).string
        if id == nil { id = try await send(RedisCommand("GET", keys.alias(reference))).string }
        return try await record(id: id ?? reference)
    }

    package func record(id: String) async throws(KeyRefusal) -> KeyRecord? {
        KeyRecord(id: id, fields: try await send(RedisCommand("HGETALL", keys.record(id))).fields)
    }

    /// Changes fields of a key that is in one of `states`.
    package func change(
        _ id: String, in states: Set<KeyState>, fields: [(KeyRecord.Field, String)], audit: AuditEntry
    ) async throws(KeyRefusal) {
        var command = RedisCommand(script: .changeKey, keys: 4)
        for key in [keys.record(id), keys.balance(id), keys.feed, keys.audit] { command.append(key) }
        let value = { (field: KeyRecord.Field) in fields.first { $0.0 == field }?.1 ?? "" }
        let allowed = "," + states.map(\.rawValue).sorted().joined(separator: ",") + ","
        for argument in [
            id, keys.channel, origin, audit.packed, String(Self.retainedAudit), value(.limit), value(.expires), allowed,
            RandomHex.digits(16),
        ] { command.append(argument) }
        for (field, value) in fields {
            command.append(field.rawValue)
            command.append(value)
        }
        let reply = try await send(command)
        switch reply.status {
        case 0: return
        case 1: throw .noSuchKey
        case 2: throw .state(reply.array?.last?.string ?? "")
        default: throw .unexpected
        }
    }

    /// Adds credits once for each operation id; returns the balance after it.
    package func topUp(
        _ id: String, credits: Int, operation: String, fingerprint: String, audit: AuditEntry
    ) async throws(KeyRefusal) -> Int {
        var command = RedisCommand(script: .credit, keys: 4)
        for key in [keys.record(id), keys.balance(id), keys.operation(id, operation), keys.audit] { command.append(key) }
        for argument in [
            String(credits), fingerprint, String(Self.operationRetention), audit.packed, String(Self.retainedAudit),
            String(Credits.balanceCeiling),
        ] { command.append(argument) }
        let reply = try await send(command)
        switch reply.status {
        case 0: return reply.integer(at: 1)
        case 1: throw .noSuchKey
        case 2: throw .state(reply.array?.last?.string ?? "")
        case 3: throw .operationReused
        case 4: throw .aboveCeiling
        default: throw .unexpected
        }
    }

    /// The money of a key.
    package func account(_ id: String) async throws(KeyRefusal) -> Account {
        Account(try await send(RedisCommand("HMGET", keys.balance(id), "credits", "spent", "calls", "used")))
    }

    /// Ids of all keys, newest first; `count` at most from `offset`.
    package func ids(offset: Int, count: Int) async throws(KeyRefusal) -> [String] {
        let reply = try await send(RedisCommand("ZREVRANGE", keys.index, String(offset), String(offset + count - 1)))
        return reply.array?.compactMap(\.string) ?? []
    }

    package func count() async throws(KeyRefusal) -> Int {
        try await send(RedisCommand("ZCARD", keys.index)).integer ?? 0
    }

    private func send(_ command: RedisCommand) async throws(KeyRefusal) -> RedisReply {
        do {
            return try await store.sendPatiently(command)
        } catch {
            throw .store(error)
        }
    }
}

/// The counters of an account.
package struct Account: Sendable, Equatable {
    package let credits: Int
    package let spent: Int
    package let calls: Int
    /// Milliseconds since 1970 of the last admission, nil if there was none.
    package let lastUsedAt: Int?

    package init(_ reply: RedisReply) {
        credits = reply.integer(at: 0)
        spent = reply.integer(at: 1)
        calls = reply.integer(at: 2)
        let used = reply.integer(at: 3)
        lastUsedAt = used > 0 ? used : nil
    }
}
