// Automatic top-ups: in the step that takes the credits, so once a crossing over all nodes.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Automatic top-ups")
struct AutoTopUpTests {
    private static func caller(_ node: TestNode, credits: Int, _ order: AutoTopUp, home: UInt32? = nil, team: TeamRecord? = nil)
        async throws
        -> CachedKey
    {
        let id = try await node.makeKey(credits: credits, team: team, home: home).record.id
        try await node.directory.edit(id, in: [.active], .test()) { $0.autoTopUp = order }
        let record = try #require(try await node.directory.records.read(id))
        return CachedKey(Policy(key: record, team: team, rules: .test), keys: node.keys)
    }

    private static func granted(_ node: TestNode, _ caller: CachedKey) async throws -> Int {
        try await node.send("HGET", caller.accounts[0], "granted").integer ?? 0
    }

    private static func entries(_ node: TestNode, _ caller: CachedKey) async throws -> Int {
        let audit = try await node.send("XRANGE", node.keys.audit(caller.shards[0]), "-", "+").array ?? []
        return audit.count { $0.array?.last?.array?.last?.string?.contains("t=key.auto_topped_up") == true }
    }

    @Test("F-CREDIT-09, F-CREDIT-10: two nodes that cross the threshold at once top up once; a call tops up once at most")
    func crossing() async throws {
        let one = try await TestNode()
        let other = try await TestNode(prefix: one.keys.prefix, id: "node-b")
        let caller = try await Self.caller(one, credits: 100, AutoTopUp(threshold: 50, amount: 100, maxDaily: 0))
        let admitted = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<200 {
                let node = index % 2 == 0 ? one : other
                group.addTask { await node.admit(TestCall(caller: caller)).isAdmitted }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        // 49 are left after the 51st and after the 151st call.
        #expect(admitted == 200)
        #expect(try await Self.granted(one, caller) == 300)
        #expect(try await one.account(caller).credits == 100)
        #expect(try await Self.entries(one, caller) == 2)
    }

    @Test("F-CREDIT-09: maxDaily is exact over batches of one tick, and begins anew with the UTC day of Redis")
    func daily() async throws {
        let node = try await TestNode()
        let caller = try await Self.caller(node, credits: 5, AutoTopUp(threshold: 5, amount: 1, maxDaily: 3))
        let answers = await node.admit(together: (0..<20).map { _ in TestCall(caller: caller) })
        #expect(answers.count { $0.isAdmitted } == 8)
        #expect(try await node.account(caller).credits == 0)
        #expect(try await Self.granted(node, caller) == 8)
        let today = try await node.time() / 86_400_000_000
        let words = try await node.send("HGET", caller.accounts[0], "refills").string ?? ""
        #expect(words == "\(today):3" || words.hasSuffix(":3"))
        try await node.send("HSET", caller.accounts[0], "refills", "\(today - 1):3", "credits", "1", "granted", "9")
        #expect(await node.admit(TestCall(caller: caller)).credits == 1, "what is told is what is left with the top-up")
        #expect(try await Self.granted(node, caller) == 10)
    }

    @Test("A copy of an admission tops up once; one that is free, refused, dry or over by a changed order tops up nothing (V21)")
    func copies() async throws {
        let node = try await TestNode()
        let caller = try await Self.caller(node, credits: 10, AutoTopUp(threshold: 100, amount: 7, maxDaily: 0))
        let call = TestCall(caller: caller, price: 4)
        let command = node.command(admitting: [call])
        for _ in 0..<3 { #expect(try await node.store.send(command).firstAnswer?.status == 0) }
        #expect(try await node.account(caller).credits == 13)
        var dry = TestCall(caller: caller, price: 4)
        dry.dry = true
        #expect(await node.admit(dry).isAdmitted)
        #expect(await node.admit(TestCall(caller: caller, price: 0)).isAdmitted)
        #expect(await node.admit(TestCall(caller: caller, price: 14)).word == "insufficient_credits")
        #expect(try await Self.granted(node, caller) == 17)
        try await node.directory.edit(caller.record.id, in: [.active], .test()) { $0.autoTopUp = nil }
        #expect(await node.admit(TestCall(caller: caller, price: 1)).word == "stale")
        #expect(try await Self.granted(node, caller) == 17)
        #expect(await node.release(call).charged == 0)
        let account = try await node.directory.account(caller.record.id)
        #expect(account.credits == 17 && account.spent == 0, "a refund leaves what was added")
    }

    @Test("A key whose team lies in another shard is topped up in its own, once; a balance never passes its ceiling")
    func places() async throws {
        let node = try await TestNode(shards: 16)
        let team = try await node.makeTeam(budget: 1000, home: 2)
        let caller = try await Self.caller(node, credits: 10, AutoTopUp(threshold: 10, amount: 5, maxDaily: 0), home: 1, team: team)
        let call = TestCall(caller: caller, price: 3)
        #expect(await node.admit(call).credits == 12)
        #expect(await node.settle(call).charged == 3)
        #expect(try await node.account(caller, 1).spent == 3)
        #expect(try await node.account(caller, 1).credits == 0)
        let rich = try await Self.caller(
            node, credits: 10, AutoTopUp(threshold: AutoTopUp.ceiling, amount: AutoTopUp.ceiling, maxDaily: 0), home: 1)
        try await node.send("HSET", rich.accounts[0], "spent", String(Credits.balanceCeiling - 20))
        #expect(await node.admit(TestCall(caller: rich)).credits == 9)
    }
}
