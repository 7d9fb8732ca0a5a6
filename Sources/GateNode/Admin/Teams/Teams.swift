// The routes that list, make, change and delete teams (F-TEAM-01, F-TEAM-05).

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Resource where Record == TeamSnapshot {
    static let teams = Resource(
        "team", path: "/teams", role: .admin, id: Field.teamID, view: TeamSnapshot.view, capacity: 10_000,
        store: { TeamResource(teams: $0.teams, clock: $0.clock) },
        attributes: [
            .required(Field("name", .text(upTo: 200, rest: .cut), "What people call it."), \.record.name),
            .defaulting(Field("description", .text(upTo: 1000), "What it is for."), to: "", \.record.description),
            .defaulting(
                Field(
                    "budget", .credits(0...Credits.operationCeiling),
                    "Credits that its keys may spend together in its life; 0 for no limit."), to: 0,
                \.record.budget),
            .optional(Field("quota", .quota, "What its keys may do together a UTC day and month."), \.quota),
            .merging(Field("tags", .tags, "Labels."), Field("tags", .tagChanges, "Labels; null removes one."), \.record.tags),
        ],
        make: { now in TeamSnapshot(TeamRecord(id: AccountID.make("team").text, name: "", createdAt: now), readAt: now) },
        identify: \.record.id, facts: { [("name", $0.record.name)] },
        verbs: [
            .list(as: "teams", count: "count"), .create(as: "team"), .update(.post, "/teams/update", as: "team"),
            .delete(.post, "/teams/delete"),
        ])
}

extension TeamSnapshot {
    /// Nil for none.
    fileprivate var quota: Quota? {
        get { record.quota.isEmpty ? nil : record.quota }
        set { record.quota = newValue ?? Quota() }
    }

    static let view = View<TeamSnapshot>([
        .text("id", \.record.id), .text("name", \.record.name), .text("description", \.record.description),
        .texts("memberKeys") { $0.members.map(\.masked) }, .credits("budget", \.record.budget), .credits("totalSpent", \.account.spent),
        .object("quota", Quota.view, \.quota).maybe, .integer("quotaDailyCalls", \.used.dailyCalls),
        .integer("quotaMonthlyCalls", \.used.monthlyCalls), .credits("quotaDailyCredits", \.used.dailyCredits),
        .credits("quotaMonthlyCredits", \.used.monthlyCredits),
        .text("quotaLastResetDay") { String(Timestamp.text(milliseconds: $0.readAt).prefix(10)) },
        .text("quotaLastResetMonth") { String(Timestamp.text(milliseconds: $0.readAt).prefix(7)) }, .tags("tags", \.record.tags),
        .time("createdAt", \.record.createdAt), .flag("active", \.record.isActive),
    ])
}

extension Field where Value == String {
    static let teamID = Field("teamId", .reference(upTo: 100, rule: "Must be the id of a team."), "The team.")
}

/// Teams as the routes of a resource need them.
private struct TeamResource: ResourceStore {
    let teams: TeamDirectory
    let clock: RedisClock

    /// Milliseconds since 1970 of Redis TIME.
    private var now: Int { clock.milliseconds }

    func list(offset: Int, count: Int) async throws -> (records: [TeamSnapshot], total: Int) {
        let ids = try await teams.records.ids(.ascending, offset: offset, count: count)
        return (try await teams.snapshots(ids, at: now), try await teams.records.count())
    }

    func record(_ id: String) async throws -> TeamSnapshot? { try await teams.snapshots([id], at: now).first }

    func create(_ team: TeamSnapshot, capacity: Int, audit: AuditEntry) async throws {
        guard try await teams.records.count() < capacity else { throw ResourceRefusal.full(capacity: capacity) }
        try await teams.records.create(team.record, Operation(audit: audit))
    }

    func update(
        _ id: String, audit: @Sendable (TeamSnapshot) -> AuditEntry, _ change: @Sendable (inout TeamSnapshot) throws -> Void
    ) async throws -> TeamSnapshot? {
        guard let found = try await record(id) else { return nil }
        var after = found
        try change(&after)
        do throws(RecordRefusal) {
            try await edit(id, Operation(audit: audit(after)), change)
        } catch {
            if error == .missing { return nil }
            if error != Self.tooManyTags { throw error }
            throw HTTPFailure.badRequest("Invalid tags. There may be at most \(Self.mostTags).")
        }
        return try await record(id)
    }

    private func edit(
        _ id: String, _ operation: Operation, _ change: @Sendable (inout TeamSnapshot) throws -> Void
    ) async throws(RecordRefusal) {
        let now = now
        _ = try await teams.records.edit(id, operation) { (record) throws(RecordRefusal) in
            var team = TeamSnapshot(record, readAt: now)
            // What it throws it has thrown before the first change.
            do { try change(&team) } catch { throw .contended }
            // Counted with what others have added meanwhile.
            if team.record.tags.count > Self.mostTags { throw Self.tooManyTags }
            record = team.record
        }
    }

    func delete(_ id: String, audit: @Sendable (TeamSnapshot) -> AuditEntry) async throws -> TeamSnapshot? {
        guard let found = try await record(id) else { return nil }
        let entry = audit(found)
        do {
            try await teams.delete(id, Operation(audit: entry)) { key in
                AuditEntry(
                    type: "team.key_removed", actor: entry.actor, message: "Key taken out of a deleted team",
                    metadata: [("teamId", id), ("keyMasked", key.masked)])
            }
        } catch RecordRefusal.missing {
            return nil
        }
        return found
    }

    private static let mostTags = 50
    /// What is said of a team that would have more.
    private static let tooManyTags = RecordRefusal.state("too many tags")
}
