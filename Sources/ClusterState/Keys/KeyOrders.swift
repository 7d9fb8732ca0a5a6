// The orders of keys and what they add up to: by what calls move, a moment behind; and all that was made before they were begun.

import GateDomain
import LuaScripts

/// Keeps what `OrderWalk` and `KeySums` read.
///
/// Names and other lists change in the step in which a record does. What a key has and has done is written there when it is made; after that
/// calls and movements of credits write nothing there. Whoever makes the hourly sums reads which keys have called, and the scripts that move
/// credits note whose, and both are brought up to date a moment later with what their accounts say then (decision 26). Changes of a record are
/// noted likewise. The same step adds to the sums what each of these keys has come to be since it was there last.
///
/// A round that never ends goes through all keys, a few at a time, and writes each into all of its lists: so stores that are older than a
/// list come to have it, and what was lost comes back. Until the first one has ended, the orders are not there. Sums that are not there, or are
/// of an older format, are begun anew and go through all keys once for themselves.
package struct KeyOrders: Sendable {
    private let directory: KeyDirectory
    private var store: any CommandStore { directory.store }
    private var keys: RedisKeys { store.keys }

    /// Keys that one script puts in order.
    private static let together = 100
    /// Keys of a shard that one step goes through, and of all shards when each has its orders.
    private static let stride = 200
    /// Seconds between two steps when all of a store is known, and when there are some that are in no order.
    private static let (rest, haste) = (Duration.seconds(10), Duration.seconds(1))
    /// Milliseconds after which an expiry that came before the list of them was begun is old, and told to nobody.
    static let oldExpiry = 24 * 3_600_000

    package init(_ directory: KeyDirectory) {
        self.directory = directory
    }

    /// Whether all shards have them.
    /// - Throws: `store`.
    package func isBuilt() async throws(RecordRefusal) -> Bool {
        do {
            return try await store.sendAll((0..<keys.shards).map { RedisCommand("HGET", keys.keyOrders($0), "built") }).allSatisfy {
                $0.string == "1"
            }
        } catch {
            throw .store(error)
        }
    }

    /// Puts keys of one shard where their accounts have them now, and counts them so.
    /// - Parameter readsRecords: whether their records are read too, also where nobody has noted that they have changed.
    /// - Throws: `StoreFailure`.
    func refresh(_ ids: Set<String>, of shard: Int, readsRecords: Bool = false) async throws(StoreFailure) {
        let sorted = ids.filter { keys.shard(of: $0) == shard }.sorted()
        var commands: [RedisCommand] = []
        for start in Swift.stride(from: 0, to: sorted.count, by: Self.together) {
            let some = sorted[start..<min(start + Self.together, sorted.count)]
            commands.append(command(for: some, of: shard, readsRecords: readsRecords))
        }
        if !commands.isEmpty { _ = try await store.sendAll(commands) }
    }

    /// - Parameter walk: how far the sums have gone through all keys before these, and with them; nil for keys that have moved by themselves.
    private func command(
        for ids: ArraySlice<String>, of shard: Int, readsRecords: Bool = true, walk: (from: Int, to: Int?)? = nil
    ) -> RedisCommand {
        var command = RedisCommand(script: .orderKeys, keys: 7 + 2 * ids.count)
        command.append(keys.touchedKeys(shard))
        command.append(keys.index(KeyRecord.changes ?? "", shard))
        command.append(keys.keySums(shard))
        for amount in KeyAmount.allCases { command.append(keys.index(amount.list, shard)) }
        for id in ids { command.append(keys.account(id)) }
        for id in ids { command.append(keys.record(id)) }
        command.append(KeySums.format)
        command.append(KeySums.mostFields)
        command.append(readsRecords ? "all" : "changed")
        command.append(walk.map { String($0.from) } ?? "")
        command.append(walk?.to.map(String.init) ?? "")
        for id in ids { command.append(id) }
        return command
    }

    /// Brings the keys that were changed, or whose credits were moved outside of calls, up to date: a page of each shard. One that is away
    /// delays its own keys alone.
    /// - Returns: whether there may be more.
    package func catchUp() async -> ShardStep<Bool> {
        let pages = await store.each(
            (0..<keys.shards).flatMap { shard in
                [
                    RedisCommand("SRANDMEMBER", keys.touchedKeys(shard), String(Self.stride)),
                    RedisCommand("ZRANGE", keys.index(KeyRecord.changes ?? "", shard), "0", String(Self.stride - 1)),
                ]
            })
        var step = ShardStep(left: false)
        for shard in 0..<keys.shards {
            do throws(StoreFailure) {
                var all: Set<String> = []
                for page in pages[2 * shard..<2 * shard + 2] {
                    let ids = try page.get().array?.compactMap(\.string) ?? []
                    step.left = step.left || ids.count >= Self.stride
                    all.formUnion(ids)
                }
                try await refresh(all, of: shard)
            } catch {
                step.failure = error
            }
        }
        return step
    }

    /// Notes that whatever had happened by then is in the orders and sums.
    /// - Parameter time: milliseconds since 1970 of Redis TIME.
    /// - Throws: `StoreFailure`.
    package func note(followed time: Int) async throws(StoreFailure) {
        _ = try await store.send(RedisCommand("HSET", keys.keyOrders(0), KeySums.followed, String(time)))
    }

    /// Whether the sums of a shard that is reached are not there, or not all of them: there is no resting then.
    package func haveLostSums() async -> Bool {
        await store.each((0..<keys.shards).map(sumsQuestion)).contains { ((try? $0.get()).map(Self.mustCount)) ?? false }
    }

    private func sumsQuestion(_ shard: Int) -> RedisCommand { RedisCommand("HMGET", keys.keySums(shard), "format", "next", "built") }

    /// Sums of a newer format are for those to count who know it.
    private static func mustCount(_ sums: RedisReply) -> Bool {
        let format = sums.integer(at: 0)
        return format < KeySums.format || format == KeySums.format && sums.integer(at: 2) == 0
    }

    /// One step of the round in each shard. One that is away is asked once, and not waited for.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Returns: how long to rest before the next one.
    package func upkeep(at now: Int) async -> ShardStep<Duration> {
        func places(from start: Int) async -> [Result<RedisReply, StoreFailure>] {
            await store.each((start..<keys.shards).map { RedisCommand("HMGET", keys.keyOrders($0), "next", "built") })
        }
        var (step, found) = (ShardStep(left: Self.rest), await places(from: 0))
        for shard in 0..<keys.shards {
            guard case .success(let place) = found[shard] else {
                if case .failure(let failure) = found[shard] { step.failure = failure }
                continue
            }
            do {
                step.left = min(step.left, try await upkeep(of: shard, from: place, at: now))
            } catch {
                step.failure = error
                // It may have gone away just now, and others with it that are of the same server.
                found.replaceSubrange((shard + 1)..., with: await places(from: shard + 1))
            }
        }
        return step
    }

    /// - Parameter place: how far the round has come: `next` and `built`.
    private func upkeep(of shard: Int, from place: RedisReply, at now: Int) async throws -> Duration {
        var rest = Self.rest
        let lists = [KeyRecord.kind, KeyRecord.names] + KeyAmount.allCases.map(\.list)
        var questions = lists.map { RedisCommand("ZCARD", keys.index($0, shard)) }
        questions.append(sumsQuestion(shard))
        let replies = try await store.sendAll(questions)
        let sizes = replies.prefix(lists.count).map { $0.integer ?? 0 }
        let (next, wasBuilt) = (place.integer(at: 0), place.integer(at: 1) == 1)
        let sums = replies[lists.count]
        if Self.mustCount(sums) {
            try await count(from: sums.integer(at: 0) < KeySums.format ? 0 : sums.integer(at: 1), of: shard)
            rest = .zero
        }
        let (all, least) = (sizes[0], sizes.dropFirst().min() ?? 0)
        // Somebody has taken an order away; or a node of an earlier version has made keys, which are few.
        let isBuilt = wasBuilt && least >= all / 2
        if wasBuilt, !isBuilt { _ = try await store.sendPatiently(RedisCommand("HDEL", keys.keyOrders(shard), "built", "next")) }
        let some = isBuilt ? max(8, Self.stride / keys.shards) : Self.stride
        let passed = try await step(from: wasBuilt == isBuilt ? next : 0, some, of: shard, at: now)
        let isAtEnd = passed == 0
        if !isBuilt {
            rest = isAtEnd ? rest : .zero
        } else if least < all {
            rest = min(rest, Self.haste)
        }
        return rest
    }

    /// A step of the sums' own way through all keys. The script notes how far it has come if nobody has begun anew or gone on meanwhile.
    private func count(from start: Int, of shard: Int) async throws(StoreFailure) {
        let page = try await store.sendPatiently(
            RedisCommand("ZRANGE", keys.index(KeyRecord.kind, shard), String(start), String(start + Self.stride - 1)))
        let ids = page.array?.compactMap(\.string) ?? []
        var commands: [RedisCommand] = []
        for begin in Swift.stride(from: 0, to: ids.count, by: Self.together) {
            let end = min(begin + Self.together, ids.count)
            commands.append(command(for: ids[begin..<end], of: shard, walk: (start + begin, start + end)))
        }
        if ids.isEmpty { commands = [command(for: [], of: shard, walk: (start, nil))] }
        // One after the other, as each goes on from where the one before has come to.
        for command in commands { _ = try await store.sendPatiently(command) }
    }

    /// - Returns: the keys that it has gone through.
    private func step(from start: Int, _ count: Int, of shard: Int, at now: Int) async throws -> Int {
        let page = try await store.sendPatiently(
            RedisCommand("ZRANGE", keys.index(KeyRecord.kind, shard), String(start), String(start + count - 1)))
        let ids = page.array?.compactMap(\.string) ?? []
        guard !ids.isEmpty else {
            _ = try await store.sendPatiently(RedisCommand("HSET", keys.keyOrders(shard), "next", "0", "built", "1"))
            return 0
        }
        _ = try await store.sendAll(try await directory.records.read(ids).map { command(listing: $0, at: now) })
        try await refresh(Set(ids), of: shard, readsRecords: true)
        _ = try await store.sendPatiently(RedisCommand("HSET", keys.keyOrders(shard), "next", String(start + ids.count)))
        return ids.count
    }

    private func command(listing key: KeyRecord, at now: Int) -> RedisCommand {
        let shard = keys.shard(of: key.id)
        let places = key.listings.filter { $0.key != KeyRecord.untold || $0.value > now - Self.oldExpiry }.sorted { $0.key < $1.key }
        let words = key.words.sorted { $0.key < $1.key }
        var command = RedisCommand(script: .listKey, keys: 1 + places.count + words.count)
        command.append(keys.record(key.id))
        for list in places.map(\.key) + words.map(\.key) { command.append(keys.index(list, shard)) }
        command.append(key.id)
        command.append(key.version)
        command.append(places.count)
        for place in places { command.append(place.value) }
        command.append(words.count)
        for word in words { command.append(word.value) }
        return command
    }
}
