// A cluster in one thread: nodes, clients, admins and a real Redis, moved one step at a time by decisions that can be had again.

@testable import ClusterState
import GateDomain

/// One history while it is made.
///
/// The world's own time never steps; Redis's clock is that time plus an offset which moves may change.
final class World {
    let redis: HistoryRedis
    let plan: HistoryPlan
    /// A defect that is put back.
    let oldRule: OldRule?
    /// Whether anybody will read what has happened.
    let isTold: Bool
    let keys: RedisKeys
    var nodes: [SimulatedNode] = []
    var calls: [SimulatedCall] = []
    var trace: [String] = []
    var violations: [String] = []
    /// What orders of admins have to come to.
    var records = RecordModel()
    /// Operations that an admin was told of.
    var told: Set<String> = []
    /// The version of the operator's rules that an admin was told of, and the last that anybody has made.
    var toldRules = 0
    var madeRules = 0
    /// Calls by the holds that they have asked for.
    var askers: [String: SimulatedCall] = [:]
    /// Commands that have arrived so far, and how many there had been when balances were looked at.
    var moment = 0
    var checkedMoment = -1
    var isHealing = false
    /// Accounts that are none at this moment, and what has to stand there.
    var damaged: [String: String] = [:]
    let keyIDs: [String]
    let teamID: String
    /// Credits that were put into each key, as far as an admin was told so.
    var granted: [String: Int] = [:]
    /// Top-ups that were sent and not acknowledged: they may have been applied.
    var doubtful: [String: Int] = [:]
    /// Reservations that somebody was told of, and how they ended, as far as somebody was told that.
    var reservations: [String] = []
    var endings: [String: Bool] = [:]
    /// Names of nodes that had been struck off the list when they died, or when the last of what they had sent arrived: nobody looks at what
    /// they left a second time.
    var forgotten: Set<String> = []
    /// Microseconds of the world's own time.
    var now = 0
    var clockOffset: Int
    /// Microseconds by which Redis's clock has stepped forth so far, and whether it has ever stepped back.
    var leaps = 0
    var hasSteppedBack = false
    /// What all that has arrived has to come to.
    var model = LedgerModel()
    private var flightCount = 0
    /// Commands of broken connections that may still arrive.
    var strays: [Flight] = []
    var timers: [(due: Int, owner: AnyObject?, work: () -> Void)] = []
    private var nodeCount = 0

    init(_ redis: HistoryRedis, _ plan: HistoryPlan, seed: UInt64, oldRule: OldRule? = nil, isTold: Bool = false) throws {
        (self.oldRule, self.isTold) = (oldRule, isTold)
        self.redis = redis
        self.plan = plan
        var random = SeededRandom(seed: seed ^ 0x1d5)
        keys = RedisKeys(prefix: "h:", shards: plan.shards)
        func id(_ kind: String) -> String {
            let digits = String(random.next(), radix: 16)
            return kind + "_" + String(repeating: "0", count: 16 - digits.count) + digits
        }
        teamID = id("team")
        keyIDs = (0..<plan.keys).map { _ in id("key") }
        // Many a history begins close to a midnight, which a step of the clock then crosses.
        let start = random.chance(50) ? 86_400 - 1800 + random.below(3600) : random.below(86_400)
        clockOffset = (20_370 * 86_400 + start) * 1_000_000
        _ = redis.ask("FLUSHALL")
        redis.clock.microseconds = clockOffset
        for _ in 0..<plan.nodes { _ = addNode() }
        try prepare()
    }

    private func prepare() throws {
        guard let node = nodes.first else { return }
        for each in nodes { each.store.isCalm = true }
        let operation = Operation(id: "setup", audit: AuditEntry(type: "t", actor: "a", message: "m", metadata: []))
        let (teamID, budget, keyIDs, plan) = (teamID, plan.teamBudget, keyIDs, plan)
        let (teams, keyRecords) = (RecordStore<TeamRecord>(store: node.store, origin: "setup"), node.keyRecords)
        node.start {
            try? await teams.create(TeamRecord(id: teamID, name: "team", budget: budget, quota: plan.teamQuota, createdAt: 1), operation)
            for (index, id) in keyIDs.enumerated() {
                let record = KeyRecord(
                    id: id, name: "k", prefix: "p", masked: "m", createdAt: 1, teamID: index < plan.teamed ? teamID : nil)
                try? await keyRecords.create(
                    record, account: ["credits": String(plan.credits), "granted": String(plan.credits), "spent": "0", "calls": "0"],
                    Operation(id: "setup\(index)", audit: operation.audit))
            }
        }
        node.executor.run()
        for id in keyIDs {
            granted[id] = plan.credits
            _ = redis.ask("HSET", keys.credential(Credential.digest(of: SimulatedNode.secret(of: id))), "owner", id)
        }
        for id in keyIDs + [teamID] { records.found(id, redis.ask("HGETALL", keys.record(id)).fields) }
        for each in nodes {
            let membership = each.membership
            each.start { await membership.beat() }
            each.executor.run()
            each.store.isCalm = false
        }
    }

    func addNode() -> SimulatedNode {
        nodeCount += 1
        let node = SimulatedNode("n\(nodeCount)", self)
        nodes.append(node)
        return node
    }

    // MARK: What the parts ask of the world

    func flight(_ command: RedisCommand, _ completion: ((Result<RedisReply, StoreFailure>) -> Void)?, sentAt: Int? = nil) -> Flight {
        flightCount += 1
        return Flight(number: flightCount, command: command, sentAt: sentAt ?? now, completion: completion)
    }

    func later(_ microseconds: Int, of owner: AnyObject, _ work: @escaping () -> Void) {
        timers.append((now + microseconds, owner, work))
    }

    func replied(_ call: SimulatedCall) {
        note("\(call.requestID) on \(call.node.name): \(call.reply.map { "\($0)" } ?? "")")
        judge(refused: call)
    }

    func executed(_ call: SimulatedCall) { note("\(call.requestID) reaches its servers") }

    func violate(_ what: String) { violations.append(what) }

    func note(_ text: @autoclosure () -> String) {
        if isTold, trace.count < 4000 { trace.append("\(now / 1000) ms: \(text())") }
    }

    var running: [SimulatedNode] { nodes.filter { $0.condition == .running } }
}
