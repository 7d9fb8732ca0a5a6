// A call machine with a clock beside it, and its actions in words.

import GateDomain

struct TestedCall {
    var machine: CallMachine
    let policy: Policy
    /// Milliseconds since the request was received.
    var now = 0
    private(set) var steps: [String] = []
    private(set) var notes: [String] = []
    private(set) var keepsAnswer = false
    private(set) var returned = 0
    private(set) var settledEvents: [String] = []

    static func rules(
        price: Int = 3, tools: [String: Int] = [:], quota: Quota = Quota(), isShadow: Bool = false, refundsFailures: Bool = false
    ) -> GateRules {
        GateRules(
            prices: PriceBook(defaultPerCall: price, tools: ["big": ToolPrice(creditsPerKbOutput: 2)]), callsPerMinute: 60,
            toolCallsPerMinute: tools, globalQuota: quota, isShadow: isShadow, refundsFailures: refundsFailures)
    }

    init(_ tools: [String], rules: GateRules = rules(), isIdempotent: Bool = false, opensWithoutStore: Bool = false) {
        policy = Policy(
            key: KeyRecord(id: "key_1", name: "n", prefix: "pg_1234567...", masked: "pg_1234...abcd", createdAt: 0), rules: rules)
        machine = CallMachine(
            parts: CallParts(tools: tools), rules: rules, requestID: "r", isIdempotent: isIdempotent, opensWithoutStore: opensWithoutStore)
    }

    mutating func begin() -> String { did(machine.begin()) }

    mutating func identify(_ caller: CallView.Caller? = nil, fresh: Bool = false, denial: Denial? = nil, known: Set<Int> = []) -> String {
        did(identifyAction(caller, fresh: fresh, denial: denial, known: known))
    }

    mutating func identifyAction(
        _ caller: CallView.Caller? = nil, fresh: Bool = false, denial: Denial? = nil, known: Set<Int> = []
    ) -> CallMachine.Action {
        let (policy, parts) = (policy, machine.parts)
        return machine.identified(caller ?? .key(policy), isFresh: fresh, at: now) { part in
            .init(plan: policy.plan(tool: parts[part].tool, argumentBytes: 1), denial: denial, isKnown: known.contains(part))
        }
    }

    mutating func admit(_ outcome: AdmissionOutcome = .admitted(credits: 7, meters: [])) -> String {
        did(machine.admitted(outcome, at: now))
    }

    mutating func answer(_ part: Int, _ outcome: PartOutcome = .result(isError: false, bytes: 1)) -> String {
        did(machine.answered(part, outcome, at: now))
    }

    mutating func settle(_ outcome: SettlementOutcome) -> String { did(machine.settled(outcome, at: now)) }

    mutating func timer() -> String { did(machine.timerFired(at: now)) }

    /// Carries actions out that nobody answers, and says in words what is left to do.
    mutating func did(_ first: CallMachine.Action) -> String {
        var action = first
        while true {
            let word = describe(action)
            steps.append(word)
            switch action {
            case .note(let event): notes.append("\(event.outcome.rawValue) \(event.reason)")
            case .abandon, .release, .cancel: break
            default: return word
            }
            action = machine.next()
        }
    }

    private mutating func describe(_ action: CallMachine.Action) -> String {
        switch action {
        case .identify(let fresh): return fresh ? "identify fresh" : "identify"
        case .readBalance: return "balance"
        case .admit(let order): return "admit \(order.price)\(order.isDry ? " dry" : "")"
        case .forward: return "forward"
        case .settle(let order):
            (keepsAnswer, returned) = (order.keepsAnswer, order.returned)
            settledEvents = order.charges.map { "\($0.event.outcome.rawValue) \($0.event.reason)" }
            return "settle " + order.charges.map { $0.surcharge > 0 ? "\($0.base)+\($0.surcharge)" : "\($0.base)" }.joined(separator: " ")
        case .settleAgain: return "settle again"
        case .wait(let milliseconds): return "wait \(milliseconds)"
        case .abandon: return "abandon"
        case .release: return "release"
        case .cancel: return "cancel"
        case .note: return "note"
        case .reply(.denied(let denial, let part)): return "reply denied \(denial.label.rawValue) \(part)"
        case .reply(.replayed): return "reply replayed"
        case .reply(.lost(let nothingCharged)): return "reply lost \(nothingCharged)"
        case .reply(let reply): return "reply \(reply)"
        case .none: return "none"
        }
    }
}
