// Where credits are taken and given back: the Swift face of admit.lua and settle.lua, one an event loop.

import GateDomain
import NIOCore
import LuaScripts

/// Money, from one event loop. Everything it does is one script; settlements of one tick travel together.
///
/// Invariant: every hold that may be open is settled until Redis has acknowledged it; nothing is dropped while the node lives.
package final class Ledger {
    private let link: RedisLink
    private let keys: RedisKeys
    private let nodeID: String
    private var queue: [(settlement: Settlement, completion: (Settled) -> Void)] = []
    private var flushScheduled = false
    /// Settlements that Redis has not acknowledged and nobody waits for any more.
    private var unacknowledged: [Settlement] = []
    package private(set) var openHolds = 0

    /// Usage entries that are kept, about (F-LOG-02).
    package static let retainedEvents = 100_000
    /// Settlements that one script carries at most; keeps a script under a millisecond.
    static let batch = 32

    package init(link: RedisLink, keys: RedisKeys, nodeID: String) {
        self.link = link
        self.keys = keys
        self.nodeID = nodeID
    }

    /// Settlements that still have to reach Redis.
    package var backlog: Int { queue.count + unacknowledged.count }

    package func admit(_ request: AdmissionRequest, _ completion: @escaping (Admission) -> Void) {
        openHolds += 1
        link.send(command(for: request)) { result in
            let admission = Self.read(result, of: request)
            if case .admitted = admission, !request.dry {} else { self.openHolds -= 1 }
            completion(admission)
        }
    }

    private func command(for request: AdmissionRequest) -> RedisCommand {
        let facts = request.facts
        var command = RedisCommand(script: .admit, keys: 3 + (request.idempotency == nil ? 0 : 1) + request.limits.count)
        command.append(facts.balance)
        command.append(facts.hold)
        command.append(keys.holding)
        if let idempotency = request.idempotency { command.append(keys.call(facts.record.id, idempotency.key)) }
        for (limit, _) in request.limits { command.append(facts.window(of: limit)) }
        command.append(request.hold)
        command.append(facts.record.version)
        command.append(request.price)
        command.append(request.calls)
        command.append(request.dry ? 1 : 0)
        command.append(request.note.packed)
        command.append(facts.record.id)
        command.append(request.idempotency?.fingerprint ?? "")
        command.append(request.idempotency?.retention ?? 0)
        command.append(nodeID)
        for (limit, cost) in request.limits {
            command.append(limit.name)
            command.append(limit.cap)
            command.append(limit.window)
            command.append(cost)
        }
        return command
    }

    private static func read(_ result: Result<RedisReply, StoreFailure>, of request: AdmissionRequest) -> Admission {
        let reply: RedisReply
        switch result {
        case .failure(let failure): return .failed(failure)
        case .success(let success): reply = success
        }
        switch reply.status {
        case 0:
            let pairs = (0..<request.limits.count).map { (remaining: reply.integer(at: 2 + $0 * 2), reset: reply.integer(at: 3 + $0 * 2)) }
            return .admitted(credits: reply.integer(at: 1), windows: pairs)
        case 1: return .stale
        case 2: return .denied(.keyExpired, credits: nil)
        case 3:
            let limit = request.limits[min(max(reply.integer(at: 1) - 1, 0), request.limits.count - 1)].limit
            return .denied(limit.denial(wait: reply.integer(at: 2)), credits: reply.integer(at: 3))
        case 4: return .denied(.insufficientCredits(need: request.price, have: reply.integer(at: 1)), credits: reply.integer(at: 1))
        case 5: return .denied(.spendingLimitReached, credits: reply.integer(at: 1))
        case 6: return .running
        case 7:
            guard case .array(let elements) = reply, elements.count > 1, case .bytes(let answer) = elements[1] else { return .conflict }
            return .replay(answer)
        case 8: return .conflict
        case 9: return .failed(.unknown)
        case 10: return .denied(.invalidKey, credits: nil)
        default: return .failed(.fault("an answer that admit.lua does not give"))
        }
    }

    /// What an account holds right now; a reading for people. Nil if Redis does not say.
    package func balance(of facts: KeyFacts, _ completion: @escaping (Int?) -> Void) {
        link.send(RedisCommand("HGET", facts.balance, "credits")) { completion((try? $0.get())?.integer) }
    }

    /// Ends a hold; the completion comes when Redis has it, or when waiting has no more sense.
    package func settle(_ settlement: Settlement, _ completion: @escaping (Settled) -> Void) {
        queue.append((settlement, completion))
        guard !flushScheduled else { return }
        flushScheduled = true
        link.eventLoop.assumeIsolatedUnsafeUnchecked().execute { self.flush() }
    }

    /// Gives a hold back of which nobody knows whether it is open, however long that takes.
    package func abandon(_ hold: consuming Hold) {
        unacknowledged.append(Settlement(abandoning: hold))
        retryUnacknowledged()
    }

    private func flush() {
        flushScheduled = false
        while !queue.isEmpty {
            let part = Array(queue.prefix(Self.batch))
            queue.removeFirst(part.count)
            link.send(Self.command(for: part.map(\.settlement), keys: keys)) { self.settled(part, $0) }
        }
    }

    private func settled(_ part: [(settlement: Settlement, completion: (Settled) -> Void)], _ result: Result<RedisReply, StoreFailure>) {
        switch result {
        case .success(let reply):
            openHolds -= part.count
            let entries = reply.array ?? []
            for (index, item) in part.enumerated() {
                let (status, credits, charged) = (
                    entries.entry(index * 3), entries.entry(index * 3 + 1), entries.entry(index * 3 + 2)
                )
                item.completion(status == 1 ? .done(credits: credits, charged: charged) : .gone)
            }
        case .failure(let failure):
            for item in part { item.completion(.failed(failure)) }
        }
    }

    /// Keeps settlements whose callers have given up; called again whenever the link comes back.
    package func keepTrying(_ settlement: Settlement) {
        openHolds -= 1
        unacknowledged.append(settlement)
    }

    package func retryUnacknowledged() {
        guard link.isUsable, !unacknowledged.isEmpty else { return }
        let part = Array(unacknowledged.prefix(Self.batch))
        unacknowledged.removeFirst(part.count)
        link.send(Self.command(for: part, keys: keys)) { result in
            if case .failure = result { self.unacknowledged += part }
            if case .success = result { self.retryUnacknowledged() }
        }
    }

    static func command(for part: [Settlement], keys: RedisKeys) -> RedisCommand {
        let keyCount = part.reduce(1) { $0 + ($1.memory.key == nil ? 2 : 3) }
        var command = RedisCommand(script: .settle, keys: keyCount)
        command.append(keys.usage)
        for settlement in part {
            command.append(settlement.facts.balance)
            command.append(settlement.facts.hold)
            if let key = settlement.memory.key { command.append(keys.call(settlement.facts.record.id, key)) }
        }
        command.append(retainedEvents)
        for settlement in part { settlement.append(to: &command) }
        return command
    }
}

extension Settlement {
    fileprivate func append(to command: inout RedisCommand) {
        command.append(hold)
        command.append(price)
        command.append(returned)
        command.append(manner.rawValue)
        switch memory {
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
        command.append(charges.count)
        for charge in charges {
            command.append(charge.base)
            command.append(charge.surcharge)
            command.append(charge.event.packed)
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

extension [RedisReply] {
    fileprivate func entry(_ index: Int) -> Int {
        index < count ? self[index].integer ?? 0 : 0
    }
}
