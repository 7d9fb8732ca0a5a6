// The small scripts: limit_address, acquire_slot, and switches of the cluster.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import Testing

@Suite("Small scripts")
struct SwitchScriptTests {
    @Test("An address is admitted exactly as often as its window allows, and told how long to wait (F-RATE-04)")
    func throttle() async throws {
        let node = try await TestNode()
        func visit(_ window: Int) async throws -> RedisReply {
            try await node.run(.limitAddress, keys: [node.keys.visits("\(window)", "1.2.3.4")], ["3", String(window)])
        }
        for remaining in [2, 1, 0] { #expect(try await visit(60_000) == .array([.integer(0), .integer(remaining)])) }
        for _ in 0..<5 {
            let refused = try await visit(60_000)
            #expect(refused.status == 1)
            #expect((1...60_001).contains(refused.integer(at: 1)))
        }
        var wait = 0
        for _ in 0..<50 where wait == 0 {
            let reply = try await visit(30)
            wait = reply.status == 1 ? reply.integer(at: 1) : 0
        }
        try await Task.sleep(for: .milliseconds(wait))
        #expect(try await visit(30).status == 0)
        #expect(try await node.send("PTTL", node.keys.visits("60000", "1.2.3.4")).integer ?? 0 > 0)
    }

    @Test("Addresses are throttled for themselves, a scope without a cap not at all, and nobody while Redis is away (F-RATE-10)")
    func throttleFace() async throws {
        let node = try await TestNode()
        let limiter = AddressLimiter(store: node.store, caps: [.admin: 1, .public: 0])
        #expect(await limiter.refusal(.admin, of: IPAddress(v4: 1)) == nil)
        let wait = try #require(await limiter.refusal(.admin, of: IPAddress(v4: 1)))
        #expect((59...60).contains(wait))
        #expect(await limiter.refusal(.admin, of: IPAddress(v4: 2)) == nil)
        for _ in 0..<3 { #expect(await limiter.refusal(.public, of: IPAddress(v4: 1)) == nil) }
        await node.store.stop()
        #expect(await limiter.refusal(.admin, of: IPAddress(v4: 1)) == nil)
    }

    @Test("Places are as many as the cap; a holder keeps its own, gives it back, or loses it with its lifetime")
    func acquire() async throws {
        let node = try await TestNode()
        func acquire(_ holder: String, lifetime: Int = 60_000, leaving: Int = 0) async throws -> [Int] {
            let reply = try await node.run(
                .acquireSlot, keys: [node.keys.streams("s")], [holder, "2", String(lifetime), String(leaving)])
            return [reply.status, reply.integer(at: 1)]
        }
        #expect(try await acquire("a") == [0, 1])
        #expect(try await acquire("b", lifetime: 1000) == [0, 2])
        #expect(try await acquire("c") == [1, 2])
        #expect(try await acquire("a") == [0, 2])
        #expect(try await acquire("a", leaving: 1) == [0, 1])
        #expect(try await acquire("c") == [0, 2])
        try await eventually { try await acquire("d") == [0, 2] }
    }

    @Test("A switch that is set twice by one operation is set, audited and announced once (V21)")
    func switches() async throws {
        let node = try await TestNode()
        let switches = RecordStore<SwitchRecord>(store: node.store, origin: "me")
        for _ in 0..<2 { try await switches.create(SwitchRecord(id: "maintenance", values: ["state": "on"]), .test("make")) }
        for _ in 0..<2 {
            _ = try await switches.edit("maintenance", .test("off")) { (record) throws(RecordRefusal) in record.values = ["message": "b"] }
        }
        #expect(try await switches.read("maintenance")?.values == ["message": "b"])
        #expect(try await node.send("XLEN", node.keys.audit(0)).integer == 2)
        #expect(try await node.send("GET", node.keys.feed(0)).integer == 2)
    }

    @Test("Rules that are raised make what was judged by older ones stale, in every shard, and never go back (F-CFG-07, V21)")
    func rules() async throws {
        let node = try await TestNode(shards: 8)
        let callers = try await [node.makeKey(credits: 9, home: 0), node.makeKey(credits: 9, home: 5)]
        let rules = RulesVersion(store: node.store, origin: "me")
        #expect(try await rules.read().version == 0)
        for _ in 0..<2 { #expect(try await rules.raise(changed: ["price"], at: 1, .test("one")).version == 1) }
        let overridden = try await rules.raise(changed: ["maxConcurrentPerTool"], at: 1, .test("two")) { $0.maxInFlightPerTool = 3 }
        #expect(overridden == RulesState(version: 2, reloaded: 1, overrides: RuleOverrides(maxInFlightPerTool: 3)))
        for caller in callers { #expect(await node.admit(TestCall(caller: caller)).word == "stale") }
        for caller in callers {
            let judged = GateRules(version: 2, prices: PriceBook(defaultPerCall: 1, tools: [:]))
            #expect(await node.admit(TestCall(caller: CachedKey(Policy(key: caller.record, rules: judged), keys: node.keys))).isAdmitted)
        }
        let reply = try await node.run(
            .raise, keys: [node.keys.versions(3), node.keys.feed(3)], ["rules", "1", node.keys.channel, "rules", "me", "3"])
        #expect(reply == .array([.integer(2)]), "a late copy of the first")
    }

    @Test("A page of events counts once, however often its consumer says what it has made of it")
    func advance() async throws {
        let node = try await TestNode()
        let hour = try await node.time() / 3_600_000_000
        let keys = [node.keys.cursor("one", 0), node.keys.cursor("other", 0), node.keys.rollupHours(0), node.keys.rollup(hour, 0)]
        let page = ["0-0", "5-1", "0-0", "0-0", "60000", "1", "4", "calls", "3"]
        #expect(try await node.run(.advance, keys: keys, page).status == 0)
        let again = try await node.run(.advance, keys: keys, page)
        #expect(again.status == 1 && again.array?.last?.string == "5-1")
        #expect(try await node.send("HGETALL", keys[3]).fields == ["calls": "3"])
        #expect(try await node.send("HGETALL", keys[2]).fields == [String(hour): "1"])
        let other = ["5-1", "6-1", "9-1", "9-2", "60000", "1", "4", "calls", "4"]
        #expect(try await node.run(.advance, keys: keys, other).status == 1, "the cursor of the other stream is elsewhere")
        #expect(try await node.send("HGETALL", keys[3]).fields == ["calls": "3"])
        #expect(try await node.send("MGET", keys[0], keys[1]) == .array([.bytes(Array("5-1".utf8)), .null]))
    }
}
