// Transfers and reservations of a history, and what has to be true of them after each move.

@testable import ClusterState
import GateDomain

extension World {
    func moveCredits(_ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id, amount) = (random.pick(running), random.pick(keyIDs), 1 + random.below(plan.credits / 2))
        let operation = Operation(
            id: "c\(random.next())", fingerprint: "f", audit: AuditEntry(type: "t", actor: "a", message: "credits", metadata: []))
        let (store, world) = (node.store, Reference(self))
        switch random.below(5) {
        case 0, 1:
            guard let to = random.any(of: keyIDs.filter { $0 != id }) else { return }
            note("admin on \(node.name): \(amount) credits from \(id.suffix(4)) to \(to.suffix(4))")
            node.start { _ = try? await Transfers(store: store).move(amount, from: id, to: to, operation) }
        case 2:
            let seconds = random.pick([1, 30, 100])
            note("admin on \(node.name): \(amount) credits of \(id.suffix(4)) are reserved for \(seconds) s")
            node.start {
                let made = try? await Reservations(store: store).reserve(id, credits: amount, seconds: seconds, memo: "", operation)
                if let made { world.value.reservations.append(made.reservation.id) }
            }
        default:
            guard !reservations.isEmpty else { return }
            let (place, committing) = (random.below(reservations.count), random.chance(60))
            let reserved = reservations[place]
            note("admin on \(node.name): \(committing ? "commits" : "releases") reservation \(place)")
            node.start {
                guard (try? await Reservations(store: store).end(reserved, committing: committing, operation)) != nil else { return }
                if let before = world.value.endings[reserved] {
                    world.value.violate("M8: reservation \(place) ended twice: \(before), \(committing)")
                }
                world.value.endings[reserved] = committing
            }
        }
    }

    /// - Parameter moment: milliseconds; what is due by then.
    func seeToDue(_ node: SimulatedNode, at moment: Int) {
        let store = node.store
        node.start { try? await Transfers(store: store).seeToDue(at: moment) }
    }

    /// What of a key is set aside, as its list says.
    func setAside(of id: String) -> (held: Int, committed: Int, transfers: Int, onTheWay: Int) {
        var sums = (held: 0, committed: 0, transfers: 0, onTheWay: 0)
        guard plan.movesCredits else { return sums }
        for (name, text) in redis.ask("HGETALL", keys.reservations(of: id)).fields {
            let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
            guard words.count >= 7, let credits = Int(words[3]) else { continue }
            switch (words[1], words[2]) {
            case ("o", "r"): sums.held += credits
            case ("c", "r"): sums.committed += credits
            case ("o", "t"):
                sums.transfers += 1
                let hasArrived = redis.ask("HEXISTS", keys.operation(words[6], "transfer:" + name), "credits").integer == 1
                if !hasArrived { sums.onTheWay += credits }
            default: break
            }
        }
        return sums
    }

    /// The fields of an account without what was reserved and committed, of which no call knows.
    func spentOnCalls(_ fields: [String: String], of account: String) -> [String: String] {
        guard plan.movesCredits, let id = keyIDs.first(where: { keys.account($0) == account }),
            let spent = fields["spent"].flatMap({ Int($0) })
        else { return fields }
        let aside = setAside(of: id)
        return fields.merging(["spent": String(spent - aside.held - aside.committed)]) { $1 }
    }

    /// M1, M7, M8: each account adds up, what is held is what is reserved, and the sum of all moves by top-ups alone.
    func checkCredits() {
        var sum = 0
        let accounts = redis.askAll(keyIDs.map { RedisCommand("HMGET", keys.account($0), "credits", "spent", "granted", "held") })
        for (id, values) in zip(keyIDs, accounts) {
            let (credits, spent, granted, held) = (
                values.integer(at: 0), values.integer(at: 1), values.integer(at: 2), values.integer(at: 3)
            )
            let aside = setAside(of: id)
            if credits + spent != granted { violate("M1: \(id.suffix(4)): \(credits) left + \(spent) spent or held is not \(granted)") }
            if held != aside.held || spent < held {
                violate("M8: \(id.suffix(4)) holds \(held), \(aside.held) are reserved, \(spent) spent")
            }
            sum += granted + aside.onTheWay
        }
        let least = granted.values.reduce(0, +)
        let most = doubtful.values.reduce(least, +)
        if sum < least || sum > most { violate("M7: all have \(sum), and were given \(least) to \(most)") }
        for reserved in endings where reserved.value {
            guard let id = Reservation.key(of: reserved.key), now + leaps < 72_000_000_000 else { continue }
            let entry = redis.ask("HGET", keys.reservations(of: id), reserved.key).string ?? ""
            if !entry.hasPrefix("1 c ") { violate("M12: a commit that was acknowledged is gone: \(entry)") }
        }
    }
}
