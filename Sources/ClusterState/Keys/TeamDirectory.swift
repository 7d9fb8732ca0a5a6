// The teams of the cluster: records with an account that holds no credits but a budget, and the keys that belong to them.

package import GateDomain

/// A team with what it has used, and its keys.
package struct TeamSnapshot: Sendable {
    /// The team without money.
    package var record: TeamRecord
    /// The team's own, which counts what its keys spend.
    package let account: Account
    /// What this UTC day and month have seen, as its quota counts them; 0 where it has no cap.
    package let used: Quota
    /// Its keys, in the order of their making.
    package let members: [KeyRecord]
    /// Milliseconds since 1970 of Redis TIME.
    package let readAt: Int

    package init(
        _ record: TeamRecord, account: Account = Account(.array([])), used: Quota = Quota(), members: [KeyRecord] = [], readAt: Int
    ) {
        self.record = record
        self.account = account
        self.used = used
        self.members = members
        self.readAt = readAt
    }
}

/// What one key has done in a team, and nowhere else.
package struct TeamShare: Sendable, Equatable {
    /// Calls that were admitted and not given back.
    package let calls: Int
    /// Credits, as they are held and then as they are charged.
    package let spent: Int
}

/// Why a key does not come into a team, or out of it; nothing has changed.
package enum TeamRefusal: Error, Sendable, Equatable {
    /// There is no such team.
    case unknownTeam
    /// The key belongs to another team.
    case taken
    /// It has `TeamDirectory.capacity` keys.
    case full
    /// The key does not belong to it.
    case notAMember
}

