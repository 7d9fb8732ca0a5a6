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

    @Test("Every command of ours carries the keys and arguments that its script's header states")
    func commands() async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server)
        let digests = try await Self.digests(node)
        let monitor = Monitor(server.socket)
        try await Self.useEverything(node)
        try await node.send("ECHO", "the end")
        var seen: Set<LuaScript> = []
        for words in monitor.commands(until: "the end") where words.first?.lowercased() == "evalsha" {
            let script = try #require(digests[words[1]])
            let keyCount = try #require(Int(words[2]))
            seen.insert(script)
            #expect(ScriptHeader(script).allows(keyCount, "KEYS"), "\(words)")
            #expect(ScriptHeader(script).allows(words.count - 3 - keyCount, "ARGV"), "\(words)")
        }
        #expect(seen == Set(LuaScript.allCases))
    }

    private static func digests(_ node: TestNode) async throws -> [String: LuaScript] {
        var digests: [String: LuaScript] = [:]
        for script in LuaScript.allCases {
            digests[try await node.send("SCRIPT", "LOAD", script.source).string ?? ""] = script
        }
        return digests
    }

    private static func useEverything(_ node: TestNode) async throws {
        let facts = try await node.makeKey(credits: 100)
        let limits = ["a", "b"].map { (limit: Limit(name: $0, cap: 9, window: 1000, subject: .key), cost: 1) }
        let key = Idempotency(key: "k", fingerprint: "f", retention: 1000)
        for call in [
            TestCall(facts: facts), TestCall(facts: facts, limits: limits),
            TestCall(facts: facts, limits: limits, idempotency: key, node: "dead"),
        ] {
            #expect(await node.admit(call).isAdmitted)
            if call.idempotency == nil { _ = await node.settle(call, [(1, 0), (0, 1)]) }
        }
        _ = await node.settle(TestCall(facts: facts, idempotency: key), answer: [65])
        try await node.directory.change(facts.record.id, in: [.active], fields: [(.name, "n")], audit: .test)
        _ = try await node.directory.topUp(facts.record.id, credits: 1, operation: "o", fingerprint: "f", audit: .test)
        let throttle = Throttle(store: node.store, caps: [.admin: 1])
        _ = await throttle.refusal(.admin, of: IPAddress(v4: 1))
        let maintenance = ClusterSwitch("maintenance", at: node.keys.maintenance, store: node.store, origin: "a")
        try await maintenance.set([("enabled", "1"), ("message", "m")], decisive: "enabled", audit: .test)
        let sessions = SessionCommands(keys: node.keys, lifetime: 1000, capacity: 9)
        _ = try await node.store.send(sessions.command(.create, "s", fields: [("owner", "me")]))
        _ = try await node.store.send(sessions.place(of: "s", holder: "h", cap: 1, lifetime: 1000, leaving: false))
        let members = Membership(store: node.store, nodeID: "a", refundUnknown: true, logger: .silent)
        await members.beat()
        try await node.send("HSET", node.keys.nodes, "dead", "0")
        await members.beat()
        await members.leave()
        #expect(members.reaped == 1)
    }
}
