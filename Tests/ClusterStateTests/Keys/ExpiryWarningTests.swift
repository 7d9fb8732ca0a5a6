// Warnings before expiries: each threshold once, by nodes that die in the middle of it and by several at once.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Warnings of expiries")
struct ExpiryWarningTests {
    /// The thresholds that were told of a key, in their order.
    private static func told(_ node: TestNode, _ id: String) async throws -> [String] {
        let entries = try await node.send("XRANGE", node.keys.audit(node.keys.shard(of: id)), "-", "+").array ?? []
        return entries.compactMap { LoggedChange($0) }.filter { $0.type == "key.expiry_warning" && $0.fact("keyId") == id }
            .compactMap { $0.fact("threshold") }
    }

    private static func warnings(_ directory: KeyDirectory, _ thresholds: [Int] = [100, 10, 50]) -> ExpiryWarnings {
        ExpiryWarnings(directory, thresholds: thresholds, interval: 60)
    }

    @Test(
        "F-ALERT-04: each threshold once, the largest first, one with each look; anew for an expiry that is set anew; none of a revoked key or one that is over"
    )
    func progressive() async throws {
        let node = try await TestNode(shards: 4)
        let warnings = Self.warnings(node.directory)
        func key(_ expiry: Int?) async throws -> String {
            let id = try await node.makeKey(credits: 1).record.id
            try await node.directory.edit(id, in: [.active], .test()) { $0.expiresAt = expiry }
            return id
        }
        let (far, near, past, never, revoked) = (
            try await key(1_000_000), try await key(1_009_000), try await key(5), try await key(nil), try await key(1_000_000)
        )
        try await node.directory.edit(revoked, in: [.active], .test()) { $0.state = .revoked }
        try await warnings.look(at: 899_999)
        #expect(try await Self.told(node, far) == [])
        for _ in 0..<3 { try await warnings.look(at: 900_000) }
        #expect(try await Self.told(node, far) == ["100"])
        #expect(try await node.directory.records.read(far)?.warnedExpiry == ExpiryNotice(expiry: 1_000_000, threshold: 100))
        for at in [949_999, 950_000, 995_000, 996_000, 997_000] { try await warnings.look(at: at) }
        #expect(try await Self.told(node, far) == ["100", "50", "10"])
        for at in [999_100, 999_200, 999_300, 999_400] { try await warnings.look(at: at) }
        #expect(try await Self.told(node, near) == ["100", "50", "10"], "one with each look, whatever has come")
        // Whatever changes the key, it is not told again; another expiry is.
        try await node.directory.edit(far, in: [.active], .test()) { $0.name = "other" }
        try await warnings.look(at: 999_500)
        #expect(try await Self.told(node, far).count == 3)
        try await node.directory.edit(far, in: [.active], .test()) { $0.expiresAt = 2_000_000 }
        for at in [1_800_000, 1_920_000, 1_930_000] { try await warnings.look(at: at) }
        #expect(try await Self.told(node, far) == ["100", "50", "10", "100"])
        try await Self.warnings(node.directory, [80]).look(at: 2_100_000)
        #expect(try await Self.told(node, far).count == 4, "it is over")
        for id in [past, never, revoked] { #expect(try await Self.told(node, id) == []) }
        #expect(try await warnings.count() == 7)
    }

    @Test(
        "F-ALERT-04: wherever its node dies, and whoever goes on, a threshold is told once; hundreds at once are all told, and a shard that is away delays its own alone"
    )
    func dying() async throws {
        let node = try await TestNode(shards: 4)
        for commands in 0..<12 {
            let id = try await node.makeKey(credits: 10).record.id
            try await node.directory.edit(id, in: [.active], .test()) { $0.expiresAt = 50_000 }
            let dying = DyingStore(node.store)
            dying.repeatCommands()
            dying.dies(after: commands, answering: commands % 2 == 0)
            _ = try? await Self.warnings(KeyDirectory(store: dying, origin: "dying"), [100]).look(at: 2000)
            let (one, other) = (
                Self.warnings(node.directory, [100]), Self.warnings(KeyDirectory(store: node.store, origin: "other"), [100])
            )
            async let first: Void = one.look(at: 2000)
            async let second: Void = other.look(at: 2000)
            _ = try await (first, second)
            for turn in 0..<8 { await dying.repeatLate(turn) }
            try await one.look(at: 3000)
            #expect(try await Self.told(node, id) == ["100"], "dead after \(commands) commands")
        }
        var ids: [String] = []
        for home in 0..<240 {
            let id = try await node.makeKey(credits: 1, expiresAt: 50_000, home: UInt32(home)).record.id
            ids.append(id)
        }
        let store = DyingStore(node.store)
        let tag = node.keys.prefix + "{2}:"
        store.refuses = { command in command.words.contains { String(decoding: $0, as: UTF8.self).hasPrefix(tag) } }
        try await Self.warnings(KeyDirectory(store: store, origin: "one"), [100]).look(at: 4000)
        for id in ids { #expect(try await Self.told(node, id).count == (node.keys.shard(of: id) == 2 ? 0 : 1)) }
        try await Self.warnings(node.directory, [100]).look(at: 4000)
        for id in ids { #expect(try await Self.told(node, id) == ["100"]) }
    }

    @Test("F-ALERT-04: over all nodes there is one look in an interval")
    func turns() async throws {
        let node = try await TestNode()
        let id = try await node.makeKey(credits: 1, expiresAt: 50_000).record.id
        let (one, other) = (Self.warnings(node.directory), Self.warnings(KeyDirectory(store: node.store, origin: "other")))
        for _ in 0..<3 { for warnings in [one, other] { try await warnings.lookIfDue(at: 45_000) } }
        #expect(try await Self.told(node, id) == ["100"])
        try await node.send("DEL", node.keys.expiryScan)
        try await other.lookIfDue(at: 45_001)
        #expect(try await Self.told(node, id) == ["100", "50"])
        #expect(try await (1...60_000).contains(node.send("PTTL", node.keys.expiryScan).integer ?? 0))
    }
}
