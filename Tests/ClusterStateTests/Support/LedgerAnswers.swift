// What the ledger and Redis answer, in words that tests compare.

@testable import ClusterState
import GateDomain

extension Admission {
    var isAdmitted: Bool { if case .admitted = self { true } else { false } }

    /// A short word for comparing.
    var word: String {
        switch self {
        case .admitted: "admitted"
        case .stale: "stale"
        case .denied(let denial, _, _): denial.label.rawValue
        case .running: "running"
        case .replay(let answer): "replay " + String(decoding: answer, as: UTF8.self)
        case .unanswered: "unanswered"
        case .conflict: "conflict"
        case .failed(let failure): "failed \(failure)"
        }
    }

    var credits: Int? {
        switch self {
        case .admitted(let credits, _): credits
        case .denied(_, let credits, _): credits
        default: nil
        }
    }

    var meters: [MeterReading] {
        if case .admitted(_, let meters) = self { meters } else { [] }
    }

    var wait: Int? {
        if case .denied(.rateLimited(let wait), _, _) = self { wait } else { nil }
    }
}

extension Settled {
    /// What the charges came to in all.
    var charged: Int? { charges?.reduce(0, +) }
    var charges: [Int]? {
        switch self {
        case .done(_, let charged, _), .stands(let charged, _): charged
        default: nil
        }
    }
    var credits: Int? { if case .done(let credits, _, _) = self { credits } else { nil } }
    var isGone: Bool { if case .gone = self { true } else { false } }
    var closedByOthers: Int? { if case .closedByOthers(let charged, _) = self { charged } else { nil } }
}

extension RedisReply {
    /// What admit.lua or settle.lua has said of the first request that it was asked.
    var firstAnswer: ScriptAnswer? {
        var answers = ScriptAnswers(self)
        return answers.next()
    }
}

extension AdmissionPart {
    /// The command of a moment, in microseconds since 1970.
    static func command(for parts: [AdmissionPart], node: String, shard: Int, keys: RedisKeys, at now: Int) -> RedisCommand {
        var spans = CalendarSpans()
        return command(for: parts, node: node, shard: shard, keys: keys, at: now, in: &spans)
    }
}
