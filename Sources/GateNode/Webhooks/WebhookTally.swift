// What a node has counted of deliveries: for its metrics, and, where events were dropped, for its log.

import Logging
import Synchronization

/// Sums since the node's start; those of the cluster, over restarts, are in `/webhooks/stats`.
final class WebhookTally: Sendable {
    /// What became of events.
    enum Outcome: String, CaseIterable, Sendable {
        case delivered
        /// A dead letter.
        case failed
        /// Its queue was full, or its sink was there no more.
        case dropped
    }

    /// Between two warnings.
    private static let pause = Duration.seconds(10)
    /// Sinks that a warning names.
    private static let named = 8

    private struct State {
        var counts: [Outcome: Int] = [:]
        var losses: [String: Int] = [:]
        var warnedAt: ContinuousClock.Instant?
    }

    private let state = Mutex(State())

    /// Events by what became of them.
    var events: [String: Int] {
        let counts = state.withLock { $0.counts }
        return Dictionary(Outcome.allCases.map { ($0.rawValue, counts[$0] ?? 0) }, uniquingKeysWith: +)
    }

    func add(_ events: Int, _ outcome: Outcome) {
        state.withLock { $0.counts[outcome, default: 0] += events }
    }

    /// Events that full queues have not taken, by the names of their sinks.
    func lost(_ events: [String: Int]) {
        state.withLock { state in
            for (sink, count) in events {
                state.counts[.dropped, default: 0] += count
                let name = state.losses[sink] != nil || state.losses.count < Self.named ? sink : "others"
                state.losses[name, default: 0] += count
            }
        }
    }

    /// Warns of what was lost since the last warning, every ten seconds at most.
    /// - Parameter atOnce: because there is no later.
    func report(to logger: Logger, atOnce: Bool = false) {
        let now = ContinuousClock.now
        let losses = state.withLock { state -> [String: Int] in
            if state.losses.isEmpty || (!atOnce && state.warnedAt.map { now - $0 < Self.pause } ?? false) { return [:] }
            defer { (state.losses, state.warnedAt) = ([:], now) }
            return state.losses
        }
        if losses.isEmpty { return }
        logger.warning(
            "queues of webhooks are full",
            metadata: [
                "dropped": "\(losses.values.reduce(0, +))",
                "sinks": "\(losses.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))",
            ])
    }
}
