// What has to be true of a history when everything has come to rest.

@testable import ClusterState
import GateDomain

extension World {
    /// An entry of the usage stream.
    private struct Entry {
        let hold: String
        let credits: Int
        let event: CallEvent
    }

    func check() {
        let entries = (0..<keys.shards).flatMap { usage($0) }
        checkMoney(entries)
        checkReplies(entries)
        checkIdempotency(entries)
        checkLeftovers()
        checkOrders()
        let hasBudget = records.states(of: teamID, since: 0).contains { $0.limit > 0 }
        model.atRest(hasBudget: hasBudget, forgotten: forgotten) { spentOnCalls(redis.ask("HGETALL", $0).fields, of: $0) }.forEach(
            violate)
    }

    private func usage(_ shard: Int) -> [Entry] {
        (redis.ask("XRANGE", keys.usage(shard), "-", "+").array ?? []).compactMap { entry in
            guard let parts = entry.array, parts.count == 2, let call = LoggedCall(entry) else { return nil }
            let fields = parts[1].fields
            return Entry(hold: fields["h"] ?? "", credits: call.credits, event: call.event)
        }
    }

    /// M1, M13: what was put in is there or was spent, and what was spent has its event.
    private func checkMoney(_ entries: [Entry]) {
        for id in keyIDs {
            let values = redis.ask("HMGET", keys.account(id), "credits", "spent", "granted", "calls")
            let (credits, spent, granted) = (values.integer(at: 0), values.integer(at: 1), values.integer(at: 2))
            if credits + spent != granted { violate("M1: \(id.suffix(4)): \(credits) left + \(spent) spent is not \(granted) granted") }
            if !plan.movesCredits, granted < self.granted[id] ?? 0 {
                violate("M12: \(id.suffix(4)) was told of \(self.granted[id] ?? 0) credits and has \(granted)")
            }
            if !plan.movesCredits, granted > (self.granted[id] ?? 0) + (doubtful[id] ?? 0) {
                violate("M12: \(id.suffix(4)) has \(granted) credits, more than anybody asked for")
            }
            let aside = setAside(of: id)
            let charged = entries.reduce(aside.held + aside.committed) { $0 + ($1.event.keyID == id ? $1.credits : 0) }
            if charged != spent { violate("M13: \(id.suffix(4)) has spent \(spent), its events say \(charged)") }
        }
        guard !records.hasChanged(teamID) else { return }
        let spent = redis.ask("HGET", keys.account(teamID), "spent").integer ?? 0
        if plan.teamBudget > 0, spent > plan.teamBudget { violate("M11: the team has spent \(spent) of \(plan.teamBudget)") }
    }

    /// M3 to M6: whoever was told of a success has paid what it was told, whoever was told of none has paid nothing.
    private func checkReplies(_ entries: [Entry]) {
        for call in calls {
            let own = entries.filter { $0.event.requestID == call.requestID }
            let charged = own.reduce(0) { $0 + $1.credits }
            switch call.reply {
            case .served:
                if charged != call.charged { violate("M4: \(call.requestID) was told of \(call.charged), charged \(charged)") }
                if call.holdName != nil, own.isEmpty { violate("M13: \(call.requestID) was served and has no event") }
            case .denied, .conflict, .stillRunning, .replayed, .unanswered, .cancelled:
                if charged > 0 { violate("M5: \(call.requestID) was \(call.reply.map { "\($0)" } ?? ""), charged \(charged)") }
            case .lost(nothingCharged: true):
                if charged > 0 { violate("M5: \(call.requestID) was told that nothing was charged, charged \(charged)") }
            case .unavailable:
                // With an idempotency key a repetition may have asked for the answer: then the one charge stands, and the answer can be had.
                let isSeen =
                    call.request.idempotencyKey.map { key in
                        redis.ask("HGET", keys.calls(call.request.key) + key, "answer").string
                            == String(decoding: call.answer, as: UTF8.self)
                    } ?? false
                // A node that dies before it could give the credits back leaves a call of which nobody knows what its client heard.
                if charged > 0, !isSeen, call.node.condition != .dead {
                    violate("M5: \(call.requestID) was told that the store is away, charged \(charged)")
                }
            case .lost, .nobody, nil: break
            }
            if own.count > call.request.tools.count { violate("M13: \(call.requestID) has \(own.count) events") }
            if Set(own.map(\.hold)).count > 1 { violate("M3: \(call.requestID) was charged under two holds") }
        }
    }

    /// D17, D18, D20: one charge, one execution whose answer was given.
    private func checkIdempotency(_ entries: [Entry]) {
        for (key, group) in Dictionary(grouping: calls.filter { $0.request.idempotencyKey != nil }, by: { $0.request.idempotencyKey ?? "" })
        {
            let charges = group.filter { call in entries.contains { $0.event.requestID == call.requestID && $0.credits > 0 } }
            if charges.count > 1 { violate("D17: \(key) was charged as \(charges.map(\.requestID))") }
            let answers = Set(
                group.compactMap { call -> String? in
                    switch call.reply {
                    case .replayed(let bytes): String(decoding: bytes, as: UTF8.self)
                    case .served where call.charged > 0: String(decoding: call.answer, as: UTF8.self)
                    default: nil
                    }
                })
            if answers.count > 1 { violate("D18: \(key) was answered with \(answers.sorted())") }
        }
    }

    /// M8, F40: nothing is held for anybody, nothing is left behind.
    private func checkLeftovers() {
        for name in redis.ask("KEYS", "h:*").array?.compactMap(\.string) ?? [] where name.contains(":open:") {
            for (field, value) in redis.ask("HGETALL", name).fields where field != "!" {
                if value.hasPrefix("o") { violate("F30: \(field) is still open in \(name)") }
                // A step back may make a late copy a timely one.
                if !hasSteppedBack, running.contains(where: { name.hasSuffix(":open:" + $0.identity.name) }) {
                    violate("F40: the mark of \(field) stays in \(name)")
                }
            }
        }
    }

    // MARK: After each move

    func checkBalances() {
        // Nothing has moved where nothing has arrived.
        guard moment != checkedMoment else { return }
        checkedMoment = moment
        let balances = redis.askAll(keyIDs.map { RedisCommand("HMGET", keys.account($0), "credits", "spent") })
        for (id, values) in zip(keyIDs, balances) {
            let (credits, spent) = (values.integer(at: 0), values.integer(at: 1))
            if credits < 0 { violate("M2: \(id.suffix(4)) has \(credits)") }
            if spent < 0 { violate("M1: \(id.suffix(4)) has spent \(spent)") }
        }
        if plan.movesCredits { checkCredits() }
    }
}
