// How a call ends: its hold, shadow mode, and clients that leave.

import GateDomain
import Testing

extension CallMachineTests {
    // MARK: The end of the hold

    @Test("a settlement that nobody has heard of is sent again for 900 ms; then the client is told of no success and the credits go back")
    func settlementAway() {
        var call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit()
        call.now = 5000
        _ = call.answer(0)
        var tries = 1
        while call.settle(.away) == "wait 50" {
            call.now += 50
            tries += 1
            #expect(call.timer() == "settle again")
        }
        #expect(call.steps.suffix(2) == ["release", "reply unavailable"] && tries == 19)
        #expect(call.machine.parts.receipt.charged == 0)
    }

    @Test("a settlement that comes through late is a success")
    func settlementLate() {
        var call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit()
        _ = call.answer(0)
        _ = call.settle(.away)
        _ = call.timer()
        #expect(call.settle(.done(credits: nil, charged: [3])) == "reply served")
        #expect(call.machine.credits == 7, "what the admission said")
    }

    @Test("a settlement that cannot be carried out is given back at once")
    func settlementFault() {
        var call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit()
        _ = call.answer(0)
        #expect(call.settle(.fault) == "reply unavailable" && call.steps.contains("release"))
    }

    @Test("a hold that others closed: charged means paid, and its answer is delivered; not charged, or not known, means no success")
    func closedByOthers() {
        let cases: [(SettlementOutcome, String, Int)] = [
            (.closedByOthers(charged: 6), "reply served", 6), (.closedByOthers(charged: 0), "reply lost true", 0),
            (.gone, "reply lost false", 0),
        ]
        for (outcome, action, charged) in cases {
            var call = TestedCall(["a", "b"])
            _ = call.begin()
            _ = call.identify()
            _ = call.admit()
            _ = call.answer(0, .unavailable)
            _ = call.answer(1)
            #expect(call.settle(outcome) == action)
            #expect(call.machine.parts.receipt.charged == charged)
        }
        var free = TestedCall(["a"], rules: TestedCall.rules(price: 0))
        _ = free.begin()
        _ = free.identify()
        _ = free.admit()
        _ = free.answer(0)
        #expect(free.settle(.gone) == "reply lost true", "what cost nothing was certainly not charged")
    }

    // MARK: Shadow mode

    @Test("F-GATE-14: shadow mode asks and takes nothing, and the event says what would have been said")
    func shadow() {
        let rules = TestedCall.rules(isShadow: true)
        var call = TestedCall(["a"], rules: rules)
        _ = call.begin()
        #expect(call.identify() == "admit 3 dry")
        #expect(call.admit(.denied(.insufficientCredits(need: 3, have: 1), credits: 1)) == "forward")
        #expect(call.answer(0, .rpcError) == "reply served")
        #expect(call.notes == ["failed shadow:insufficient_credits: need 3, have 1"] && call.machine.parts.receipt == Receipt())
        call = TestedCall(["a"], rules: rules)
        _ = call.begin()
        #expect(call.identify(fresh: true, denial: .keyExpired) == "forward")
        #expect(call.answer(0) == "reply served" && call.notes == ["ok shadow:api_key_expired"])
        call = TestedCall(["a"], rules: rules)
        _ = call.begin()
        _ = call.identify()
        #expect(call.admit() == "forward")
        #expect(call.answer(0) == "reply served" && call.notes == ["ok "])
        call = TestedCall(["a"], rules: rules)
        _ = call.begin()
        #expect(call.identify(.nobody, fresh: true, denial: .missingKey) == "forward")
    }

    // MARK: The client

    @Test("a call that its client gives up before it was sent is not sent, and is given back")
    func cancelledEarly() {
        var call = TestedCall(["a", "b"], isIdempotent: true)
        _ = call.begin()
        #expect(call.did(call.machine.cancelledByClient()) == "none")
        #expect(call.identify() == "reply cancelled" && call.notes == ["failed cancelled", "failed cancelled"])
        call = TestedCall(["a", "b"], isIdempotent: true)
        _ = call.begin()
        _ = call.identify()
        _ = call.machine.cancelledByClient()
        #expect(call.admit() == "settle 0 0" && !call.keepsAnswer && call.returned == 2)
        #expect(call.settle(.done(credits: 10, charged: [0, 0])) == "reply cancelled")
    }

    @Test("a call that its client gives up later goes on until its server says so, and is charged")
    func cancelled() {
        var call = TestedCall(["a", "b"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit()
        _ = call.answer(0)
        #expect(call.did(call.machine.cancelledByClient()) == "none" && call.steps.contains("cancel"))
        #expect(call.did(call.machine.cancelledByClient()) == "none" && call.steps.count { $0 == "cancel" } == 1)
        #expect(call.answer(1, .cancelledByClient) == "settle 3 3")
        #expect(call.settle(.done(credits: 1, charged: [3, 3])) == "reply served")
    }

    @Test("events that nobody waits for change nothing")
    func late() {
        var call = TestedCall(["a"])
        _ = call.begin()
        _ = call.identify()
        _ = call.admit()
        #expect(call.identify() == "none" && call.admit() == "none" && call.timer() == "none" && call.settle(.gone) == "none")
        _ = call.answer(0)
        #expect(call.answer(0, .lost) == "none")
        _ = call.settle(.done(credits: 1, charged: [3]))
        #expect(call.settle(.done(credits: 1, charged: [3])) == "none" && call.timer() == "none")
        #expect(call.did(call.machine.next()) == "none" && call.did(call.machine.cancelledByClient()) == "none")
    }
}
