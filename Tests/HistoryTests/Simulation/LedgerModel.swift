// What the ledger has to come to, reckoned from outside: from what it was asked, and what it said to that.

@testable import ClusterState
import GateDomain

/// Every hold that was ever opened, what became of it, and so what each account, meter and window has to hold.
///
/// It knows nothing of how the scripts keep their state: a window is the list of all that it ever let in, a meter the sum of what its holds
/// still count in it.
struct LedgerModel {
    private struct Count {
        let meter: MeterName
        let kind: String
        /// The period that it was counted in.
        let period: Int
        let amount: Int
        /// Credits that it never passes; 0 where there is no such cap.
        let cap: Int
    }

    private struct Hold {
        /// Those with a record.
        let accounts: [String]
        let price: Int
        let calls: Int
        let primary: Int?
        let counts: [Count]
        var isOpen = true
        var charged: Int
        var returned = 0

        /// What it counts in a meter.
        func share(_ count: Count) -> Int {
            switch count.kind {
            case "o": isOpen ? count.amount : 0
            case "c": count.amount - (price - charged)
            // One of the whole batch goes back call by call, one of a part of it with the last.
            default: count.amount - (count.amount == calls ? returned : returned == calls ? count.amount : 0)
            }
        }
    }

    private struct MeterName: Hashable {
        let account: String
        let meter: String
    }

    private struct Meter {
        /// The latest period that anything was counted in; a step of the clock back begins none anew.
        var period = 0
        var used: [Int: Int] = [:]
    }

    /// What a rolling window has let in.
    private struct Entry {
        /// Microseconds: Redis's own time, as if it had only ever stepped forth.
        let at: Int
        let amount: Int
        /// Microseconds of Redis's own time from which it may count, the earliest and the latest: what stands in the future, as the clock has
        /// stepped back, counts from when somebody next looks; whether somebody has looked is not always to be seen.
        var earliest: Int
        var latest: Int
    }

    private struct Window {
        let length: Int
        var entries: [Entry] = []
        /// How many of the first may have lost their times: they count as made with the newest, and what follows does not leave before them.
        var lost = 0
        var newest: Int { entries.reduce(0) { max($0, $1.latest) } }

        /// - Parameters:
        ///   - clock: microseconds of Redis's own time.
        ///   - isCertain: whether somebody has looked; else somebody may have.
        ///   - isKept: whether what has left by then is gone for good; else it may come back with the clock.
        mutating func look(at clock: Int, isCertain: Bool, isKept: Bool) {
            for index in entries.indices {
                entries[index].earliest = min(entries[index].earliest, clock)
                if isCertain { entries[index].latest = min(entries[index].latest, clock) }
                if entries[index].earliest < clock - length { entries[index].earliest = .min }
            }
            guard isKept, lost == 0 || newest < clock - length else { return }
            lost = 0
            entries.removeAll { $0.latest < clock - length }
        }

        /// What it may count, at least and at most.
        func used(at clock: Int) -> (least: Int, most: Int) {
            let start = clock - length
            let holds = lost > 0 && newest >= start
            return entries.reduce((0, 0)) { sum, entry in
                (sum.0 + (entry.earliest >= start ? entry.amount : 0), sum.1 + (holds || entry.latest >= start ? entry.amount : 0))
            }
        }
    }

    /// A moment of Redis's time.
    struct Moment {
        /// Microseconds since 1970, as Redis says.
        let clock: Int
        /// Microseconds, as if the clock had only ever stepped forth.
        let passed: Int
    }

    private var holds: [String: Hold] = [:]
    private var meters: [MeterName: Meter] = [:]
    private var windows: [String: Window] = [:]
    /// Accounts without a record, which hold nothing at rest.
    private var bare: Set<String> = []
    /// What is not as it has to be.
    private(set) var violations: [String] = []

    // MARK: What arrived

    /// - Parameter isDamaged: whether an account is none at this moment.
    mutating func admitted(_ asked: AskedAdmission, _ answer: ScriptAnswer, at now: Moment, isDamaged: Bool) {
        look(asked, answer, at: now.clock)
        switch answer.status {
        case 0 where !asked.isDry && holds[asked.hold] == nil:
            open(asked, at: now)
            for (index, limit) in asked.limits.enumerated() {
                let (left, used) = (answer.integer(at: 2 + index * 2), used(limit, at: now.clock))
                if !(limit.cap - used.most...limit.cap - used.least).contains(left) {
                    violations.append("R15: \(limit.meter) of \(limit.cap) holds \(used), its caller is told that \(left) are left")
                }
            }
        case 5:
            let place = answer.integer(at: 1) - 1
            guard asked.limits.indices.contains(place), case let limit = asked.limits[place] else { return }
            let most = used(limit, at: now.clock).most
            if most + limit.amount <= limit.cap {
                violations.append("R15: \(limit.meter) of \(limit.cap) refuses \(limit.amount) more at \(most)")
            }
        case 14 where isDamaged && answer.why.contains(Self.corrupt): break
        case 14: violations.append("admit.lua faults: \(answer.why)")
        default: break
        }
    }

