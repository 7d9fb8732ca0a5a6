// The lists that records of one kind stand in: all of them in the order of their making, and those that a record names.

extension RecordStore {
    /// Which end of an index a list begins at.
    package enum Order: Sendable {
        /// The oldest first: records made meanwhile come at the end, and none is met twice.
        case ascending
        /// The newest first.
        case descending
    }

    /// Ids of all records in the order of their making, or of those of one list in its order; `count` at most from `offset`.
    /// - Throws: `store`.
    package func ids(
        _ order: Order = .descending, in list: String? = nil, offset: Int = 0, count: Int
    ) async throws(RecordRefusal) -> [String] {
        guard count > 0 else { return [] }
        if keys.shards == 1 {
            let reply = try await store.ask(
                RedisCommand(
                    order == .descending ? "ZREVRANGE" : "ZRANGE", keys.index(list ?? Record.kind, 0), String(offset),
                    String(offset + count - 1)))
            return reply.array?.compactMap(\.string) ?? []
        }
        var walk = walk(order, in: list)
        var left = offset
        while left > 0 {
            let passed = try await walk.next(min(left, 500)).count
            if passed == 0 { return [] }
            left -= passed
        }
        return try await walk.next(count)
    }

    /// Goes through all records, or those of one list, without holding them.
    package func walk(_ order: Order, in list: String? = nil) -> IndexWalk<Record> { IndexWalk(store, order, in: list) }

    /// How many records of this kind, or of one list, there are, over all shards.
    /// - Throws: `store`.
    package func count(in list: String? = nil) async throws(RecordRefusal) -> Int {
        try await sum { RedisCommand("ZCARD", keys.index(list ?? Record.kind, $0)) }
    }

    /// Ids in a list whose places lie in a range, the lowest first, and how many there are in all.
    /// - Parameter count: ids at most.
    /// - Throws: `store`.
    package func ids(in list: String, from low: Int, to high: Int, count: Int) async throws(RecordRefusal) -> (ids: [String], total: Int) {
        var found: [(id: String, at: Double)] = []
        for shard in 0..<keys.shards {
            let reply = try await store.ask(
                RedisCommand(
                    "ZRANGEBYSCORE", keys.index(list, shard), String(low), String(high), "WITHSCORES", "LIMIT", "0", String(count)))
            let entries = reply.array?.compactMap(\.string) ?? []
            for index in stride(from: 0, to: entries.count - 1, by: 2) { found.append((entries[index], Double(entries[index + 1]) ?? 0)) }
        }
        found.sort { ($0.at, $0.id) < ($1.at, $1.id) }
        let total = try await sum { RedisCommand("ZCOUNT", keys.index(list, $0), String(low), String(high)) }
        return (found.prefix(count).map(\.id), total)
    }

    /// Those of some ids that stand in a list too.
    /// - Throws: `store`.
    package func filter(_ ids: [String], in list: String) async throws(RecordRefusal) -> [String] {
        zip(ids, try await places(of: ids, in: list)).filter { $1 != nil }.map(\.0)
    }

    /// The places of some ids in a list, in their order; nil for those that do not stand in it. One command a shard.
    /// - Throws: `store`.
    package func places(of ids: [String], in list: String) async throws(RecordRefusal) -> [Int?] {
        var commands: [Int: (command: RedisCommand, at: [Int])] = [:]
        for (index, id) in ids.enumerated() {
            let shard = keys.shard(of: id)
            commands[shard, default: (RedisCommand("ZMSCORE", keys.index(list, shard)), [])].command.append(id)
            commands[shard]?.at.append(index)
        }
        let asked = Array(commands.values)
        var places = [Int?](repeating: nil, count: ids.count)
        let replies: [RedisReply]
        do { replies = try await store.sendAll(asked.map(\.command)) } catch { throw .store(error) }
        for (part, reply) in zip(asked, replies) {
            for (index, score) in zip(part.at, reply.array ?? []) {
                places[index] = score.string.flatMap(Double.init).flatMap { Int(exactly: $0) }
            }
        }
        return places
    }

    /// Takes out of a list whose places lie below a bound.
    /// - Throws: `store`.
    package func trim(_ list: String, below bound: Int) async throws(RecordRefusal) {
        _ = try await sum { RedisCommand("ZREMRANGEBYSCORE", keys.index(list, $0), "-inf", "(" + String(bound)) }
    }

    private func sum(_ command: (Int) -> RedisCommand) async throws(RecordRefusal) -> Int {
        do { return try await store.sendAll((0..<keys.shards).map(command)).reduce(0) { $0 + ($1.integer ?? 0) } } catch {
            throw .store(error)
        }
    }
}
