// A call whose accounts lie in several shards: one script a shard, one after another, each of which may be sent twice.

import GateDomain

extension CachedKey {
    /// The places of the policy's accounts by shard; the key's own shard comes last.
    fileprivate var groups: [[Int]] {
        var groups: [[Int]] = []
        for account in accounts.indices where shards[account] != shards[0] {
            if let index = groups.firstIndex(where: { shards[$0[0]] == shards[account] }) {
                groups[index].append(account)
            } else {
                groups.append([account])
            }
        }
        return groups + [accounts.indices.filter { shards[$0] == shards[0] }]
    }
}

/// Reserves in the other shards first; the key's own shard decides last, and if it refuses the others are given back.
///
/// Invariant: what is open in another shard names the key's own shard, so whoever finds the node dead asks there what became of the call.
final class ShardedAdmission {
    private let ledger: Ledger
    private let request: AdmissionRequest
    private let until: Int
    private let completion: (Admission, Ledger.AskedAs) -> Void
    private let groups: [[Int]]
    private var readings: [MeterReading?]
    /// As what the steps were carried out: one name, and the latest moment until which one of them may be.
    private var asked: Ledger.AskedAs?

    init(_ ledger: Ledger, _ request: AdmissionRequest, until: Int, _ completion: @escaping (Admission, Ledger.AskedAs) -> Void) {
        self.ledger = ledger
        self.request = request
        self.until = until
        self.completion = completion
        groups = request.caller.groups
        readings = Array(repeating: nil, count: request.limits.count)
    }

    func begin() { ask(0) }

    private func ask(_ step: Int) {
        let isLast = step == groups.count - 1
        ledger.ask(request, accounts: groups[step], until: until, isPrimary: isLast, hasEvent: isLast || step == 0) {
            [self] admission, asked in answered(step, admission, asked)
        }
    }

    private func answered(_ step: Int, _ admission: Admission, _ asked: Ledger.AskedAs) {
        let isSameNode = self.asked.map { $0.node == asked.node } ?? true
        let all = Ledger.AskedAs(node: self.asked?.node ?? asked.node, until: max(self.asked?.until ?? 0, asked.until))
        self.asked = all
        guard case .admitted(let credits, let meters) = admission, isSameNode else {
            return giveUp(step, admission, first: all, Ledger.AskedAs(node: asked.node, until: all.until))
        }
        let own = request.limits.indices.filter { groups[step].contains(request.limits[$0].limit.account) }
        for (index, reading) in zip(own, meters) { readings[index] = reading }
        guard step == groups.count - 1 else { return ask(step + 1) }
        let every = readings.map { $0 ?? MeterReading(remaining: 0, reset: 0) }
        completion(.admitted(credits: credits, meters: every), all)
    }

    private func giveUp(_ step: Int, _ admission: Admission, first: Ledger.AskedAs, _ last: Ledger.AskedAs) {
        // It will be asked for again under the same hold, from the first shard on: nothing of it may be closed meanwhile.
        if case .failed(.lost) = admission, !request.isRepeated { return completion(admission, last) }
        let refusal: Admission = if case .admitted = admission { .failed(.unavailable("this node has a new name")) } else { admission }
        // The last step hands its doubt to the caller with the hold; what earlier steps took is given back here.
        let isInDoubt = if case .failed(let failure) = refusal { failure.mayHaveBeenCarriedOut } else { false }
        if !request.dry, step > 0 || isInDoubt, !(isInDoubt && step == groups.count - 1) {
            ledger.release(Settlement(abandoning: Hold(request, node: first.node, admissibleUntil: first.until)))
            if first.node != last.node {
                ledger.release(Settlement(abandoning: Hold(request, node: last.node, admissibleUntil: last.until)))
            }
        }
        var told = refusal
        if case .failed(.unknown) = refusal, step < groups.count - 1 { told = .failed(.unavailable("another shard does not answer")) }
        completion(told, last)
    }
}

/// Settles in the key's own shard first, then lets the others do as it has done: a release that came too late there gives nothing back
/// elsewhere either.
///
/// All marks are kept until every shard has followed: if the node dies between, the reaper reads in the first what the others are charged; and
/// where one does not answer, so that all of it is given back, the others still know what they have charged.
final class ShardedSettlement {
    private let ledger: Ledger
    private let settlement: Settlement
    private let completion: (Settled) -> Void
    private var groups: [[Int]]
    private var open = 0
    private var failure: StoreFailure?

    init(_ ledger: Ledger, _ settlement: Settlement, _ completion: @escaping (Settled) -> Void) {
        self.ledger = ledger
        self.settlement = settlement
        self.completion = completion
        groups = settlement.caller.groups
    }

    func begin() {
        var part = SettlementPart(settlement: settlement, accounts: groups.removeLast())
        part.isAcknowledged = false
        ledger.end(part) { [self] settled in
            guard let decision = settlement.decision(settled) else { return completion(settled) }
            follow(decision, then: settled)
        }
    }

    private func follow(_ decision: SettlementDecision, then outcome: Settled) {
        open = groups.count
        for group in groups {
            var part = SettlementPart(settlement: settlement, accounts: group, following: decision)
            part.isAcknowledged = false
            ledger.end(part) { [self] settled in
                if case .failed(let failure) = settled { self.failure = failure }
                open -= 1
                if open == 0 { finish(outcome) }
            }
        }
    }

    private func finish(_ outcome: Settled) {
        if let failure { return completion(.failed(failure)) }
        for shard in Set(settlement.caller.shards).sorted() { ledger.acknowledge(settlement, in: shard) }
        completion(outcome)
    }
}

extension Settlement {
    /// What the other shards have to do after the key's own shard has answered; nil while it has not.
    func decision(_ settled: Settled) -> SettlementDecision? {
        switch settled {
        case .failed: nil
        case .gone: SettlementDecision(charged: [], returned: 0, isGivenBack: true)
        case .stands(let charged, let returned): SettlementDecision(charged: charged, returned: returned, isGivenBack: false)
        case .done(_, let charged, let returned):
            SettlementDecision(
                charged: charged, returned: returned,
                isGivenBack: mode == .release || returned >= charges.count && charged.allSatisfy { $0 == 0 })
        case .closedByOthers(let total, let returned):
            SettlementDecision(charged: [total], returned: returned, isGivenBack: total == 0 && returned >= charges.count)
        }
    }
}
