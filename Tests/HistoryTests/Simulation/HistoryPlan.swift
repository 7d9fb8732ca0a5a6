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
    /// Of a call of a tool without a price of its own, by the first rules.
    private let price: Int
    /// For each KB of an answer of the tool `sized`.
    private let surcharge: Int
    /// Those that a history begins with.
    let rules: GateRules
    /// Whether the operator's rules are reloaded meanwhile.
    let reloads: Bool
    let tools: [String]
    /// Whether credits are transferred and reserved as well.
    let movesCredits: Bool
    /// Whether data is damaged and mended.
    let isDamaged: Bool
    /// Chances of a hundred that a decision is a fault, by kind.
    let weights: [Weighted]

    struct Weighted {
        let move: Move
        let weight: Int
    }

    init(seed: UInt64) {
        var random = SeededRandom(seed: seed ^ 0x5eed)
        // Chance of its own, so that all other histories stay as they are.
        var other = SeededRandom(seed: seed ^ 0xc4ed)
        let movesCredits = other.chance(20)
        self.movesCredits = movesCredits
        nodes = 2 + random.below(2)
        let (usualShards, usualKeys) = (random.pick([1, 1, 4]), 1 + random.below(2))
        shards = movesCredits ? other.pick([1, 4]) : usualShards
        keys = movesCredits ? 2 : usualKeys
        teamed = random.below(3)
        credits = random.pick([12, 40, 1000])
        teamBudget = random.pick([0, 30, 1000])
        // Chances of their own, again.
        var caps = SeededRandom(seed: seed ^ 0xca95), orders = SeededRandom(seed: seed ^ 0x02de5), harm = SeededRandom(seed: seed ^ 0xda3a)
        let (isTight, isOrdered) = (caps.chance(20), orders.chance(30))
        let isDamaged = harm.chance(12)
        let reloads = orders.chance(12)
        self.reloads = reloads
        self.isDamaged = isDamaged
        let (usualTeam, usualKey) = (
            random.chance(40) ? Quota(dailyCalls: 9, monthlyCredits: 50) : Quota(), Quota(dailyCalls: 6, monthlyCredits: 60)
        )
        teamQuota = isTight ? Quota(dailyCredits: caps.pick([9, 20]), monthlyCredits: 30) : usualTeam
        refundsUnknown = random.chance(60)
        tools = ["plain", "sized"]
        price = random.pick([1, 3, 5])
        surcharge = random.pick(isTight ? [2, 2, 7] : [0, 2, 7])
        let prices = PriceBook(defaultPerCall: price, tools: ["sized": ToolPrice(creditsPerKbOutput: surcharge)])
        // A source of its own: what else a seed means stays as it was.
        var tools = SeededRandom(seed: seed ^ 0x7001)
        rules = GateRules(
            prices: prices, callsPerMinute: random.pick([0, 0, 3, 8]),
            toolCallsPerMinute: random.chance(20) ? ["sized": 2] : [:],
            globalQuota: isTight ? Quota(dailyCredits: caps.pick([7, 15, 30])) : random.chance(40) ? usualKey : Quota(),
            maxInFlightPerKey: random.pick([0, 0, 2]), maxInFlightPerTool: tools.pick([0, 0, 0, 2]), refundsFailures: random.chance(50))
        let mood = random.pick([Mood.calm, .rough, .rough, .rough, .fainting])
        weights = Move.allCases.map { move in
            let own =
                (movesCredits ? move.creditWeight : 0) + (isOrdered ? move.orderWeight : 0) + (reloads && move == .edit ? 3 : 0)
                + (isDamaged ? move.damageWeight : 0)
            return Weighted(move: move, weight: move.weight(mood) + own)
        }
    }
}

extension HistoryPlan {
    /// The operator's rules of a version: calls cost something else with each.
    func rules(_ version: Int) -> GateRules {
        let prices = PriceBook(defaultPerCall: price + version % 5, tools: ["sized": ToolPrice(creditsPerKbOutput: surcharge)])
        return GateRules(
            version: version, prices: prices, callsPerMinute: rules.callsPerMinute, toolCallsPerMinute: rules.toolCallsPerMinute,
            globalQuota: rules.globalQuota, maxInFlightPerKey: rules.maxInFlightPerKey, maxInFlightPerTool: rules.maxInFlightPerTool,
            refundsFailures: rules.refundsFailures)
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
    /// The change feed tells a node of something.
    case news
    case damage

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

    /// In histories in which data is damaged.
    var damageWeight: Int {
        switch self {
        case .damage: 4
        case .kill, .join, .faint: 1
        case .beat: 4
        default: 0
        }
    }

    /// In histories in which admins have much to say.
    var orderWeight: Int {
        switch self {
        case .suspend: 3
        case .resume, .edit: 4
        case .news: 2
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
        case .cancel, .topUp, .edit, .suspend, .resume, .news: 1
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
        case .suspend, .resume, .topUp, .edit, .cancel, .news: 1
        case .credits, .due, .damage: 0
        }
    }
}
