// Which configuration is in force after reloads that overlap, and how long a tool may take by it.

import ClusterState
import GateDomain
@testable import GateNode
import GateSettings
import GateTesting
import Logging
import MCPUpstream
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Reloads of the rules")
struct RulesReloadTests {
    /// A file that several nodes read.
    private final class SharedFile: Sendable {
        private let price = Mutex(1)
        func write(price: Int) { self.price.withLock { $0 = price } }
        var resolution: SettingsResolution {
            SettingsResolution(flags: ["serverCommand": ["true"], "defaultCreditsPerCall": ["\(price.withLock { $0 })"]])
        }
    }

    private static func node(_ name: String, _ file: SharedFile, _ redis: RedisServer) async throws -> Node {
        let store = try await AdminBench.store(of: redis)
        let (identity, clock) = (NodeIdentity(base: name), RedisClock())
        return Node(
            identity: identity, clock: clock, settings: file.resolution.settings, resolve: { file.resolution }, store: store,
            members: Membership(store: store, identity: identity, clock: clock, refundUnknown: true, logger: .silent),
            upstreams: UpstreamSet([], transport: "stdio"),
            lentSessions: LentSessions(node: name, store: store, on: MultiThreadedEventLoopGroup.singleton.next()),
            adminKeys: AdminKeys(bootstrapKey: "k"), sessions: SessionSecret(),
            logger: .silent)
    }

    private static func audited() -> Operation {
        Operation(audit: AuditEntry(type: "config.reloaded", actor: "test", message: "", metadata: []))
    }

    @Test("F-CFG-07: of two reloads at once, on two nodes or one, the newer file is in force everywhere, whichever is carried out last")
    func overlapping() async throws {
        let (redis, file) = (try await RedisServer(), SharedFile())
        let (a, b) = (try await Self.node("a", file, redis), try await Self.node("b", file, redis))
        let old = a.reload.read().reload
        file.write(price: 9)
        try await b.reload.apply(b.reload.read().reload, Self.audited())
        try await a.reload.apply(old, Self.audited())
        await b.reload.follow()
        for node in [a, b] {
            #expect(node.ruleBook.settings.defaultCreditsPerCall == 9)
            #expect(node.rules.version == 2)
        }
        let (first, second) = (a.reload.read().reload, a.reload)
        file.write(price: 4)
        try await second.apply(second.read().reload, Self.audited())
        try await a.reload.apply(first, Self.audited())
        #expect(a.ruleBook.settings.defaultCreditsPerCall == 4)
        for node in [a, b] { await node.store.stop() }
    }

    @Test("F29: a failover that has lost the record of the rules and not a shard's word stops nobody: the file is read, and reloads go on")
    func lostRecord() async throws {
        let (redis, file) = (try await RedisServer(), SharedFile())
        let (a, b) = (try await Self.node("a", file, redis), try await Self.node("b", file, redis))
        for _ in 0..<3 { try await a.reload.apply(a.reload.read().reload, Self.audited()) }
        try await redis.command("DEL", a.store.keys.record(RulesVersion.name))
        file.write(price: 5)
        b.ruleBook.meet(3)
        await b.reload.follow()
        #expect(b.rules.version == 3 && b.ruleBook.settings.defaultCreditsPerCall == 5)
        try await b.reload.apply(b.reload.read().reload, Self.audited())
        #expect(b.rules.version == 4)
        await a.reload.follow()
        #expect(a.rules.version == 4 && a.ruleBook.settings.defaultCreditsPerCall == 5)
        for node in [a, b] { await node.store.stop() }
    }

    @Test("F-CONC-01, F-GUARD-02: a node that cannot read what an operator has set takes nothing for the newest rules, and reads it later")
    func unreadRecord() async throws {
        let (redis, file) = (try await RedisServer(), SharedFile())
        let (a, b) = (try await Self.node("a", file, redis), try await Self.node("b", file, redis))
        try await a.reload.set(["concurrency"], Self.audited()) { $0.maxInFlightPerKey = 1 }
        let (record, version) = (a.store.keys.record(RulesVersion.name), a.rules.version)
        try await redis.command("RENAME", record, "aside")
        try await redis.command("SET", record, "no record")
        b.ruleBook.meet(version)
        await b.reload.follow()
        #expect(b.rules.version < version)
        try await redis.command("RENAME", "aside", record)
        await b.reload.follow()
        #expect(b.rules.version == version && b.rules.maxInFlightPerKey == 1)
        for node in [a, b] { await node.store.stop() }
    }

    @Test("F-TMO-01: a tool's own time comes first, also if it is 0, which leaves the hard maximum")
    func timeouts() {
        var settings = Settings()
        settings.toolTimeoutMs = 700
        settings.toolPricing = ["own": ToolPrice(timeoutMs: 200), "none": ToolPrice(timeoutMs: 0), "priced": ToolPrice(creditsPerCall: 2)]
        let rules = RuleSnapshot(settings, version: 0)
        #expect(rules.timeout(of: "own") == .milliseconds(200))
        #expect(rules.timeout(of: "none") == RuleSnapshot.longestWait)
        for tool in ["priced", "other"] { #expect(rules.timeout(of: tool) == .milliseconds(700)) }
    }
}
