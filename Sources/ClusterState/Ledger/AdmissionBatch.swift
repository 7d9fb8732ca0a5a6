// The admissions of one tick for one shard, as admit.lua reads them, and its answers.

import GateDomain
import LuaScripts

/// One admission in a batch: a request, or the share of it that lies in one shard.
struct AdmissionPart {
    let request: AdmissionRequest
    /// The accounts of the policy that this part is for, by their places in it.
    let accounts: [Int]
    /// Milliseconds of Redis TIME after which it must not be carried out.
    let admissibleUntil: Int
    /// Whether it is the share of the key's own shard, which decides; the others follow it.
    let isPrimary: Bool
    /// Whether its hold has the event that is written if the node dies before the key's own shard has been asked: of several shards that
    /// follow only the first, so that it is written once.
    var hasEvent = true
}

extension AdmissionPart {
    /// The command for parts that share a shard and a node.
    /// - Parameter now: microseconds since 1970, of which calls are counted in the periods.
    static func command(
        for parts: [AdmissionPart], node: String, shard: Int, keys: RedisKeys, at now: Int, in spans: inout CalendarSpans
    ) -> RedisCommand {
        var names = ScriptKeys(keys.open(node, shard), keys.versions(shard))
        let places = parts.map { $0.places(in: &names, audit: keys.audit(shard)) }
        var command = RedisCommand(script: .admit, keys: names.names.count)
        for name in names.names { command.append(name) }
        // Every policy of a node is guarded by the same records.
        let guards = parts.first?.request.caller.policy.guards ?? []
        command.append(guards.count)
        for each in guards { command.append(each.name) }
        command.append(parts.count)
        for part in parts { command.append(part.request.hold) }
        var packs = Packs()
        for (part, places) in zip(parts, places) {
            part.pack(into: &packs, places, guards: guards.count) { spans.packed($0, at: now) }
            command.append(packs.call.bytes)
        }
        return command
    }

    private struct Places {
        var call = 0
        var audit = 0
        var accounts: [Int] = []
        var rings: [Int] = []
    }

    private var limits: [(limit: Limit, amount: Int)] {
        accounts.count == request.caller.accounts.count ? request.limits : request.limits.filter { accounts.contains($0.limit.account) }
    }

    /// What is added to the key's account where its balance falls low; the key's own shard does that.
    private var refill: AutoTopUp? { isPrimary ? request.caller.autoTopUp : nil }

    private func places(in names: inout ScriptKeys, audit: String) -> Places {
        var places = Places()
        let caller = request.caller
        if isPrimary, !request.dry, let idempotency = request.idempotency { places.call = names.place(of: caller.calls + idempotency.key) }
        if refill != nil { places.audit = names.place(of: audit) }
        for account in accounts { places.accounts.append(names.place(of: caller.accounts[account])) }
        for (limit, _) in limits {
            if case .rolling = limit.window { places.rings.append(names.place(of: caller.ring(of: limit))) }
        }
        return places
    }

    /// What one call is packed into, kept for the next one.
    private struct Packs {
        var call = ScriptPack()
        var hold = ScriptPack()
    }

    private func pack(into packs: inout Packs, _ places: Places, guards: Int, span: (CalendarPeriod) -> ScriptPack) {
        let policy = request.caller.policy
        packs.call.clear()
        packs.call.append(admissibleUntil)
        packs.call.append(request.dry ? "dry" : request.isRepeated ? "again" : "")
        packs.call.append(request.price)
        packs.call.append(request.calls)
        packHold(into: &packs, hasRecord: places.call > 0)
        packs.call.append(places.call)
        packs.call.append(request.idempotency?.fingerprint ?? "")
        packs.call.append(request.idempotency?.patience ?? 0)
        packs.call.append(accounts.count)
        let limits = limits
        packs.call.append(limits.count)
        if let refill { packs.call.append(refill.order(for: request.caller.record, audit: places.audit)) } else { packs.call.append("") }
        for index in 0..<guards { packs.call.append(decimal: index < policy.guards.count ? policy.guards[index].version : 0) }
        for (account, place) in zip(accounts, places.accounts) {
            packs.call.append(place)
            packs.call.append(decimal: policy.accounts[account].version)
            packs.call.append(policy.accounts[account].kind)
        }
        var rings = places.rings[...]
        for (limit, amount) in limits { pack(limit, amount, into: &packs.call, &rings, span) }
    }

    /// What stands in the hold before its counts and behind them (hold.lua); all in one where no limit is counted there.
    private func packHold(into packs: inout Packs, hasRecord: Bool) {
        let policy = request.caller.policy
        packs.hold.clear()
        packs.hold.append(raw: UInt8(ascii: "o"))
        packs.hold.append(Self.holdFormat)
        packs.hold.append(request.price)
        packs.hold.append(request.calls)
        packs.hold.beginTable(of: accounts.count * 2)
        for account in accounts {
            packs.hold.append(policy.accounts[account].id.text)
            packs.hold.append(policy.accounts[account].kind)
        }
        if limits.contains(where: \.limit.row.isCountedInHold) {
            packs.call.append(packs.hold)
            packs.hold.clear()
            packHoldEnd(into: &packs.hold, hasRecord: hasRecord)
            packs.call.append(packs.hold)
        } else {
            packs.hold.append(raw: ScriptPack.nothing)
            packHoldEnd(into: &packs.hold, hasRecord: hasRecord)
            packs.call.append(packs.hold)
            packs.call.append("")
        }
    }

