// The keys of the cluster: records with credentials, an alias, and an account with money in it.

package import GateDomain
import LuaScripts

/// What a key needs beyond a record: names that it has alone, and credits.
package struct KeyDirectory: Sendable {
    /// The keys' records, without secrets or money.
    package let records: RecordStore<KeyRecord>
    /// What people have written down about keys.
    package let notes: RecordStore<KeyNotes>
    /// What proves keys.
    package let credentials: CredentialStore
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
        credentials = CredentialStore(store: store, origin: origin)
        templates = RecordStore(store: store, origin: origin)
        schedules = RecordStore(store: store, origin: origin)
    }

    /// Makes a key: claims its names, then writes record and account. What is done twice is done once; names claimed for a key that is
    /// refused are given back. No text is both a secret and an alias: whoever reads the alias in a list would have the key.
    /// - Throws: `credentialExists` or `aliasTaken` if a name belongs to another key, `aliasIsSecret`, `operationReused`, or `store`.
    package func create(_ record: KeyRecord, secret: String, credits: Int, _ operation: Operation) async throws(RecordRefusal) {
        try await restore(record, digest: Credential.digest(of: secret), Holding(credits: credits), operation)
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
        let credential = Credential(digest: digest, of: record.id)
        guard try await credentials.claim(credential) else { throw .credentialExists }
        if let refusal = try await refusal(ofAlias: record.alias, of: record.id, digest: digest) {
            // Somebody who brings the same key along may have made it of this claim meanwhile.
            if try await records.read(record.id) == nil { try await credentials.leave(credential) }
            throw refusal
        }
        try await credentials.list(credential)
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

    /// Gives a key another secret, and changes nothing else of it (F-KEY-06). The old one proves nothing from the moment that the record is
    /// written, on any node; its name stays taken, so that nobody is ever given it again, and no import at a start brings it back.
    /// - Returns: the key as it was written.
    /// - Throws: `missing`, `state`, `credentialExists`, `operationReused`, `contended` or `store`.
    package func rotate(_ id: String, to secret: String, _ operation: Operation) async throws(RecordRefusal) -> KeyRecord {
        let credential = Credential(digest: Credential.digest(of: secret), of: id)
        guard try await credentials.claim(credential) else { throw .credentialExists }
        try await credentials.list(credential)
        return try await records.edit(id, operation) { (key) throws(RecordRefusal) in
            guard key.state != .revoked else { throw .state(key.state.rawValue) }
            (key.credential, key.prefix, key.masked) = (credential.digest, Credential.shortMask(secret), Credential.longMask(secret))
        }
    }

    /// Finds a key by its credential, its id or its alias; nil if there is none.
    /// - Throws: `store`.
    package func find(_ reference: String) async throws(RecordRefusal) -> KeyRecord? {
        guard reference.utf8.count <= Credential.lengths.upperBound else { return nil }
        if let proof = try await credentials.proof(by: reference, of: [.key]) { return proof.key }
        if let key = try await records.read(reference) { return key }
        guard let id = try await store.owner(of: keys.alias(reference)), let key = try await records.read(id), key.bears(reference) else {
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
}
