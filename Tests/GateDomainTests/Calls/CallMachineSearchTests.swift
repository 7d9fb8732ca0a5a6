// Every order of events up to a length, against the promises of a call.

import GateDomain
import Testing

@Suite("Every life of a call")
struct CallMachineSearchTests {
    struct Setting: CustomTestStringConvertible {
        var tools: [String]
        var isShadow = false
        var refunds = false
        var isIdempotent = false
        var opensWithoutStore = false
        var price = 3

        var testDescription: String {
            "\(tools) shadow \(isShadow) refunds \(refunds) idempotent \(isIdempotent) open \(opensWithoutStore) price \(price)"
        }

        static let all: [Setting] = [
            Setting(tools: ["a"]), Setting(tools: ["big"], refunds: true), Setting(tools: ["a"], isIdempotent: true),
            Setting(tools: ["a"], isShadow: true), Setting(tools: ["a"], opensWithoutStore: true, price: 0), Setting(tools: ["a", "big"]),
            Setting(tools: ["big", "a"], refunds: true, isIdempotent: true), Setting(tools: ["a", "b"], isShadow: true),
        ]
    }

    @Test(
        "one reply; a hold ends once; nothing is forwarded before it is admitted; no success before it is settled; receipts are what the ledger moved",
        arguments: Setting.all)
    func everything(setting: Setting) throws {
        var search = Search()
        let world = World(setting)
        search.follow(world, world.machine.begin())
        #expect(search.faults.isEmpty, "\(search.faults.sorted().prefix(3))")
        #expect(search.ends > 200, "\(search.ends) lives")
        let unseen = Set(setting.expectedReplies).subtracting(search.replies)
        #expect(unseen.isEmpty, "never said: \(unseen)")
    }
}

extension CallMachineSearchTests.Setting {
    fileprivate var expectedReplies: [String] {
        ["served", "unavailable", "cancelled"] + (isShadow ? [] : ["lost", "denied"])
            + (isIdempotent ? ["replayed", "unanswered", "conflict", "nobody"] : [])
    }
}

/// Walks the tree of all choices that a caller, a ledger, servers, a clock and a client have.
private struct Search {
    private(set) var faults: Set<String> = []
    private(set) var replies: Set<String> = []
    private(set) var ends = 0

    /// Carries one action out, in every way that it may turn out.
    mutating func follow(_ world: World, _ action: CallMachine.Action) {
        guard faults.count < 10 else { return }
        var world = world
        world.notice(action)
        if let fault = world.fault { faults.insert(fault + "\n" + world.trace.joined(separator: " > ")) }
        if case .reply(let reply) = action {
            replies.insert(reply.word)
            ends += 1
            world.checkAtTheEnd()
            if let fault = world.fault { faults.insert(fault + "\n" + world.trace.joined(separator: " > ")) }
            return
        }
        if !world.isImmediate(action) {
            if !world.wasCancelled {
                var other = world
                other.wasCancelled = true
                let answer = other.machine.cancelledByClient()
                other.trace.append("cancelled")
                if case .cancel = answer {
                    other.notice(answer)
                    other.expectNone(other.machine.next())
                }
                go(other, after: action)
            }
            if !world.hasLeft, world.trace.count < 6 {
                var other = world
                other.hasLeft = true
                other.trace.append("client left")
                other.machine.clientLeft()
                go(other, after: action)
            }
        }
        go(world, after: action)
    }

    private mutating func go(_ world: World, after action: CallMachine.Action) {
        for choice in world.choices(after: action) {
            var next = world
            let action = choice.happen(&next)
            next.trace.append(choice.name)
            if case .none = action {
                // Only an answer of a part may leave others to wait for.
                guard !next.openParts.isEmpty else {
                    faults.insert("stuck\n" + next.trace.joined(separator: " > "))
                    continue
                }
                go(next, after: .forward)
            } else {
                follow(next, action)
            }
        }
    }
}

extension CallMachine.Reply {
    fileprivate var word: String {
        switch self {
        case .served: "served"
        case .denied: "denied"
        case .unavailable: "unavailable"
        case .replayed: "replayed"
        case .unanswered: "unanswered"
        case .conflict: "conflict"
        case .stillRunning: "stillRunning"
        case .lost: "lost"
        case .cancelled: "cancelled"
        case .nobody: "nobody"
        }
    }
}

