// The decisions about one request: written, waiting, refused, overdue.

import NIOCore

extension StdioUpstreamState {
    /// - Parameter isWritable: whether the process still reads what it is sent.
    mutating func admit(
        _ request: UpstreamRequest, from caller: Caller, isWritable: Bool, now: @autoclosure () -> NIODeadline
    ) -> Admission {
        switch phase {
        case .ready where isWritable && hasRoom(for: request.owner):
            pending[request.number] = Pending(caller: caller, deadline: request.deadline, isOfGate: request.isOfGate)
            meet(request.owner)
            remember(request.deadline)
            note(request)
            return .write
        case .starting where !isFailing && mayWait(request.owner):
            let patience = now() + limits.longestWait
            let until = min(patience, request.deadline ?? patience)
            waiting.append(Waiting(request: request, caller: caller, until: until))
            remember(until)
            return .wait
        case .idle, .starting, .ready, .leaving, .backingOff, .draining, .dead:
            return .refuse
        }
    }

    private func hasRoom(for owner: UpstreamRequest.Owner) -> Bool {
        owner.mayHave(oneMoreOf: limits.maxPending, taken: pending.count) { pending.values.count { $0.owner == owner } }
    }

    private func mayWait(_ owner: UpstreamRequest.Owner) -> Bool {
        owner.mayHave(oneMoreOf: limits.maxWaiting, taken: waiting.count) { waiting.count { $0.request.owner == owner } }
    }

    /// An answer has come, or is lost; nil if nobody waits for it (any more).
    mutating func finish(_ number: UInt64) -> Caller? {
        if !listening.isEmpty { listening.remove(number) }
        return pending.removeValue(forKey: number)?.caller
    }

    /// Who waits for the answer with this number.
    func caller(of number: UInt64) -> Caller? { pending[number]?.caller }

    /// Whose is what the process says without naming a request: of the one client that it works for, the call that began last; where it may
    /// work for several, the only call that is under way, and nobody's if there are more.
    func addressee(ofOne isOne: Bool) -> Caller? {
        let calls = pending.filter { !$0.value.isOfGate }
        return isOne || calls.count == 1 ? calls.max { $0.key < $1.key }?.value.caller : nil
    }

    /// Whether more calls are under way than one.
    var hasSeveralCalls: Bool { pending.values.lazy.filter { !$0.isOfGate }.prefix(2).count == 2 }

    /// The number of the only open request, if everything without an address belongs to it: the process has never worked for anybody else.
    var onlyPending: UInt64? {
        guard pending.count == 1 + listening.count, case .one = clientele else { return nil }
        return pending.first { !listening.contains($0.key) && $0.value.owner != .anybody }?.key
    }

    /// Who hears of what the process says without an address: the only open request of the key for which alone it has worked, whatever the
    /// gate and readers of public lists ask meanwhile.
    var onlyListener: Caller? {
        guard case .one(let key) = clientele else { return nil }
        let own = pending.values.filter { $0.owner == .key(key) }
        return own.count == 1 ? own[0].caller : nil
    }

    /// What has to be known of an open request beside its deadline.
    mutating func note(_ request: UpstreamRequest) {
        pending[request.number]?.note(request)
    }

    /// The process asks its client, and does not say because of which request: the clocks of all that are open stand still.
    /// - Returns: their numbers.
    mutating func stopClocks(at now: NIODeadline) -> [UInt64] {
        let numbers = pending.filter { $0.value.standstill.limit != nil }.map(\.key)
        for number in numbers { pending[number]?.stopClock(at: now) }
        return numbers
    }

    /// The client has answered, or nobody will.
    mutating func startClocks(of numbers: [UInt64], at now: NIODeadline) {
        for number in numbers {
            pending[number]?.startClock(at: now)
            remember(pending[number]?.deadline)
        }
    }

    /// A request of somebody is on its way to the process.
    mutating func meet(_ owner: UpstreamRequest.Owner) {
        switch (owner, clientele) {
        case (.gate, _), (.anybody, _): break
        case (.key(let id), .none): clientele = .one(id)
        case (.key(let id), .one(let known)) where id == known: break
        case (.key, _), (.nobody, _): clientele = .many
        }
    }

    mutating func cancel(_ number: UInt64) -> Failed? {
        if let caller = finish(number) {
            return Failed(number: number, caller: caller, failure: .cancelled, wasSent: true)
        }
        guard let index = waiting.firstIndex(where: { $0.request.number == number }) else { return nil }
        return Failed(number: number, caller: waiting.remove(at: index).caller, failure: .withdrawn, wasSent: false)
    }

    /// Ends what is overdue, and finds the next deadline.
    ///
    /// All deadlines share one timer, and it is looked for among all open requests only when the earliest one passes:
    /// where requests are answered long before their deadlines, that is once a deadline's length.
    mutating func expire(now: NIODeadline) -> Expiry {
        var expiry = Expiry()
        for (number, entry) in pending where entry.deadline.map({ $0 <= now }) ?? false {
            pending[number] = nil
            expiry.failed.append(Failed(number: number, caller: entry.caller, failure: .timedOut, wasSent: true))
        }
        for entry in waiting where entry.until <= now {
            expiry.failed.append(
                Failed(number: entry.request.number, caller: entry.caller, failure: .unavailable, wasSent: false))
        }
        waiting.removeAll { $0.until <= now }
        expiry.endsProcess = handshake.map { $0.deadline <= now } ?? false
        if expiry.endsProcess { handshake = nil }
        nextDeadline = nil
        remember(handshake?.deadline)
        for entry in pending.values { remember(entry.deadline) }
        for entry in waiting { remember(entry.until) }
        return expiry
    }

    mutating func remember(_ deadline: NIODeadline?) {
        guard let deadline else { return }
        nextDeadline = nextDeadline.map { min($0, deadline) } ?? deadline
    }
}

extension StdioUpstreamState.Pending {
    fileprivate mutating func note(_ request: UpstreamRequest) {
        (standstill, owner) = (Standstill(limit: request.limit), request.owner)
    }

    fileprivate mutating func stopClock(at now: NIODeadline) { standstill.begin(&deadline, at: now) }
    fileprivate mutating func startClock(at now: NIODeadline) { standstill.end(&deadline, at: now) }
}
