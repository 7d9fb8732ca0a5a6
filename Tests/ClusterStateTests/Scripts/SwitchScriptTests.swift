// The small scripts: throttle, occupy, declare.

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
            try await node.run(.throttle, keys: [node.keys.visits("\(window)", "1.2.3.4")], ["3", String(window)])
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
        let throttle = Throttle(store: node.store, caps: [.admin: 1, .public: 0])
        #expect(await throttle.refusal(.admin, of: IPAddress(v4: 1)) == nil)
        let wait = try #require(await throttle.refusal(.admin, of: IPAddress(v4: 1)))
        #expect((59...60).contains(wait))
        #expect(await throttle.refusal(.admin, of: IPAddress(v4: 2)) == nil)
        for _ in 0..<3 { #expect(await throttle.refusal(.public, of: IPAddress(v4: 1)) == nil) }
        await node.store.stop()
        #expect(await throttle.refusal(.admin, of: IPAddress(v4: 1)) == nil)
    }

    @Test("Places are as many as the cap; a holder keeps its own, gives it back, or loses it with its lifetime")
    func occupy() async throws {
        let node = try await TestNode()
        func occupy(_ holder: String, lifetime: Int = 60_000, leaving: Int = 0) async throws -> [Int] {
            let reply = try await node.run(
                .occupy, keys: [node.keys.streams("s")], [holder, "2", String(lifetime), String(leaving)])
            return [reply.status, reply.integer(at: 1)]
        }
        #expect(try await occupy("a") == [0, 1])
        #expect(try await occupy("b", lifetime: 1000) == [0, 2])
        #expect(try await occupy("c") == [1, 2])
        #expect(try await occupy("a") == [0, 2])
        #expect(try await occupy("a", leaving: 1) == [0, 1])
        #expect(try await occupy("c") == [0, 2])
        try await eventually { try await occupy("d") == [0, 2] }
    }

    @Test("A switch that is set twice is audited once, moves its `since` once, and is announced each time (V21)")
    func declare() async throws {
        let node = try await TestNode()
        let maintenance = ClusterSwitch("maintenance", at: node.keys.maintenance, store: node.store, origin: "me")
        func declare(_ state: String, since: String, message: String) async throws {
            try await maintenance.set(
                [("state", state), ("message", message), ("since", since)], decisive: "state", audit: .test)
        }
        try await declare("on", since: "1", message: "a")
        try await declare("on", since: "2", message: "b")
        #expect(try await maintenance.read() == ["state": "on", "message": "b", "since": "1"])
        try await declare("off", since: "3", message: "")
        #expect(try await maintenance.read()["since"] == "3")
        #expect(try await node.send("XLEN", node.keys.audit).integer == 2)
        #expect(try await node.send("GET", node.keys.feed).integer == 3)
    }
}
