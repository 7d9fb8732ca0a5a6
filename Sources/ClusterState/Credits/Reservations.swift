// Credits that a customer has set aside: made, committed, released, and given back when their time is over.

import GateDomain
import LuaScripts

/// Credits of a key that nobody else may spend until they are committed, released, or their time is over.
package struct Reservation: Sendable, Equatable {
    /// `rsv_`, the digits of its key's id, and eight of its own: whoever has it knows where it lies.
    package let id: String
    /// 1 to `Credits.operationCeiling`.
    package let credits: Int
    /// Milliseconds since 1970 of Redis TIME.
    package let createdAt: Int
    /// Milliseconds since 1970 of Redis TIME; from then on it cannot be committed.
    package let expiresAt: Int
    /// What the customer said of it; empty for nothing.
    package let memo: String

    package init(id: String, credits: Int, createdAt: Int, expiresAt: Int, memo: String) {
        self.id = id
        self.credits = credits
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.memo = memo
    }

    /// A new id for a key.
    static func makeID(of key: String) -> String { "rsv_" + key.dropFirst(4) + RandomHex.digits(suffix) }

    /// The key that a reservation is of; nil if the text is no id of one.
    package static func key(of id: String) -> String? {
        guard id.hasPrefix("rsv_"), id.utf8.count > 4 + suffix else { return nil }
        return "key_" + id.dropFirst(4).dropLast(suffix)
    }

    private static let suffix = 8
}

/// Reservations of all keys (F-CREDIT-05, F-CREDIT-06).
///
/// Invariant: what is reserved is out of the balance from the step that makes the reservation to the one that ends it, so calls, transfers
/// and other reservations cannot have it (M8); it ends once, by commit, release or Redis TIME.
package struct Reservations: Sendable {
    let store: any CommandStore
    private var keys: RedisKeys { store.keys }

    /// Open reservations of one key (F-CREDIT-05).
    package static let capacity = 50
    /// Seconds that one may last (F-CREDIT-05).
    package static let spans = 10...3600
    /// Reservations that one list shows at most.
    package static let listed = 1000

    package init(store: any CommandStore) {
        self.store = store
    }

    /// Sets credits of a key aside, once for each operation.
    /// - Parameters:
    ///   - seconds: how long; within `spans`.
    ///   - memo: without control characters.
    /// - Returns: the reservation, and what the key may still spend.
    /// - Throws: `CreditRefusal`, or `RecordRefusal`: `missing`, `operationReused`, `store`.
    package func reserve(_ key: String, credits: Int, seconds: Int, memo: String, _ operation: Operation) async throws
        -> (reservation: Reservation, available: Int)
    {
        let made = try await SetAside(
            key: key, id: Reservation.makeID(of: key), kind: .reservation, credits: credits, milliseconds: seconds * 1000, text: memo,
            most: Self.capacity
        ).make(in: store, operation)
        return (
            Reservation(id: made.id, credits: credits, createdAt: made.createdAt, expiresAt: made.expiresAt, memo: memo), made.credits
        )
    }

    /// Ends a reservation: its credits are spent, or given back.
    /// - Returns: the reservation as it was, and what the key may still spend.
    /// - Throws: `CreditRefusal`: `unknownReservation`, `ended`; or `RecordRefusal`: `operationReused`, `store`.
    package func end(_ id: String, committing: Bool, _ operation: Operation) async throws -> (reservation: Reservation, available: Int) {
        guard let key = Reservation.key(of: id) else { throw CreditRefusal.unknownReservation }
        let name = SetAside.operation(key, operation, keys)
        let ending = EndReservation(
            key: key, id: id, verb: committing ? .commit : .release, operation: name, fingerprint: operation.fingerprint,
            event: operation.audit.packed)
        let reply = try await store.ask(ending.command(keys))
        switch reply.status {
        case 0:
            let memo = reply.array?.last?.string ?? ""
            let ended = Reservation(
                id: id, credits: reply.integer(at: 2), createdAt: reply.integer(at: 3), expiresAt: reply.integer(at: 4), memo: memo)
            return (ended, reply.integer(at: 1))
        case 1: throw CreditRefusal.unknownReservation
        case 2: throw CreditRefusal.ended(ReservationEnd(rawValue: reply.array?.last?.string ?? "") ?? .expired)
        case 3: throw RecordRefusal.operationReused
        default: throw RecordRefusal.unexpected
        }
    }

    /// The open reservations of a key, oldest first.
    /// - Parameter now: milliseconds since 1970 of Redis TIME; one whose time is over by then is left out.
    /// - Throws: `RecordRefusal`.
    package func open(of key: String, at now: Int) async throws(RecordRefusal) -> [Reservation] {
        Self.open(in: try await store.ask(RedisCommand("HGETALL", keys.reservations(of: key))), at: now)
    }

    /// The open reservations of all keys, by when something of their key is due; `listed` at most, and whether there are more.
    /// - Parameter now: as above.
    /// - Throws: `StoreFailure`.
    package func open(at now: Int) async throws(StoreFailure) -> (found: [(key: String, reservation: Reservation)], areMore: Bool) {
        let pages = try await store.sendAll(
            (0..<keys.shards).map { RedisCommand("ZRANGE", keys.reserved($0), "0", String(Self.listed), "WITHSCORES") })
        let holders = pages.flatMap { $0.fields.map { (key: $0.key, due: Int($0.value) ?? 0) } }.sorted {
            ($0.due, $0.key) < ($1.due, $1.key)
        }
        var found: [(key: String, reservation: Reservation)] = []
        var rest = holders.map(\.key)[...]
        while !rest.isEmpty, found.count <= Self.listed {
            let part = Array(rest.prefix(Self.stride))
            rest = rest.dropFirst(Self.stride)
            let replies = try await store.sendAll(part.map { RedisCommand("HGETALL", keys.reservations(of: $0)) })
            for (key, reply) in zip(part, replies) { found += Self.open(in: reply, at: now).map { (key, $0) } }
        }
        return (Array(found.prefix(Self.listed)), found.count > Self.listed || !rest.isEmpty)
    }

    private static let stride = 100

    private static func open(in reply: RedisReply, at now: Int) -> [Reservation] {
        SetAside.read(reply).filter { $0.kind == .reservation && $0.reservation.expiresAt > now }.map(\.reservation)
            .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    /// Gives back what has had its time in one account.
    /// - Throws: `RecordRefusal`.
    func expire(_ key: String) async throws(RecordRefusal) {
        let ending = EndReservation(
            key: key, id: "", verb: .expire, operation: keys.operation(key, "\(key):"), fingerprint: "", event: [])
        _ = try await store.ask(ending.command(keys))
    }
}