/// Teams and who is in them.
///
/// Invariant: a key belongs to the team that its record names, so to one at most, and from the moment that the order is answered (the
/// record's version guards admissions). `members:<team>` is an index: it may name keys that are in the team no more, and leaves none out.
package struct TeamDirectory: Sendable {
    /// The teams' records.
    package let records: RecordStore<TeamRecord>
    private let keys: KeyDirectory
    private let store: any CommandStore

    /// Keys that a team may have (F-TEAM-01).
    package static let capacity = 100

    /// - Parameter origin: the node that changes teams through it, as the change feed names it.
    package init(store: any CommandStore, keys: KeyDirectory, origin: String) {
        self.store = store
        self.keys = keys
        records = RecordStore(store: store, origin: origin)
    }

    /// The teams of these ids, in their order; those that are not there are left out.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `RecordRefusal`.
    package func snapshots(_ ids: [String], at now: Int) async throws -> [TeamSnapshot] {
        let found = try await records.read(ids)
        let replies = try await store.sendAll(found.map { Account.commandWithQuota(store.keys.account($0.id)) })
        var snapshots: [TeamSnapshot] = []
        for (team, reply) in zip(found, replies) {
            snapshots.append(
                TeamSnapshot(
                    team, account: Account(reply), used: Quota(used: reply, at: now), members: try await members(of: team.id), readAt: now))
        }
        return snapshots
    }

    /// What keys have done in a team, in their order, as its account has counted it since they first came in.
    /// - Throws: `RecordRefusal`.
    package func shares(of ids: [String], in team: String) async throws(RecordRefusal) -> [TeamShare] {
        guard !ids.isEmpty else { return [] }
        var command = RedisCommand("HMGET", store.keys.account(team))
        for id in ids { for limit in Policy.share(of: id, inTeamAt: 1) { command.append("m:" + limit.name) } }
        let reply = try await store.ask(command)
        return ids.indices.map { index in
            TeamShare(calls: reply.count(at: index * 2, of: 0), spent: reply.count(at: index * 2 + 1, of: 0))
        }
    }

    /// The keys of a team, in the order of their making.
    /// - Throws: `RecordRefusal`.
    package func members(of team: String) async throws -> [KeyRecord] {
        let ids = try await store.ask(RedisCommand("SMEMBERS", store.keys.members(of: team))).array?.compactMap(\.string) ?? []
        return try await keys.records.read(ids).filter { $0.teamID == team }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    /// Puts a key into a team: first the index, so that it leaves out nobody, then the key. Doing it again changes nothing.
    /// - Throws: `TeamRefusal`, `RecordRefusal`.
    package func assign(_ key: KeyRecord, to team: String, _ operation: Operation) async throws {
        guard try await records.read(team) != nil else { throw TeamRefusal.unknownTeam }
        // A team that is gone holds nobody.
        if let other = key.teamID, other != team, try await records.read(other) != nil { throw TeamRefusal.taken }
        if key.teamID == team { return try await relist(key.id, in: team) }
        _ = try await store.ask(RedisCommand("SADD", store.keys.members(of: team), key.id))
        guard try await hasRoom(in: team) else {
            try await relist(key.id, in: team)
            throw TeamRefusal.full
        }
        do {
            try await enter(team, key.id, from: key.teamID, operation)
        } catch {
            guard error == .state(Self.elsewhere) else { throw error }
            try await relist(key.id, in: team)
            throw TeamRefusal.taken
        }
        // Somebody who made room meanwhile may have taken it for one that never came.
        try await relist(key.id, in: team)
    }

    /// Makes the index say of a key what its record says, also where somebody else changes that meanwhile.
    private func relist(_ key: String, in team: String) async throws(RecordRefusal) {
        var isMember = try await keys.records.read(key)?.teamID == team
        var wasMember: Bool
        repeat {
            wasMember = isMember
            _ = try await store.ask(RedisCommand(isMember ? "SADD" : "SREM", store.keys.members(of: team), key))
            isMember = try await keys.records.read(key)?.teamID == team
        } while isMember != wasMember
    }

    /// What is said of a key that has come into another team meanwhile.
    private static let elsewhere = "in another team"

    private func enter(_ team: String, _ key: String, from before: String?, _ operation: Operation) async throws(RecordRefusal) {
        try await keys.edit(key, in: [.active, .suspended], operation) { (record) throws(RecordRefusal) in
            guard record.teamID == nil || record.teamID == before || record.teamID == team else { throw .state(Self.elsewhere) }
            record.teamID = team
        }
    }

    /// Two who take the last place at once may both be refused, and never both get it.
    private func hasRoom(in team: String) async throws -> Bool {
        let name = store.keys.members(of: team)
        if try await store.ask(RedisCommand("SCARD", name)).integer ?? 0 <= Self.capacity { return true }
        // Whoever is in no team, or in one that is gone, may be on the way in; entries of other teams' keys are left over from somebody who
        // was cut short.
        let ids = try await store.ask(RedisCommand("SMEMBERS", name)).array?.compactMap(\.string) ?? []
        let teams = try await keys.records.read(ids).map(\.teamID)
        let others = Set(try await records.read(Array(Set(teams.compactMap { $0 }).subtracting([team]))).map(\.id))
        return teams.count { $0.map { !others.contains($0) } ?? true } <= Self.capacity
    }

    /// Takes a key out of a team.
    /// - Throws: `TeamRefusal`, `RecordRefusal`.
    package func remove(_ key: KeyRecord, from team: String, _ operation: Operation) async throws {
        guard key.teamID == team else { throw try await records.read(team) == nil ? TeamRefusal.unknownTeam : .notAMember }
        try await detach(key.id, from: team, operation)
    }

    private func detach(_ key: String, from team: String, _ operation: Operation) async throws {
        do {
            try await leave(team, key, operation)
        } catch {
            if error != .missing { throw error }
        }
        try await relist(key, in: team)
    }

    private func leave(_ team: String, _ key: String, _ operation: Operation) async throws(RecordRefusal) {
        try await keys.edit(key, in: Set(KeyState.allCases), operation) { (record) throws(RecordRefusal) in
            if record.teamID == team { record.teamID = nil }
        }
    }

    /// Deletes a team, which unbinds its keys at once, and then takes them out of it; its account stays for what was counted in it.
    /// - Parameter audit: of each key that is taken out.
    /// - Throws: `RecordRefusal`.
    package func delete(_ team: String, _ operation: Operation, audit: (KeyRecord) -> AuditEntry) async throws {
        try await records.delete(team, operation)
        for key in try await members(of: team) { try await detach(key.id, from: team, Operation(audit: audit(key))) }
        _ = try await store.ask(RedisCommand("DEL", store.keys.members(of: team)))
    }
}
