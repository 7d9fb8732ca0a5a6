// Credits from one key to another: in one step where both lie in one shard, else in steps that anybody may finish.

import GateDomain
import LuaScripts

/// What the two keys have after a transfer.
package struct TransferBalances: Sendable, Equatable {
    /// What the sender may still spend.
    package let from: Int
    /// What the receiver may spend.
    package let to: Int
}

/// Transfers between keys (M7, F-CREDIT-04).
///
/// Over two shards: the credits are set aside in the sender's, which decides; then they arrive in the receiver's, or are refused there for
/// good; then the sender's shard notes which of the two it was. Each step may be sent twice. A node that dies on the way leaves an entry
/// that is due after `patience`, and whoever sees it takes the steps that are left.
package struct Transfers: Sendable {
    let store: any CommandStore
    private var keys: RedisKeys { store.keys }

    /// Milliseconds after which others finish what a node has begun.
    static let patience = 5000
    /// Transfers of one key that may be on their way at once.
    package static let capacity = 50
    /// Milliseconds for which the receiver's shard remembers what it has decided: far longer than anything is finished after.
    private static let memory = 7 * 86_400_000

    package init(store: any CommandStore) {
        self.store = store
    }

    /// Moves credits, once for each operation.
    /// - Throws: `CreditRefusal`; `RecordRefusal`: `missing`, `state`, `operationReused`, `contended`, `store`. After `store` it may have been
    ///   carried out, or will be.
    package func move(_ credits: Int, from sender: String, to receiver: String, _ operation: Operation) async throws -> TransferBalances {
        if keys.shard(of: sender) == keys.shard(of: receiver) {
            return try await moveAtOnce(credits, from: sender, to: receiver, operation)
        }
        let made = try await SetAside(
            key: sender, id: Reservation.makeID(of: sender), kind: .transfer, credits: credits, milliseconds: Self.patience,
            text: "\(receiver) \(operation.id)", most: Self.capacity
        ).make(in: store, operation)
        let arrived = try await finish(
            made.id, credits, from: sender, to: receiver, operation: SetAside.operation(sender, operation, keys))
        return TransferBalances(from: made.credits, to: arrived)
    }

    private func moveAtOnce(_ credits: Int, from sender: String, to receiver: String, _ operation: Operation) async throws
        -> TransferBalances
    {
        var command = RedisCommand(script: .transfer, keys: 7)
        for name in [
            keys.record(sender), keys.account(sender), keys.record(receiver), keys.account(receiver),
            SetAside.operation(sender, operation, keys), keys.audit(keys.shard(of: sender)), keys.touchedKeys(keys.shard(of: sender)),
        ] { command.append(name) }
        command.append(credits)
        command.append(operation: operation.fingerprint, audit: operation.audit.packed)
        command.append(Credits.balanceCeiling)
        let reply = try await store.ask(command)
        switch reply.status {
        case 0: return TransferBalances(from: reply.integer(at: 1), to: reply.integer(at: 2))
        case 1: throw RecordRefusal.missing
        case 2: throw CreditRefusal.state(reply.array?.last?.string ?? "")
        case 3: throw RecordRefusal.operationReused
        case 4: throw CreditRefusal.insufficient(available: reply.integer(at: 1), held: reply.integer(at: 2), requested: credits)
        case 5: throw CreditRefusal.receiverIsFull
        default: throw RecordRefusal.unexpected
        }
    }

    /// The steps after the first; may be taken by several at once.
    /// - Returns: what the receiver had when the credits had arrived.
    private func finish(_ id: String, _ credits: Int, from sender: String, to receiver: String, operation: String) async throws -> Int {
        var command = RedisCommand(script: .deliver, keys: 4)
        for name in [
            keys.record(receiver), keys.account(receiver), keys.operation(receiver, "transfer:" + id),
            keys.touchedKeys(keys.shard(of: receiver)),
        ] { command.append(name) }
        command.append(credits)
        command.append(Self.memory)
        command.append(Credits.balanceCeiling)
        let reply = try await store.ask(command)
        let balance = reply.integer(at: 1)
        switch reply.status {
        case 0:
            try await end(id, .delivered, of: sender, operation, balance: balance)
            return balance
        case 1:
            try await end(id, .returned, of: sender, operation, balance: 0)
            throw reply.array?.last?.string == "ceiling" ? CreditRefusal.receiverIsFull : .noReceiver
        default: throw RecordRefusal.unexpected
        }
    }

    private func end(_ id: String, _ verb: EndReservation.Verb, of sender: String, _ operation: String, balance: Int) async throws {
        let ending = EndReservation(
            key: sender, id: id, verb: verb, operation: operation, fingerprint: "", event: [], balance: balance)
        _ = try await store.ask(ending.command(keys))
    }

    // MARK: What is due

    /// Gives back reservations whose time is over, and finishes transfers whose node has not; every node does this every second.
    /// - Parameter now: milliseconds since 1970 of Redis TIME; the scripts ask Redis itself.
    /// - Throws: `StoreFailure` where nothing can be seen to; a shard that is away only delays what has to do with it.
    package func seeToDue(at now: Int) async throws(StoreFailure) {
        let pages = await store.each(
            (0..<keys.shards).map {
                RedisCommand("ZRANGEBYSCORE", keys.reserved($0), "-inf", String(now), "LIMIT", "0", String(Self.page))
            })
        var (away, due, failure): (Set<Int>, [(shard: Int, page: RedisReply)], StoreFailure?) = ([], [], nil)
        for (shard, page) in pages.enumerated() {
            switch page {
            case .success(let page): due.append((shard, page))
            case .failure(let reason): (_, failure) = (away.insert(shard), reason)
            }
        }
        if let failure, due.isEmpty { throw failure }
        for (shard, page) in due {
            for key in page.array?.compactMap(\.string) ?? [] where !away.contains(shard) {
                do {
                    try await finishTransfers(of: key, at: now, &away)
                    try await Reservations(store: store).expire(key)
                } catch {
                    away.insert(shard)
                }
            }
        }
    }

    /// Keys of one shard that are seen to in one turn.
    private static let page = 1000

    /// - Parameter away: shards that do not answer; nothing that is on its way there can be finished in this turn.
    private func finishTransfers(of key: String, at now: Int, _ away: inout Set<Int>) async throws(RecordRefusal) {
        let entries = SetAside.read(try await store.ask(RedisCommand("HGETALL", keys.reservations(of: key))))
        for entry in entries where entry.kind == .transfer && entry.reservation.expiresAt <= now {
            let words = entry.reservation.memo.split(separator: " ", maxSplits: 1).map(String.init)
            guard words.count == 2, !away.contains(keys.shard(of: words[0])) else { continue }
            do {
                _ = try await finish(
                    entry.reservation.id, entry.reservation.credits, from: key, to: words[0],
                    operation: keys.operation(key, "\(key):\(words[1])"))
            } catch is CreditRefusal {
                // It was refused, and has been given back.
            } catch {
                away.insert(keys.shard(of: words[0]))
            }
        }
    }
}
