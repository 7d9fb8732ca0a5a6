// What admit.lua takes, and when it takes nothing.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Admission")
struct AdmitTests {
    @Test("Exactly floor(credits / price) calls are admitted however many ask at once, and the last credit has one winner (M3, M9)")
    func exactUse() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let admitted = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<60 { group.addTask { await node.admit(TestCall(caller: caller, price: 3)).isAdmitted } }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(admitted == 33)
        #expect(try await node.account(caller).credits == 1)
        #expect(try await node.account(caller).spent == 99)
        #expect(try await node.account(caller).calls == 33)
        let denied = await node.admit(TestCall(caller: caller, price: 2))
        #expect(denied.word == "insufficient_credits" && denied.credits == 1)
    }

    @Test("A batch is charged and counted whole, or not at all (M10, F-RATE-08)")
    func batches() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        #expect(await node.admit(TestCall(caller: caller, price: 11, calls: 11)).word == "insufficient_credits")
        #expect(try await node.account(caller).calls == 0)
        #expect(try await node.account(caller).lastUsedAt == nil)
        #expect(await node.admit(TestCall(caller: caller, price: 10, calls: 5)).credits == 0)
        #expect(try await node.account(caller).calls == 5)
    }

    @Test("What was ever spent stays at or below the spending limit (F-CREDIT-11, M11)")
    func spendingLimit() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100, spendingLimit: 10)
        #expect(await node.admit(TestCall(caller: caller, price: 7)).isAdmitted)
        #expect(await node.admit(TestCall(caller: caller, price: 4)).word == "spending_limit_exceeded")
        #expect(await node.admit(TestCall(caller: caller, price: 3)).isAdmitted)
        #expect(await node.admit(TestCall(caller: caller, price: 1)).credits == 90)
    }

    @Test("A key is expired by Redis's clock and by no other (R16)")
    func expiry() async throws {
        let node = try await TestNode()
        let now = try await node.time() / 1000
        let past = try await node.makeKey(credits: 10, expiresAt: now)
        let future = try await node.makeKey(credits: 10, expiresAt: now + 100_000)
        #expect(await node.admit(TestCall(caller: past)).word == "api_key_expired")
        #expect(await node.admit(TestCall(caller: future)).isAdmitted)
    }

    @Test("A decision by an older version of the record is not carried out (V21, V23)")
    func stale() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        try await node.change(caller) { $0.state = .suspended }
        #expect(await node.admit(TestCall(caller: caller)).word == "stale")
        #expect(try await node.credits(caller) == 10)
    }

    @Test("A key that is not there is an invalid key")
    func gone() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        try await node.send("DEL", caller.accounts[0])
        #expect(await node.admit(TestCall(caller: caller)).word == "invalid_api_key")
    }

    @Test("A dry run says what would happen and leaves no trace (F-GATE-21)")
    func dryRun() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let limit = Limit(name: "calls", window: .rolling(60_000_000), cap: 2)
        let key = Idempotency(key: "once", fingerprint: "f", retention: 1000)
        _ = await node.admit(TestCall(caller: caller, limits: [(limit, 1)]))
        let before = try await Self.everything(of: node)
        let asked = await node.admit(TestCall(caller: caller, price: 9, limits: [(limit, 1)], idempotency: key, dry: true))
        #expect(asked.isAdmitted && asked.credits == 9 && asked.meters.first?.remaining == 0)
        #expect(await node.admit(TestCall(caller: caller, price: 10, limits: [(limit, 1)], dry: true)).word == "insufficient_credits")
        #expect(await node.admit(TestCall(caller: caller, price: 1, limits: [(limit, 2)], dry: true)).word == "rate_limited")
        #expect(try await Self.everything(of: node) == before)
    }

    @Test("An admission that arrives twice is carried out once and answered twice the same way (M3)")
    func twice() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let limit = Limit(name: "calls", window: .rolling(60_000_000), cap: 1)
        let call = TestCall(caller: caller, price: 6, limits: [(limit, 1)])
        for _ in 0..<3 {
            let admission = await node.admit(call)
            #expect(admission.isAdmitted && admission.credits == 4)
            #expect(admission.meters.first?.remaining == 0 && admission.meters.first?.reset ?? 0 > 55_000_000)
        }
        try await node.change(caller)
        #expect(await node.admit(call).isAdmitted, "it was admitted before the change")
        #expect(try await node.account(caller).calls == 1)
    }

    @Test("A hold that was abandoned is never opened, whatever else would refuse it (M5)", arguments: [false, true])
    func tombstone(wasOpen: Bool) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 6)
        if wasOpen { _ = await node.admit(call) }
        for _ in 0..<3 { _ = await node.abandon(call) }
        #expect(try await node.account(caller).credits == 10)
        #expect(try await node.account(caller).calls == 0)
        #expect(await node.admit(call).word.hasPrefix("failed unavailable"))
        _ = await node.admit(TestCall(caller: caller, price: 8))
        #expect(await node.admit(call).word.hasPrefix("failed unavailable"), "even though it could not pay")
        _ = await node.settle(call)
        #expect(try await node.credits(caller) == 2)
        #expect(try await node.openHolds() == 1)
    }

    @Test("Credits near 2^53 stay exact integers, in replies and as they are stored (X35)")
    func bigNumbers() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 9_007_199_254_740_991)
        let call = TestCall(caller: caller, price: 1_000_000_000_000_000)
        #expect(await node.admit(call).credits == 8_007_199_254_740_991)
        let stored = try await node.send("HMGET", caller.accounts[0], "credits", "spent")
        #expect(stored.array?.compactMap(\.string) == ["8007199254740991", "1000000000000000"])
        #expect(await node.settle(call, [(0, 1)]).credits == 9_007_199_254_740_990)
        #expect(try await node.send("HGET", caller.accounts[0], "credits").string == "9007199254740990")
        #expect(await node.admit(TestCall(caller: caller, price: 7_007_199_254_740_990)).credits == 2_000_000_000_000_000)
        #expect(try await node.send("HGET", caller.accounts[0], "credits").string == "2000000000000000")
    }

    @Test("The same idempotency key: in flight it waits, answered it is replayed, with another payload it is refused (D17, D18)")
    func idempotency() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let key = Idempotency(key: "once", fingerprint: "f", retention: 60_000)
        let call = TestCall(caller: caller, price: 2, idempotency: key)
        let again = TestCall(caller: caller, price: 2, idempotency: key)
        var other = again
        other.idempotency = Idempotency(key: "once", fingerprint: "g", retention: 60_000)
        #expect(await node.admit(call).isAdmitted)
        #expect(await node.admit(again).word == "running")
        #expect(await node.admit(other).word == "conflict")
        #expect(await node.settle(call, answer: Array("the answer".utf8)).charged == 2)
        #expect(await node.admit(again).word == "replay the answer")
        #expect(await node.admit(call).word.hasPrefix("failed unavailable"), "a late copy of the first opens nothing")
        #expect(await node.admit(other).word == "conflict")
        #expect(try await node.account(caller).credits == 8)
        #expect(try await node.send("PTTL", caller.calls + "once").integer ?? 0 > 50_000)
    }

    @Test("A call that takes longer than its answer is kept for is not made a second time meanwhile (D17)")
    func longCall() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let key = Idempotency(key: "k", fingerprint: "f", retention: 1)
        let call = TestCall(caller: caller, price: 2, idempotency: key)
        #expect(await node.admit(call).isAdmitted)
        try await Task.sleep(for: .milliseconds(20))
        #expect(await node.admit(TestCall(caller: caller, price: 2, idempotency: key)).word == "running")
        #expect(await node.settle(call, answer: [65]).charged == 2)
        try await eventually { try await node.send("EXISTS", caller.calls + "k").integer == 0 }
        #expect(try await node.credits(caller) == 8)
    }

    @Test("A stored answer is told only to a caller who is judged by what holds now (V21)")
    func replayAfterChange() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let key = Idempotency(key: "once", fingerprint: "f", retention: 60_000)
        let call = TestCall(caller: caller, idempotency: key)
        _ = await node.admit(call)
        _ = await node.settle(call, answer: [65])
        try await node.change(caller) { $0.state = .revoked }
        #expect(await node.admit(TestCall(caller: caller, idempotency: key)).word == "stale")
    }

    @Test("A refunded or an abandoned call may be tried again under its idempotency key (D17)")
    func retriedAfterDrop() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let key = Idempotency(key: "again", fingerprint: "f", retention: 60_000)
        for _ in 0..<2 {
            let call = TestCall(caller: caller, price: 2, idempotency: key)
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call, [(0, 0)], returned: 1).charged == 0)
            let lost = TestCall(caller: caller, price: 2, idempotency: key)
            #expect(await node.admit(lost).isAdmitted)
            _ = await node.abandon(lost)
        }
        #expect(try await node.account(caller).credits == 10)
    }

    @Test("Idempotency keys of one key mean nothing to another (D19)")
    func idempotencyScope() async throws {
        let node = try await TestNode()
        let key = Idempotency(key: "same", fingerprint: "f", retention: 60_000)
        for _ in 0..<2 {
            let caller = try await node.makeKey(credits: 10)
            #expect(await node.admit(TestCall(caller: caller, idempotency: key)).isAdmitted)
        }
    }

    private static func everything(of node: TestNode) async throws -> [String: String] {
        var contents: [String: String] = [:]
        for name in try await node.send("KEYS", node.keys.prefix + "*").array?.compactMap(\.string) ?? [] {
            contents[name] = "\(try await node.send("DUMP", name))"
        }
        return contents
    }
}
