import GateDomain
import Testing

@Suite("The life of a call")
struct CallMachineTests {
    // MARK: Who, and may they

    @Test("a call that goes well: identify, admit, forward, settle, reply, and nothing else")
    func well() {
        var call = TestedCall(["echo"])
        #expect(call.begin() == "identify")
        #expect(call.identify() == "admit 3")
        #expect(call.admit() == "forward")
        #expect(call.answer(0) == "settle 3")
        #expect(call.settle(.done(credits: 7, charged: [3])) == "reply served")
        #expect(call.machine.parts.receipt == Receipt(held: 3, base: 3) && call.machine.credits == 7 && call.notes.isEmpty)
    }

    @Test("a refusal by remembered facts is judged once more by fresh ones; a refusal by fresh ones is the last word")
    func remembered() {
        var call = TestedCall(["echo"])
        _ = call.begin()
        #expect(call.identify(denial: .keySuspended) == "identify fresh")
        #expect(call.identify(fresh: true) == "admit 3", "it has been resumed meanwhile")
        call = TestedCall(["echo"])
        _ = call.begin()
        _ = call.identify(denial: .keySuspended)
        #expect(call.identify(fresh: true, denial: .keySuspended) == "balance")
        #expect(call.did(call.machine.balanceRead(4, at: call.now)) == "reply denied key_suspended 0")
        #expect(call.machine.credits == 4 && call.notes == ["denied key_suspended"] && call.machine.rate == nil)
        call = TestedCall(["echo"])
        _ = call.begin()
        let window = Limit(name: "calls", window: .rolling(Limit.minute), cap: 60)
        guard case .readBalance(showing: window) = call.identifyAction(fresh: true, denial: .toolDenied("echo")) else {
            Issue.record("the window is not asked for")
            return
        }
        let reading = MeterReading(remaining: 58, reset: 1_000_001)
        _ = call.did(call.machine.balanceRead(4, reading, at: call.now))
        #expect(call.machine.rate == RateReading(limit: 60, remaining: 58, reset: 2), "F-HDR-04: also before the ledger is asked")
    }

    @Test(
        "a caller that no key is known of is refused without a question and without an event",
        arguments: [CallView.Caller.nobody, .unknown])
    func stranger(caller: CallView.Caller) {
        var call = TestedCall(["echo"])
        _ = call.begin()
        #expect(call.identify(caller, fresh: true, denial: .invalidKey) == "reply denied invalid_api_key 0")
        #expect(call.notes.isEmpty && call.machine.credits == nil)
    }

    @Test("without a store that says who calls there is no call")
    func identityAway() {
        var call = TestedCall(["echo"])
        _ = call.begin()
        #expect(call.did(call.machine.identityAway(at: 3)) == "reply unavailable")
    }

    @Test("a judgement that is out of date is made again by fresh records, at most eight times")
    func stale() {
        var call = TestedCall(["echo"])
        _ = call.begin()
        _ = call.identify()
        for _ in 1..<CallMachine.judgements {
            #expect(call.admit(.stale) == "identify fresh")
            #expect(call.identify(fresh: true) == "admit 3")
        }
        #expect(call.admit(.stale) == "reply unavailable")
        #expect(call.machine.staleJudgements == 8)
    }

    // MARK: Admission

    @Test("a refusal of the ledger says what is left, and names the part that it speaks of")
    func denied() {
        var call = TestedCall(["a", "b", "c"])
        _ = call.begin()
        _ = call.identify()
        #expect(call.admit(.denied(.toolRateLimited("b", waitMicroseconds: 1_500_000), credits: 9)) == "reply denied tool_rate_limited 1")
        #expect(call.machine.credits == 9 && call.notes == Array(repeating: "denied tool_rate_limited", count: 3))
        #expect(call.machine.rate == RateReading(limit: 60, remaining: 0, reset: 2))
        call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        #expect(call.admit(.denied(.keyExpired, credits: nil)) == "balance")
        #expect(call.did(call.machine.balanceRead(nil, at: 5)) == "reply denied api_key_expired 0")
    }

    @Test("F-HDR-04: what a rolling limit has left is read from its own meter, in whole seconds")
    func reading() {
        var call = TestedCall(["a"], rules: TestedCall.rules(quota: Quota(monthlyCredits: 50)))
        _ = call.begin()
        _ = call.identify()
        let meters = Array(repeating: MeterReading(remaining: 47, reset: 9_000_000), count: 4) + [MeterReading(remaining: 59, reset: 1)]
        _ = call.admit(.admitted(credits: 7, meters: meters))
        #expect(call.machine.rate == RateReading(limit: 60, remaining: 59, reset: 1) && call.machine.warnings.isEmpty)
    }

