// Values of many elements on their way into another store: in pieces, and the same in the end.

@testable import ClusterState
import GateTesting
import NIOPosix
import Testing

@Suite("Copying a store")
struct StoreCopyTests {
    /// A collection of each kind, by a name that the store has.
    enum Collection: String, CaseIterable, CustomTestStringConvertible {
        case zset = "index:keys"
        case hash = "account:team_0000000000000001"
        case set = "keys.touched"
        case list = "webhooks:queue:default"

        var testDescription: String { "\(self)" }
        var name: String { "pg:{0}:" + rawValue }
        var count: Int { self == .list ? 2500 : 25_000 }

        /// Lua that adds the element `i`, with another value for each `turn`.
        func adding(_ range: ClosedRange<Int>, turn: Int) -> String {
            let order =
                switch self {
                case .zset: "redis.call('ZADD', KEYS[1], i / 3 + \(turn), 'e' .. i)"
                case .hash: "redis.call('HSET', KEYS[1], 'e' .. i, 'value \(turn) of ' .. i)"
                case .set: "redis.call('SADD', KEYS[1], 'e' .. i)"
                case .list: "redis.call('RPUSH', KEYS[1], 'e' .. i)"
                }
            return "for i = \(range.lowerBound), \(range.upperBound) do \(order) end"
        }

        var removingFirst: [String] {
            switch self {
            case .zset: ["ZREM", name, "e1", "e2"]
            case .hash: ["HDEL", name, "e1", "e2"]
            case .set: ["SREM", name, "e1", "e2"]
            case .list: ["LTRIM", name, "2", "-1"]
            }
        }
    }

    /// All of a value in one text, and when it ends.
    private static func text(_ collection: Collection, in redis: RedisServer) async throws -> String {
        let read =
            switch collection {
            case .zset: "local r = redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')"
            case .hash:
                "local f, r = redis.call('HGETALL', KEYS[1]), {} for i = 1, #f, 2 do r[#r + 1] = f[i] .. '=' .. f[i + 1] end table.sort(r)"
            case .set: "local r = redis.call('SMEMBERS', KEYS[1]) table.sort(r)"
            case .list: "local r = redis.call('LRANGE', KEYS[1], 0, -1)"
            }
        let end = "redis.call('PEXPIRETIME', KEYS[1])"
        return try await redis.command("EVAL", "\(read) return #r .. ' ' .. \(end) .. ' ' .. table.concat(r, ',')", "1", collection.name)
    }

    private static func expectPieces(_ lines: [Monitor.Line]) {
        for line in lines where !line.isFromScript && line.words.first != "EVAL" {
            #expect(line.words.count <= 2 * CollectionCopy.piece + 2, "\(line.words.prefix(2))")
            #expect(!["DUMP", "RESTORE", "HGETALL", "SMEMBERS"].contains(line.words.first), "\(line.words.prefix(2))")
        }
    }

    @Test(
        "F26: a collection is copied in pieces however many elements it has, and is the same then, also when it has changed, ends, or is gone",
        arguments: Collection.allCases)
    func pieces(_ collection: Collection) async throws {
        let (source, target) = (try await RedisServer(), try await RedisServer())
        let keys = RedisKeys(prefix: "pg:")
        let visits = try [source, target].map { server in
            let place = try #require(RedisTarget(url: server.url))
            return try StoreVisit(RedisConnector(place), keys: keys, on: MultiThreadedEventLoopGroup.singleton.next())
        }
        var copy = StoreCopy(from: visits[0], to: visits[1])
        let name = Array(collection.name.utf8)
        try await source.command("EVAL", collection.adding(1...collection.count, turn: 0), "1", collection.name)
        try await source.command("PEXPIREAT", collection.name, "4000000000000")
        // What lies there is of another type.
        try await target.command("SET", collection.name, "x")
        let here = Monitor(source.socket)
        let there = Monitor(target.socket)
        try await copy.copy([name])
        #expect(try await Self.text(collection, in: target) == Self.text(collection, in: source))

        try await source.command(collection.removingFirst)
        try await source.command("EVAL", collection.adding(3...5, turn: 1), "1", collection.name)
        try await source.command("EVAL", collection.adding(collection.count + 1...collection.count + 3, turn: 1), "1", collection.name)
        try await source.command("PERSIST", collection.name)
        try await copy.copy([name])
        #expect(try await Self.text(collection, in: target) == Self.text(collection, in: source))
        try await copy.settle()

        for server in [source, target] { try await server.command("ECHO", "that was all of it") }
        Self.expectPieces(here.lines(until: "that was all of it") + there.lines(until: "that was all of it"))
        try await source.command("DEL", collection.name)
        try await copy.copy([name])
        #expect(try await target.command("EXISTS", collection.name) == "0")
        for visit in visits { await visit.close() }
    }
}
