// Going through an index of several shards.

import Testing

@testable import ClusterState
import GateDomain

@Suite("An index of several shards")
struct IndexWalkTests {
    @Test("is gone through in one order, none left out and none twice, wherever a page begins", arguments: [1, 4])
    func order(_ shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let records = RecordStore<KeyRecord>(store: node.store, origin: "test")
        let ids = (0..<2300).map { "key_\(String($0, radix: 16))_\($0)" }
        // Three of each moment, so that ids decide, too.
        for (place, id) in ids.enumerated() {
            _ = try await node.store.send(
                RedisCommand("ZADD", node.keys.index(KeyRecord.kind, node.keys.shard(of: id)), String(place / 3), id))
        }
        let expected = ids.enumerated().sorted { ($0.offset / 3, $0.element) < ($1.offset / 3, $1.element) }.map(\.element)
        var walk = records.walk(.ascending), found: [String] = []
        while case let part = try await walk.next(700), !part.isEmpty { found += part }
        #expect(found == expected)
        for offset in [0, 1, 499, 1200, 2299, 2300, 5000] {
            #expect(try await records.ids(.ascending, offset: offset, count: 10) == Array(expected.dropFirst(offset).prefix(10)))
            #expect(
                try await records.ids(.descending, offset: offset, count: 10) == Array(expected.reversed().dropFirst(offset).prefix(10)))
        }
        #expect(try await records.ids(.ascending, offset: 0, count: 0).isEmpty)
    }
}
