// The settlements of one tick for one shard, as settle.lua reads them, and its answers.

import GateDomain
import LuaScripts

/// What the key's own shard has made of a call, for the others.
struct SettlementDecision {
    /// For each of the settlement's charges; empty where nothing is known to have been charged.
    let charged: [Int]
    /// Calls that were taken back from counts.
    let returned: Int
    /// Whether all of it went back, whatever another copy may have charged before.
    let isGivenBack: Bool
}

/// One settlement in a batch: the share of it that lies in one shard.
struct SettlementPart {
    let settlement: Settlement
    /// Places of its accounts in the policy.
    let accounts: [Int]
    /// Nil in the key's own shard, which decides; the shards of a call's other accounts do as it has done.
    let following: SettlementDecision?
    /// False where somebody else acknowledges it, once the other shards have followed.
    var isAcknowledged = true

    init(settlement: Settlement, accounts: [Int], following: SettlementDecision? = nil) {
        self.settlement = settlement
        self.accounts = accounts
        self.following = following
    }
}

/// What settle.lua said of one part.
enum SettlementAnswer {
    case settled(Settled)
    /// The moment of a release has passed: it is now so many milliseconds.
    case late(now: Int)
}

extension SettlementPart {
    /// - Parameter releasableUntil: milliseconds of Redis TIME after which a release of a doubtful hold leaves no mark.
    static func command(
        for parts: [SettlementPart], acknowledging done: [Acknowledgement], shard: Int, keys: RedisKeys, releasableUntil: Int
    ) -> RedisCommand {
        var names = ScriptKeys(keys.usage(shard), keys.cursor(Rollups.usage, shard))
        // Nearly always one: a node has another name only after it was taken for dead.
        var last = (node: "", place: 0)
        let place = { (names: inout ScriptKeys, node: String) in
            if last.place == 0 || !last.node.hasSameBytes(as: node) { last = (node, names.place(of: keys.open(node, shard))) }
            return last.place
        }
        let acknowledged = done.map { place(&names, $0.node) }
        let places = parts.map { part in
            (
                open: place(&names, part.settlement.node),
                call: part.memoryKey.map { names.place(of: part.settlement.caller.calls + $0) } ?? 0,
                accounts: part.accounts.map { names.place(of: part.settlement.caller.accounts[$0]) }
            )
        }
        var command = RedisCommand(script: .settle, keys: names.names.count)
        for name in names.names { command.append(name) }
        command.append(EventLog.retained)
        command.append(done.count)
        for (place, each) in zip(acknowledged, done) {
            command.append(place)
            command.append(each.hold)
        }
        for (part, place) in zip(parts, places) {
            part.append(to: &command, open: place.open, call: place.call, accounts: place.accounts, releasableUntil)
        }
        return command
    }

    private var memoryKey: String? { following == nil ? settlement.memory.key : nil }

    private var mode: Settlement.Mode {
        guard let following else { return settlement.mode }
        return following.isGivenBack ? .release : .settle
    }

    private func append(to command: inout RedisCommand, open: Int, call: Int, accounts: [Int], _ releasableUntil: Int) {
        command.append(open)
        command.append(settlement.hold)
        command.append(mode.rawValue)
        command.append(following?.returned ?? settlement.returned)
        command.append(call)
        switch following == nil ? settlement.memory : .none {
        case .none:
            command.append("")
            command.append(0)
            command.append("")
        case .keep(let idempotency, let answer):
            command.append("keep")
            command.append(idempotency.retention)
            command.append(answer)
        case .drop:
            command.append("drop")
            command.append(0)
            command.append("")
        }
        command.append(settlement.isDoubtful ? releasableUntil : settlement.admissibleUntil)
        command.append(accounts.count)
        for account in accounts { command.append(account) }
        if let following {
            command.append(following.charged.count)
            for charged in following.charged {
                command.append(charged)
                command.append(0)
                command.append("")
            }
        } else {
            command.append(settlement.charges.count)
            for charge in settlement.charges {
                command.append(charge.base)
                command.append(charge.surcharge)
                command.append(charge.event.packed)
            }
        }
    }

    func answer(_ reply: RedisReply) -> SettlementAnswer {
        let charges = { (first: Int) in (reply.array ?? []).dropFirst(first).map { $0.integer ?? 0 } }
        switch reply.status {
        case 0: return .settled(.gone)
        case 1:
            let credits = reply.integer(at: 1)
            return .settled(.done(credits: credits >= 0 ? credits : nil, charged: charges(3), returned: reply.integer(at: 2)))
        case 2: return .settled(.closedByOthers(charged: reply.integer(at: 1), returned: reply.integer(at: 2)))
        case 3: return .settled(.failed(StoreFailure(errorText: reply.array?.last?.string ?? "")))
        case 4: return .settled(.stands(charged: charges(2), returned: reply.integer(at: 1)))
        // No copy of an admission that was answered is carried out after its moment: there is nothing that a mark would keep out.
        case 5: return settlement.isDoubtful ? .late(now: reply.integer(at: 1)) : .settled(.gone)
        default: return .settled(.failed(.fault("an answer that settle.lua does not give")))
        }
    }
}

extension Settlement.Memory {
    fileprivate var key: String? {
        switch self {
        case .none: nil
        case .keep(let idempotency, _): idempotency.key
        case .drop(let key): key
        }
    }
}
