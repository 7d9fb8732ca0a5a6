// The cache of one event loop: it loads once, keeps no absence, and forgets what has changed.

@testable import ClusterState
import GateDomain
import GateTesting
import NIOCore
import Synchronization
import Testing

@Suite("The cache of keys")
struct KeyCacheTests {
    /// Versions of the rules that the cache has asked for.
    private final class Wanted: Sendable {
        let versions = Mutex<[Int]>([])
    }

    private struct Loop: Sendable {
        let node: TestNode
        let cache: KeyCache
        let wanted = Wanted()

        init() async throws {
            let node = try await TestNode()
            self.node = node
            cache = KeyCache(link: node.way, on: node.loop, keys: node.keys, rules: .test) { [wanted] version in
                wanted.versions.withLock { $0.append(version) }
            }
        }

        func load(_ secret: String) async -> KeyLookup {
            await withCheckedContinuation { continuation in
                node.loop.execute { cache.assumeIsolated { $0.load(secret) { continuation.resume(returning: $0) } } }
            }
        }

        var commands: Int { get async throws { try await node.loop.submit { node.link.value.meter.commands }.get() } }
    }

    @Test("Fifty that ask at once cost one load, and afterwards nobody asks Redis")
    func singleFlight() async throws {
        let loop = try await Loop()
        let secret = Credential.generate()
        let caller = try await loop.node.makeKey(credits: 1, secret: secret)
        let before = try await loop.commands
        let found = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<50 {
                group.addTask { if case .found(let known) = await loop.load(secret) { known.record == caller.record } else { false } }
            }
            return await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(found == 50)
        #expect(try await loop.commands - before <= 9, "three for each load; tasks may reach the loop in two ticks")
        let loaded = try await loop.commands
        #expect(await loop.cache.remembered(secret)?.record == caller.record)
        #expect(try await loop.commands == loaded)
    }

    @Test("A credential that was unknown a moment ago works as soon as its key is made (V24)")
    func noNegativeCaching() async throws {
        let loop = try await Loop()
        let secret = Credential.generate()
        for _ in 0..<2 {
            guard case .unknown = await loop.load(secret) else {
                Issue.record("found")
                continue
            }
            #expect(await loop.cache.remembered(secret) == nil)
        }
        _ = try await loop.node.makeKey(credits: 1, secret: secret)
        guard case .found = await loop.load(secret) else { throw StoreFailure.unknown }
    }