private struct Choice {
    let name: String
    let happen: (inout World) -> CallMachine.Action
}

/// The machine and what its surroundings know of it.
private struct World {
    var machine: CallMachine
    let policy: Policy
    let setting: CallMachineSearchTests.Setting
    var trace: [String] = []
    var wasCancelled = false
    var hasLeft = false
    var openParts: Set<Int> = []
    private(set) var fault: String?
    private var now = 0
    private var questions = 0
    private var replies = 0
    private var wasAdmitted = false
    private var wasForwarded = false
    private var holdEnds = 0
    private var isSettled = false
    private var mayBeOpen = false
    private var charges: [Charge] = []
    /// What the ledger has charged in the end; nil where nobody may be told.
    private var charged: Int?

    init(_ setting: CallMachineSearchTests.Setting) {
        self.setting = setting
        let rules = TestedCall.rules(price: setting.price, isShadow: setting.isShadow, refundsFailures: setting.refunds)
        policy = Policy(
            key: KeyRecord(id: "key_1", name: "n", prefix: "pg_1234567...", masked: "pg_1234...abcd", createdAt: 0), rules: rules)
        machine = CallMachine(
            parts: CallParts(tools: setting.tools), rules: rules, requestID: "r", isIdempotent: setting.isIdempotent,
            opensWithoutStore: setting.opensWithoutStore)
    }

    func isImmediate(_ action: CallMachine.Action) -> Bool {
        switch action {
        case .abandon, .release, .cancel, .note: true
        default: false
        }
    }

    mutating func expectNone(_ action: CallMachine.Action) {
        if case .none = action { return }
        fault = "\(action) where nothing is to be done"
    }

    mutating func notice(_ action: CallMachine.Action) {
        switch action {
        case .forward:
            if wasForwarded { fault = "forwarded twice" }
            wasForwarded = true
            openParts = Set(machine.parts.indices.filter { !machine.parts[$0].isKnown })
            let mayPass = setting.isShadow || setting.opensWithoutStore && setting.price == 0
            if !wasAdmitted, !mayPass { fault = "forwarded before it was admitted" }
            if wasCancelled { fault = "forwarded after it was cancelled" }
        case .settle(let order):
            charges = order.charges
            if !mayBeOpen { fault = "settles what it does not hold" }
            if !openParts.isEmpty { fault = "settles while parts are open" }
        case .abandon, .release:
            if !mayBeOpen { fault = "gives back what it does not hold" }
            close()
            charged = 0
        case .reply(let reply):
            replies += 1
            if replies > 1 { fault = "two replies" }
            if mayBeOpen { fault = "a reply over an open hold" }
            if reply == .served, wasAdmitted, !isSettled { fault = "a success that is not settled" }
        default: break
        }
    }

    private mutating func close() {
        holdEnds += 1
        mayBeOpen = false
        if holdEnds > 1 { fault = "a hold ends twice" }
    }

    mutating func checkAtTheEnd() {
        if let charged, machine.parts.receipt.charged != charged {
            fault = "receipts say \(machine.parts.receipt.charged), the ledger \(charged)"
        }
        if charged == nil, machine.parts.receipt != Receipt() { fault = "receipts of a call that was not charged" }
        let later: [CallMachine.Action] = [
            machine.next(), machine.timerFired(at: now), machine.settled(.gone, at: now), machine.admitted(.running, at: now),
            machine.answered(0, .lost, at: now), machine.cancelledByClient(), machine.balanceRead(1, at: now),
            machine.identityAway(at: now),
        ]
        for action in later { expectNone(action) }
    }

    // MARK: Choices

