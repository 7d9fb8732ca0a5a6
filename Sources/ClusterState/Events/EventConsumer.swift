// Consumers of the event streams: whoever makes something of every entry, once, whichever node does it and whenever one dies.

import GateDomain

/// What is new to a consumer in one stream.
package struct StreamPage: Sendable {
    /// Where it begins, as it stands in the store.
    let cursor: String
    /// `[place, [name, value...]]`, the oldest first.
    let entries: [RedisReply]
    /// Where the next one begins.
    var next: String { entries.last?.array?.first?.string ?? cursor }
}

/// What is new to a consumer in the streams of one shard.
package struct ShardPages: Sendable {
    let shard: Int
    /// In the order of the consumer's streams.
    let streams: [StreamPage]
    /// Whether there may be more.
    let isFull: Bool

    var isEmpty: Bool { streams.allSatisfy(\.entries.isEmpty) }
}

/// Reads the streams of every shard from where it has read last.
///
/// Invariant: a cursor moves in the script that has the effect of what was read up to it, and only if it is where the page began. So each
/// entry has its effect once, whoever reads it, however often, and whenever a node dies. What a stream has dropped before it was read is
/// passed over: a cursor goes on at the oldest entry that is there.
package struct EventConsumer: Sendable {
    let store: any CommandStore
    /// Entries of a page of one stream: few enough not to occupy Redis.
    let page: Int
    /// The streams of a shard.
    let streams: @Sendable (_ shard: Int) -> [String]
    /// Where the streams of each of some shards have been read up to, `''` for not at all.
    let cursors: @Sendable (_ shards: Range<Int>) async -> [Result<[String], StoreFailure>]

    /// Shards that are looked at together.
    private static let burst = 64

    /// Reads a page of each stream that has one, and has it take effect. A shard that is away delays its own alone.
    /// - Parameter apply: called with what is new in some shards; it runs the scripts that move the cursors together with what the entries
    ///   do, and returns why one of them was not run, if so.
    /// - Returns: whether there may be more.
    package func advance(_ apply: ([ShardPages]) async -> (any Error)?) async -> ShardStep<Bool> {
        var step = ShardStep(left: false)
        for start in stride(from: 0, to: store.keys.shards, by: Self.burst) {
            var found: [ShardPages] = []
            for pages in await pages(of: start..<min(start + Self.burst, store.keys.shards)) {
                switch pages {
                case .success(let pages): if !pages.isEmpty { found.append(pages) }
                case .failure(let failure): step.failure = failure
                }
            }
            if found.isEmpty { continue }
            if let failure = await apply(found) { step.failure = failure }
            step.left = step.left || found.contains(where: \.isFull)
        }
        return step
    }

    func pages(of shards: Range<Int>) async -> [Result<ShardPages, StoreFailure>] {
        let found = await cursors(shards)
        var commands: [RedisCommand] = []
        for (shard, cursors) in zip(shards, found) {
            for (stream, cursor) in zip(streams(shard), (try? cursors.get()) ?? []) {
                // What stands behind a slash is the consumer's own.
                let start = cursor.isEmpty ? "-" : "(" + cursor.prefix { $0 != "/" }
                commands.append(RedisCommand("XRANGE", stream, start, "+", "COUNT", String(page)))
            }
        }
        var replies = await store.each(commands)[...]
        return zip(shards, found).map { shard, found in
            found.flatMap { cursors in
                let own = replies.prefix(cursors.count)
                replies = replies.dropFirst(cursors.count)
                var streams: [StreamPage] = []
                for (cursor, reply) in zip(cursors, own) {
                    switch reply {
                    case .success(let reply): streams.append(StreamPage(cursor: cursor, entries: reply.array ?? []))
                    case .failure(let failure): return .failure(failure)
                    }
                }
                return .success(
                    ShardPages(shard: shard, streams: streams, isFull: streams.contains { $0.entries.count == page }))
            }
        }
    }
}

/// Whose turn it is to do some work, so that not all nodes do the same; nothing depends on its being one alone.
package struct NodeTurn: Sendable {
    let store: any CommandStore
    /// Where it stands who has it.
    let name: String
    /// Milliseconds for which a node has it that does not ask again.
    private static let life = 3000

    /// Whether a node has the turn from here on, or has it still.
    /// - Throws: `StoreFailure`.
    package func take(_ node: String) async throws(StoreFailure) -> Bool {
        let life = String(Self.life)
        if try await store.send(RedisCommand("SET", name, node, "NX", "PX", life)) != .null { return true }
        guard try await store.send(RedisCommand("GET", name)).string == node else { return false }
        _ = try await store.send(RedisCommand("PEXPIRE", name, life))
        return true
    }

    /// Lets another node have the turn at once.
    package func leave(_ node: String) async {
        guard (try? await store.send(RedisCommand("GET", name)).string) == node else { return }
        _ = try? await store.send(RedisCommand("DEL", name))
    }
}
