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
        let lists = Self.lists(of: done) { place(&names, $0) }
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
        command.append(lists.count)
        for list in lists {
            command.append(list.open)
            command.append(list.holds.bytes)
        }
        var pack = ScriptPack()
        for (part, place) in zip(parts, places) {
            pack.clear()
            part.append(to: &pack, open: place.open, call: place.call, accounts: place.accounts, releasableUntil)
            command.append(pack.bytes)
        }
        return command
    }

    /// The holds to be forgotten, those of each list together.
    private static func lists(of done: [Acknowledgement], place: (String) -> Int) -> [(open: Int, holds: ScriptPack)] {
        var lists: [(open: Int, holds: ScriptPack)] = []
        for each in done {
            let open = place(each.node)
            if lists.last?.open != open { lists.append((open, ScriptPack())) }
            lists[lists.count - 1].holds.append(each.hold)
        }
        return lists
    }

    private var memoryKey: String? { following == nil ? settlement.memory.key : nil }

    private var mode: Settlement.Mode {
        guard let following else { return settlement.mode }
        return following.isGivenBack ? .release : .settle
    }

    private func append(to pack: inout ScriptPack, open: Int, call: Int, accounts: [Int], _ releasableUntil: Int) {
        pack.beginSettlement(
            of: settlement.hold, open: open, mode: mode.rawValue, returned: following?.returned ?? settlement.returned, call: call,
            memory: following == nil ? settlement.memory.words : ScriptPack.noMemory,
            until: settlement.isDoubtful ? releasableUntil : settlement.admissibleUntil, accounts: accounts,
            events: following?.charged.count ?? settlement.charges.count)
        if let following {
            for charged in following.charged { pack.append(base: charged) }
        } else {
            for charge in settlement.charges { pack.append(base: charge.base, surcharge: charge.surcharge, event: charge.event.packed) }
        }
    }

    func answer(_ reply: ScriptAnswer) -> SettlementAnswer {
        switch reply.status {
        case 0: return .settled(.gone)
        case 1:
            let credits = reply.integer(at: 1)
            return .settled(.done(credits: credits >= 0 ? credits : nil, charged: reply.integers(from: 3), returned: reply.integer(at: 2)))
        case 2: return .settled(.closedByOthers(charged: reply.integer(at: 1), returned: reply.integer(at: 2)))
        case 3: return .settled(.failed(StoreFailure(errorText: reply.why)))
        case 4: return .settled(.stands(charged: reply.integers(from: 2), returned: reply.integer(at: 1)))
        // No copy of an admission that was answered is carried out after its moment: there is nothing that a mark would keep out.
        case 5: return settlement.isDoubtful ? .late(now: reply.integer(at: 1)) : .settled(.gone)
        case 6: return .settled(.done(credits: nil, charged: following?.charged ?? settlement.charges.map(\.base), returned: 0))
        default: return .settled(.failed(.fault("an answer that settle.lua does not give")))
        }
    }
}

extension ScriptPack {
    /// The word of settle.lua for what becomes of the record of a call, the milliseconds that its answer is kept, and the answer.
    typealias Memory = (word: String, retention: Int, answer: [UInt8])
    /// Of a call without a record.
    static let noMemory: Memory = ("", 0, [])

    /// Adds what settle.lua reads of a settlement before its `events`, which have to follow, each by `append(base:surcharge:event:)`.
    ///
    /// - Parameters:
    ///   - open: the place in KEYS of the list that the hold lies in; `call`, of the call's record, 0 for none; `accounts`, of each account.
    ///   - returned: calls that are taken back from counts.
    ///   - until: milliseconds of Redis TIME up to which a release leaves a mark of a hold that is not there.
    mutating func beginSettlement(
        of hold: String, open: Int, mode: String, returned: Int, call: Int, memory: Memory, until: Int, accounts: [Int], events: Int
    ) {
        append(open)
        append(hold)
        append(mode)
        append(returned)
        append(call)
        append(memory.word)
        append(memory.retention)
        append(memory.answer)
        append(until)
        append(events)
        append(accounts.count)
        for account in accounts { append(account) }
    }

    /// Adds one charge in credits; one without an event is not written.
    mutating func append(base: Int, surcharge: Int = 0, event: [UInt8] = []) {
        append(base)
        append(surcharge)
        append(event)
    }
}

extension Settlement.Memory {
    fileprivate var words: ScriptPack.Memory {
        switch self {
        case .none: ScriptPack.noMemory
        case .keep(let idempotency, let answer): ("keep", idempotency.retention, answer)
        case .drop: ("drop", 0, [])
        }
    }

    fileprivate var key: String? {
        switch self {
        case .none: nil
        case .keep(let idempotency, _): idempotency.key
        case .drop(let key): key
        }
    }
}
