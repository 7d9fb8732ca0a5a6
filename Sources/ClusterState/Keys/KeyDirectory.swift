// The keys of the cluster: records with credentials, an alias, and an account with money in it.

package import GateDomain
import LuaScripts

/// What a key needs beyond a record: names that it has alone, and credits.
package struct KeyDirectory: Sendable {
    /// The keys' records, without secrets or money.
    package let records: RecordStore<KeyRecord>
    /// Where all of it lies.
    package let store: any CommandStore
    private var keys: RedisKeys { store.keys }

    /// - Parameter origin: the node that changes keys through it, as the change feed names it.
    package init(store: any CommandStore, origin: String) {
        self.store = store
        records = RecordStore(store: store, origin: origin)
    }

    /// Makes a key: claims its names, then writes record and account. What is done twice is done once; names claimed for a key that is
    /// refused are given back. No text is both a secret and an alias: whoever reads the alias in a list would have the key.
    /// - Throws: `credentialExists` or `aliasTaken` if a name belongs to another key, `aliasIsSecret`, `operationReused`, or `store`.
    package func create(_ record: KeyRecord, secret: String, credits: Int, _ operation: Operation) async throws(RecordRefusal) {
        let digest = KeyCache.digest(secret)
        guard try await claim(keys.credential(digest), for: record.id, fields: ["kind": "key"]) else { throw .credentialExists }
        if let refusal = try await refusal(ofAlias: record.alias, of: record.id, secret: secret) {
            try await leave(keys.credential(digest), of: record.id)
            throw refusal
        }
        _ = try await store.ask(RedisCommand("SADD", keys.credentials(of: record.id), digest))
        let amount = String(credits)
        try await records.create(
            record, account: ["credits": amount, "granted": amount, "spent": "0", "calls": "0"], operation)
    }

    /// Claims the alias of a key whose credential is claimed; why it cannot have it, nil if it has.
    ///
    /// Both names are claimed before either is compared, so that of two keys that are made at once one sees the other.
    private func refusal(ofAlias alias: String?, of id: String, secret: String) async throws(RecordRefusal) -> RecordRefusal? {
        // A secret of our own making is no alias by chance, and need not be asked for by its name.
        if !Credential.isGenerated(secret), try await owner(keys.alias(secret)) != nil { return .aliasIsSecret }
        guard let alias else { return nil }
        guard try await claim(keys.alias(alias), for: id) else { return .aliasTaken }
        guard try await owner(keys.credential(KeyCache.digest(alias))) != nil else { return nil }
        try await leave(keys.alias(alias), of: id)
        return .aliasIsSecret
    }

    /// Finds a key by its credential, its id or its alias; nil if there is none.
    /// - Throws: `store`.
    package func find(_ reference: String) async throws(RecordRefusal) -> KeyRecord? {
        guard reference.utf8.count <= Credential.lengths.upperBound else { return nil }
        var id = try await owner(keys.credential(KeyCache.digest(reference)))
        if id == nil { id = try await owner(keys.alias(reference)) }
        return try await records.read(id ?? reference)
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
    /// - Throws: `missing`, `state`, `aboveCeiling`, `operationReused` or `store`.
    package func topUp(_ id: String, credits: Int, _ operation: Operation) async throws(RecordRefusal) -> Int {
        let shard = keys.shard(of: id)
        var command = RedisCommand(script: .topUp, keys: 4)
        for name in [keys.record(id), keys.account(id), keys.operation(id, "\(id):\(operation.id)"), keys.audit(shard)] {
            command.append(name)
        }
        command.append(credits)
        command.append(operation.fingerprint)
        command.append(RecordStore<KeyRecord>.operationRetention)
        command.append(operation.audit.packed)
        command.append(RecordStore<KeyRecord>.retainedAudit)
        command.append(Credits.balanceCeiling)
        let reply = try await store.ask(command)
        switch reply.status {
        case 0: return reply.integer(at: 1)
        case 1: throw .missing
        case 2: throw .state(reply.array?.last?.string ?? "")
        case 3: throw .operationReused
        case 4: throw .aboveCeiling
        default: throw .unexpected
        }
    }

    /// The money of a key.
    /// - Throws: `store`.
    package func account(_ id: String) async throws(RecordRefusal) -> Account {
        Account(ofKey: try await store.ask(Account.reading(keys.account(id))))
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
            return try await store.sendAll(ids.map { Account.reading(keys.account($0)) }).map { Account(ofKey: $0) }
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

    private func leave(_ name: String, of owner: String) async throws(RecordRefusal) {
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

    /// Reads an HMGET of credits, spent, calls and used.
    package init(_ reply: RedisReply) {
        credits = reply.integer(at: 0)
        spent = reply.integer(at: 1)
        held = 0
        calls = reply.integer(at: 2)
        let used = reply.integer(at: 3)
        lastUsedAt = used > 0 ? used : nil
    }

    /// Asks for all that `init(ofKey:)` reads. - Parameter account: its name in Redis.
    package static func reading(_ account: String) -> RedisCommand {
        RedisCommand("HMGET", account, "credits", "spent", "calls", "used", "held")
    }

    /// Reads what `reading` asks for. In Redis what is reserved counts as spent, so that spending limits count it.
    package init(ofKey reply: RedisReply) {
        credits = reply.integer(at: 0)
        held = reply.integer(at: 4)
        spent = reply.integer(at: 1) - held
        calls = reply.integer(at: 2)
        let used = reply.integer(at: 3)
        lastUsedAt = used > 0 ? used : nil
    }
}

extension Account {
    /// Reads an account with the meters of its quota, which come after what `init` reads.
    static func commandWithQuota(_ name: String) -> RedisCommand {
        var command = RedisCommand("HMGET", name, "credits", "spent", "calls", "used")
        for meter in Quota.meters { command.append("m:" + meter.name) }
        return command
    }
}

extension Quota {
    /// What the current periods have seen. - Parameter now: milliseconds since 1970 of Redis TIME.
    init(used reply: RedisReply, at now: Int) {
        let used = Self.meters.enumerated().map { reply.count(at: 4 + $0, of: $1.period.span(at: now * 1000).number) }
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
