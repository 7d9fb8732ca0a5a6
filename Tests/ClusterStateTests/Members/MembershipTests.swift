// Who lives, who is dead, and what becomes of what the dead left open.

@testable import ClusterState
import GateDomain
import LuaScripts
import Testing

@Suite("Members of the cluster")
struct MembershipTests {
    private static func member(_ name: String, _ node: TestNode, refund: Bool = true) -> Membership {
        Membership(store: node.store, nodeID: name, refundUnknown: refund, logger: .silent)
    }

    /// Makes a node look as if it had been silent for so many milliseconds.
    private static func silence(_ name: String, for milliseconds: Int, _ node: TestNode) async throws {
        try await node.send("HSET", node.keys.nodes, name, String(try await node.time() - milliseconds * 1000))
    }

    @Test("Holds of a dead node are resolved exactly once by reapers that race, and refunded or kept by policy (M5, F30)", arguments: [true, false])
    func reaping(refund: Bool) async throws {
        let node = try await TestNode()
        var calls: [TestCall] = []
        for index in 0..<12 {
            let facts = try await node.makeKey(credits: 100)
            let key = index % 2 == 0 ? Idempotency(key: "k", fingerprint: "f", retention: 60_000) : nil
            let call = TestCall(facts: facts, price: 7, calls: 1, idempotency: key, node: "dead")
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.admit(TestCall(facts: facts, price: 1, node: "alive")).isAdmitted)
            calls.append(call)
        }
        let reapers = [Self.member("one", node, refund: refund), Self.member("two", node, refund: refund)]
        await reapers[0].beat()
        try await Self.silence("dead", for: 4500, node)
        async let first: Void = reapers[0].beat()
        async let second: Void = reapers[1].beat()
        _ = await (first, second)
        #expect(reapers[0].reaped + reapers[1].reaped == 12)
        for call in calls {
            let account = try await node.account(call.facts)
            #expect(account.credits == (refund ? 99 : 92) && account.spent == (refund ? 1 : 8) && account.calls == (refund ? 1 : 2))
            #expect(try await node.openHolds(call.facts) == 1, "the living node's")
            #expect(await node.settle(call).isGone, "should the dead node live after all")
            #expect(try await node.credits(call.facts) == (refund ? 99 : 92))
            var retry = call
            retry.hold = "retry"
            #expect(await node.admit(retry).isAdmitted, "D20")
        }
        let events = try await node.events()
        #expect(events.count == 12)
        #expect(events.allSatisfy { $0.event.outcome == .unknown && $0.credits == (refund ? 0 : 7) })
        #expect(try await node.send("HEXISTS", node.keys.nodes, "dead").integer == 0)
    }

    @Test("A node that leaves in an orderly way is resolved by the next heartbeat of anybody")
    func leaving() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let (stays, goes) = (Self.member("stays", node), Self.member("goes", node))
        await stays.beat()
        await goes.beat()
        await stays.beat()
        #expect(stays.members == 2)
        _ = await node.admit(TestCall(facts: facts, price: 3, node: "goes"))
        await goes.leave()
        await stays.beat()
        #expect(stays.reaped == 1 && stays.members == 1)
        #expect(try await node.credits(facts) == 10)
        #expect(try await node.send("SISMEMBER", node.keys.holding, facts.record.id).integer == 0)
        #expect(await node.admit(TestCall(facts: facts, price: 3)).isAdmitted)
        #expect(try await node.send("SISMEMBER", node.keys.holding, facts.record.id).integer == 1)
    }

    @Test("After a gap in everybody's heartbeats nobody is declared dead for one lifetime: Redis was away, not they")
    func grace() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        _ = await node.admit(TestCall(facts: facts, price: 3, node: "other"))
        let member = Self.member("one", node)
        await member.beat()
        for name in ["one", "other"] { try await Self.silence(name, for: 9000, node) }
        for _ in 0..<3 { await member.beat() }
        #expect(member.reaped == 0 && member.members == 1)
        try await Self.silence("grace", for: 1, node)
        await member.beat()
        #expect(member.reaped == 1)
        #expect(try await node.credits(facts) == 10)
    }

    @Test("A node that beats again before it is struck off stays a member")
    func revived() async throws {
        let node = try await TestNode()
        let (one, other) = (Self.member("one", node), Self.member("other", node))
        await one.beat()
        await other.beat()
        _ = try await node.run(.beat, keys: [node.keys.nodes, node.keys.feed], ["other", "4000", node.keys.channel, "forget"])
        await one.beat()
        #expect(one.members == 2)
    }

    @Test("Every node hears Redis's time, however wrong its own clock is (R16)")
    func time() async throws {
        let node = try await TestNode()
        let member = Self.member("one", node)
        await member.beat()
        #expect(abs(member.now - (try await node.time()) / 1000) < 1000)
    }

    @Test("Tombstones of abandoned holds go when no command can be under way any more")
    func tombstones() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let (old, new) = (TestCall(facts: facts), TestCall(facts: facts))
        for call in [old, new] { _ = await node.abandon(call) }
        _ = await node.admit(TestCall(facts: facts))
        try await node.send("HSET", facts.balance, "closed:" + old.hold, String(try await node.time() / 1_000_000 - 700))
        try await node.send("HSET", node.keys.nodes, "gone", "0")
        await Self.member("one", node).beat()
        #expect(try await node.send("HEXISTS", facts.balance, "closed:" + old.hold).integer == 0)
        #expect(try await node.send("HEXISTS", facts.balance, "closed:" + new.hold).integer == 1)
    }
}
