// GET /keys/quota-status: what a key has used of its quota, and where that comes from (F-QUOTA-01 to F-QUOTA-03).

import ClusterState
import GateDomain
import GateSettings
import GateValues
import HTTPTypes

extension Endpoint {
    static let readQuotaStatus = Endpoint(
        .get, "/keys/quota-status", "Read what a key has used of its quota, this UTC day and month.", for: .atLeast(.viewer),
        query: [Field.key], answer: QuotaStatus.view.schema, failures: [.notFound], using: { (keys: $0.keys, rules: $0.ruleBook) }
    ) { request, parts in
        let (key, now) = (try await request.target(in: parts.keys, revoked: true), request.now)
        let used = try await parts.keys.accountWithQuota(key.id, at: now).used
        let status = QuotaStatus(key: key, use: QuotaUse(of: key, global: parts.rules.rules.globalQuota, used: used), readAt: now)
        return EndpointResponse(QuotaStatus.view, status)
    }
}

/// The quota that holds for a key, and what is used of it.
struct QuotaUse: Sendable {
    /// Who has set it.
    enum Setter: String, CaseIterable {
        case key = "per-key"
        case global
        case none
    }

    let quota: Quota
    let source: Setter
    let used: Quota

    init(of key: KeyRecord, global: Quota, used: Quota) {
        quota = key.quota ?? global
        // A key's quota of zeros lifts the global one: then none holds, whoever has said so.
        source = quota.isEmpty ? .none : key.quota == nil ? .global : .key
        self.used = used
    }

    /// How much is used of the limit that is used most, 0 to 1.
    var share: Double {
        Quota.limits.map(\.path).filter { quota[keyPath: $0] > 0 }
            .map { min(1, Double(used[keyPath: $0]) / Double(quota[keyPath: $0])) }.max() ?? 0
    }

    func left(_ path: KeyPath<Quota, Int>) -> Int? {
        quota[keyPath: path] > 0 ? max(0, quota[keyPath: path] - used[keyPath: path]) : nil
    }
}

private struct QuotaStatus: Sendable {
    let key: KeyRecord
    let use: QuotaUse
    /// Milliseconds since 1970 of Redis TIME.
    let readAt: Int

    static let view = View<QuotaStatus>([
        .text("key", \.key.prefix), .text("name", \.key.name), .choice("quotaSource", \.use.source),
        .object("daily", period(\.dailyCalls, \.dailyCredits, "resetDay", digits: 10), \.self),
        .object("monthly", period(\.monthlyCalls, \.monthlyCredits, "resetMonth", digits: 7), \.self),
    ])

    /// - Parameter digits: how much of a time names the period.
    private static func period(
        _ calls: any KeyPath<Quota, Int> & Sendable, _ credits: any KeyPath<Quota, Int> & Sendable, _ name: String, digits: Int
    ) -> View<QuotaStatus> {
        View([
            .integer("callsUsed") { $0.use.used[keyPath: calls] }, .integer("callsLimit") { $0.use.quota[keyPath: calls] },
            .integer("callsRemaining") { $0.use.left(calls) }.described("Null without a limit."),
            .credits("creditsUsed") { $0.use.used[keyPath: credits] }, .credits("creditsLimit") { $0.use.quota[keyPath: credits] },
            .credits("creditsRemaining") { $0.use.left(credits) }.described("Null without a limit."),
            .text(name) { String(Timestamp.text(milliseconds: $0.readAt).prefix(digits)) },
        ])
    }
}
