// A call that two accounts must admit: a key and its team, in one shard and in two.

@testable import ClusterState
import GateDomain
import LuaScripts
import Testing

@Suite("A second account")
struct SecondAccountTests {
    /// Whether key and team lie in one shard, or in two of 64.
    static let places = [UInt32(3), 40]

    private struct Pair {
        let node: TestNode
        let caller: CachedKey
        let quota = Limit(name: "calls.day", account: 1, window: .calendar(.day), cap: 50, subject: .team)
        let open = Limit(name: "open", account: 1, measure: .inFlight, window: .lifetime, cap: 50, subject: .team)
        let credits = Limit(name: "credits", account: 1, measure: .credits, window: .lifetime, cap: 5000, subject: .team)

        init(_ home: UInt32, budget: Int = 0, credits: Int = 1000) async throws {
            node = try await TestNode(shards: 64)
            caller = try await node.makeKey(credits: credits, team: try await node.makeTeam(budget: budget, home: home), home: 3)
        }

        func call(_ price: Int = 5, calls: Int = 1) -> TestCall {
            TestCall(caller: caller, price: price, calls: calls, limits: [(quota, calls), (open, 1), (credits, price)])
        }

        /// Both accounts say the same, and so do the team's meters.
        func expect(
            spent: Int, calls: Int, open count: Int = 0, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
        ) async throws {
            let (key, team) = (try await node.account(caller), try await node.account(caller, 1))
            #expect(key.spent == spent && team.spent == spent, comment, sourceLocation: sourceLocation)
            #expect(key.calls == calls && team.calls == calls, comment, sourceLocation: sourceLocation)
            #expect(key.credits == 1000 - spent && team.credits == 0, comment, sourceLocation: sourceLocation)
            let meters = try await [node.meter("calls.day", caller, 1), node.meter("open", caller, 1), node.meter("credits", caller, 1)]
            #expect(
                meters.map { Int($0?.split(separator: ":").last ?? "0") ?? -1 } == [calls, count, spent], comment,
                sourceLocation: sourceLocation)
        }
    }

    @Test(
        "A budget and a quota of a team hold for its keys together, and a refusal takes nothing anywhere (F-TEAM-01, M11)",
        arguments: places)
    func budget(home: UInt32) async throws {
        let pair = try await Pair(home, budget: 12)
        let (node, caller) = (pair.node, pair.caller)
        #expect(caller.isInOneShard == (home == 3))
        #expect(await node.admit(pair.call()).isAdmitted)
        #expect(await node.admit(pair.call()).isAdmitted)
        #expect(await node.admit(pair.call()).word == "team_budget_exceeded")
        try await node.drain()
        try await pair.expect(spent: 10, calls: 2, open: 2)
        var narrow = pair.call(1)
        narrow.limits = [(Limit(name: "q", account: 1, window: .calendar(.day), cap: 1, subject: .team), 2)]
        #expect(await node.admit(narrow).word == "quota_exceeded")
        // What the key refuses is given back in the team's shard.
        try await node.send("HSET", caller.accounts[0], "credits", "1")
        #expect(await node.admit(pair.call(2)).word == "insufficient_credits")
        try await node.drain()
        try await node.send("HSET", caller.accounts[0], "credits", "990")
        try await pair.expect(spent: 10, calls: 2, open: 2)
        #expect(try await node.openHolds() == (home == 3 ? 2 : 4))
    }

    @Test("What one of three shards does not settle is given back in all of them, though the others have been settled long before (M1)")
    func thirdShard() async throws {
        let node = try await TestNode(shards: 64)
        let team = try await node.makeTeam(home: 40)
        let made = try await node.makeKey(credits: 100, team: team, home: 3)
        let rules = GateRules(prices: PriceBook(defaultPerCall: 5, tools: [:]), maxInFlightPerTool: 4)
        let caller = CachedKey(Policy(key: made.record, team: team, rules: rules), keys: node.keys)
        let limits = caller.policy.plan(tool: "search", argumentBytes: 0).limits.map { ($0, $0.measure == .credits ? 5 : 1) }
        let call = TestCall(caller: caller, price: 5, limits: limits)
        #expect(Set(caller.shards).count == 3)
        #expect(await node.admit(call).isAdmitted)
        try await node.send("HSET", caller.accounts[2], "calls", "corrupt")
        guard case .failed(.fault) = await node.settle(call) else { return #expect(Bool(false), "the tools' account is none") }
        #expect(try await node.account(caller, 1).spent == 5, "the team's shard has settled")
        // So much later that marks of closed holds are forgotten.
        node.clock.heard(node.clock.microseconds + 10_000_000)
        _ = await node.withLedger { $0.sweep() }
        try await node.drain()
        try await node.send("HDEL", caller.accounts[2], "calls")
        _ = await node.release(call)
        try await node.drain()
        let (key, other) = (try await node.account(caller), try await node.account(caller, 1))
        #expect(key.credits == 100 && key.spent == 0 && key.calls == 0)
        #expect(other.spent == 0 && other.calls == 0, "the team pays for no call that its key has not made")
    }

    @Test("A surcharge never passes a team's quota of credits in the team's account (M11)", arguments: places)
    func surchargeAtQuota(home: UInt32) async throws {
        let pair = try await Pair(home)
        let (node, caller) = (pair.node, pair.caller)
        let quota = Limit(name: "q", account: 1, measure: .credits, window: .calendar(.day), cap: 20, subject: .team)
        let call = TestCall(caller: caller, price: 2, limits: [(quota, 2)])
        #expect(await node.admit(call).isAdmitted)
        #expect(await node.settle(call, [(2, 100)]).charged == (caller.isInOneShard ? 20 : 102))
        try await node.drain()
        #expect(try await node.meter("q", caller, 1)?.hasSuffix(":20") == true)
        #expect(try await node.account(caller, 1).spent == 20)
        #expect(await node.admit(TestCall(caller: caller, limits: [(quota, 1)])).word == "quota_exceeded")
    }

    @Test("Every way a call ends, both accounts agree on credits, calls and meters", arguments: places)
    func outcomes(home: UInt32) async throws {
        let pair = try await Pair(home)
        let node = pair.node
        var (spent, calls) = (0, 0)
        for way in 0..<10 {
            let call = pair.call(6, calls: 2)
            #expect(await node.admit(call).isAdmitted)
            switch way {
            case 0:
                #expect(await node.settle(call, [(3, 0), (3, 0)]).charged == 6)
                (spent, calls) = (spent + 6, calls + 2)
            case 1:
                #expect(await node.settle(call, [(3, 0), (0, 0)], returned: 1).charged == 3)
                (spent, calls) = (spent + 3, calls + 1)
            case 2: #expect(await node.settle(call, [(0, 0), (0, 0)], returned: 2).charged == 0)
            case 3:
                for _ in 0..<2 { #expect(await node.settle(call, [(3, 4), (3, 1)]).charges == [7, 4]) }
                (spent, calls) = (spent + 11, calls + 2)
            case 4: for _ in 0..<2 { #expect(await node.abandon(call).charged == 0) }
            case 5: #expect(await node.release(call, [(3, 0), (3, 0)]).charged == 0)
            case 6:
                #expect(await node.settle(call, [(3, 1), (0, 0)], returned: 1).charged == 4)
                for _ in 0..<2 { #expect(await node.release(call, [(3, 1), (0, 0)]).charged == 0) }
            case 7:
                #expect(await node.settle(call, [(0, 0), (0, 0)]).charged == 0)
                calls += 2
            case 8:
                #expect(await node.settle(call, [(0, 0), (0, 0)]).charged == 0)
                #expect(await node.release(call, [(0, 0), (0, 0)]).charged == 0)
            default:
                for _ in 0..<2 { #expect(await node.admit(call).isAdmitted) }
                #expect(await node.settle(call, [(2, 0), (2, 0)]).charged == 4)
                (spent, calls) = (spent + 4, calls + 2)
            }
            try await node.drain()
            try await pair.expect(spent: spent, calls: calls, "\(way)")
        }
        #expect(try await node.openHolds() == 0)
        #expect(try await node.events().reduce(0) { $0 + $1.credits } == spent)
    }

    @Test(
        "A release that comes after somebody has been told the stored answer leaves the charge in both accounts (M1, D18, F-TEAM-01)",
        arguments: places)
    func releaseOfSeen(home: UInt32) async throws {
        let pair = try await Pair(home)
        let node = pair.node
        var call = pair.call(6, calls: 2)
        call.idempotency = Idempotency(key: "k", fingerprint: "f", retention: 60_000)
        #expect(await node.admit(call).isAdmitted)
        #expect(await node.settle(call, [(3, 1), (0, 0)], returned: 1, answer: [65]).charges == [4, 0])
        var retry = call
        retry.hold = "retry"
        #expect(await node.admit(retry).word == "replay A")
        // Its own client heard nothing of the settlement, and its node has given up asking.
        for _ in 0..<2 { #expect(await node.release(call, [(3, 1), (0, 0)]).charges == [4, 0]) }
        try await node.drain()
        try await pair.expect(spent: 4, calls: 1)
        #expect(try await node.openHolds() == 0)
    }

    @Test(
        "A release for which nobody in the team's shard has settled yet, and whose answer was seen, is charged there as in the key's (M1, M13)"
    )
    func releaseOfHalfSettled() async throws {
        let pair = try await Pair(40)
        let node = pair.node
        var call = pair.call(6, calls: 2)
        call.idempotency = Idempotency(key: "k", fingerprint: "f", retention: 60_000)
        #expect(await node.admit(call).isAdmitted)
        let part = SettlementPart(settlement: node.settlement(call, [(3, 1), (0, 0)], returned: 1, answer: [65]), accounts: [0])
        _ = try await node.store.send(
            SettlementPart.command(for: [part], acknowledging: [], shard: pair.caller.shards[0], keys: node.keys, releasableUntil: 0))
        var retry = call
        retry.hold = "retry"
        #expect(await node.admit(retry).word == "replay A")
        #expect(await node.release(call, [(3, 1), (0, 0)]).charges == [4, 0])
        try await node.drain()
        try await pair.expect(spent: 4, calls: 1)
        #expect(try await node.openHolds() == 0)
    }

    @Test(
        "What others have kept of a call that was never made goes back in both accounts when its node wakes and says so (M5, D20)",
        arguments: places)
    func keptForNothing(home: UInt32) async throws {
        let pair = try await Pair(home)
        let node = pair.node
        let sleeper = try await TestNode(prefix: node.keys.prefix, id: "sleeper", shards: 64)
        let call = pair.call(6, calls: 2)
        #expect(await sleeper.admit(call).isAdmitted)
        await sleeper.membership().leave()
        await node.membership(refund: false).beat()
        try await pair.expect(spent: 6, calls: 2)
        for _ in 0..<2 { #expect(await sleeper.settle(call, [(0, 0), (0, 0)], returned: 2).charged == 0) }
        try await sleeper.drain()
        try await pair.expect(spent: 0, calls: 0)
        #expect(try await node.events().allSatisfy { $0.credits == 0 })
    }

    @Test(
        "A node that dies between any two steps leaves both shards in agreement, refunded or kept, also when it wakes (M1, D20)",
        arguments: 0..<12)
    func death(step: Int) async throws {
        for refund in [true, false] {
            let pair = try await Pair(40)
            let node = pair.node
            let dead = try await TestNode(prefix: node.keys.prefix, id: "dead", shards: 64)
            let call = pair.call(6, calls: 2)
            let until = dead.clock.milliseconds + Ledger.admissible
            let now = dead.clock.microseconds
            func admit(_ place: Int) async throws {
                let part = AdmissionPart(request: call.request(), accounts: [place], admissibleUntil: until, isPrimary: place == 0)
                let shard = pair.caller.shards[place]
                _ = try await dead.store.send(
                    AdmissionPart.command(for: [part], node: "dead", shard: shard, keys: dead.keys, at: now))
            }
            func end(_ place: Int, _ settlement: Settlement, following: SettlementDecision? = nil) async throws {
                let part = SettlementPart(settlement: settlement, accounts: [place], following: following)
                _ = try await dead.store.send(
                    SettlementPart.command(
                        for: [part], acknowledging: [], shard: pair.caller.shards[place], keys: dead.keys,
                        releasableUntil: dead.clock.milliseconds + Ledger.releasable))
            }
            let settled = dead.settlement(call, [(3, 1), (0, 0)], returned: 1)
            // Admission: the team's shard, then the key's. Settlement: the key's, then the team's.
            try await admit(1)
            if step >= 1, step != 10 { try await admit(0) }
            let nothing = SettlementDecision(charged: [], returned: 0, isGivenBack: true)
            if [2, 3, 11].contains(step) { try await end(0, settled) }
            if step == 3 || step == 11 {
                try await end(1, settled, following: SettlementDecision(charged: [4, 0], returned: 1, isGivenBack: false))
            }
            if step == 11 { try await end(0, dead.settlement(call, [(3, 1), (0, 0)]).released) }
            if [4, 5, 10].contains(step) { try await end(0, dead.abandonment(call)) }
            if step == 5 || step == 6 { try await end(1, dead.abandonment(call), following: nothing) }
            await dead.membership().leave()
            let reaper = node.membership(refund: refund)
            await reaper.beat()
            let kept = !refund && [1, 7, 8, 9].contains(step)
            var (spent, calls) = (2...3).contains(step) ? (4, 1) : kept ? (6, 2) : (0, 0)
            if step != 6 { try await pair.expect(spent: spent, calls: calls, "step \(step), refund \(refund)") }
            #expect(try await node.openHolds(of: "dead") == 0)
            // The node wakes.
            switch step {
            case 7: #expect(await dead.settle(call, [(3, 1), (0, 0)], returned: 1).closedByOthers == spent)
            case 8:
                _ = await dead.abandon(call)
                (spent, calls) = (0, 0)
            case 9:
                _ = await dead.settle(call, [(3, 1), (0, 0)], returned: 1)
                _ = await dead.release(call, [(3, 1), (0, 0)])
                (spent, calls) = (0, 0)
            default: _ = await dead.abandon(call)
            }
            if step != 7 && !((2...3).contains(step)) { (spent, calls) = (0, 0) }
            if (2...3).contains(step) { (spent, calls) = (0, 0) }
            try await dead.drain()
            try await pair.expect(spent: spent, calls: calls, "step \(step), refund \(refund), awake")
        }
    }
}
