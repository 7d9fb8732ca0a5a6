// The settlements of one tick for one shard, as settle.lua reads them, and its answers.

import GateDomain
import LuaScripts

/// One settlement in a batch: the share of it that lies in one shard.
struct SettlementPart {
    let settlement: Settlement
    /// Places of its accounts in the policy.
    let accounts: [Int]
    /// False for the shards of a call that only mirror what the key's own shard has decided.
    let isPrimary: Bool
    /// What the key's own shard has charged, for the others.
    var charged: [Int] = []
    /// Whether the key's own shard was found given back, so that this one has to be, too.
    var isReleased = false
    /// False where somebody else acknowledges it, once the other shards have followed.
    var isAcknowledged = true
}

extension SettlementPart {
    static func command(
        for parts: [SettlementPart], acknowledging done: [Acknowledgement], shard: Int, keys: RedisKeys, retained: Int
    ) -> RedisCommand {
        var names = ScriptKeys(keys.usage(shard), keys.cursor(Rollups.usage, shard))
        let acknowledged = done.map { names.place(of: keys.open($0.node, shard)) }
        let places = parts.map { part in
            (
                open: names.place(of: keys.open(part.settlement.node, shard)),
                call: part.memoryKey.map { names.place(of: part.settlement.caller.calls + $0) } ?? 0,
                accounts: part.accounts.map { names.place(of: part.settlement.caller.accounts[$0]) }
            )
        }
        var command = RedisCommand(script: .settle, keys: names.names.count)
        for name in names.names { command.append(name) }
        command.append(retained)
        command.append(done.count)
        for (place, each) in zip(acknowledged, done) {
            command.append(place)
            command.append(each.hold)
        }
        for (part, place) in zip(parts, places) {
            part.append(to: &command, open: place.open, call: place.call, accounts: place.accounts)
        }
        return command
    }

    private var memoryKey: String? { isPrimary ? settlement.memory.key : nil }

    private func append(to command: inout RedisCommand, open: Int, call: Int, accounts: [Int]) {
        command.append(open)
        command.append(settlement.hold)
        command.append((isReleased ? .release : settlement.mode).rawValue)
        command.append(settlement.returned)
        command.append(call)
        switch isPrimary ? settlement.memory : .none {
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
        command.append(settlement.isDoubtful ? Credits.balanceCeiling : settlement.admissibleUntil)
        command.append(accounts.count)
        for account in accounts { command.append(account) }
        command.append(settlement.charges.count)
        for (index, charge) in settlement.charges.enumerated() {
            // The others charge what the key's own shard has charged; a surcharge as far as their accounts go.
            let total = isPrimary || index >= charged.count ? charge.base + charge.surcharge : charged[index]
            let base = min(total, charge.base)
            command.append(base)
            command.append(total - base)
            if isPrimary { command.append(charge.event.packed) } else { command.append("") }
        }
    }

    static func answer(_ reply: RedisReply) -> Settled {
        switch reply.status {
        case 1:
            let credits = reply.integer(at: 1)
            let charged = (reply.array ?? []).dropFirst(2).map { $0.integer ?? 0 }
            return .done(credits: credits >= 0 ? credits : nil, charged: Array(charged))
        case 2: return .closedByOthers(charged: reply.integer(at: 1))
        case 3: return .failed(StoreFailure(errorText: reply.array?.last?.string ?? ""))
        default: return .gone
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