    func choices(after action: CallMachine.Action) -> [Choice] {
        switch action {
        case .identify: identities
        case .readBalance: [Choice(name: "balance") { $0.machine.balanceRead(1, at: $0.now) }]
        case .admit(let order): admissions(order)
        case .forward: answers
        case .settle, .settleAgain: settlements
        case .wait(let milliseconds):
            [
                Choice(name: "timer") {
                    $0.now += milliseconds + 400
                    return $0.machine.timerFired(at: $0.now)
                }
            ]
        case .abandon, .release, .cancel, .note: [Choice(name: "next") { $0.machine.next() }]
        case .reply, .none: []
        }
    }

    private var identities: [Choice] {
        let identify = { (name: String, caller: CallView.Caller, isFresh: Bool, denial: Denial?, known: Bool) in
            Choice(name: name) { world in
                let (policy, parts) = (world.policy, world.machine.parts)
                return world.machine.identified(caller, isFresh: isFresh, at: world.now) { part in
                    .init(plan: policy.plan(tool: parts[part].tool, argumentBytes: 1), denial: denial, isKnown: known && part == 0)
                }
            }
        }
        let allowed = [identify("key", .key(policy), false, nil, false)]
        guard questions == 0 else { return allowed }
        return allowed + [
            identify("refused, remembered", .key(policy), false, .keySuspended, false),
            identify("refused", .key(policy), true, .keySuspended, false), identify("unknown", .unknown, true, .invalidKey, false),
            identify("known answer", .key(policy), true, nil, true), Choice(name: "nobody knows") { $0.machine.identityAway(at: $0.now) },
        ]
    }

    private func admissions(_ order: CallMachine.AdmissionOrder) -> [Choice] {
        let admit = { (name: String, outcome: AdmissionOutcome, isTaken: Bool) in
            Choice(name: name) { world in
                world.questions += 1
                if isTaken, !order.isDry { world.mayBeOpen = true }
                if case .admitted = outcome { world.wasAdmitted = !order.isDry }
                return world.machine.admitted(outcome, at: world.now)
            }
        }
        var choices = [
            admit("admitted", .admitted(credits: 7, meters: []), true), admit("denied", .denied(.spendingLimitReached, credits: 5), false),
            admit("expired", .denied(.keyExpired, credits: nil), false), admit("late", .away(mayHaveBeenTaken: false), false),
        ]
        if !order.isDry { choices.append(admit("unknown", .away(mayHaveBeenTaken: true), true)) }
        if questions < 2 { choices.append(admit("stale", .stale, false)) }
        guard setting.isIdempotent else { return choices }
        choices += [
            admit("replayed", .replayed([1]), false), admit("unanswered", .unanswered, false), admit("conflict", .conflict, false),
        ]
        if questions < 2 { choices.append(admit("running", .running, false)) }
        return choices
    }

    private var answers: [Choice] {
        var outcomes: [PartOutcome] = [.result(isError: false, bytes: 4096), .rpcError, .unavailable, .lost]
        if setting.tools.count == 1 { outcomes += [.result(isError: true, bytes: 1), .timedOut, .withheld(.guardrailBlocked(rule: "r"))] }
        if wasCancelled { outcomes += [.cancelledByClient, .withdrawn] }
        return openParts.sorted().flatMap { part in
            outcomes.map { outcome in
                Choice(name: outcome.isFailure ? outcome.reason : "answered") { world in
                    world.openParts.remove(part)
                    world.now += 10
                    return world.machine.answered(part, outcome, at: world.now)
                }
            }
        }
    }

    private var settlements: [Choice] {
        let held = machine.parts.price
        let settle = { (name: String, outcome: SettlementOutcome, charged: Int?) in
            Choice(name: name) { world in
                if let charged {
                    world.close()
                    world.charged = charged
                    world.isSettled = charged > 0 || name == "done"
                }
                return world.machine.settled(outcome, at: world.now)
            }
        }
        let full = charges.map { $0.base + $0.surcharge }
        let bare = charges.map(\.base)
        return [
            settle("done", .done(credits: 1, charged: full), full.reduce(0, +)),
            settle("done", .done(credits: nil, charged: bare), bare.reduce(0, +)),
            settle("given back by others", .closedByOthers(charged: 0), 0), settle("kept by others", .closedByOthers(charged: held), held),
            settle("gone", .gone, 0), settle("away", .away, nil), settle("fault", .fault, nil),
        ]
    }
}
