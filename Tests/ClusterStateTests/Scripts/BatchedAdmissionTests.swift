// Several admissions in one script: each is decided for itself, in the order in which they were asked.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Admissions of one tick")
struct BatchedAdmissionTests {
    private static let minute = Limit(name: "calls", window: .rolling(Limit.minute), cap: 5)

    @Test("Calls of one account share its credits, its spending limit and its window exactly, however they fall into one script (M3, R14)")
    func oneAccount() async throws {
        let node = try await TestNode()
        let poor = try await node.makeKey(credits: 10)
        let admissions = await node.admit(together: (0..<8).map { _ in TestCall(caller: poor, price: 3) })
        #expect(admissions.map(\.word) == Array(repeating: "admitted", count: 3) + Array(repeating: "insufficient_credits", count: 5))
        #expect(admissions.map(\.credits) == [7, 4, 1, 1, 1, 1, 1, 1])
        let limited = try await node.makeKey(credits: 100)
        let calls = (0..<8).map { _ in TestCall(caller: limited, limits: [(Self.minute, 1)]) }
        let windows = await node.admit(together: calls)
        #expect(windows.map(\.isAdmitted) == (0..<8).map { $0 < 5 })
        #expect(windows.prefix(5).map { $0.meters[0].remaining } == [4, 3, 2, 1, 0])
        #expect(try await node.send("STRLEN", limited.ring(of: Self.minute)).integer == 40)
        #expect(await node.admit(TestCall(caller: limited, limits: [(Self.minute, 1)])).word == "rate_limited")
        let capped = try await node.makeKey(credits: 100, spendingLimit: 7)
        let spent = await node.admit(together: [3, 5, 4, 1].map { TestCall(caller: capped, price: $0) })
        #expect(spent.map(\.isAdmitted) == [true, false, true, false])
    }

    @Test("Calls of different accounts, let in and refused for different reasons, are answered each for itself and in order")
    func mixed() async throws {
        let node = try await TestNode()
        let (rich, poor) = (try await node.makeKey(credits: 100), try await node.makeKey(credits: 1))
        let expired = try await node.makeKey(credits: 9, expiresAt: 1)
        let changed = try await node.makeKey(credits: 9)
        try await node.change(changed)
        let key = Idempotency(key: "k", fingerprint: "f", retention: 60_000)
        var calls = [
            TestCall(caller: rich, price: 2), TestCall(caller: poor, price: 2), TestCall(caller: expired), TestCall(caller: changed),
            TestCall(caller: rich, price: 3, idempotency: key), TestCall(caller: rich, price: 3, idempotency: key),
            TestCall(caller: rich, price: 4, dry: true), TestCall(caller: poor), TestCall(caller: rich, price: 5),
        ]
        calls.append(calls[0])
        #expect(
            await node.admit(together: calls).map(\.word) == [
                "admitted", "insufficient_credits", "api_key_expired", "stale", "admitted", "running", "admitted", "admitted", "admitted",
                "admitted",
            ])
        #expect(try await node.credits(rich) == 90)
        #expect(try await node.credits(poor) == 0)
        #expect(try await node.openHolds() == 4)
    }

    @Test("One hold that is asked for twice in one script is opened once")
    func sameHold() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 4)
        for _ in 0..<2 { _ = try await node.store.send(node.command(admitting: [call, call])) }
        #expect(try await node.credits(caller) == 6)
        #expect(try await node.openHolds() == 1)
    }

    @Test("One corrupt account, meter or record fails its own call, and no other of the tick", arguments: [0, 1, 2, 3, 4])
    func corruption(kind: Int) async throws {
        let node = try await TestNode()
        let (good, bad) = (try await node.makeKey(credits: 10), try await node.makeKey(credits: 10))
        let day = Limit(name: "day", window: .calendar(.day), cap: 9)
        let open = Limit(name: "open", measure: .inFlight, window: .lifetime, cap: 9)
        let key = Idempotency(key: "k", fingerprint: "f", retention: 60_000)
        switch kind {
        case 0: try await node.send("HSET", bad.accounts[0], "credits", "x")
        case 1: try await node.send("HSET", bad.accounts[0], "m:day", "x")
        case 2: try await node.send("HSET", bad.accounts[0], "m:calls", "short")
        case 3: try await node.send("HSET", bad.accounts[0], "m:open", "x")
        default: try await node.send("SET", bad.calls + "k", "x")
        }
        let before = try await node.send("HGETALL", bad.accounts[0])
        let limits = [(limit: Self.minute, amount: 1), (limit: day, amount: 1), (limit: open, amount: 1)]
        let calls = [good, bad, good, bad, good].map { TestCall(caller: $0, limits: limits, idempotency: $0 === bad ? key : nil) }
        let admissions = await node.admit(together: calls)
        #expect(admissions.map(\.isAdmitted) == [true, false, true, false, true])
        #expect(admissions[1].word.hasPrefix("failed fault"))
        #expect(try await node.send("HGETALL", bad.accounts[0]) == before)
        #expect(try await node.credits(good) == 7)
        #expect(try await node.openHolds() == 3)
    }

    @Test("A corrupt hold is not opened again, and fails nobody else")
    func corruptHold() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let (one, two) = (TestCall(caller: caller), TestCall(caller: caller))
        _ = await node.admit(one)
        try await node.send("HSET", node.keys.open("node-a", 0), one.hold, "o?")
        #expect(await node.admit(together: [one, two]).allSatisfy(\.isAdmitted))
        #expect(try await node.credits(caller) == 8)
    }

    @Test("An admission that arrives again after its key was changed or limits were reached still says that it was let in (M1, M3)")
    func openHoldIsKnown() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10, expiresAt: try await node.time() / 1000 + 3_600_000)
        let call = TestCall(caller: caller, price: 4)
        _ = await node.admit(call)
        try await node.change(caller) { ($0.state, $0.expiresAt) = (.revoked, 1) }
        let again = try await node.store.send(node.command(admitting: [call], until: 1))
        #expect(again.firstAnswer?.status == 0, "whoever asked has to settle it")
        try await node.send("HSET", node.keys.open("node-a", 0), "!", "0")
        #expect(await node.admit(call).isAdmitted)
        #expect(await node.settle(call).charged == 4)
        #expect(try await node.credits(caller) == 6)
    }
}
