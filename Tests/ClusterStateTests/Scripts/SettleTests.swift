// How settle.lua ends holds: once each, whatever arrives twice.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
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
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 6)
        _ = await node.admit(call)
        let settled = await node.settle(call, [(base, surcharge)], returned: base == 0 ? 1 : 0)
        #expect(settled.charged == charged && settled.credits == (charged == 6 ? nil : 10 - charged), "nil: as the admission said")
        let account = try await node.account(caller)
        #expect(account.credits == 10 - charged && account.spent == charged && account.calls == (base == 0 ? 0 : 1))
        #expect(try await node.openHolds() == 0)
        let events = try await node.events()
        #expect(events.map(\.credits) == [charged])
        #expect(events.map(\.event) == [call.event(.ok)])
    }

    @Test("A surcharge stops at the spending limit (M11)")
    func surchargeAtLimit() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100, spendingLimit: 10)
        let call = TestCall(caller: caller, price: 6)
        _ = await node.admit(call)
        #expect(await node.settle(call, [(6, 50)]).charged == 10)
        #expect(try await node.account(caller).spent == 10)
    }

    private static let quotas = [
        Limit(name: "credits.day", measure: .credits, window: .calendar(.day), cap: 20),
        Limit(name: "credits.month", measure: .credits, window: .calendar(.month), cap: 20),
        Limit(name: "credits", measure: .credits, window: .lifetime, cap: 20),
    ]

    @Test(
        "A surcharge stops at every quota of credits, also beside other calls that are open, and uses it up (M11, F-PRICE-06)",
        arguments: quotas)
    func surchargeAtQuota(quota: Limit) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100_000)
        let calls = Limit(name: "calls", window: .lifetime, cap: 1000)
        let counted = Limit(name: "counted", measure: .credits, window: .lifetime, cap: Limit.counted)
        func call() -> TestCall { TestCall(caller: caller, limits: [(calls, 1), (counted, 1), (quota, 1)]) }
        let opened = (0..<4).map { _ in call() }
        #expect(await node.admit(together: opened).allSatisfy(\.isAdmitted))
        #expect(await node.settle(opened[0], [(1, 4)]).charged == 5)
        #expect(await node.settle(opened[1], [(1, 101)]).charged == 13, "1 of the other two each is held")
        #expect(await node.settle(opened[2], [(1, 101)]).charged == 1)
        #expect(await node.settle(opened[3], [(0, 0)], returned: 1).charged == 0)
        let last = call()
        #expect(await node.admit(last).isAdmitted, "what was given back")
        #expect(await node.settle(last, [(1, 101)]).charged == 1)
        #expect(await node.admit(call()).word == "quota_exceeded")
        #expect(try await node.meter(quota.name, caller)?.hasSuffix(":20") == true)
        #expect(try await node.meter("counted", caller) == "0:20")
        #expect(await node.release(opened[1], [(1, 101)]).charged == 0)
        #expect(try await node.meter(quota.name, caller)?.hasSuffix(":7") == true)
        #expect(try await node.account(caller).spent == 7)
    }

    @Test("A cap that only warns bounds no surcharge")
    func surchargeAtWarning() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        let warning = Limit(name: "credits", measure: .credits, window: .lifetime, cap: 20, action: .warn)
        let call = TestCall(caller: caller, limits: [(warning, 1)])
        _ = await node.admit(call)
        #expect(await node.settle(call, [(1, 101)]).charged == 102)
    }

    @Test("Of a day that is over nobody knows what was left: the call is charged what it holds, and no surcharge")
    func surchargeOfYesterday() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        let call = TestCall(caller: caller, price: 2, limits: [(Self.quotas[0], 2)])
        _ = await node.admit(call)
        let today = try await node.time() / 86_400_000_000
        try await node.send("HSET", caller.accounts[0], "m:credits.day", "\(today + 1):3")
        #expect(await node.settle(call, [(2, 5)]).charged == 2)
        #expect(try await node.meter("credits.day", caller) == "\(today + 1):3")
    }

    @Test("A hold that a node of an earlier version has opened says no caps, and is settled as it was then")
    func holdWithoutCaps() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        let call = TestCall(caller: caller, limits: [(Self.quotas[2], 1)])
        _ = await node.admit(call)
        // The caps are a list of one small number.
        let cut = "return redis.call('HSET', KEYS[1], ARGV[1], string.sub(redis.call('HGET', KEYS[1], ARGV[1]), 1, -3))"
        try await node.send("EVAL", cut, "1", node.keys.open("node-a", 0), call.hold)
        #expect(await node.settle(call, [(1, 101)]).charged == 102)
        #expect(try await node.events().map(\.credits) == [102])
    }

    @Test("A surcharge never takes what other calls hold (M8)")
    func surchargeBesideHolds() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let (one, other) = (TestCall(caller: caller, price: 4), TestCall(caller: caller, price: 5))
        _ = await node.admit(one)
        _ = await node.admit(other)
        #expect(await node.settle(one, [(4, 9)]).charged == 5)
        #expect(await node.settle(other).charged == 5)
        #expect(try await node.account(caller).credits == 0)
    }

    @Test("A settlement that arrives again is answered as it was and does nothing (M3, M6)")
    func twice() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 6)
        _ = await node.admit(call)
        for _ in 0..<3 {
            let settled = await node.settle(call, [(4, 1)])
            #expect(settled.charges == [5] && settled.credits ?? 5 == 5)
        }
        #expect(try await node.account(caller).spent == 5)
        #expect(try await node.events().count == 1)
    }

    @Test("A hold that nobody opened cannot be settled")
    func neverOpened() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        #expect(await node.settle(TestCall(caller: caller, price: 6)).isGone)
        #expect(await node.release(TestCall(caller: caller, price: 6)).isGone)
        #expect(try await node.credits(caller) == 10)
        #expect(try await node.events().isEmpty)
    }

    @Test("A caller who was told of no success pays nothing, even if the charge was taken before (M1, M5)", arguments: [false, true])
    func release(wasSettled: Bool) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let (call, other) = (TestCall(caller: caller, price: 6), TestCall(caller: caller, price: 1))
        _ = await node.admit(call)
        _ = await node.admit(other)
        if wasSettled { #expect(await node.settle(call, [(6, 2)]).charged == 8) }
        _ = await node.settle(other)
        #expect(await node.release(call, [(6, 2)]).charged == 0)
        #expect(await node.release(call, [(6, 2)]).charged ?? 0 == 0)
        #expect(await node.settle(call, [(6, 2)]).charged == 0, "a late copy of the charge")
        let account = try await node.account(caller)
        #expect(account.credits == 9 && account.spent == 1 && account.calls == 1)
        let events = try await node.events().filter { $0.event.requestID == "req-" + call.hold }
        #expect(events.map(\.credits) == [0])
        #expect(events.map(\.event.outcome) == [.unknown])
    }

    @Test(
        "A charge whose stored answer somebody has seen is not taken back; one that nobody has seen is, and its answer goes (D18, M5)",
        arguments: [true, false])
    func releaseOfAnswered(seen: Bool) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 6, idempotency: Idempotency(key: "k", fingerprint: "f", retention: 60_000))
        _ = await node.admit(call)
        #expect(await node.settle(call, answer: Array("here".utf8)).charged == 6)
        var retry = call
        retry.hold = "another"
        if seen { #expect(await node.admit(retry).word == "replay here") }
        #expect(await node.release(call).charged == (seen ? 6 : 0))
        #expect(try await node.credits(caller) == (seen ? 4 : 10))
        #expect(await node.admit(retry).word == (seen ? "replay here" : "admitted"))
    }

    @Test(
        "What became of a hold is told as far as it can be read, and one that was damaged fails nobody else", arguments: [1, 2, 3, 19, 21])
    func damagedMark(missing: Int) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 20)
        let calls = (0..<3).map { _ in TestCall(caller: caller, price: 2) }
        #expect(await node.admit(together: calls).allSatisfy(\.isAdmitted))
        #expect(await node.settle(calls[1]).charged == 2)
        let cut = "return redis.call('HSET', KEYS[1], ARGV[1], string.sub(redis.call('HGET', KEYS[1], ARGV[1]), 1, -1 - ARGV[2]))"
        try await node.send("EVAL", cut, "1", node.keys.open("node-a", 0), calls[1].hold, String(missing))
        var answers = ScriptAnswers(try await node.store.send(node.command(settling: calls.map { node.settlement($0) })))
        let statuses = (0..<3).map { _ in answers.next()?.status ?? -1 }
        #expect(statuses[0] == 6 && statuses[2] == 6 && [1, 3].contains(statuses[1]), "\(statuses)")
        if missing <= 2 { #expect(statuses[1] == 1, "its charges are there") }
        #expect(try await node.credits(caller) == 14)
    }

    @Test("A batch has an event and its own charge a call, and one total (M13, F-BATCH-04)")
    func batch() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 20)
        let call = TestCall(caller: caller, price: 9, calls: 3)
        _ = await node.admit(call)
        #expect(await node.settle(call, [(3, 1), (0, 0), (3, 100)], returned: 1).charges == [4, 0, 16])
        #expect(try await node.events().map(\.credits) == [4, 0, 16])
        let account = try await node.account(caller)
        #expect(account.credits == 0 && account.spent == 20 && account.calls == 2)
    }

    @Test("Settlements of one tick travel together and are answered each for itself")
    func together() async throws {
        let node = try await TestNode()
        var calls: [TestCall] = []
        for index in 0..<40 {
            let caller = try await node.makeKey(credits: 100)
            let key = index % 3 == 0 ? Idempotency(key: "k", fingerprint: "f", retention: 60_000) : nil
            calls.append(TestCall(caller: caller, price: 50, idempotency: key))
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
            #expect(try await node.credits(call.caller) == 100 - charged)
            let answer = try await node.send("HGET", call.caller.calls + "k", "answer").string
            #expect(answer == (index % 3 == 0 ? "A" : nil))
        }
        #expect(try await node.events().count == 60)
    }

    @Test("A balance is never written below zero, even by a settlement that asks for more than was held (M2)")
    func neverNegative() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 2)
        _ = await node.admit(call)
        #expect(await node.settle(call, [(8, 0), (8, 5)]).charged == 10)
        #expect(try await node.credits(caller) == 0)
    }

    @Test("A batch that was returned in part and is then released gives back the rest, and never more (M13)")
    func releaseAfterPart() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let limit = Limit(name: "calls.day", window: .calendar(.day), cap: 50)
        let tool = Limit(name: "calls:search", window: .calendar(.day), cap: 50, subject: .tool("search"))
        let call = TestCall(caller: caller, price: 9, calls: 3, limits: [(limit, 3), (tool, 2)])
        let other = TestCall(caller: caller, limits: [(limit, 1), (tool, 1)])
        _ = await node.admit(together: [call, other])
        #expect(await node.settle(call, [(3, 0), (0, 0), (3, 0)], returned: 1).charged == 6)
        #expect(await node.release(call, [(3, 0), (0, 0), (3, 0)]).charged == 0)
        let account = try await node.account(caller)
        #expect(account.credits == 99 && account.spent == 1 && account.calls == 1)
        for name in ["calls.day", "calls:search"] { #expect(try await node.meter(name, caller)?.hasSuffix(":1") == true) }
    }

    @Test("One corrupt account, meter or hold fails its own settlement and no other of the tick, and nothing of it is lost on the way")
    func corruption() async throws {
        let node = try await TestNode()
        var calls: [TestCall] = []
        for _ in 0..<6 { calls.append(TestCall(caller: try await node.makeKey(credits: 10), price: 4)) }
        #expect(await node.admit(together: calls).allSatisfy(\.isAdmitted))
        try await node.send("HSET", calls[1].caller.accounts[0], "credits", "many")
        try await node.send("DEL", calls[2].caller.accounts[0])
        try await node.send("SET", calls[2].caller.accounts[0], "no hash")
        try await node.send("HSET", node.keys.open("node-a", 0), calls[3].hold, "o\u{1}")
        let batch = calls
        let settled = await withTaskGroup(of: (Int, Bool).self) { group in
            for (index, call) in batch.enumerated() {
                group.addTask { if case .failed = await node.settle(call, [(1, 0)]) { (index, false) } else { (index, true) } }
            }
            return await group.reduce(into: [Int: Bool]()) { $0[$1.0] = $1.1 }
        }
        for (index, call) in calls.enumerated() {
            #expect(settled[index] == ![1, 2, 3].contains(index))
            if index != 2 { #expect(try await node.account(call.caller).credits == [9, 0, 0, 6, 9, 9][index]) }
        }
        #expect(try await node.events().count == 3)
        try await node.send("HSET", calls[1].caller.accounts[0], "credits", "6")
        #expect(await node.settle(calls[1], [(1, 0)]).credits == 9, "it is still open, and whole")
    }

    @Test(
        "Answers that are kept fill a script at 1 MiB, so that those of one tick hold Redis up no longer than a few",
        arguments: [400 << 10, 40])
    func answersOfOneScript(bytes: Int) async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let calls = (0..<6).map { TestCall(caller: caller, idempotency: Idempotency(key: "k\($0)", fingerprint: "f", retention: 60_000)) }
        for call in calls { #expect(await node.admit(call).isAdmitted) }
        let before = await node.store.meter().latencies[.settle]?.count ?? 0
        await node.withLedger { ledger in
            for call in calls { ledger.settle(node.settlement(call, answer: [UInt8](repeating: 65, count: bytes))) { _ in } }
        }
        try await eventually("all are settled") { try await node.account(caller).spent == 6 }
        // Replies come in order, so those of the scripts came before that of the account.
        let scripts = await node.store.meter().latencies[.settle]?.count ?? 0
        #expect(scripts - before == (bytes > 40 ? 2 : 1))
    }

    @Test(
        "Answers are kept up to a budget of bytes a day and key, in which each counts 1 KB at least; what is beyond is neither executed nor charged again (D18)"
    )
    func answerBudget() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 100)
        let day = try await node.time() / 86_400_000_000
        let most = 16 * 1024 * 1024
        func call(_ name: String, answer: [UInt8]) async throws -> String {
            let call = TestCall(caller: caller, idempotency: Idempotency(key: name, fingerprint: "f", retention: 60_000))
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call, answer: answer).charged == 1)
            var retry = call
            retry.hold = "retry" + call.hold
            return await node.admit(retry).word
        }
        #expect(try await call("a", answer: [65, 66]) == "replay AB")
        #expect(try await node.send("HGET", caller.accounts[0], "kept").string == "\(day):1024")
        try await node.send("HSET", caller.accounts[0], "kept", "\(day):\(most - 1025)")
        #expect(try await call("b", answer: [UInt8](repeating: 65, count: 1026)) == "unanswered")
        #expect(try await call("c", answer: [65]) == "replay A")
        #expect(try await call("d", answer: [65]) == "unanswered")
        #expect(try await node.send("HGET", caller.accounts[0], "kept").string == "\(day):\(most - 1)")
        try await node.send("HSET", caller.accounts[0], "kept", "\(day - 1):\(most)")
        #expect(try await call("e", answer: [65]) == "replay A")
        #expect(try await node.send("HGET", caller.accounts[0], "kept").string == "\(day):1024")
        #expect(try await node.credits(caller) == 95)
    }
}
