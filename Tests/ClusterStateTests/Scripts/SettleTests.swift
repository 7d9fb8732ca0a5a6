// How settle.lua ends holds: once each, whatever arrives twice.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Settlement")
struct SettleTests {
    @Test(
        "What was used is charged: less goes back, the same stays, more is a surcharge as far as the balance goes (M2, F-PRICE-06)",
        arguments: [
            (base: 0, surcharge: 0, charged: 0), (base: 4, surcharge: 0, charged: 4), (base: 6, surcharge: 0, charged: 6),
            (base: 6, surcharge: 3, charged: 9), (base: 6, surcharge: 4, charged: 10), (base: 6, surcharge: 1_000_000, charged: 10),
        ])
    func capture(base: Int, surcharge: Int, charged: Int) async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let call = TestCall(facts: facts, price: 6)
        _ = await node.admit(call)
        let settled = await node.settle(call, [(base, surcharge)], returned: base == 0 ? 1 : 0)
        #expect(settled.charged == charged && settled.credits == (charged == 6 ? -1 : 10 - charged), "-1: as the admission said")
        let account = try await node.account(facts)
        #expect(account.credits == 10 - charged && account.spent == charged && account.calls == (base == 0 ? 0 : 1))
        #expect(try await node.openHolds(facts) == 0)
        let events = try await node.events()
        #expect(events.map(\.credits) == [charged])
        #expect(events.map(\.event) == [call.event(.ok)])
    }

    @Test("A surcharge stops at the spending limit (M11)")
    func surchargeAtLimit() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 100, spendingLimit: 10)
        let call = TestCall(facts: facts, price: 6)
        _ = await node.admit(call)
        #expect(await node.settle(call, [(6, 50)]).charged == 10)
        #expect(try await node.account(facts).spent == 10)
    }

    @Test("A surcharge never takes what other calls hold (M8)")
    func surchargeBesideHolds() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let (one, other) = (TestCall(facts: facts, price: 4), TestCall(facts: facts, price: 5))
        _ = await node.admit(one)
        _ = await node.admit(other)
        #expect(await node.settle(one, [(4, 9)]).charged == 5)
        #expect(await node.settle(other).charged == 5)
        #expect(try await node.account(facts).credits == 0)
    }

    @Test("A settlement that arrives again is answered as it was and does nothing (M3, M6)")
    func twice() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let call = TestCall(facts: facts, price: 6)
        _ = await node.admit(call)
        for _ in 0..<3 {
            let settled = await node.settle(call, [(4, 1)])
            #expect(settled.charged == 5 && settled.credits == 5)
        }
        #expect(try await node.account(facts).spent == 5)
        #expect(try await node.events().count == 1)
    }

    @Test("A hold that nobody opened cannot be settled")
    func neverOpened() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        #expect(await node.settle(TestCall(facts: facts, price: 6)).isGone)
        #expect(await node.release(TestCall(facts: facts, price: 6)).isGone)
        #expect(try await node.credits(facts) == 10)
        #expect(try await node.events().isEmpty)
    }

    @Test("A caller who was told of no success pays nothing, even if the charge was taken before (M1, M5)", arguments: [false, true])
    func release(wasSettled: Bool) async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let (call, other) = (TestCall(facts: facts, price: 6), TestCall(facts: facts, price: 1))
        _ = await node.admit(call)
        _ = await node.admit(other)
        if wasSettled { #expect(await node.settle(call, [(6, 2)]).charged == 8) }
        _ = await node.settle(other)
        #expect(await node.release(call, [(6, 2)]).charged == 0)
        #expect(await node.release(call, [(6, 2)]).charged ?? 0 == 0)
        #expect(await node.settle(call, [(6, 2)]).isGone, "a late copy of the charge")
        let account = try await node.account(facts)
        #expect(account.credits == 9 && account.spent == 1 && account.calls == 1)
        let events = try await node.events().filter { $0.event.requestID == "req-" + call.hold }
        #expect(events.map(\.credits) == [0])
        #expect(events.map(\.event.outcome) == [.unknown])
    }

    @Test("A charge whose answer can be had under its idempotency key is not taken back (D18)")
    func releaseOfAnswered() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let call = TestCall(facts: facts, price: 6, idempotency: Idempotency(key: "k", fingerprint: "f", retention: 60_000))
        _ = await node.admit(call)
        #expect(await node.settle(call, answer: Array("here".utf8)).charged == 6)
        _ = await node.release(call)
        #expect(try await node.credits(facts) == 4)
        var retry = call
        retry.hold = "another"
        #expect(await node.admit(retry).word == "replay here")
    }

    @Test("A batch has an event and its own charge a call, and one total (M13, F-BATCH-04)")
    func batch() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 20)
        let call = TestCall(facts: facts, price: 9, calls: 3)
        _ = await node.admit(call)
        #expect(await node.settle(call, [(3, 1), (0, 0), (3, 100)], returned: 1).charged == 20)
        #expect(try await node.events().map(\.credits) == [4, 0, 16])
        let account = try await node.account(facts)
        #expect(account.credits == 0 && account.spent == 20 && account.calls == 2)
    }

    @Test("Settlements of one tick travel together and are answered each for itself")
    func together() async throws {
        let node = try await TestNode()
        var calls: [TestCall] = []
        for index in 0..<40 {
            let facts = try await node.makeKey(credits: 100)
            let key = index % 3 == 0 ? Idempotency(key: "k", fingerprint: "f", retention: 60_000) : nil
            calls.append(TestCall(facts: facts, price: 50, idempotency: key))
        }
        for call in calls { #expect(await node.admit(call).isAdmitted) }
        let batch = calls
        let results = await withTaskGroup(of: (Int, Settled).self) { group in
            for (index, call) in batch.enumerated() {
                group.addTask {
                    (index, await node.settle(call, index % 2 == 0 ? [(index, 0)] : [(index, 1), (1, 0)], answer: [65]))
                }
            }
            return await group.reduce(into: [Int: Int]()) { $0[$1.0] = $1.1.charged }
        }
        for (index, call) in calls.enumerated() {
            let charged = index % 2 == 0 ? index : index + 2
            #expect(results[index] == charged)
            #expect(try await node.credits(call.facts) == 100 - charged)
            let answer = try await node.send("HGET", node.keys.call(call.facts.record.id, "k"), "answer").string
            #expect(answer == (index % 3 == 0 ? "A" : nil))
        }
        #expect(try await node.events().count == 60)
    }

    @Test("A balance is never written below zero, even by a settlement that asks for more than was held (M2)")
    func neverNegative() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 10)
        let call = TestCall(facts: facts, price: 2)
        _ = await node.admit(call)
        #expect(await node.settle(call, [(8, 0), (8, 5)]).charged == 10)
        #expect(try await node.credits(facts) == 0)
    }
}
