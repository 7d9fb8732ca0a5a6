// Orders of admins bind every call that begins after they were answered, and none is carried out twice.

@testable import ClusterState
import GateDomain

extension World {
    /// V21, V22: whoever is let in, or given a stored answer, is judged by the records as they stand.
    func judge(_ asked: AskedAdmission, _ answer: ScriptAnswer, isNew: Bool) {
        guard answer.status == 0 && isNew && !asked.isDry || answer.status == 9, let call = askers[asked.name] else { return }
        for (account, version) in asked.versions {
            guard let id = account.split(separator: ":").last.map(String.init), let record = records.current(id) else { continue }
            if record.version != version {
                violate("V22: \(call.requestID) is judged by version \(version) of \(id), it is \(record.version)")
            }
            if answer.status == 0, record.limit > 0, let spent = redis.ask("HGET", account, "spent").integer, spent > record.limit {
                violate("M11: \(call.requestID) is let in, \(id) has spent \(spent) of \(record.limit)")
            }
        }
        let prices = (call.rulesBefore...max(call.rulesBefore, madeRules)).map { version in
            call.request.tools.reduce(0) { $0 + plan.rules(version).prices.price(of: $1, argumentBytes: 0) }
        }
        if answer.status == 0, !prices.contains(asked.price) {
            violate("V21: \(call.requestID) is let in for \(asked.price) by rules older than \(call.rulesBefore): \(prices)")
        }
        guard asked.primary == nil, let key = records.current(call.request.key)?.key else { return }
        for tool in call.request.tools {
            if let refusal = key.refusal(of: tool) { violate("V21: \(call.requestID) has \(tool), \(key.id) is \(refusal)") }
        }
        if keys.shards == 1, (key.teamID != nil) != asked.versions.contains(where: { $0.account.contains(":team_") }) {
            violate("V21: \(call.requestID) is counted for another team than \(key.teamID ?? "none")")
        }
    }

    /// V21, V24: whoever is refused by what admins have said was so at some moment of the call.
    func judge(refused call: SimulatedCall) {
        guard case .denied(let denial, let part) = call.reply, denial.isOrdered else { return }
        let states = records.states(of: call.request.key, since: call.began)
        if !states.contains(where: { $0.key?.refusal(of: call.request.tools[part]) == denial }) {
            violate("V24: \(call.requestID) is refused as \(denial), and its key was \(states.map { $0.key?.state.rawValue ?? "none" })")
        }
    }

    /// An admin is told that an operation was carried out.
    func acknowledge(_ operation: Operation, of id: String) {
        told.insert(operation.id)
        if !records.isDone(keys.operation(id, operation.id)) { violate("M12: \(operation.id) was answered, and nobody has carried it out") }
    }

    /// M12, V23: the records are what the orders have made of them, and each order is in the audit log once.
    func checkOrders() {
        records.atRest(record: { redis.ask("HGETALL", keys.record($0)).fields }, account: { redis.ask("HGETALL", keys.account($0)).fields })
            .forEach(violate)
        var entries: [String: Int] = [:]
        for shard in 0..<keys.shards {
            for entry in redis.ask("XRANGE", keys.audit(shard), "-", "+").array ?? [] {
                if let change = LoggedChange(entry), change.message.hasPrefix("op") { entries[change.message, default: 0] += 1 }
            }
        }
        for (operation, count) in entries.sorted(by: { $0.key < $1.key }) where count > 1 {
            violate("M12: the audit log tells of \(operation) \(count) times")
        }
        for operation in told.sorted() where entries[operation] == nil { violate("M12: the audit log does not tell of \(operation)") }
    }

    /// The change feed reaches a node, late, or not at all.
    func tell(_ node: SimulatedNode, _ random: inout SeededRandom) {
        guard !node.news.isEmpty else { return }
        if random.chance(25) {
            note("\(node.name) has missed news")
            node.news = []
            node.forgetAll()
        } else {
            let id = node.news.removeFirst()
            note("\(node.name) hears of \(id.suffix(4))")
            if id == teamID { node.forgetAll() } else { node.forget(id) }
        }
    }
}