    /// What a script says of an account that is none.
    private static let corrupt = "a corrupt account"

    /// Windows are looked at whenever a call is measured by them: when it is let in, refused by a limit, or for want of credits; and it may be
    /// so when it is asked to come again as a period was not the one that it named. What they have forgotten is kept with what is let in.
    private mutating func look(_ asked: AskedAdmission, _ answer: ScriptAnswer, at clock: Int) {
        guard [0, 2, 5, 6, 7].contains(answer.status) else { return }
        let isKept = answer.status == 0 && !asked.isDry && holds[asked.hold] == nil
        for limit in asked.limits where limit.kind == "r" {
            windows[limit.ring]?.look(at: clock, isCertain: answer.status != 2, isKept: isKept)
        }
    }

    /// Windows with something in them.
    var rings: [String] { windows.filter { !$0.value.entries.isEmpty }.keys.sorted() }

    /// The times of a window are gone.
    mutating func lost(_ ring: String) { windows[ring].map { windows[ring]?.lost = $0.entries.count } }

    /// Redis's clock steps back from a moment: what was not used for long may have expired by then, and counts again.
    mutating func stepsBack(from clock: Int) {
        for (ring, window) in windows where window.newest + window.length < clock { lost(ring) }
    }

    func isOpened(_ hold: String) -> Bool { holds[hold] != nil }

    mutating func settled(_ asked: AskedSettlement, _ answer: ScriptAnswer, isDamaged: Bool) {
        let sum = { (first: Int) in answer.integers(from: first).reduce(0, +) }
        switch answer.status {
        case 1: close(asked.hold, charged: sum(3), returned: answer.integer(at: 2))
        case 2: expect(asked.hold, charged: answer.integer(at: 1), returned: answer.integer(at: 2))
        case 3 where isDamaged && answer.why.contains(Self.corrupt): break
        case 3: violations.append("settle.lua faults: \(answer.why)")
        case 4: expect(asked.hold, charged: sum(2), returned: answer.integer(at: 1))
        case 6:
            if let price = holds[asked.hold]?.price, price != asked.base {
                violations.append("M3: \(asked.hold) is said to be charged what is held, \(price), and \(asked.base) was asked for")
            }
            close(asked.hold, charged: asked.base, returned: 0)
        default: break
        }
    }

    private mutating func open(_ asked: AskedAdmission, at now: Moment) {
        bare.formUnion(asked.bare)
        var counts: [Count] = []
        for limit in asked.limits {
            let before = limit.kind == "r" ? passed(limit, at: now.passed) : used(limit, at: now.clock).most
            if !limit.warns, before + limit.amount > limit.cap {
                violations.append("\(limit.rule): \(limit.meter) of \(limit.cap) lets \(limit.amount) more in at \(before)")
            }
            if limit.kind == "r" {
                windows[limit.ring, default: Window(length: limit.window)].entries.append(
                    Entry(at: now.passed, amount: limit.amount, earliest: now.clock, latest: now.clock))
                continue
            }
            let name = MeterName(account: limit.account, meter: limit.meter)
            let period = max(limit.period, meters[name]?.period ?? 0)
            meters[name, default: Meter()].period = period
            meters[name, default: Meter()].used[period, default: 0] += limit.amount
            let isCap = limit.kind == "c" && !limit.warns && limit.cap < Limit.counted
            counts.append(
                Count(meter: name, kind: limit.kind, period: period, amount: limit.amount, cap: isCap ? limit.cap : 0))
        }
        holds[asked.hold] = Hold(
            accounts: asked.accounts.filter { !asked.bare.contains($0) }, price: asked.price, calls: asked.calls, primary: asked.primary,
            counts: counts, charged: asked.price)
    }

    /// What a window has let in, whatever the clock said.
    private func passed(_ limit: AskedAdmission.Asked, at now: Int) -> Int {
        windows[limit.ring]?.entries.reduce(0) { $1.at >= now - limit.window ? $0 + $1.amount : $0 } ?? 0
    }

    /// What counts against a limit, at least and at most. - Parameter clock: microseconds of Redis's own time.
    private func used(_ limit: AskedAdmission.Asked, at clock: Int) -> (least: Int, most: Int) {
        if limit.kind == "r" { return windows[limit.ring]?.used(at: clock) ?? (0, 0) }
        guard let meter = meters[MeterName(account: limit.account, meter: limit.meter)] else { return (0, 0) }
        let used = meter.used[max(limit.period, meter.period)] ?? 0
        return (used, used)
    }