    private func packHoldEnd(into hold: inout ScriptPack, hasRecord: Bool) {
        if hasRecord, let idempotency = request.idempotency {
            hold.append(request.caller.calls + idempotency.key)
        } else {
            hold.append("")
        }
        if isPrimary { hold.append("") } else { hold.append(String(request.caller.shards[0])) }
        if hasEvent { hold.append(request.event.packed) } else { hold.append("") }
        let limits = limits
        guard limits.contains(where: { $0.limit.row.creditCap > 0 }) else { return }
        hold.beginTable(of: limits.count { $0.limit.row.isCountedInHold })
        for (limit, _) in limits where limit.row.isCountedInHold { hold.append(limit.row.creditCap) }
    }

    private func pack(
        _ limit: Limit, _ amount: Int, into call: inout ScriptPack, _ rings: inout ArraySlice<Int>,
        _ span: (CalendarPeriod) -> ScriptPack
    ) {
        call.append((accounts.firstIndex(of: limit.account) ?? 0) + 1)
        call.append(valuesOf: limit.row.head)
        call.append(amount)
        switch limit.window {
        case .rolling: call.append(rings.popFirst() ?? 0)
        case .calendar(let period): call.append(valuesOf: span(period))
        case .lifetime: break
        }
        call.append(valuesOf: limit.row.tail)
    }

    /// By which hold.lua knows what it reads.
    private static let holdFormat = 2
}

extension PolicyAccount {
    /// The number by which admit.lua and settle.lua know what a call does to it.
    fileprivate var kind: Int { isBare ? 2 : isFunded ? 1 : 0 }
}

/// What admit.lua said of one part.
enum AdmissionAnswer {
    case decided(Admission)
    /// Its moment has passed, or the period that was named is another one: it is now so many milliseconds.
    case late(now: Int)
    /// The node's name is shut out of the shard.
    case fenced
}

extension AdmissionPart {
    func answer(_ reply: ScriptAnswer) -> AdmissionAnswer {
        let limits = limits
        switch reply.status {
        case 0:
            let meters = limits.indices.map { MeterReading(remaining: reply.integer(at: 2 + $0 * 2), reset: reply.integer(at: 3 + $0 * 2)) }
            return .decided(.admitted(credits: reply.integer(at: 1), meters: meters))
        case 1: return .decided(.stale)
        case 2: return .late(now: reply.integer(at: 1))
        case 3: return .fenced
        case 4: return .decided(.denied(.keyExpired, credits: nil))
        case 5:
            let number = reply.integer(at: 1) - 1
            guard limits.indices.contains(number) else {
                return .decided(.failed(.fault("admit.lua names a limit that was not asked for")))
            }
            return denied(limits[number].limit.denial(wait: reply.integer(at: 2)), reply, at: 3)
        case 6: return denied(.insufficientCredits(need: request.price, have: reply.integer(at: 2)), reply, at: 2)
        case 7: return denied(account(reply.integer(at: 1)).spendingDenial, reply, at: 2)
        case 8: return .decided(.running)
        case 9:
            guard let answer = reply.bytes(at: 1) else { return .decided(.conflict) }
            return .decided(.replay(answer))
        case 10: return .decided(.conflict)
        case 11: return .decided(.failed(.unavailable("the call was given up before")))
        case 12: return .decided(account(reply.integer(at: 1)).subject == .key ? .denied(.invalidKey, credits: nil) : .stale)
        case 13: return .decided(.unanswered)
        case 14: return .decided(.failed(StoreFailure(errorText: reply.why)))
        default: return .decided(.failed(.fault("an answer that admit.lua does not give")))
        }
    }

    /// - Parameter place: of the credits in the reply; they are those of the first account of this part, so the key's own only where its shard
    ///   has answered.
    private func denied(_ denial: Denial, _ reply: ScriptAnswer, at place: Int) -> AdmissionAnswer {
        let remaining = reply.integer(at: place + 1)
        return .decided(
            .denied(
                denial, credits: isPrimary ? reply.integer(at: place) : nil,
                rate: isPrimary && remaining >= 0 ? MeterReading(remaining: remaining, reset: reply.integer(at: place + 2)) : nil))
    }

    /// - Parameter place: as the script counts, from 1, among the accounts of this part.
    private func account(_ place: Int) -> PolicyAccount {
        request.caller.policy.accounts[accounts.indices.contains(place - 1) ? accounts[place - 1] : 0]
    }
}
