// What is different from history to history before anything happens: chosen by the seed.

import GateDomain

struct HistoryPlan {
    let nodes: Int
    let shards: Int
    let keys: Int
    /// Keys that belong to the team; its account may lie in another shard.
    let teamed: Int
    let credits: Int
    let teamBudget: Int
    let teamQuota: Quota
    let refundsUnknown: Bool
    let rules: GateRules
    let tools: [String]
    /// Whether credits are transferred and reserved as well.
    let movesCredits: Bool
    /// Chances of a hundred that a decision is a fault, by kind.
    let weights: [Weighted]

    struct Weighted {
        let move: Move
        let weight: Int
    }

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed ^ 0x5eed)
        nodes = 2 + random.below(2)
        shards = random.pick([1, 1, 4])
        keys = 1 + random.below(2)
        teamed = random.below(3)
        credits = random.pick([12, 40, 1000])
        teamBudget = random.pick([0, 30, 1000])
        teamQuota = random.chance(40) ? Quota(dailyCalls: 9, monthlyCredits: 50) : Quota()
        refundsUnknown = random.chance(60)
        tools = ["plain", "sized"]
        let prices = PriceBook(
            defaultPerCall: random.pick([1, 3, 5]), tools: ["sized": ToolPrice(creditsPerKbOutput: random.pick([0, 2, 7]))])
        // A source of its own: what else a seed means stays as it was.
        var tools = SeededRandom(seed: seed ^ 0x7001)
        rules = GateRules(
            prices: prices, callsPerMinute: random.pick([0, 0, 3, 8]),
            toolCallsPerMinute: random.chance(20) ? ["sized": 2] : [:],
            globalQuota: random.chance(40) ? Quota(dailyCalls: 6, monthlyCredits: 60) : Quota(),
            maxInFlightPerKey: random.pick([0, 0, 2]), maxInFlightPerTool: tools.pick([0, 0, 0, 2]), refundsFailures: random.chance(50))
        let mood = random.pick([Mood.calm, .rough, .rough, .rough, .fainting])
        var other = SeededRandom(seed: seed ^ 0xc4ed)
        let movesCredits = other.chance(20)
        self.movesCredits = movesCredits
        weights = Move.allCases.map { Weighted(move: $0, weight: $0.weight(mood) + (movesCredits ? $0.creditWeight : 0)) }
    }
}

/// Which faults a history is rich in.
enum Mood {
    case calm, rough
    /// Nodes that stop for long and wake again.
    case fainting
}

/// What the scheduler may let happen next.
enum Move: CaseIterable {
    case call, retry, serverAnswer, cancel
    case tick, arrive, hear, arriveLate, refuse
    case pass, passLong
    case beat, sweep
    case cut, stop, wake, kill, join, faint
    case clockBack, clockForth
    case suspend, resume, topUp, edit
    case credits, due

    func weight(_ mood: Mood) -> Int {
        switch mood {
        case .calm: calmWeight
        case .rough: roughWeight
        case .fainting: faintingWeight
        }
    }

    /// In histories in which credits move.
    var creditWeight: Int {
        switch self {
        case .credits: 14
        case .topUp, .due: 3
        default: 0
        }
    }

    private var faintingWeight: Int {
        switch self {
        case .faint, .wake: 8
        case .stop, .passLong: 2
        case .beat: 12
        case .kill, .cut: 2
        case .clockBack, .clockForth, .join, .suspend, .resume, .topUp, .edit, .cancel: 0
        default: calmWeight
        }
    }

    private var calmWeight: Int {
        switch self {
        case .call: 12
        case .retry: 4
        case .serverAnswer: 12
        case .tick, .arrive, .hear: 22
        case .pass: 6
        case .beat, .sweep: 2
        case .cancel, .topUp, .edit, .suspend, .resume: 1
        default: 0
        }
    }

    private var roughWeight: Int {
        switch self {
        case .call: 12
        case .retry: 6
        case .serverAnswer: 10
        case .tick, .arrive, .hear: 18
        case .arriveLate: 5
        case .refuse: 1
        case .pass: 5
        case .passLong: 2
        case .beat: 4
        case .sweep: 3
        case .cut: 3
        case .stop: 2
        case .wake: 2
        case .faint: 1
        case .kill: 1
        case .join: 1
        case .clockBack, .clockForth: 1
        case .suspend, .resume, .topUp, .edit, .cancel: 1
        case .credits, .due: 0
        }
    }
}
