// Credits that are out of a balance and belong to no node: how they are set aside, ended and read.

import GateDomain
import LuaScripts

/// A command of reserve.lua, and what is set aside by it.
struct SetAside {
    enum Kind: String {
        case reservation = "r"
        case transfer = "t"
    }

    /// An open entry as it is stored.
    struct Entry {
        let kind: Kind
        let reservation: Reservation
    }

    /// What reserve.lua answers.
    struct Made {
        let credits: Int
        let id: String
        let createdAt: Int
        let expiresAt: Int
    }

    let key: String
    let id: String
    let kind: Kind
    let credits: Int
    /// How long until it is due.
    let milliseconds: Int
    let text: String
    /// Entries of its kind that a key may have open.
    let most: Int

    /// The name of an operation of a key on what is set aside.
    static func operation(_ key: String, _ operation: Operation, _ keys: RedisKeys) -> String {
        keys.operation(key, "\(key):\(operation.id)")
    }

    /// - Throws: `CreditRefusal`, `RecordRefusal`.
    func make(in store: any CommandStore, _ operation: Operation) async throws -> Made {
        let keys = store.keys
        let shard = keys.shard(of: key)
        var command = RedisCommand(script: .reserve, keys: 7)
        for name in [
            keys.record(key), keys.account(key), keys.reservations(of: key), keys.reserved(shard),
            Self.operation(key, operation, keys), keys.audit(shard), keys.touchedKeys(shard),
        ] { command.append(name) }
        command.append(key)
        command.append(id)
        command.append(kind.rawValue)
        command.append(credits)
        command.append(milliseconds)
        command.append(text)
        command.append(operation: operation.fingerprint, audit: operation.audit.packed)
        command.append(most)
        let reply = try await store.ask(command)
        switch reply.status {
        case 0:
            return Made(
                credits: reply.integer(at: 1), id: reply.array?[2].string ?? "", createdAt: reply.integer(at: 3),
                expiresAt: reply.integer(at: 4))
        case 1: throw RecordRefusal.missing
        case 2: throw CreditRefusal.state(reply.array?.last?.string ?? "")
        case 3: throw RecordRefusal.operationReused
        case 4: throw CreditRefusal.insufficient(available: reply.integer(at: 1), held: reply.integer(at: 2), requested: credits)
        case 5:
            if kind == .transfer { throw RecordRefusal.contended }
            throw CreditRefusal.tooMany(most)
        case 6: throw CreditRefusal.spendingLimit(left: reply.integer(at: 1))
        case 7: throw RecordRefusal.contended
        default: throw RecordRefusal.unexpected
        }
    }

    /// The open entries of an HGETALL; those of formats that this version does not know are passed over.
    static func read(_ reply: RedisReply) -> [Entry] {
        reply.fields.compactMap { id, value in
            let words = value.split(separator: " ", maxSplits: 6, omittingEmptySubsequences: false).map(String.init)
            guard words.count == 7, words[0] == "1", words[1] == "o", let kind = Kind(rawValue: words[2]), let credits = Int(words[3]),
                let created = Int(words[4]), let expires = Int(words[5])
            else { return nil }
            return Entry(
                kind: kind, reservation: Reservation(id: id, credits: credits, createdAt: created, expiresAt: expires, memo: words[6]))
        }
    }
}

/// A command of end_reservation.lua.
struct EndReservation {
    enum Verb: String {
        case commit, release, delivered, returned, expire
    }

    let key: String
    let id: String
    let verb: Verb
    /// The name of the operation.
    let operation: String
    let fingerprint: String
    let event: [UInt8]
    /// What the receiver of a transfer has after it.
    var balance = 0

    func command(_ keys: RedisKeys) -> RedisCommand {
        let shard = keys.shard(of: key)
        var command = RedisCommand(script: .endReservation, keys: 6)
        for name in [
            keys.account(key), keys.reservations(of: key), keys.reserved(shard), operation, keys.audit(shard), keys.touchedKeys(shard),
        ] { command.append(name) }
        command.append(key)
        command.append(id)
        command.append(verb.rawValue)
        command.append(operation: fingerprint, audit: event)
        command.append(balance)
        return command
    }
}
