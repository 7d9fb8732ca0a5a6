// Expiries are told once, by nodes that die in the middle of it and by several at once.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Expiries")
struct ExpiryTests {
    private static func told(_ node: TestNode) async throws -> Int {
        var count = 0
        for shard in 0..<node.keys.shards {
            let entries = try await node.send("XRANGE", node.keys.audit(shard), "-", "+").array ?? []
            count += entries.count { entry in
                guard case .bytes(let bytes)? = entry.array?.last?.array?.last else { return false }
                return AuditEntry(packed: bytes)?.type == "key.expired"
            }
        }
        return count
    }

    @Test("F-WH-20: wherever its node dies, and whoever goes on, an expiry is told once", arguments: [true, false])
    func dying(answering: Bool) async throws {
        let node = try await TestNode(shards: 4)
        for commands in 0..<10 {
            let key = try await node.makeKey(credits: 10).record.id
            try await node.directory.edit(key, in: [.active], .test()) { $0.expiresAt = 1000 }
            let dying = DyingStore(node.store)
            dying.repeatCommands()
            dying.dies(after: commands, answering: answering)
            _ = try? await Expiries(KeyDirectory(store: dying, origin: "dying")).tell(at: 2000)
            let (one, other) = (Expiries(node.directory), Expiries(KeyDirectory(store: node.store, origin: "other")))
            async let first = one.tell(at: 2000)
            async let second = other.tell(at: 2000)
            _ = try await (first, second)
            for turn in 0..<8 { await dying.repeatLate(turn) }
            _ = try await one.tell(at: 2000)
            #expect(try await Self.told(node) == commands + 1, "dead after \(commands) commands")
        }
    }

    @Test("F-WH-20: a shard that is away delays the expiries of its own keys alone")
    func awayShard() async throws {
        let node = try await TestNode(shards: 4)
        for home in 0..<8 {
            let key = try await node.makeKey(credits: 10, home: UInt32(home)).record.id
            try await node.directory.edit(key, in: [.active], .test()) { $0.expiresAt = 1000 }
        }
        let store = DyingStore(node.store)
        let tag = node.keys.prefix + "{2}:"
        store.refuses = { command in command.words.contains { String(decoding: $0, as: UTF8.self).hasPrefix(tag) } }
        _ = try await Expiries(KeyDirectory(store: store, origin: "one")).tell(at: 2000)
        #expect(try await Self.told(node) == 6)
        store.refuses = { _ in true }
        await #expect(throws: RecordRefusal.self) { _ = try await Expiries(KeyDirectory(store: store, origin: "one")).tell(at: 2000) }
        _ = try await Expiries(node.directory).tell(at: 2000)
        #expect(try await Self.told(node) == 8)
    }

    @Test("F-WH-20: not before its time, not for a revoked key, and anew when it was set anew; hundreds at once are all told")
    func order() async throws {
        let node = try await TestNode()
        let key = try await node.makeKey(credits: 10).record.id
        let expiries = Expiries(node.directory)
        try await node.directory.edit(key, in: [.active], .test()) { $0.expiresAt = 1000 }
        _ = try await expiries.tell(at: 999)
        #expect(try await Self.told(node) == 0)
        _ = try await expiries.tell(at: 1000)
        #expect(try await Self.told(node) == 1)
        #expect(try await node.directory.records.read(key)?.toldExpiry == 1000)
        try await node.directory.edit(key, in: [.active], .test()) { $0.expiresAt = 3000 }
        _ = try await expiries.tell(at: 2999)
        #expect(try await Self.told(node) == 1)
        _ = try await expiries.tell(at: 3000)
        #expect(try await Self.told(node) == 2)
        try await node.directory.edit(key, in: [.active], .test()) { $0.expiresAt = 1000 }
        #expect(try await !expiries.tell(at: 3000), "nothing is left to be looked for at once")
        #expect(try await Self.told(node) == 3, "one and the same time that was set twice")
        let revoked = try await node.makeKey(credits: 10).record.id
        try await node.directory.edit(revoked, in: [.active], .test()) { ($0.expiresAt, $0.state) = (1, .revoked) }
        _ = try await expiries.tell(at: 5000)
        #expect(try await Self.told(node) == 3)
        for _ in 0..<210 {
            let id = try await node.makeKey(credits: 1).record.id
            try await node.directory.edit(id, in: [.active], .test()) { $0.expiresAt = 4000 }
        }
        while try await expiries.tell(at: 5000) {}
        #expect(try await Self.told(node) == 213)
        #expect(try await node.directory.records.count(in: KeyRecord.untold) == 0)
    }
}