    private mutating func close(_ name: String, charged: Int, returned: Int) {
        guard var hold = holds[name] else {
            if charged > 0 { violations.append("M1: \(name) was never opened and is charged \(charged)") }
            return
        }
        let before = hold
        (hold.isOpen, hold.charged, hold.returned) = (false, charged, returned)
        for count in hold.counts { meters[count.meter]?.used[count.period, default: 0] += hold.share(count) - before.share(count) }
        for count in hold.counts where before.isOpen && charged > hold.price && count.cap > 0 {
            let meter = meters[count.meter] ?? Meter()
            if meter.period != count.period || meter.used[count.period] ?? 0 > count.cap {
                violations.append(
                    "M11: \(name) of \(hold.price) is charged \(charged), past \(count.cap) of \(count.meter.meter): \(meter)")
            }
        }
        holds[name] = hold
    }

    /// What was closed before is what this answer says of it.
    private mutating func expect(_ name: String, charged: Int, returned: Int) {
        guard let hold = holds[name], hold.charged != charged || hold.returned != returned || hold.isOpen else { return }
        violations.append(
            "M3: \(name) is said to be charged \(charged) with \(returned) returned, and was \(hold.charged), \(hold.returned)")
    }

    // MARK: Rest

    /// All that has to be said of accounts and meters when nothing is open any more.
    /// - Parameters:
    ///   - account: the fields of an account in Redis.
    ///   - hasBudget: whether what accounts of other shards may spend was ever limited.
    ///   - forgotten: nodes of which nobody followed up what they did after they had been struck off.
    func atRest(hasBudget: Bool, forgotten: Set<String>, account: (String) -> [String: String]) -> [String] {
        var found: [String] = []
        let open = holds.filter(\.value.isOpen).keys.sorted()
        if !open.isEmpty { found.append("F30: \(open) were never closed") }
        for name in Set(holds.values.flatMap(\.accounts)).sorted() {
            let fields = account(name)
            let own = holds.values.filter { $0.accounts.contains(name) }
            let (spent, calls) = own.reduce((0, 0)) { ($0.0 + $1.charged, $0.1 + $1.calls - $1.returned) }
            if fields["spent"] != String(spent) { found.append("M1: \(name) has spent \(fields["spent"] ?? ""), its holds say \(spent)") }
            if fields["calls"] != String(calls) {
                found.append("M1: \(name) counts \(fields["calls"] ?? "") calls, its holds say \(calls)")
            }
            for (meter, value) in meters.filter({ $0.key.account == name }).sorted(by: { $0.key.meter < $1.key.meter }) {
                let used = value.used[value.period] ?? 0
                let words = fields["m:" + meter.meter] ?? ""
                if words != (value.period == 0 ? "\(used)" : "\(value.period):\(used)"), words != "0:\(used)" {
                    found.append("M11: \(meter.meter) of \(name) says \(words), its holds \(value.period):\(used)")
                }
            }
        }
        for name in bare.sorted() where account(name).keys.contains(where: { $0 != "version" }) {
            found.append("F-CONC-01: \(name) still counts \(account(name))")
        }
        return found + followers(hasBudget, forgotten)
    }

    /// What other shards hold of a call has come to what the key's own shard has made of it.
    private func followers(_ hasBudget: Bool, _ forgotten: Set<String>) -> [String] {
        holds.sorted { $0.key < $1.key }.compactMap { name, hold in
            guard let primary = hold.primary, !forgotten.contains(where: { name.contains(":open:" + $0 + " ") }) else { return nil }
            let decided = holds[Self.name(name, in: primary)]
            let (charged, returned) = decided.map { ($0.charged, $0.returned) } ?? (0, hold.calls)
            // Of a surcharge the other shard takes what its own budget and quotas have room for.
            let least = hasBudget || hold.counts.contains { $0.cap > 0 } ? min(charged, hold.price) : charged
            guard hold.returned != returned || !(least...charged).contains(hold.charged) else { return nil }
            return "M1: \(name) is charged \(hold.charged) with \(hold.returned) returned, its key's shard says \(charged), \(returned)"
        }
    }

    /// The same hold in another shard: names carry theirs in braces.
    private static func name(_ name: String, in shard: Int) -> String {
        guard let open = name.firstIndex(of: "{"), let close = name.firstIndex(of: "}") else { return name }
        return name[...open] + String(shard) + name[close...]
    }
}

extension AskedAdmission.Asked {
    /// What is broken where it lets too many in.
    fileprivate var rule: String {
        switch kind {
        case "r": "R14"
        case "o": "F-CONC-01"
        default: "F-QUOTA-01"
        }
    }
}
