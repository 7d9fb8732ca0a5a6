// The feed that makes caches forget: nothing that it may have missed goes unnoticed.

@testable import ClusterState
import GateDomain
import GateTesting
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("The change feed")
struct ChangeFeedTests {
    private final class Listener: Sendable {
        private let changes: Changes
        let feed: ChangeFeed

        init(_ node: TestNode) async throws {
            let changes = Changes()
            self.changes = changes
            feed = try await ChangeFeed(
                connector: node.store.connector, keys: node.keys, on: node.loop, logger: .silent
            ) { changes.append($0) }
            feed.start()
        }

        var all: [Change] { changes.all }
        func clear() { changes.clear() }
    }

    private final class Changes: Sendable {
        private let heard = Mutex<[Change]>([])
        var all: [Change] { heard.withLock { $0 } }
        func append(_ change: Change) { heard.withLock { $0.append(change) } }
        func clear() { heard.withLock { $0 = [] } }
    }

    @Test("Every change is heard with its key, and a new subscription forgets everything (V21)")
    func changes() async throws {
        let node = try await TestNode()
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        #expect(listener.all == [.everything])
        let id = try await node.makeKey(credits: 1).record.id
        _ = try await node.directory.records.edit(id, .test()) { (record) throws(RecordRefusal) in record.name = "n" }
        let switches = RecordStore<SwitchRecord>(store: node.store, origin: "me")
        try await switches.create(SwitchRecord(id: "maintenance", values: [:]), .test())
        try await eventually {
            listener.all == [.everything, .record(.key, id: id), .record(.key, id: id), .record(.switch, id: "maintenance")]
        }
        #expect(listener.feed.gaps == 0)
        await listener.feed.stop()
    }

    @Test("A message that is missing, or a sequence that went back, makes the node forget everything (V22)")
    func gap() async throws {
        let node = try await TestNode()
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        listener.clear()
        for message in [
            "key a 1 7 x", "key b 1 8 x", "beat - 0 8 x", "key c 1 10 x", "beat - 0 12 x", "beat - 0 3 x", "nonsense", "future z 1 9 x",
            "key d 1 4 x",
        ] {
            try await node.send("PUBLISH", node.keys.channel, message)
        }
        try await eventually { listener.all.last == .record(.key, id: "d") }
        #expect(
            listener.all == [
                .record(.key, id: "a"), .record(.key, id: "b"), .everything, .record(.key, id: "c"), .everything, .everything,
                .record(.key, id: "d"),
            ])
        #expect(listener.feed.gaps == 3)
        await listener.feed.stop()
    }

    @Test("A feed without its heartbeat is given up and made anew (V22)")
    func silence() async throws {
        let node = try await TestNode()
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        listener.clear()
        try await eventually(within: .seconds(6)) { listener.all == [.everything, .everything] && listener.feed.isSubscribed }
        #expect(listener.feed.gaps == 1)
        await listener.feed.stop()
    }

    @Test("Heartbeats keep a feed that has nothing else to say")
    func heartbeats() async throws {
        let node = try await TestNode()
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        let members = node.membership()
        let beating = Task { await members.run() }
        try await Task.sleep(for: .milliseconds(3200))
        #expect(listener.feed.gaps == 0 && listener.feed.isSubscribed)
        beating.cancel()
        await beating.value
        await listener.feed.stop()
    }

    @Test("A subscription that is killed is made anew within a second, and everything is forgotten (F28)")
    func killed() async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server)
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        listener.clear()
        try await node.send("CLIENT", "KILL", "TYPE", "pubsub")
        try await eventually(within: .seconds(1)) { listener.all == [.everything, .everything] }
        let id = try await node.makeKey(credits: 1).record.id
        try await eventually { listener.all.last == .record(.key, id: id) }
        await listener.feed.stop()
    }

    @Test("Rules that are raised in every shard are heard from each, and nothing seems to be missing (V22)")
    func raised() async throws {
        let node = try await TestNode(shards: 8)
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        listener.clear()
        let rules = RulesVersion(store: node.store, origin: "me")
        for turn in 0..<3 { _ = try await rules.raise(changed: [], at: turn, .test()) }
        try await eventually { listener.all.count { $0 == .record(.rules, id: "rules") } == 24 }
        #expect(listener.feed.gaps == 0 && !listener.all.contains(.everything))
        await listener.feed.stop()
    }

    @Test("Two databases of one Redis do not hear each other, and each shard is numbered for itself")
    func apart() async throws {
        let server = try await RedisServer()
        let one = try await TestNode(on: server, prefix: "p:", shards: 64)
        let other = try await TestNode(on: server, prefix: "p:", shards: 64, database: 1)
        let (heard, silent) = (try await Listener(one), try await Listener(other))
        try await eventually { heard.feed.isSubscribed && silent.feed.isSubscribed }
        heard.clear()
        silent.clear()
        var ids: [String] = []
        for home in 0..<5 { ids.append(try await one.makeKey(credits: 1, home: UInt32(home * 7)).record.id) }
        try await eventually { heard.all == ids.map { .record(.key, id: $0) } }
        let last = try await other.makeKey(credits: 1).record.id
        try await eventually { silent.all.contains(.record(.key, id: last)) }
        #expect(silent.all == [.record(.key, id: last)])
        #expect(heard.feed.gaps == 0 && silent.feed.gaps == 0)
        await heard.feed.stop()
        await silent.feed.stop()
    }
}