    @Test("F-HDR-04: a refusal that has nothing to do with the window says what the window has left")
    func readingOfRefusal() {
        var call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        let left = MeterReading(remaining: 12, reset: 1_000_001)
        #expect(
            call.admit(.denied(.spendingLimitReached, credits: 5, rate: left)) == "reply denied spending_limit_exceeded 0")
        #expect(call.machine.rate == RateReading(limit: 60, remaining: 12, reset: 2) && call.machine.credits == 5)
    }

    @Test("F-CONC-01: where tools have a cap each part asks for its own tool's, and a refusal names the part")
    func openCallsOfTools() {
        var rules = TestedCall.rules()
        rules = GateRules(prices: rules.prices, maxInFlightPerTool: 2)
        var call = TestedCall(["a", "b", "b"], rules: rules)
        _ = call.begin()
        guard case .admit(let order) = call.identifyAction() else { return #expect(Bool(false)) }
        #expect(order.limits.map(\.limit.name) == ["open:a", "open:b"] && order.limits.map(\.amount) == [1, 2])
        #expect(order.limits.allSatisfy { $0.limit.account == 1 && $0.limit.cap == 2 })
        #expect(call.admit(.denied(order.limits[1].limit.denial(wait: 0), credits: 9)) == "reply denied concurrency_limit 1")
    }

    @Test("F-RATE-08: a batch asks every limit once, for as much as all its parts need")
    func batchLimits() {
        var call = TestedCall(["a", "b", "b"], rules: TestedCall.rules(tools: ["b": 5], quota: Quota(dailyCalls: 9, dailyCredits: 50)))
        _ = call.begin()
        guard case .admit(let order) = call.identifyAction() else { return #expect(Bool(false)) }
        #expect(order.price == 9 && order.calls == 3 && !order.isDry)
        #expect(order.limits.map(\.limit.name) == ["calls.day", "calls.month", "credits.day", "credits.month", "calls", "calls:b"])
        #expect(order.limits.map(\.amount) == [3, 3, 9, 9, 3, 2])
        #expect(order.limits.map(\.limit.cap) == [9, Limit.counted, 50, Limit.counted, 60, 5])
    }

    @Test("the same call elsewhere is waited for, for as long as a dead node takes to be reaped")
    func running() {
        var call = TestedCall(["a"], isIdempotent: true)
        _ = call.begin()
        _ = call.identify()
        var turns = 0
        while true {
            let action = call.admit(.running)
            guard action == "wait 100" else {
                #expect(action == "reply stillRunning" && call.now >= CallMachine.joiningTime)
                break
            }
            call.now += 100
            turns += 1
            #expect(turns < 130)
            guard call.timer() == "identify" else { break }
            #expect(call.identify() == "admit 3")
        }
        #expect(turns > 100)
    }

    @Test("nobody waits for the same call when there is no client any more")
    func runningAlone() {
        var call = TestedCall(["a"], isIdempotent: true)
        _ = call.begin()
        _ = call.identify()
        _ = call.admit(.running)
        call.machine.clientLeft()
        #expect(call.timer() == "reply nobody")
    }

    @Test("what is said of a repeated call takes nothing and forwards nothing")
    func repeated() {
        let cases: [(AdmissionOutcome, String)] = [
            (.replayed([1]), "reply replayed"), (.unanswered, "reply unanswered"), (.conflict, "reply conflict"),
        ]
        for (outcome, action) in cases {
            var call = TestedCall(["a"], isIdempotent: true)
            _ = call.begin()
            _ = call.identify()
            #expect(call.admit(outcome) == action)
        }
    }

    @Test("a store that is away before the call refuses it; what it may have taken is abandoned first")
    func away() {
        var call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        var other = call
        #expect(call.admit(.away(mayHaveBeenTaken: false)) == "reply unavailable")
        #expect(other.admit(.away(mayHaveBeenTaken: true)) == "reply unavailable" && other.steps.contains("abandon"))
    }

    @Test("X-22: without a store a call that costs nothing passes where the operator wants it, and one that costs never does")
    func open() {
        for (price, action) in [(0, "forward"), (3, "reply unavailable")] {
            for mayHaveBeenTaken in [false, true] {
                var call = TestedCall(["a"], rules: TestedCall.rules(price: price), opensWithoutStore: true)
                _ = call.begin()
                _ = call.identify()
                #expect(call.admit(.away(mayHaveBeenTaken: mayHaveBeenTaken)) == action)
                #expect(call.steps.contains("abandon") == mayHaveBeenTaken)
                guard price == 0 else { continue }
                #expect(call.answer(0) == "reply served" && call.notes == ["ok "])
            }
        }
    }

    // MARK: What a call is worth

    @Test("taken and answered is charged; failed is charged or given back; never taken is given back; cancelled by the client is charged")
    func worth() {
        let table: [(PartOutcome, charged: Int, refunding: Int, reason: String)] = [
            (.result(isError: false, bytes: 10), 3, 3, "ok "), (.result(isError: true, bytes: 10), 3, 0, "failed tool_error"),
            (.rpcError, 3, 0, "failed rpc_error"), (.timedOut, 3, 0, "failed tool_timeout"), (.lost, 3, 0, "failed upstream_unavailable"),
            (.unavailable, 0, 0, "failed upstream_unavailable"), (.withdrawn, 0, 0, "failed cancelled"),
            (.cancelledByClient, 3, 3, "failed cancelled"),
            (.withheld(.guardrailBlocked(rule: "r")), 3, 3, "failed guardrail_blocked: r"),
        ]
        for row in table {
            for (refunds, charge) in [(false, row.charged), (true, row.refunding)] {
                var call = TestedCall(["a"], rules: TestedCall.rules(refundsFailures: refunds))
                _ = call.begin()
                _ = call.identify()
                _ = call.admit()
                #expect(call.answer(0, row.0) == "settle \(charge)", "\(row.0)")
                #expect(call.returned == (charge == 0 ? 1 : 0) && call.settledEvents == [row.reason])
                #expect(call.settle(.done(credits: 1, charged: [charge])) == "reply served")
                #expect(call.machine.parts.receipt == Receipt(held: 3, base: charge) && call.machine.parts.receipt.refunded == 3 - charge)
            }
        }
    }

    @Test("F-PRICE-05: the size of the answer is charged as far as the balance goes, and the receipt says how far that was")
    func surcharge() {
        var call = TestedCall(["big"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit(.admitted(credits: 6, meters: []))
        #expect(call.answer(0, .result(isError: false, bytes: 4096)) == "settle 3+8")
        #expect(
            call.machine.parts.receipt == Receipt(held: 3, base: 3, surcharge: 6), "what a stored answer says: as much as the balance had")
        #expect(call.settle(.done(credits: 0, charged: [8])) == "reply served")
        #expect(call.machine.parts.receipt == Receipt(held: 3, base: 3, surcharge: 5) && call.machine.parts.receipt.charged == 8)
    }

    @Test("a failed call has no surcharge")
    func failedSurcharge() {
        var call = TestedCall(["big"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit()
        #expect(call.answer(0, .result(isError: true, bytes: 4096)) == "settle 3")
    }

    @Test("D18: a batch keeps its answer also when a part was given back; one that was given back whole may be made again")
    func partlyRefunded() {
        let outcomes: [([PartOutcome], keeps: Bool, charged: [Int])] = [
            ([.result(isError: false, bytes: 1), .result(isError: false, bytes: 1)], true, [3, 3]),
            ([.result(isError: false, bytes: 1), .unavailable], true, [3, 0]), ([.unavailable, .unavailable], false, [0, 0]),
        ]
        for (parts, keeps, charged) in outcomes {
            var call = TestedCall(["a", "b"], isIdempotent: true)
            _ = call.begin()
            _ = call.identify()
            _ = call.admit()
            #expect(call.answer(1, parts[1]) == "none")
            #expect(call.answer(0, parts[0]) == "settle \(charged[0]) \(charged[1])")
            #expect(call.keepsAnswer == keeps)
            #expect(call.settle(.done(credits: 0, charged: charged)) == "reply served")
            #expect(call.machine.parts.receipt.charged == charged[0] + charged[1])
        }
    }

    @Test("a part whose answer a stage knows is admitted at no price and not forwarded")
    func known() {
        var call = TestedCall(["a", "b"])
        _ = call.begin()
        #expect(call.identify(known: [0]) == "admit 3")
        #expect(call.admit() == "forward")
        #expect(call.answer(0) == "none", "nobody was asked")
        #expect(call.answer(1) == "settle 0 3")
        call = TestedCall(["a"])
        _ = call.begin()
        #expect(call.identify(known: [0]) == "admit 0")
        #expect(call.admit() == "settle 0")
        #expect(call.settledEvents == ["ok "])
    }
}
