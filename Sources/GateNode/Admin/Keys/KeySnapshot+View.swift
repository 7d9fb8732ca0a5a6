// A key as administrators see it: everything but its secret (F-KEY-02, F-SEC-13).

import ClusterState
import GateDomain
import GateValues

extension KeySnapshot {
    static let view = View<KeySnapshot>([
        .text("id", \.record.id), .text("name", \.record.name), .text("keyPrefix", \.record.prefix), .credits("credits", \.account.credits),
        .credits("heldCredits", \.account.held), .credits("totalSpent", \.account.spent), .integer("totalCalls", \.account.calls),
        .time("createdAt", \.record.createdAt),
        .time("lastUsedAt", \.account.lastUsedAt), .flag("active") { $0.record.state != .revoked },
        .flag("suspended") { $0.record.state == .suspended }, .flag("expired") { $0.record.isExpired(at: $0.readAt) },
        .credits("spendingLimit", \.record.spendingLimit), .texts("allowedTools", \.record.access.allowed),
        .texts("deniedTools", \.record.access.denied), .time("expiresAt", \.record.expiresAt), .tags("tags", \.record.tags),
        .texts("ipAllowlist") { $0.record.addresses.map(\.text) }, .texts("allowedCountries", \.record.countries.allowed),
        .texts("deniedCountries", \.record.countries.denied), .text("namespace", \.record.namespace),
        .text("alias", \.record.alias).maybe,
        .object("quota", Quota.view, \.record.quota).maybe, .object("autoTopup", AutoTopUp.view, \.record.autoTopUp).maybe,
        .text("teamId", \.record.teamID).maybe, .integer("autoTopupTodayCount", \.counts.refills),
        .text("autoTopupLastResetDay") { day(of: $0.readAt) }, .integer("quotaDailyCalls", \.counts.used.dailyCalls),
        .integer("quotaMonthlyCalls", \.counts.used.monthlyCalls), .credits("quotaDailyCredits", \.counts.used.dailyCredits),
        .credits("quotaMonthlyCredits", \.counts.used.monthlyCredits), .text("quotaLastResetDay") { day(of: $0.readAt) },
        .text("quotaLastResetMonth") { String(day(of: $0.readAt).prefix(7)) }, .list("notes", KeyNotes.Note.view, \.notes),
    ])

    /// Counts are of the UTC day and month at which they are read, which begin by themselves.
    private static func day(of time: Int) -> String { String(Timestamp.text(milliseconds: time).prefix(10)) }
}
