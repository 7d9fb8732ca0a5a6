// The keys of the cluster: records with credentials, an alias, and an account with money in it.

package import GateDomain
import LuaScripts

/// What a key needs beyond a record: names that it has alone, and credits.
package struct KeyDirectory: Sendable {
    /// The keys' records, without secrets or money.
    package let records: RecordStore<KeyRecord>
    /// What people have written down about keys.
    package let notes: RecordStore<KeyNotes>
    /// Tokens that lend keys.
    package let tokens: RecordStore<ScopedToken>
    /// What keys are made from.
    package let templates: RecordStore<KeyTemplate>
    /// What is to be done with keys at a time.
    package let schedules: RecordStore<KeySchedules>
    /// Where all of it lies.
    package let store: any CommandStore
    /// What lists of keys are ordered by.
    package var orders: KeyOrders { KeyOrders(self) }
    private var keys: RedisKeys { store.keys }

    /// - Parameter origin: the node that changes keys through it, as the change feed names it.
    package init(store: any CommandStore, origin: String) {
        self.store = store
        records = RecordStore(store: store, origin: origin)
        notes = RecordStore(store: store, origin: origin)
        tokens = RecordStore(store: store, origin: origin)
        templates = RecordStore(store: store, origin: origin)
        schedules = RecordStore(store: store, origin: origin)
    }

    /// Makes a key: claims its names, then writes record and account. What is done twice is done once; names claimed for a key that is
    /// refused are given back. No text is both a secret and an alias: whoever reads the alias in a list would have the key.
    /// - Throws: `credentialExists` or `aliasTaken` if a name belongs to another key, `aliasIsSecret`, `operationReused`, or `store`.
    package func create(_ record: KeyRecord, secret: String, credits: Int, _ operation: Operation) async throws(RecordRefusal) {
        try await restore(record, digest: KeyCache.digest(secret), Holding(credits: credits), operation)
    }

    /// What a key holds and has done when it is made.
    package struct Holding: Sendable, Equatable {
        /// What it may spend; with `spent` at most `Credits.balanceCeiling`.
        package let credits: Int
        /// What it has spent elsewhere, which its spending limit counts.
        package let spent: Int
        /// Calls that it has made elsewhere.
        package let calls: Int

        package init(credits: Int, spent: Int = 0, calls: Int = 0) {
            self.credits = credits
            self.spent = spent
            self.calls = calls
        }
    }

    /// Makes a key as `create` does, also one of whose secret only the SHA-256 is known, with what it has had elsewhere.
    /// - Parameter digest: of the secret, in hex digits.
    /// - Throws: as `create`; `contended` where the key of that id is there already.
    package func restore(
        _ record: KeyRecord, digest: String, _ holding: Holding, _ operation: Operation
    ) async throws(RecordRefusal) {
        guard try await claim(keys.credential(digest), for: record.id, fields: ["kind": "key"]) else { throw .credentialExists }
        if let refusal = try await refusal(ofAlias: record.alias, of: record.id, digest: digest) {
            // Somebody who brings the same key along may have made it of this claim meanwhile.
            if try await records.read(record.id) == nil { try await leave(name: keys.credential(digest), of: record.id) }
            throw refusal
        }
        _ = try await store.ask(RedisCommand("SADD", keys.credentials(of: record.id), digest))
        try await records.create(
            record,
            account: [
                "credits": String(holding.credits), "granted": String(holding.credits + holding.spent), "spent": String(holding.spent),
                "calls": String(holding.calls),
            ],
            places: [
                KeyAmount.credits.list: holding.credits, KeyAmount.spent.list: holding.spent, KeyAmount.calls.list: holding.calls,
                KeyAmount.used.list: 0,
            ], operation)
    }

    /// The id of the key that has, had, or was about to have a secret; nil if nobody had it. - Parameter digest: in hex digits.
    /// - Throws: `store`.
    package func owner(ofDigest digest: String) async throws(RecordRefusal) -> String? { try await owner(keys.credential(digest)) }

    /// The SHA-256 of each key's secret in hex digits, in their order; nil where a rotation was cut short, so that nobody knows which it is.
    /// - Throws: `store`.
    package func digests(of records: [KeyRecord]) async throws(RecordRefusal) -> [String?] {
        let unsaid = records.filter { $0.credential == nil }
        let replies: [RedisReply]
        do { replies = try await store.sendAll(unsaid.map { RedisCommand("SMEMBERS", keys.credentials(of: $0.id)) }) } catch {
            throw .store(error)
        }
        let found = Dictionary(zip(unsaid.map(\.id), replies), uniquingKeysWith: { first, _ in first })
        return records.map { record in
            if let credential = record.credential { return credential }
            let digests = found[record.id]?.array ?? []
            return digests.count == 1 ? digests[0].string : nil
        }
    }

    /// Claims the alias of a key whose credential is claimed; why it cannot have it, nil if it has.
    ///
    /// Both names are claimed before either is compared, so that of two keys that are made at once one sees the other.
    private func refusal(ofAlias alias: String?, of id: String, digest: String) async throws(RecordRefusal) -> RecordRefusal? {
        if try await isAlias(digest) { return .aliasIsSecret }
        guard let alias else { return nil }
        return try await refusal(ofAlias: alias, of: id)
    }

    /// Claims an alias for a key; why it cannot have it, nil if it has. No alias is the id of a key.
    private func refusal(ofAlias alias: String, of id: String) async throws(RecordRefusal) -> RecordRefusal? {
        if try await records.read(alias) != nil { return .aliasTaken }
        guard try await claim(keys.alias(alias), for: id, fields: ["at": String(try await seconds())]) else {
            guard try await isAbandoned(alias) else { return .aliasTaken }
            return try await refusal(ofAlias: alias, of: id)
        }
        let digest = KeyCache.digest(alias)
        let hasDigest = try await claim(digestOfAlias: digest, for: id)
        if hasDigest, try await owner(keys.credential(digest)) == nil { return nil }
        try await leave(alias, of: id)
        return hasDigest ? .aliasIsSecret : .aliasTaken
    }

    /// Claims what a secret of which only the digest is known is compared with.
    private func claim(digestOfAlias digest: String, for id: String) async throws(RecordRefusal) -> Bool {
        let name = keys.aliasDigest(digest)
        if try await claim(name, for: id, fields: ["at": String(try await seconds())]) { return true }
        // What an earlier owner has left there is nobody's.
        guard try await !isAlias(digest), let owner = try await owner(name) else { return false }
        try await leave(name: name, of: owner)
        return try await claim(name, for: id, fields: ["at": String(try await seconds())])
    }

    /// Gives an alias back, and before it what is found by its digest: so whoever has claimed an alias can claim that.
    private func leave(_ alias: String, of id: String) async throws(RecordRefusal) {
        try await leave(name: keys.aliasDigest(KeyCache.digest(alias)), of: id)
        try await leave(name: keys.alias(alias), of: id)
    }

    /// Whether some key bears the alias of a digest, or has just claimed it.
    private func isAlias(_ digest: String) async throws(RecordRefusal) -> Bool {
        let reply = try await store.ask(RedisCommand("HMGET", keys.aliasDigest(digest), "owner", "at"))
        guard let owner = reply.array?.first?.string else { return false }
        if try await seconds() - reply.integer(at: 1) <= Self.claimLife { return true }
        // Whoever was about to give it to a key may have been cut short.
        return try await records.read(owner)?.alias.map { KeyCache.digest($0) == digest } ?? false
    }

    /// Takes an alias from a key that has claimed it long ago and does not bear it: whoever was about to give it to the key was cut short.
    /// - Returns: whether it is free now.
    private func isAbandoned(_ alias: String) async throws(RecordRefusal) -> Bool {
        let reply = try await store.ask(RedisCommand("HMGET", keys.alias(alias), "owner", "at"))
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
            for name in [keys.alias(old), keys.aliasDigest(KeyCache.digest(old))] { _ = try await claim(name, for: id) }
        }
    }

    /// Gives a key another secret, and changes nothing else of it (F-KEY-06). The old one proves nothing from the moment that the record is
    /// written, on any node; its name stays taken, so that nobody is ever given it again, and no import at a start brings it back.
    /// - Returns: the key as it was written.
    /// - Throws: `missing`, `state`, `credentialExists`, `operationReused`, `contended` or `store`.
    package func rotate(_ id: String, to secret: String, _ operation: Operation) async throws(RecordRefusal) -> KeyRecord {
        let digest = KeyCache.digest(secret)
        guard try await claim(keys.credential(digest), for: id, fields: ["kind": "key"]) else { throw .credentialExists }
        _ = try await store.ask(RedisCommand("SADD", keys.credentials(of: id), digest))
        return try await records.edit(id, operation) { (key) throws(RecordRefusal) in
            guard key.state != .revoked else { throw .state(key.state.rawValue) }
            (key.credential, key.prefix, key.masked) = (digest, Credential.shortMask(secret), Credential.longMask(secret))
        }
    }

    /// Finds a key by its credential, its id or its alias; nil if there is none.
    /// - Throws: `store`.
    package func find(_ reference: String) async throws(RecordRefusal) -> KeyRecord? {
        guard reference.utf8.count <= Credential.lengths.upperBound else { return nil }
        if let key = try await holder(of: reference) { return key }
        if let key = try await records.read(reference) { return key }
        guard let id = try await owner(keys.alias(reference)), let key = try await records.read(id), key.bears(reference) else {
            return nil
        }
        return key
    }

    /// The key that a secret proves; nil if it proves none, or none any more. An id, an alias or a token proves nothing.
    /// - Throws: `store`.
    package func holder(of secret: String) async throws(RecordRefusal) -> KeyRecord? {
        let digest = KeyCache.digest(secret)
        guard let id = try await owner(keys.credential(digest)), let key = try await records.read(id), key.isProved(by: digest) else {
            return nil
        }
        return key
    }

    /// Changes a key that is in one of `states`.
    /// - Throws: `missing`, `state` if it is in none of them, `operationReused`, `contended`, `store`, and what `change` throws.
    package func edit(
        _ id: String, in states: Set<KeyState>, _ operation: Operation, _ change: (inout KeyRecord) throws(RecordRefusal) -> Void
    ) async throws(RecordRefusal) {
        _ = try await records.edit(id, operation) { (key) throws(RecordRefusal) in
            guard states.contains(key.state) else { throw .state(key.state.rawValue) }
            try change(&key)
        }
    }

    /// Adds credits once for each operation; returns the balance after it.
    /// - Parameter retention: milliseconds for which the operation is remembered.
    /// - Throws: `missing`, `state`, `aboveCeiling`, `operationReused` or `store`.
    package func topUp(
        _ id: String, credits: Int, _ operation: Operation, retention: Int = Operation.retention
    ) async throws(RecordRefusal) -> Int {
        let reply = try await store.ask(Self.topUp(id, credits: credits, operation, retention: retention, keys: keys))
        switch reply.status {
        case 0: return reply.integer(at: 1)
        case 1: throw .missing
        case 2: throw .state(reply.array?.last?.string ?? "")
        case 3: throw .operationReused
        case 4: throw .aboveCeiling
        default: throw .unexpected
        }
    }

    /// The command of `topUp`, which answers with 0 where the credits have been added, by this copy of it or another.
    package static func topUp(_ id: String, credits: Int, _ operation: Operation, retention: Int = Operation.retention, keys: RedisKeys)
        -> RedisCommand
    {
        let shard = keys.shard(of: id)
        var command = RedisCommand(script: .topUp, keys: 5)
        for name in [
            keys.record(id), keys.account(id), keys.operation(id, "\(id):\(operation.id)"), keys.audit(shard), keys.touchedKeys(shard),
        ] { command.append(name) }
        command.append(credits)
        command.append(operation: operation.fingerprint, audit: operation.audit.packed, retention: retention)
        command.append(Credits.balanceCeiling)
        return command
    }

    /// The money of a key.
    /// - Throws: `store`.
    package func account(_ id: String) async throws(RecordRefusal) -> Account {
        Account(try await store.ask(Account.reading(keys.account(id))))
    }

    /// The money of a key with what this UTC day and month have seen, as its quota counts them; 0 where it has none.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `store`.
    package func accountWithQuota(_ id: String, at now: Int) async throws(RecordRefusal) -> (account: Account, used: Quota) {
        let reply = try await store.ask(Account.commandWithQuota(keys.account(id)))
        return (Account(reply), Quota(used: reply, at: now))
    }

    /// The money of many at once, in their order.
    /// - Throws: `store`.
    package func accounts(_ ids: [String]) async throws(RecordRefusal) -> [Account] {
        do {
            return try await store.sendAll(ids.map { Account.reading(keys.account($0)) }).map(Account.init)
        } catch {
            throw .store(error)
        }
    }

    /// The money of many at once with what the current day and month have seen, in their order.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `store`.
    package func accountsWithCounts(_ ids: [String], at now: Int) async throws(RecordRefusal) -> [(account: Account, counts: KeyCounts)] {
        let commands = ids.map { id in
            var command = Account.commandWithQuota(keys.account(id))
            command.append("refills")
            return command
        }
        do {
            return try await store.sendAll(commands).map { (Account($0), KeyCounts($0, at: now)) }
        } catch {
            throw .store(error)
        }
    }

    private func owner(_ name: String) async throws(RecordRefusal) -> String? {
        try await store.ask(RedisCommand("HGET", name, "owner")).string
    }

    /// False where somebody else has the name.
    private func claim(_ name: String, for owner: String, fields: [String: String] = [:]) async throws(RecordRefusal) -> Bool {
        try await store.ask(Self.claim(name, owner, "take", fields)).status == 0
    }

    private func leave(name: String, of owner: String) async throws(RecordRefusal) {
        _ = try await store.ask(Self.claim(name, owner, "leave", [:]))
    }

    private static func claim(_ name: String, _ owner: String, _ verb: String, _ fields: [String: String]) -> RedisCommand {
        var command = RedisCommand(script: .claim, keys: 1)
        command.append(name)
        command.append(owner)
        command.append(verb)
        for (field, value) in fields.sorted(by: { $0.key < $1.key }) {
            command.append(field)
            command.append(value)
        }
        return command
    }
}

