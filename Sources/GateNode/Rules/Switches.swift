// What is switched while the node runs, by operators and by its own end.

import NIOCore
import Synchronization

/// The node's switches, readable from everywhere without waiting.
final class Switches: Sendable {
    private let leaving = Atomic<Bool>(false)
    /// Until when, in nanoseconds of the monotonic clock; 0 for not at all.
    private let drain = Atomic<UInt64>(0)
    private let readinessAskedAt = Mutex<ContinuousClock.Instant?>(nil)
    private let inflight = Atomic<Int>(0)
    private let upkeep = Mutex<Maintenance?>(nil)
    private let inMaintenance = Atomic<Bool>(false)

    /// What `/mcp` says while an operator has closed it (F-GATE-02).
    struct Maintenance: Sendable, Equatable {
        let message: String
        /// Milliseconds since 1970.
        let since: Int
    }

    /// Set first on a stop: `/ready` says 503 so that balancers look elsewhere, while calls are still taken.
    var isLeaving: Bool {
        get { leaving.load(ordering: .relaxed) }
        set { leaving.store(newValue, ordering: .relaxed) }
    }

    /// Whether somebody has asked `/ready` in the last few seconds: a balancer that has to be given time.
    var isWatched: Bool {
        readinessAskedAt.withLock { $0.map { ContinuousClock.now - $0 < .seconds(6) } ?? false }
    }

    func readinessAsked() { readinessAskedAt.withLock { $0 = .now } }

    /// Whether the node takes no new work any more.
    var isDraining: Bool { drain.load(ordering: .relaxed) > 0 }

    /// Until when what is under way may take while the node stops; nil before that.
    var drainsUntil: NIODeadline? {
        let end = drain.load(ordering: .relaxed)
        return end > 0 ? .uptimeNanoseconds(end) : nil
    }

    /// Takes no new work from now on, and gives what is under way until then.
    func drain(until end: NIODeadline) { drain.store(max(1, end.uptimeNanoseconds), ordering: .relaxed) }

    private let oldRules = Mutex<(@Sendable () -> Void)?>(nil)

    /// Somebody has met newer rules in the store than this node has; whoever reloads them is told.
    func rulesAreOld() { oldRules.withLock { $0 }?() }
    func onOldRules(_ work: @escaping @Sendable () -> Void) { oldRules.withLock { $0 = work } }

    var isInMaintenance: Bool { inMaintenance.load(ordering: .relaxed) }

    var maintenance: Maintenance? {
        get { upkeep.withLock { $0 } }
        set {
            upkeep.withLock { $0 = newValue }
            inMaintenance.store(newValue != nil, ordering: .relaxed)
        }
    }

    /// Requests to `/mcp` that have not been answered (F-HEALTH-01).
    var inFlight: Int { inflight.load(ordering: .relaxed) }

    func entered() { inflight.add(1, ordering: .relaxed) }
    func left() { inflight.subtract(1, ordering: .relaxed) }
}
