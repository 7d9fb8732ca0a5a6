// The decisions about one request: written, waiting, refused, overdue.

import NIOCore

extension StdioUpstreamState {
    /// - Parameter isWritable: whether the process still reads what it is sent.
    mutating func admit(
        _ request: UpstreamRequest, from caller: Caller, isWritable: Bool, now: @autoclosure () -> NIODeadline
    ) -> Admission {
        switch phase {
        case .ready where isWritable && pending.count < limits.maxPending:
            pending[request.number] = Pending(caller: caller, deadline: request.deadline)
            meet(request.owner)
            remember(request.deadline)
            return .write
        case .starting where !isFailing && waiting.count < limits.maxWaiting:
            let patience = now() + limits.longestWait
            let until = min(patience, request.deadline ?? patience)
            waiting.append(Waiting(request: request, caller: caller, until: until))
            remember(until)
            return .wait
        case .idle, .starting, .ready, .leaving, .backingOff, .draining, .dead:
            return .refuse
        }
    }

    /// An answer has come, or is lost; nil if nobody waits for it (any more).
    mutating func finish(_ number: UInt64) -> Caller? {
        if !listening.isEmpty { listening.remove(number) }
        return pending.removeValue(forKey: number)?.caller
    }

    /// Who waits for the answer with this number.
    func caller(of number: UInt64) -> Caller? { pending[number]?.caller }

    /// Who has asked last of those who wait for an answer.
    var latestCaller: Caller? { pending.max { $0.key < $1.key }?.value.caller }

    /// The number of the only open request, if everything without an address belongs to it: the process has never worked for anybody else.
    var onlyPending: UInt64? {
        guard pending.count == 1 + listening.count, case .one = clientele else { return nil }
        return pending.first { !listening.contains($0.key) }?.key
    }

    /// A request of somebody is on its way to the process.
    mutating func meet(_ owner: UpstreamRequest.Owner) {
        switch (owner, clientele) {
        case (.gate, _): break
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