extension KeyRecord {
    /// Whether this is its alias.
    fileprivate func bears(_ alias: String) -> Bool { self.alias.map { $0.hasSameBytes(as: alias) } ?? false }
}

extension RecordRefusal {
    /// Whether nothing was changed for certain.
    fileprivate var isCertain: Bool {
        if case .store(let failure) = self { !failure.mayHaveBeenCarriedOut } else { true }
    }
}

/// The counters of an account.
package struct Account: Sendable, Equatable {
    /// What it may still spend: what is reserved is not in it (F-CREDIT-06).
    package let credits: Int
    /// Credits that it has spent in its life, as refunds have left it.
    package let spent: Int
    /// Credits that are reserved: neither to be spent by anybody else, nor spent.
    package let held: Int
    /// Calls that were admitted in its life and not given back.
    package let calls: Int
    /// Milliseconds since 1970 of the last admission, nil if there was none.
    package let lastUsedAt: Int?

    /// Asks for all that `init` reads. - Parameter account: its name in Redis.
    package static func reading(_ account: String) -> RedisCommand {
        RedisCommand("HMGET", account, "credits", "spent", "calls", "used", "held")
    }

    /// Reads what `reading` asks for. In Redis what is reserved counts as spent, so that spending limits count it.
    package init(_ reply: RedisReply) {
        credits = reply.integer(at: 0)
        held = reply.integer(at: 4)
        spent = reply.integer(at: 1) - held
        calls = reply.integer(at: 2)
        let used = reply.integer(at: 3)
        lastUsedAt = used > 0 ? used : nil
    }
}

