// POST /teams/assign, POST /teams/remove and GET /teams/usage: the keys of a team.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let assignTeam = Endpoint(
        .post, "/teams/assign", "Put a key into a team; a key belongs to one at most.", for: .atLeast(.admin),
        body: [Field.teamID, Field.memberKey, Field.memberAlias], answer: View<String>([.text("message", \.self)]),
        failures: [.notFound, .conflict],
        audits: ["team.key_assigned"], using: { (teams: $0.teams, keys: $0.keys) }
    ) { request, parts in
        let (key, team) = (try await request.member(in: parts.keys), try request[.teamID])
        try await parts.teams.assign(key, to: team, Operation(audit: request.audit("Key put into a team", of: key, ["teamId": team])))
        return "Key assigned to team"
    }

    static let removeFromTeam = Endpoint(
        .post, "/teams/remove", "Take a key out of a team.", for: .atLeast(.admin),
        body: [Field.teamID, Field.memberKey, Field.memberAlias], answer: View<String>([.text("message", \.self)]), failures: [.notFound],
        audits: ["team.key_removed"], using: { (teams: $0.teams, keys: $0.keys) }
    ) { request, parts in
        let (key, team) = (try await request.member(in: parts.keys), try request[.teamID])
        try await parts.teams.remove(key, from: team, Operation(audit: request.audit("Key taken out of a team", of: key, ["teamId": team])))
        return "Key removed from team"
    }

    static let teamUsage = Endpoint(
        .get, "/teams/usage", "What a team has spent, and its keys.", for: .atLeast(.viewer), query: [Field.teamID],
        answer: TeamUsage.view.schema, failures: [.notFound], using: { (teams: $0.teams, keys: $0.keys) }
    ) { request, parts in
        guard let team = try await parts.teams.snapshots([request[.teamID]], at: request.now).first else {
            throw TeamRefusal.unknownTeam.failure
        }
        let ids = team.members.map(\.id)
        let (accounts, shares) = (try await parts.keys.accounts(ids), try await parts.teams.shares(of: ids, in: team.record.id))
        let members = team.members.indices.map { TeamUsage.Member(key: team.members[$0], account: accounts[$0], share: shares[$0]) }
        return EndpointResponse(TeamUsage.view, TeamUsage(team: team, members: members))
    }
}

/// A team's account and those of its keys.
private struct TeamUsage: Sendable {
    struct Member: Sendable {
        let key: KeyRecord
        let account: Account
        let share: TeamShare
    }

    let team: TeamSnapshot
    let members: [Member]

    static let view = View<TeamUsage>([
        .text("teamId", \.team.record.id), .text("teamName", \.team.record.name), .integer("memberCount", \.members.count),
        .credits("totalBudget", \.team.record.budget), .credits("totalSpent", \.team.account.spent),
        .credits("remainingBudget") { usage -> Int? in
            usage.team.record.budget > 0 ? max(0, usage.team.record.budget - usage.team.account.spent) : nil
        }.described("Null without a budget."),
        .list("members", member, \.members),
        .credits("formerMembersSpent") { usage in
            max(0, usage.team.account.spent - usage.members.reduce(0) { $0 + $1.share.spent })
        }.described("Of totalSpent, what keys have spent that have left the team."),
    ])

    private static let member = View<Member>([
        .text("keyMasked", \.key.masked), .text("name", \.key.name), .credits("credits", \.account.credits),
        .credits("totalSpent", \.share.spent).described("In this team; what it has spent before or in others is not in it."),
        .integer("totalCalls", \.share.calls).described("In this team."),
    ])
}

extension EndpointRequest {
    /// The key that shall come in or go.
    fileprivate func member(in keys: KeyDirectory) async throws -> KeyRecord {
        guard let reference = try self[.memberKey] ?? self[.memberAlias] else { throw HTTPFailure.badRequest("Missing apiKey") }
        guard let key = try await keys.find(reference), key.state != .revoked else { throw HTTPFailure.unknownKey }
        return key
    }
}

extension Field where Value == String? {
    fileprivate static let memberKey = Field<String>("apiKey", .keyReference, "The key, its id or its alias.").optional
    fileprivate static let memberAlias = Field<String>("key", .keyReference, "Another name of apiKey.").optional
}

extension TeamRefusal: PublicFailure {
    var failure: HTTPFailure {
        switch self {
        case .unknownTeam: .notFound("Team not found")
        case .taken: .conflict("key_already_in_team")
        case .full: .conflict("team_full")
        case .notAMember: .notFound("The key does not belong to this team")
        }
    }
}
