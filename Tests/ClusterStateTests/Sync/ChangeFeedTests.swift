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
                connector: node.store.connector, channel: node.keys.channel, on: node.loop, logger: .silent
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
        try await node.directory.change(id, in: [.active], fields: [(.name, "n")], audit: .test)
        let maintenance = ClusterSwitch("maintenance", at: node.keys.maintenance, store: node.store, origin: "me")
        try await maintenance.set([("enabled", "1")], decisive: "enabled", audit: .test)
        try await eventually { listener.all == [.everything, .key(id), .key(id), .setting("maintenance")] }
        #expect(listener.feed.gaps == 0)
        await listener.feed.stop()
    }

    @Test("A message that is missing, or a sequence that went back, makes the node forget everything (V22)")
    func gap() async throws {
        let node = try await TestNode()
        let listener = try await Listener(node)
        try await eventually { listener.feed.isSubscribed }
        listener.clear()
        for message in ["a 1 7 x", "b 1 8 x", "- 0 8 x", "c 1 10 x", "- 0 12 x", "- 0 3 x", "nonsense", "d 1 4 x"] {
            try await node.send("PUBLISH", node.keys.channel, message)
        }
        try await eventually { listener.all.last == .key("d") }
        #expect(listener.all == [.key("a"), .key("b"), .everything, .key("c"), .everything, .everything, .key("d")])
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
        let members = Membership(store: node.store, nodeID: "a", refundUnknown: true, logger: .silent)
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
        try await eventually { listener.all.last == .key(id) }
        await listener.feed.stop()
    }
}
