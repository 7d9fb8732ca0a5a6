// How well a key is, as a number of 0 to 100: the formula of GET /keys/health.

import ClusterState
import GateDomain
import GateValues

/// The four things that a key may run out of or fail at, each with its weight.
struct KeyHealth: Sendable {
    /// One of them.
    struct Component: Sendable {
        let name: String
        /// 0 to 100.
        let score: Int
        let risk: String
        /// Hundredths; those of all components are 100.
        let weight: Int
        /// What people are told where it is worth telling.
        let issue: String?

        static let view = View<Component>([
            .integer("score", \.score), .text("risk", \.risk),
            .of("weight", .number) { Measure.Number(units: $0.weight, decimals: 2).json },
        ])
    }

    let components: [Component]

    init(of key: KeyStanding) {
        components = [
            Self.balance(credits: key.account.credits, hoursLeft: key.hoursLeft),
            Self.use("quota", of: key.quota.share, weight: 25, called: "quota"),
            Self.use("rateLimit", of: key.rate.share, weight: 20, called: "calls a minute"),
            Self.errors(key.calls.lastDay),
        ]
    }

    /// 0 to 100.
    var score: Int { (components.reduce(0) { $0 + $1.score * $1.weight } + 50) / 100 }

    var status: String {
        switch score {
        case 90...: "healthy"
        case 75...: "good"
        case 50...: "caution"
        case 25...: "warning"
        default: "critical"
        }
    }

    var issues: [String] { components.compactMap(\.issue) }

    /// - Parameter hoursLeft: nil where nothing is spent.
    static func balance(credits: Int, hoursLeft: Double?) -> Component {
        let hours = hoursLeft ?? (credits > 0 ? .infinity : 0)
        let score = [(1.0, 0), (6, 20), (24, 40), (72, 60), (168, 80)].first { hours <= $0.0 }?.1 ?? 100
        let risk = [(6.0, "critical"), (24, "warning"), (72, "caution"), (168, "good")].first { hours <= $0.0 }?.1 ?? "healthy"
        let issue =
            credits <= 0
            ? "No credits are left" : hours <= 168 ? "Credits last for about \(Int(hours.rounded(.up))) more hours at this rate" : nil
        return Component(name: "balance", score: score, risk: risk, weight: 30, issue: issue)
    }

    /// - Parameter share: of a limit, 0 to 1.
    static func use(_ name: String, of share: Double, weight: Int, called what: String) -> Component {
        let risk = [(1.0, "critical"), (0.9, "warning"), (0.75, "caution"), (0.5, "good")].first { share >= $0.0 }?.1 ?? "healthy"
        let percent = Int((share * 100).rounded())
        return Component(
            name: name, score: 100 - percent, risk: risk, weight: weight,
            issue: share >= 0.75 ? "\(percent)% of its \(what) is used" : nil)
    }

    static func errors(_ calls: KeyCalls.Sum) -> Component {
        let share = calls.total > 0 ? Double(calls.denied) / Double(calls.total) : 0
        let risk = share > 0 ? [(0.5, "critical"), (0.25, "warning"), (0.1, "caution")].first { share >= $0.0 }?.1 ?? "good" : "healthy"
        let percent = Int((share * 100).rounded())
        return Component(
            name: "errorRate", score: 100 - percent, risk: risk, weight: 25,
            issue: share >= 0.1 ? "\(percent)% of the calls of the last 24 hours were refused" : nil)
    }
}
