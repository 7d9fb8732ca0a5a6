// The orders of keys: by money, which calls move, a moment behind; and all that was made before they were begun.

import GateDomain
import LuaScripts

/// Keeps what `OrderWalk` reads.
///
/// Names and other lists change in the step in which a record does. What a key has and has done is written there when it is made; after that
/// calls and movements of credits write nothing there. Whoever makes the hourly sums reads which keys have called, and the scripts that move
/// credits note whose, and both are brought up to date a moment later with what their accounts say then (decision 26).
///
/// A round that never ends goes through all keys, a few at a time, and writes each into all of its lists: so stores that are older than a
/// list come to have it, and what was lost comes back. Until the first one has ended, the orders are not there.
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

    /// Puts keys of one shard where their accounts have them now.
    /// - Throws: `StoreFailure`.
    func refresh(_ ids: Set<String>, of shard: Int) async throws(StoreFailure) {
        let sorted = ids.filter { keys.shard(of: $0) == shard }.sorted()
        var commands: [RedisCommand] = []
        for start in Swift.stride(from: 0, to: sorted.count, by: Self.together) {
            commands.append(command(for: sorted[start..<min(start + Self.together, sorted.count)], of: shard))
        }
        if !commands.isEmpty { _ = try await store.sendAll(commands) }
    }

    private func command(for ids: ArraySlice<String>, of shard: Int) -> RedisCommand {
        var command = RedisCommand(script: .orderKeys, keys: 5 + ids.count)
        command.append(keys.touchedKeys(shard))
        for amount in KeyAmount.allCases { command.append(keys.index(amount.list, shard)) }
        for id in ids { command.append(keys.account(id)) }
        for id in ids { command.append(id) }
        return command
    }

    /// Brings the keys whose credits were moved outside of calls up to date, a page of each shard.
    /// - Returns: whether there may be more.
    /// - Throws: `StoreFailure`.
    package func catchUp() async throws(StoreFailure) -> Bool {
        let pages = try await store.sendAll(
            (0..<keys.shards).map { RedisCommand("SRANDMEMBER", keys.touchedKeys($0), String(Self.stride)) })
        var hasMore = false
        for (shard, page) in pages.enumerated() {
            let ids = page.array?.compactMap(\.string) ?? []
            hasMore = hasMore || ids.count >= Self.stride
            try await refresh(Set(ids), of: shard)
        }
        return hasMore
    }

    /// One step of the round in each shard.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Returns: how long to rest before the next one.
    /// - Throws: `StoreFailure`, `RecordRefusal`.
    package func upkeep(at now: Int) async throws -> Duration {
        var rest = Self.rest
        let lists = [KeyRecord.kind, KeyRecord.names] + KeyAmount.allCases.map(\.list)
        for shard in 0..<keys.shards {
            var questions = lists.map { RedisCommand("ZCARD", keys.index($0, shard)) }
            questions.append(RedisCommand("HMGET", keys.keyOrders(shard), "next", "built"))
            let replies = try await store.sendAll(questions)
            let sizes = replies.prefix(lists.count).map { $0.integer ?? 0 }
            let (next, wasBuilt) = (replies[lists.count].integer(at: 0), replies[lists.count].integer(at: 1) == 1)
            let (all, least) = (sizes[0], sizes.dropFirst().min() ?? 0)
            // Somebody has taken an order away; or a node of an earlier version has made keys, which are few.
            let isBuilt = wasBuilt && least >= all / 2
            if wasBuilt, !isBuilt { _ = try await store.sendPatiently(RedisCommand("HDEL", keys.keyOrders(shard), "built", "next")) }
            let count = isBuilt ? max(8, Self.stride / keys.shards) : Self.stride
            let passed = try await step(from: wasBuilt == isBuilt ? next : 0, count, of: shard, at: now)
            let isAtEnd = passed == 0
            if !isBuilt {
                rest = isAtEnd ? rest : .zero
            } else if least < all {
                rest = min(rest, Self.haste)
            }
        }
        return rest
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
        try await refresh(Set(ids), of: shard)
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
