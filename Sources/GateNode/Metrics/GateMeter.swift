// What an event loop counts of its calls; summed over the loops when somebody reads the metrics.

import GateDomain
import NIOCore

/// Counters of one event loop: plain numbers, no locks on the way of a call.
struct GateMeter: Sendable {
    /// What calls are counted by.
    struct CallLabel: Hashable, Sendable {
        /// One of a closed set, whatever callers ask for.
        let tool: String
        let status: Status
    }

    enum Status: String, Sendable {
        case allowed
        case denied
        case failed
        case unavailable
    }

    var calls: [CallLabel: Int] = [:]
    /// Credits that were charged, by tool.
    var credits: [String: Int] = [:]
    var denials: [Denial.Label: Int] = [:]
    /// Calls that a rolling limit refused, by tool.
    var rateLimitHits: [String: Int] = [:]
    /// Calls whose credits were given back, by tool.
    var refunds: [String: Int] = [:]
    var requests: [RequestMeter.RequestLabel: Int] = [:]
    /// From the moment that a call is sent to its answer.
    var upstreamLatency = TimeHistogram()
    /// From the request to the answer.
    var gateLatency = TimeHistogram()
    var lag = LoopLag()
    var replays = 0
    var staleJudgements = 0
    /// Refusals that could not be written to the log.
    var lostNotes = 0
    /// Holds that are not settled yet.
    var openHolds = 0
    /// Settlements that Redis has not acknowledged.
    var settlementBacklog = 0
    /// Settlements that Redis has refused and that are tried again; how often it did so; and those that were given up.
    var refusedSettlements = 0
    var settlementRefusals = 0
    var droppedSettlements = 0
    var connections = 0
    var streams = 0
    var cachedKeys = 0
    var cacheHits = 0
    var cacheMisses = 0

    init() {}

    mutating func count(_ tool: String, _ status: Status) {
        calls[CallLabel(tool: tool, status: status), default: 0] += 1
    }

    mutating func count(_ denial: Denial, of tool: String) {
        count(tool, .denied)
        denials[denial.label, default: 0] += 1
        if denial.label == .rateLimited || denial.label == .toolRateLimited { rateLimitHits[tool, default: 0] += 1 }
    }

    mutating func add(_ other: GateMeter) {
        calls.merge(other.calls, uniquingKeysWith: +)
        credits.merge(other.credits, uniquingKeysWith: +)
        denials.merge(other.denials, uniquingKeysWith: +)
        rateLimitHits.merge(other.rateLimitHits, uniquingKeysWith: +)
        refunds.merge(other.refunds, uniquingKeysWith: +)
        requests.merge(other.requests, uniquingKeysWith: +)
        upstreamLatency.add(other.upstreamLatency)
        gateLatency.add(other.gateLatency)
        lag.add(other.lag)
        for counter in Self.counters { self[keyPath: counter] += other[keyPath: counter] }
    }

    private static var counters: [WritableKeyPath<GateMeter, Int>] {
        [
            \.replays, \.staleJudgements, \.lostNotes, \.openHolds, \.settlementBacklog, \.refusedSettlements, \.settlementRefusals,
            \.droppedSettlements, \.connections, \.streams, \.cachedKeys, \.cacheHits, \.cacheMisses,
        ]
    }
}

/// How late an event loop is: the delay of a task that was due at a known time.
struct LoopLag: Sendable {
    private var due: NIODeadline?
    /// The longest delay since the figures were last reset, which every tick decays; nanoseconds.
    private(set) var worst: Int64 = 0
    private(set) var last: Int64 = 0

    mutating func tick() {
        let now = NIODeadline.now()
        if let due {
            last = max(0, (now - due).nanoseconds)
            worst = max(last, worst - worst / 64)
        }
        due = now + .milliseconds(100)
    }

    mutating func add(_ other: LoopLag) {
        worst = max(worst, other.worst)
        last = max(last, other.last)
    }
}