    @Test("What was read before a change and arrives after it is not kept (V21, V23)")
    func raceWithChange() async throws {
        let loop = try await Loop()
        let secret = Credential.generate()
        let id = try await loop.node.makeKey(credits: 1, secret: secret).record.id
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            loop.node.loop.execute {
                loop.cache.assumeIsolated { $0.load(secret) { _ in continuation.resume() } }
                // The answer to GET comes first, then HGETALL is under way: the change is heard in between.
                loop.node.link.value.send(RedisCommand("PING")) { _ in loop.cache.assumeIsolated { $0.forget(key: id) } }
            }
        }
        #expect(await loop.cache.remembered(secret) == nil)
        _ = await loop.load(secret)
        #expect(await loop.cache.remembered(secret) != nil)
        await loop.cache.forgetAll()
        #expect(await loop.cache.remembered(secret) == nil)
    }

    @Test("A credential that no longer proves its key is forgotten with the key's other facts, even if another credential loads them")
    func rotation() async throws {
        let loop = try await Loop()
        let (old, new) = (Credential.generate(), Credential.generate())
        let id = try await loop.node.makeKey(credits: 1, secret: old).record.id
        _ = await loop.load(old)
        try await loop.node.send("HSET", loop.node.keys.credential(Credential.digest(of: new)), "owner", id)
        _ = await loop.load(new)
        #expect(await loop.cache.remembered(old) != nil, "two credentials of one key live side by side")
        #expect(await loop.cache.remembered(new) != nil)
        try await loop.node.send("DEL", loop.node.keys.credential(Credential.digest(of: old)))
        _ = try await loop.node.directory.records.edit(id, .test()) { (record) throws(RecordRefusal) in record.name = "n" }
        await loop.cache.forget(key: id)
        _ = await loop.load(new)
        #expect(await loop.cache.remembered(old) == nil)
    }

    @Test("Who is judged while newer rules hold waits until this node has them, and is judged by those (F-CFG-07, V21)")
    func newerRules() async throws {
        let loop = try await Loop()
        let secret = Credential.generate()
        _ = try await loop.node.makeKey(credits: 1, secret: secret)
        try await loop.node.send("HSET", loop.node.keys.versions(0), RulesVersion.name, "2")
        async let lookup = loop.load(secret)
        try await eventually { loop.wanted.versions.withLock { $0 } == [2] }
        await loop.cache.adopt(GateRules(version: 1, prices: PriceBook(defaultPerCall: 1, tools: [:])))
        #expect(loop.wanted.versions.withLock { $0 } == [2, 2])
        await loop.cache.adopt(GateRules(version: 2, prices: PriceBook(defaultPerCall: 1, tools: [:])))
        guard case .found(let known) = await lookup else { throw StoreFailure.unknown }
        #expect(known.policy.rules.version == 2)
        #expect(await loop.node.admit(TestCall(caller: known)).isAdmitted)
    }

    @Test("F29: who waits for rules that never come is told within three seconds that the node cannot say, and asks anew the next time")
    func rulesThatNeverCome() async throws {
        let loop = try await Loop()
        let secret = Credential.generate()
        _ = try await loop.node.makeKey(credits: 1, secret: secret)
        try await loop.node.send("HSET", loop.node.keys.versions(0), RulesVersion.name, "2")
        let start = ContinuousClock.now
        async let first = loop.load(secret)
        try await eventually { loop.wanted.versions.withLock { $0 } == [2] }
        // Rules that are still too old do not begin the time anew.
        await loop.cache.adopt(GateRules(version: 1, prices: PriceBook(defaultPerCall: 1, tools: [:])))
        guard case .failed(.unavailable) = await first else { throw StoreFailure.unknown }
        #expect(ContinuousClock.now - start < .seconds(3).patiently)
        async let second = loop.load(secret)
        try await eventually { loop.wanted.versions.withLock { $0.count } == 3 }
        await loop.cache.adopt(GateRules(version: 2, prices: PriceBook(defaultPerCall: 1, tools: [:])))
        guard case .found = await second else { throw StoreFailure.unknown }
    }

    @Test("A team's account comes with its key, and a change of the team makes what was judged by it stale (V21)")
    func teams() async throws {
        let loop = try await Loop()
        let secret = Credential.generate()
        let team = try await loop.node.makeTeam(budget: 2)
        _ = try await loop.node.makeKey(credits: 10, secret: secret, team: team)
        guard case .found(let known) = await loop.load(secret) else { throw StoreFailure.unknown }
        #expect(known.policy.accounts.map(\.id.text) == [known.record.id, team.id])
        _ = try await RecordStore<TeamRecord>(store: loop.node.store, origin: "x").edit(team.id, .test()) { (team) throws(RecordRefusal) in
            team.budget = 1
        }
        #expect(await loop.node.admit(TestCall(caller: known)).word == "stale")
        guard case .found(let fresh) = await loop.load(secret) else { throw StoreFailure.unknown }
        #expect(fresh !== known)
        #expect(await loop.node.admit(TestCall(caller: fresh, price: 2)).word == "team_budget_exceeded")
        #expect(await loop.node.admit(TestCall(caller: fresh)).isAdmitted)
    }

    @Test("The cache holds no more than its capacity and keeps what was used last")
    func bounded() {
        var cache = GenerationCache<Int, Int>(capacity: 100)
        for index in 0..<1000 {
            cache.insert(index, for: index)
            _ = cache.value(for: 0)
        }
        #expect(cache.count <= 100)
        #expect(cache.value(for: 0) == 0)
        #expect((951..<1000).allSatisfy { cache.value(for: $0) == $0 })
        cache.remove(0)
        #expect(cache.value(for: 0) == nil)
    }
}
