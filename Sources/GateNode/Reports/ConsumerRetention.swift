// GET /admin/consumer-retention: keys by the day of their making, and how many of each day's have been used.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// Keys that were made on one day (UTC), without those that are revoked or suspended.
struct KeyCohort: Sendable, Equatable {
    /// Days since 1970.
    let day: Int
    private(set) var created = 0
    /// Keys with a call at least.
    private(set) var retained = 0
    private(set) var spent = 0

    init(day: Int) {
        self.day = day
    }

    private init(day: Int, _ sum: KeySums.Day) {
        (self.day, created, retained, spent) = (day, sum.keys, sum.used, sum.spent)
    }

    mutating func add(_ account: Account) {
        created += 1
        retained += account.calls > 0 ? 1 : 0
        spent = spent.saturating(adding: account.spent)
    }

    private static let milliseconds = 86_400_000

    /// Of few keys to the moment; of many as their sums say.
    /// - Returns: the newest day first, and the time by which whatever had happened is in them; nil where the sums are still being made.
    static func all(of keys: KeyDirectory, at now: Int) async throws -> (cohorts: [KeyCohort], asOf: Int)? {
        guard try await keys.records.count() <= KeySums.few else {
            guard let sums = try await KeySums.read(from: keys.store) else { return nil }
            return (sums.days.map { KeyCohort(day: $0.key, $0.value) }.sorted { $0.day > $1.day }, sums.asOf)
        }
        var cohorts: [Int: KeyCohort] = [:]
        try await keys.walk { ids in
            for key in try await keys.snapshots(ids, at: now) where key.record.state != .revoked && key.record.state != .suspended {
                let day = key.record.createdAt / milliseconds
                cohorts[day, default: KeyCohort(day: day)].add(key.account)
            }
        }
        return (cohorts.values.sorted { $0.day > $1.day }, now)
    }

    static let view = View<KeyCohort>([
        .of("period", Schema(["type": "string", "format": "date"])) {
            String(Timestamp.text(milliseconds: $0.day * milliseconds).prefix(10))
        },
        .integer("created", \.created), .integer("retained", \.retained),
        .integer("retentionRate") { Measure.Number.quotient($0.retained, by: $0.created, times: 100).units },
        .integer("avgSpend") { Measure.Number.quotient($0.spent, by: $0.created).units },
    ])
}

private struct Retention: Sendable {
    let cohorts: [KeyCohort]
    let asOf: Int
    let generatedAt: Int

    var created: Int { cohorts.reduce(0) { $0 + $1.created } }
    var retained: Int { cohorts.reduce(0) { $0 + $1.retained } }

    static let view = View<Retention>([
        .list("cohorts", KeyCohort.view, \.cohorts), .object("summary", summary, \.self), .time("asOf", \.asOf),
        .time("generatedAt", \.generatedAt),
    ])

    private static let summary = View<Retention>([
        .integer("totalKeys", \.created), .integer("retainedKeys", \.retained),
        .integer("overallRetentionRate") { Measure.Number.quotient($0.retained, by: $0.created, times: 100).units },
    ])
}

extension Endpoint {
    static let consumerRetention = Endpoint(
        .get, "/admin/consumer-retention", "Keys by the day of their making, and how many of them have been used.", for: .atLeast(.viewer),
        answer: Retention.view.schema, failures: [.serviceUnavailable], using: \.keys
    ) { request, keys in
        guard let (cohorts, asOf) = try await KeyCohort.all(of: keys, at: request.now) else { throw HTTPFailure.keysAreBeingCounted }
        return EndpointResponse(Retention.view, Retention(cohorts: cohorts, asOf: asOf, generatedAt: request.now))
    }
}
