// Scripts and Swift agree on what is sent: the header of each script is compared with what Redis receives.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import Testing

@Suite("Script headers")
struct ScriptHeaderTests {
    @Test("Every script opens with its name, KEYS, ARGV, REPLY and EFFECT, and loads", arguments: LuaScript.allCases)
    func header(_ script: LuaScript) async throws {
        let header = ScriptHeader(script)
        #expect(header.name == script.rawValue)
        #expect(Set(header.lines.keys) == ["KEYS", "ARGV", "REPLY", "EFFECT"])
        #expect(!script.source.contains("--#include"))
        let node = try await TestNode()
        #expect(try await node.send("SCRIPT", "LOAD", script.source).string?.count == 40)
    }

    @Test("An automatic top-up stops at the ceiling of every other one")
    func ceiling() { #expect(LuaScript.admit.source.contains("> \(Credits.balanceCeiling) then return nil")) }

    @Test("A cluster slot is what Redis says it is")
    func slots() {
        #expect(ClusterSlot.of("123456789") == 0x31c3)
        #expect(ClusterSlot.of("a{123456789}b") == 0x31c3)
        #expect(ClusterSlot.of("{}123456789") == ClusterSlot.of("{}123456789"))
        #expect(ClusterSlot.of("x:{1}:a") != ClusterSlot.of("x:{2}:a"))
    }

    @Test(
        "Every command carries the keys and arguments that its script's header states, all in one slot, and touches no other key",
        arguments: [1, 64])
    func commands(shards: Int) async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server, shards: shards)
        let digests = try await Self.digests(node)
        let monitor = Monitor(server.socket)
        try await Self.useEverything(node, server)
        try await node.send("ECHO", "that was everything of it")
        var seen: Set<LuaScript> = []
        var running: (script: LuaScript, keys: Set<String>)?
        for line in monitor.lines(until: "that was everything of it") {
            let words = line.words
            let name = words.first?.lowercased()
            if line.isFromScript {
                let (script, keys) = try #require(running)
                guard let name, !["time", "publish"].contains(name), words.count > 1 else { continue }
                #expect(keys.contains(words[1]), "\(script.rawValue) touches \(words.prefix(2))")
                continue
            }
            guard name == "evalsha" else { continue }
            let script = try #require(digests[words[1]])
            let count = try #require(Int(words[2]))
            try #require(words.count >= 3 + count, "\(words)")
            let keys = words[3..<3 + count]
            seen.insert(script)
            running = (script, Set(keys))
            let header = ScriptHeader(script)
            #expect(header.allows(count, "KEYS"), "\(words)")
            #expect(header.accepts(Array(words[(3 + count)...])), "\(words)")
            #expect(Set(keys.map(ClusterSlot.of)).count == 1, "\(script.rawValue): \(keys)")
            // Channels belong to no slot; everything else of ours carries its prefix and its shard.
            #expect(keys.allSatisfy { $0.hasPrefix(node.keys.prefix + "{") })
        }
        // What became of a hold in another shard is asked only where there is one, and credits arrive from there.
        #expect(Set(LuaScript.allCases).subtracting(seen) == (shards == 1 ? [.outcome, .deliver] : []))
    }

    private static func digests(_ node: TestNode) async throws -> [String: LuaScript] {
        var digests: [String: LuaScript] = [:]
        for script in LuaScript.allCases {
            digests[try await node.send("SCRIPT", "LOAD", script.source).string ?? ""] = script
        }
        return digests
    }

    private static func useEverything(_ node: TestNode, _ server: RedisServer) async throws {
        let dead = try await TestNode(on: server, prefix: node.keys.prefix, id: "dead", shards: node.keys.shards)
        let team = try await node.makeTeam(budget: 1000, home: 2)
        let caller = try await node.makeKey(credits: 100, home: 1)
        let member = try await node.makeKey(credits: 100, team: team, home: 1)
        let limits: [(limit: Limit, amount: Int)] = [
            (Limit(name: "a", window: .rolling(1000), cap: 9), 1), (Limit(name: "b", window: .calendar(.day), cap: 9), 1),
            (Limit(name: "c", measure: .credits, window: .lifetime, cap: 9), 1),
            (Limit(name: "d", measure: .inFlight, window: .lifetime, cap: 9), 1),
        ]
        let key = Idempotency(key: "k", fingerprint: "f", retention: 10_000)
        var shared = TestCall(caller: member, limits: limits)
        shared.limits.append((Limit(name: "e", account: 1, window: .calendar(.month), cap: 9), 1))
        let calls = [TestCall(caller: caller), TestCall(caller: caller, limits: limits), shared]
        #expect(await node.admit(together: calls).allSatisfy(\.isAdmitted))
        for call in calls { #expect(await node.settle(call, [(1, 0), (0, 1)]).charged == 2) }
        shared.idempotency = key
        shared.hold = "left"
        #expect(await dead.admit(shared).isAdmitted)
        let kept = TestCall(caller: caller, idempotency: key)
        #expect(await node.admit(kept).isAdmitted)
        #expect(await node.settle(kept, answer: [65]).charged == 1)
        let given = TestCall(caller: member, idempotency: Idempotency(key: "l", fingerprint: "f", retention: 1000))
        _ = await node.admit(given)
        _ = await node.abandon(given)
        try await node.change(caller)
        _ = try await node.directory.topUp(caller.record.id, credits: 1, .test("o", "f"))
        try await moveCredits(node, caller.record.id)
        let limiter = AddressLimiter(store: node.store, caps: [.admin: 1])
        _ = await limiter.refusal(.admin, of: IPAddress(v4: 1))
        let rules = RulesVersion(store: node.store, origin: "a")
        _ = try await rules.raise(changed: [], at: 0, .test())
        let sessions = SessionCommands(keys: node.keys, lifetime: 1000, capacity: 9)
        _ = try await node.store.send(sessions.command(.create, "s", isOwned: true, owner: "me"))
        _ = try await node.store.send(sessions.place(of: "s", holder: "h", cap: 1, lifetime: 1000, leaving: false))
        let mail = MailCommands(keys: node.keys)
        _ = try await node.store.send(mail.post([65], to: "s", most: 9, lifetime: 1000, origin: "a"))
        for _ in 0..<2 { _ = try await node.store.send(mail.take("s", for: "x", after: "0-0", most: 9, kept: 9, lifetime: 1000)) }
        for dropping in [[], [(number: 1, piece: 0)], [(number: 1, piece: 0), (number: 1, piece: 1)]] {
            _ = try await node.store.send(mail.post([65], to: "s", number: 9, most: 9, lifetime: 1000, dropping: dropping, origin: "a"))
        }
        _ = try await node.store.send(mail.claim("post_s", for: "x", after: 0, moment: 9, lifetime: 1000))
        _ = try await node.store.send(mail.post([65], of: "tools", by: "a", lifetime: 1000, echo: 9, most: 9))
        _ = try await node.store.send(mail.claim([("tools", 1), ("prompts", 2)], of: "s", for: "x", lifetime: 1000))
        let (held, heir) = (SubscriptionCommands(keys: node.keys, node: "a"), SubscriptionCommands(keys: node.keys, node: "b"))
        for command in [held.hold("r", of: "s", value: [65]), heir.inherit("s", from: "a"), heir.keep("s"), held.drop("r", of: "s")] {
            _ = try await node.store.send(command)
        }
        try await node.run(
            .advance, keys: [node.keys.cursor("h", 0), node.keys.cursor("i", 0), node.keys.rollupHours(0), node.keys.rollup(1, 0)],
            ["0-0", "1-1", "0-0", "0-0", "1000", "1", "4", "c", "1"])
        _ = try await node.directory.orders.upkeep(at: 0).get()
        #expect(try await !node.directory.orders.catchUp().get())
        _ = try await OrderWalk(.name(prefix: "n"), .ascending, after: KeyPlace(number: 0), in: node.store)
        try await useWebhooks(WebhookQueue(store: node.store))
        let members = node.membership()
        await members.beat()
        _ = try await OpenCalls(reading: node.store)
        _ = try await node.directory.windows(of: caller.record.id, limits.map(\.limit))
        await dead.membership().leave()
        await members.beat()
        await members.leave()
        #expect(members.reaped == 1)
        try await node.forgetMarks()
    }

    private static func useWebhooks(_ queue: WebhookQueue) async throws {
        try await queue.prepare()
        let page = try await queue.read(0)
        let parcels = [WebhookParcel(event: [65], sinks: [0, 1]), WebhookParcel(event: [66], sinks: [0])]
        _ = try await queue.spool(page.readings, parcels, to: [("default", .gate), ("hook_1", .key)], flush: 0)
        let batch = try #require(try await queue.take("default"))
        _ = try await queue.end(batch, of: "default", as: .dead([67]), firstAttempt: 1, entry: [68], flush: 0)
        let replay = try #require(WebhookReplay(letter: [67], events: batch.events, to: "default"))
        #expect(try await queue.replay([replay], chosen: "1", .test()).replayed == 1)
        _ = try await queue.clearLetters(.test())
        try await queue.drop("hook_1")
    }

    /// Of a key in the shard of home 1.
    private static func moveCredits(_ node: TestNode, _ key: String) async throws {
        let (near, far) = (try await node.makeKey(credits: 9, home: 1).record.id, try await node.makeKey(credits: 9, home: 2).record.id)
        for to in [near, far] { _ = try await Transfers(store: node.store).move(1, from: key, to: to, .test()) }
        let reservations = Reservations(store: node.store)
        for committing in [true, false] {
            let held = try await reservations.reserve(key, credits: 1, seconds: 60, memo: "for two", .test()).reservation
            _ = try await reservations.end(held.id, committing: committing, .test())
        }
        try await node.directory.edit(near, in: [.active], .test()) { $0.autoTopUp = AutoTopUp(threshold: 10, amount: 1, maxDaily: 1) }
        let record = try #require(try await node.directory.records.read(near))
        let call = TestCall(caller: CachedKey(Policy(key: record, rules: .test), keys: node.keys))
        #expect(await node.admit(call).isAdmitted)
        #expect(await node.settle(call).charged == 1)
    }
}
