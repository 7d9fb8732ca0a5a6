// Aliases of keys: names that people choose, each of one key, and none of them the text of a secret.

import GateDomain

extension KeyDirectory {
    /// Claims the alias of a key whose credential is claimed; why it cannot have it, nil if it has.
    ///
    /// Both names are claimed before either is compared, so that of two keys that are made at once one sees the other.
    func refusal(ofAlias alias: String?, of id: String, digest: String) async throws(RecordRefusal) -> RecordRefusal? {
        if try await isAlias(digest) { return .aliasIsSecret }
        guard let alias else { return nil }
        return try await refusal(ofAlias: alias, of: id)
    }

    /// Claims an alias for a key; why it cannot have it, nil if it has. No alias is the id of a key.
    private func refusal(ofAlias alias: String, of id: String) async throws(RecordRefusal) -> RecordRefusal? {
        if try await records.read(alias) != nil { return .aliasTaken }
        guard try await store.claim(store.keys.alias(alias), for: id, fields: ["at": String(try await seconds())]) else {
            guard try await isAbandoned(alias) else { return .aliasTaken }
            return try await refusal(ofAlias: alias, of: id)
        }
        let digest = Credential.digest(of: alias)
        let hasDigest = try await claim(digestOfAlias: digest, for: id)
        if hasDigest, try await credentials.owner(ofDigest: digest) == nil { return nil }
        try await leave(alias, of: id)
        return hasDigest ? .aliasIsSecret : .aliasTaken
    }

    /// Claims what a secret of which only the digest is known is compared with.
    private func claim(digestOfAlias digest: String, for id: String) async throws(RecordRefusal) -> Bool {
        let name = store.keys.aliasDigest(digest)
        if try await store.claim(name, for: id, fields: ["at": String(try await seconds())]) { return true }
        // What an earlier owner has left there is nobody's.
        guard try await !isAlias(digest), let owner = try await store.owner(of: name) else { return false }
        try await store.leave(name, of: owner)
        return try await store.claim(name, for: id, fields: ["at": String(try await seconds())])
    }

    /// Gives an alias back, and before it what is found by its digest: so whoever has claimed an alias can claim that.
    private func leave(_ alias: String, of id: String) async throws(RecordRefusal) {
        try await store.leave(store.keys.aliasDigest(Credential.digest(of: alias)), of: id)
        try await store.leave(store.keys.alias(alias), of: id)
    }

    /// Whether some key bears the alias of a digest, or has just claimed it.
    private func isAlias(_ digest: String) async throws(RecordRefusal) -> Bool {
        let reply = try await store.ask(RedisCommand("HMGET", store.keys.aliasDigest(digest), "owner", "at"))
        guard let owner = reply.array?.first?.string else { return false }
        if try await seconds() - reply.integer(at: 1) <= Self.claimLife { return true }
        // Whoever was about to give it to a key may have been cut short.
        return try await records.read(owner)?.alias.map { Credential.digest(of: $0) == digest } ?? false
    }

    /// Takes an alias from a key that has claimed it long ago and does not bear it: whoever was about to give it to the key was cut short.
    /// - Returns: whether it is free now.
    private func isAbandoned(_ alias: String) async throws(RecordRefusal) -> Bool {
        let reply = try await store.ask(RedisCommand("HMGET", store.keys.alias(alias), "owner", "at"))
        guard let owner = reply.array?.first?.string else { return true }
        guard try await seconds() - reply.integer(at: 1) > Self.claimLife, try await records.read(owner)?.bears(alias) != true else {
            return false
        }
        try await leave(alias, of: owner)
        return true
    }

    /// Seconds after which a claim that nobody has made use of is nobody's; far longer than any change takes.
    private static let claimLife = 60

    /// Redis TIME, in seconds since 1970.
    private func seconds() async throws(RecordRefusal) -> Int { try await store.ask(RedisCommand("TIME")).integer(at: 0) }

    /// Gives a key another alias, or none: claims the new one, writes the record, and gives the old one back.
    /// - Throws: `missing`, `state`, `aliasTaken`, `aliasIsSecret`, `operationReused`, `contended` or `store`.
    package func setAlias(_ alias: String?, of id: String, _ operation: Operation) async throws(RecordRefusal) {
        if let alias, let refusal = try await refusal(ofAlias: alias, of: id) { throw refusal }
        guard let before = try await records.read(id) else { throw .missing }
        do {
            try await edit(id, in: [.active, .suspended], operation) { (key) throws(RecordRefusal) in key.alias = alias }
        } catch {
            if let alias, before.alias != alias, error.isCertain { try await leave(alias, of: id) }
            throw error
        }
        // Somebody else may have given it back meanwhile: the record decides.
        guard let old = before.alias, try await records.read(id)?.bears(old) != true else { return }
        try await leave(old, of: id)
        if try await records.read(id)?.bears(old) == true {
            for name in [store.keys.alias(old), store.keys.aliasDigest(Credential.digest(of: old))] {
                _ = try await store.claim(name, for: id)
            }
        }
    }
}

extension KeyRecord {
    /// Whether this is its alias.
    func bears(_ alias: String) -> Bool { self.alias.map { $0.hasSameBytes(as: alias) } ?? false }
}

extension RecordRefusal {
    /// Whether nothing was changed for certain.
    fileprivate var isCertain: Bool {
        if case .store(let failure) = self { !failure.mayHaveBeenCarriedOut } else { true }
    }
}
