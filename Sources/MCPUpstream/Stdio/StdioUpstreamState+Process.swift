// The decisions about the server's process: when it counts as ready, who fails with it, when another one follows.

import ChildProcesses
import NIOCore

extension StdioUpstreamState {
    /// A process is about to be launched, whose `initialize` will have this number. False: do not launch it.
    mutating func launching(handshake number: UInt64, now: NIODeadline) -> Bool {
        guard phase == .idle || phase == .backingOff else { return false }
        phase = .starting
        clientele = .none
        handshake = (number, now + limits.handshake)
        remember(now + limits.handshake)
        return true
    }

    /// Whether the answer with this number is the one to `initialize`.
    func isHandshake(_ number: UInt64) -> Bool { phase == .starting && handshake?.number == number }

    /// The handshake is done; returns the requests that waited for it, which are to be written now.
    /// - Parameter isStateless: whether it is a server of the revision 2026-07-28; what was made for one of the other era is a misfit.
    mutating func shookHands(now: NIODeadline, isStateless: Bool = false) -> [UpstreamRequest] {
        guard phase == .starting else { return [] }
        phase = .ready(since: now)
        isFailing = false
        handshake = nil
        misfits = waiting.filter { ($0.request.fields != nil) != isStateless }.map {
            Failed(number: $0.request.number, caller: $0.caller, failure: .unavailable, wasSent: false)
        }
        waiting.removeAll { ($0.request.fields != nil) != isStateless }
        for entry in waiting {
            pending[entry.request.number] = Pending(
                caller: entry.caller, deadline: entry.request.deadline, isOfGate: entry.request.isOfGate)
            meet(entry.request.owner)
            remember(entry.request.deadline)
            note(entry.request)
        }
        defer { waiting = [] }
        return waiting.map(\.request)
    }

    mutating func takeMisfits() -> [Failed] {
        defer { misfits = [] }
        return misfits
    }

    /// The process will give no more answers, though it still has to be ended; returns the requests that fail.
    mutating func processLost() -> [Failed] {
        switch phase {
        case .starting, .ready: phase = .leaving
        case .idle, .leaving, .backingOff, .draining, .dead: break
        }
        handshake = nil
        return failAll()
    }

    /// The process has ended, or could not be launched; returns the requests that fail and the pause before the next
    /// launch, nil if there will be none.
    ///
    /// - Parameter readySince: when this process became ready, nil if it never did.
    mutating func processEnded(readySince: NIODeadline?, now: NIODeadline) -> (failed: [Failed], pause: TimeAmount?) {
        let failed = processLost()
        guard phase == .leaving else { return (failed, nil) }
        phase = .backingOff
        isFailing = readySince == nil
        return (failed, backoff.pause(afterLifeOf: readySince.map { now - $0 }))
    }

    /// From now on requests are refused; what waited for the start fails.
    mutating func drain() -> [Failed] {
        guard phase != .dead else { return [] }
        phase = .draining
        handshake = nil
        return failWaiting()
    }

    /// The end; returns the requests that are still open.
    mutating func die() -> [Failed] {
        phase = .dead
        handshake = nil
        return failAll()
    }

    private mutating func failAll() -> [Failed] {
        defer { (pending, listening) = ([:], []) }
        return failWaiting() + pending.map { Failed(number: $0, caller: $1.caller, failure: .died, wasSent: true) }
    }

    private mutating func failWaiting() -> [Failed] {
        defer { waiting = [] }
        return waiting.map { Failed(number: $0.request.number, caller: $0.caller, failure: .unavailable, wasSent: false) }
    }
}
