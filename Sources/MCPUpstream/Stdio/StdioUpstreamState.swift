// The decisions of a stdio server: which requests are written, wait, or fail, through every phase of its life.

import ChildProcesses
import NIOCore

/// The state of one stdio server over all its processes. It does nothing itself: its methods say what to do.
///
///     idle → starting → ready → leaving → backingOff → starting …     and from everywhere: draining → dead
///
/// Invariant: a caller that was accepted is returned exactly once, by the method that ends its request.
struct StdioUpstreamState<Caller> {
    enum Phase: Equatable {
        /// Not started yet.
        case idle
        /// A process is launched and its handshake runs; requests wait.
        case starting
        case ready(since: NIODeadline)
        /// The process is useless and is being ended; another one will follow.
        case leaving
        /// There is no process; requests fail at once.
        case backingOff
        /// The owner wants to stop: open requests may finish, new ones are refused.
        case draining
        case dead
    }

    struct Limits {
        var maxPending: Int
        var maxWaiting: Int
        var longestWait: TimeAmount
        var handshake: TimeAmount
    }

    /// What to do with a new request.
    enum Admission: Equatable {
        case write
        case wait
        /// Tell the caller that it was certainly not sent.
        case refuse
    }

    /// A request that has ended without an answer.
    struct Failed {
        var number: UInt64
        var caller: Caller
        var failure: UpstreamFailure
        /// Whether the server has to be told that nobody waits any more.
        var wasSent: Bool
    }

    struct Expiry {
        var failed: [Failed] = []
        /// The server has not finished its handshake in time and has to be ended.
        var endsProcess = false
    }

    /// Whom a process has worked for since it was launched. What it says without naming a request (logs, errors for nobody) may be
    /// about any of them, however long ago, and only if there is one is it clear whom it may be told to.
    enum Clientele: Equatable {
        case none
        case one(String)
        case many
    }

    struct Pending {
        var standstill = Standstill(limit: nil)
        var owner = UpstreamRequest.Owner.gate
        var caller: Caller
        var deadline: NIODeadline?
        var isOfGate = false
    }

    struct Waiting {
        var request: UpstreamRequest
        var caller: Caller
        var until: NIODeadline
    }

    let limits: Limits
    var backoff: RestartBackoff
    var phase = Phase.idle
    var pending: [UInt64: Pending] = [:]
    var waiting: [Waiting] = []
    var clientele = Clientele.none
    /// Requests that listen, and have no other answer than their end.
    var listening: Set<UInt64> = []
    /// What waited for a server of another era than the one that came.
    var misfits: [Failed] = []
    /// The last process never became ready: there is nothing to wait for before one does (F32).
    var isFailing = false
    var handshake: (number: UInt64, deadline: NIODeadline)?

    /// The earliest time at which `expire` may have something to do; it may turn out to be too early.
    var nextDeadline: NIODeadline?

    init(limits: Limits, backoff: RestartBackoff) {
        self.limits = limits
        self.backoff = backoff
    }

    var pendingCount: Int { pending.count }
    var isReady: Bool { if case .ready = phase { true } else { false } }
}