/// What a key has done in the current UTC day and month of Redis TIME.
package struct KeyCounts: Sendable, Equatable {
    /// As its quota counts it; 0 where it has none.
    package var used = Quota()
    /// Automatic top-ups of the day.
    package var refills = 0

    /// Nothing.
    package init() {}

    init(_ reply: RedisReply, at now: Int) {
        used = Quota(used: reply, at: now)
        refills = reply.count(at: 5 + Quota.meters.count, of: now / 86_400_000)
    }
}

extension Account {
    /// Reads an account with the meters of its quota, which come after what `init` reads.
    static func commandWithQuota(_ name: String) -> RedisCommand {
        var command = reading(name)
        for meter in Quota.meters { command.append("m:" + meter.name) }
        return command
    }
}

extension Quota {
    /// What the current periods have seen. - Parameter now: milliseconds since 1970 of Redis TIME.
    init(used reply: RedisReply, at now: Int) {
        let used = Self.meters.enumerated().map { reply.count(at: 5 + $0, of: $1.period.span(at: now * 1000).number) }
        self.init(dailyCalls: used[0], monthlyCalls: used[1], dailyCredits: used[2], monthlyCredits: used[3])
    }
}

extension RedisReply {
    /// What a meter `<period>:<count>` in a list of fields says of a period; 0 for nothing.
    func count(at index: Int, of period: Int) -> Int {
        guard let fields = array, fields.indices.contains(index) else { return 0 }
        let parts = (fields[index].string ?? "").split(separator: ":").compactMap { Int($0) }
        return parts.count == 2 && parts[0] == period ? parts[1] : 0
    }
}
