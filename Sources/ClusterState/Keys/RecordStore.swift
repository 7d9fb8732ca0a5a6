// Records as admins see and change them: every change is one script, may be sent twice, and binds every node at once.

import GateDomain
import LuaScripts

/// Something that an operator keeps: a hash of named fields with a version, changed only by `edit.lua`.
package protocol StoredRecord: Sendable, Equatable {
    /// What the index of all of them is called.
    static var kind: String { get }
    /// What the change feed calls a change of one.
    static var topic: Topic { get }
    /// Unlike that of any other record of its kind.
    var id: String { get }
    /// Grows by one with each change; a decision made by an older one is not carried out.
    var version: Int { get }
    /// Milliseconds since 1970; orders the index.
    var createdAt: Int { get }
    /// Every field of the record but the version.
    var fields: [String: String] { get }
    /// What the account of the same id has to know of it besides the version; empty where it has none.
    var accountFields: [String: String] { get }
    /// Further lists that it stands in, and its place in each: what is asked for by them reads them, and never all records. They change in
    /// the step in which the record does.
    var listings: [String: Int] { get }
    /// Lists that are ordered by words, byte by byte, and its word in each: one that no other record has, with the id behind `wordEnd`.
    var words: [String: String] { get }
    /// A list of those that were made or changed, for whoever follows that and takes them out; nil where nobody does.
    static var changes: String? { get }
    /// Milliseconds since 1970 of Redis TIME at which Redis forgets it; nil for never.
    var end: Int? { get }
    /// Whether there is a list of all of its kind.
    static var isListed: Bool { get }
    /// Nil if the hash is not there or not such a record.
    init?(id: String, fields: [String: String])
}

extension StoredRecord {
    /// It has no account.
    package var accountFields: [String: String] { [:] }
    /// It stands in no other list.
    package var listings: [String: Int] { [:] }
    /// It stands in no list of words.
    package var words: [String: String] { [:] }
    /// Nobody follows it.
    package static var changes: String? { nil }
    /// It stays.
    package var end: Int? { nil }
    /// There is one.
    package static var isListed: Bool { true }
}

/// Who did what to what, written with the change itself (F-AUDIT-06).
package struct AuditEntry: Sendable {
    /// As `key.created`; one of those that the endpoint declares.
    package let type: String
    /// Who did it, in words for people; never a secret.
    package let actor: String
    /// One sentence for people.
    package let message: String
    /// Pairs for people; never a secret.
    package let metadata: [(String, String)]
    /// Entries that the audit stream of a shard keeps, about.
    package static let retained = 10_000

    package init(type: String, actor: String, message: String, metadata: [(String, String)]) {
        self.type = type
        self.actor = actor
        self.message = message
        self.metadata = metadata
    }

    /// Nothing: for a step of a change that another step of it tells.
    package static let untold = AuditEntry(type: "", actor: "", message: "", metadata: [])

    /// Tagged fields behind a format number; metadata names carry a dot before them. Empty for a change that is not told.
    package var packed: [UInt8] {
        if type.isEmpty { return [] }
        var fields = PackedFields(format: 1)
        fields.append("t", type)
        fields.append("a", actor)
        fields.append("m", message)
        for (name, value) in metadata { fields.append(name: "." + name, value) }
        return fields.bytes
    }
}

/// One operation of an admin: it is carried out once, however often it is sent (M12, V23).
package struct Operation: Sendable {
    /// Unique; of the client's choosing or random.
    package let id: String
    /// What is asked, so that one id is never used for two things.
    package let fingerprint: String
    /// What the audit log says of it.
    package let audit: AuditEntry
    /// Milliseconds for which its id is remembered.
    package static let retention = 48 * 3_600_000

    /// - Parameter id: nil makes a random one, for changes that nobody repeats but this node.
    package init(id: String? = nil, fingerprint: String = "", audit: AuditEntry) {
        self.id = id ?? RandomHex.digits(24)
        self.fingerprint = fingerprint
        self.audit = audit
    }
}

extension RedisCommand {
    /// Adds the four words that every script reads which carries an operation out and notes it.
    /// - Parameters:
    ///   - audit: a packed entry, empty where nothing is noted.
    ///   - retention: milliseconds for which the operation's id is remembered.
    mutating func append(operation fingerprint: String, audit: [UInt8], retention: Int = Operation.retention) {
        append(fingerprint)
        append(retention)
        append(audit)
        append(AuditEntry.retained)
    }
}

/// Why a mutation was not carried out; nothing has changed.
package enum RecordRefusal: Error, Sendable, Equatable {
    /// There is no such record.
    case missing
    /// The state that the key is in does not allow it: `suspended`, `revoked`, `expired`, `active`.
    case state(String)
    /// The secret belongs to another key.
    case credentialExists
    /// The alias belongs to another key, or is the id of one.
    case aliasTaken
    /// One text would be the alias of a key and the secret of this one or of another.
    case aliasIsSecret
    /// The operation's id was used for something else.
    case operationReused
    /// The account would be given more than it may be (`Credits.balanceCeiling`).
    case aboveCeiling
    /// Others kept changing it.
    case contended
    /// Redis did not answer as it should; `StoreFailure` says whether the change may have been made.
    case store(StoreFailure)

    /// There are as many as there may be.
    package static let full = RecordRefusal.state("full")
    /// An answer that the script does not give.
    static let unexpected = RecordRefusal.store(.fault("an answer that belongs to no script"))
}

/// The records of one kind.
package struct RecordStore<Record: StoredRecord>: Sendable {
    let store: any CommandStore
    let origin: String
    private var keys: RedisKeys { store.keys }

    /// - Parameter origin: the node that speaks, so that it knows its own words on the change feed.
    package init(store: any CommandStore, origin: String) {
        self.store = store
        self.origin = origin
    }

    /// The record of this id; nil if there is none.
    /// - Throws: `store`.
    package func read(_ id: String) async throws(RecordRefusal) -> Record? {
        Record(id: id, fields: try await store.ask(RedisCommand("HGETALL", keys.record(id))).fields)
    }

    /// Writes a new record, with its account if it has one. Sending the same operation twice makes one.
    /// - Parameters:
    ///   - account: further fields of a new account, e.g. its credits.
    ///   - places: further lists that it stands in from now on, and that no change of the record looks at.
    ///   - room: how many there may be with it in its shard; for records whose ids all lie in one.
    /// - Throws: `contended` where a record of that id is there already, `full` where there is no room, `operationReused`, or `store`.
    package func create(
        _ record: Record, account: [String: String] = [:], places: [String: Int] = [:], room: Int? = nil, _ operation: Operation
    ) async throws(RecordRefusal) {
        let edit = Edit(
            expected: room.map { "under:\($0)" } ?? "", fields: record.fields, removed: [],
            account: record.accountFields.isEmpty && account.isEmpty ? [:] : record.accountFields.merging(account) { $1 },
            places: record.listings.merging(places) { $1 }.mapValues(String.init), words: record.words.mapValues { ("", $0) },
            end: record.end, lists: Record.isListed)
        guard try await apply(edit, to: record.id, createdAt: record.createdAt, operation) else { throw .contended }
    }

    /// Changes a record: `change` edits what it finds, and only the difference is written; where somebody else was faster it is asked again.
    /// - Returns: the record as it was written; its version is the one before.
    /// - Throws: `missing`, `operationReused`, `contended` after 16 tries, `store`, and what `change` throws.
    package func edit(
        _ id: String, _ operation: Operation, _ change: (inout Record) throws(RecordRefusal) -> Void
    ) async throws(RecordRefusal) -> Record {
        for _ in 0..<16 {
            guard let before = try await read(id) else { throw .missing }
            var after = before
            do { try change(&after) } catch {
                // What it is now may be what this operation, or one after it, has made of it.
                if try await wasDone(operation, to: id) { return before }
                throw error
            }
            let (old, new) = (before.fields, after.fields)
            let edit = Edit(
                expected: String(before.version),
                fields: new.filter { field, text in old[field].map { !$0.hasSameBytes(as: text) } ?? true },
                removed: old.keys.filter { new[$0] == nil }, account: after.accountFields,
                places: Self.places(from: before.listings, to: after.listings), words: Self.words(from: before.words, to: after.words),
                end: after.end, lists: false)
            if try await apply(edit, to: id, createdAt: before.createdAt, operation) { return after }
        }
        throw .contended
    }

    /// Takes a record away; its account stays for what was counted in it.
    /// - Throws: `missing`, `operationReused`, `contended` after 16 tries, or `store`.
    package func delete(_ id: String, _ operation: Operation) async throws(RecordRefusal) {
        for _ in 0..<16 {
            guard let before = try await read(id) else {
                if try await wasDone(operation, to: id) { return }
                throw .missing
            }
            let edit = Edit(
                expected: "delete:\(before.version)", fields: [:], removed: [], account: before.accountFields,
                places: before.listings.mapValues { _ in "" }, words: before.words.mapValues { ($0, "") }, end: nil, lists: Record.isListed)
            if try await apply(edit, to: id, createdAt: before.createdAt, operation) { return }
        }
        throw .contended
    }

    /// Those that it stays in are written again: a list that was begun after the record was made comes to know it so.
    private static func places(from before: [String: Int], to after: [String: Int]) -> [String: String] {
        before.mapValues { _ in "" }.merging(after.mapValues(String.init)) { $1 }
    }

    private static func words(from before: [String: String], to after: [String: String]) -> [String: (old: String, new: String)] {
        before.mapValues { ($0, "") }.merging(after.mapValues { ("", $0) }) { ($0.0, $1.1) }
    }

    /// Which end of an index a list begins at.
    package enum Order: Sendable {
        /// The oldest first: records made meanwhile come at the end, and none is met twice.
        case ascending
        /// The newest first.
        case descending
    }

    /// Ids of all records in the order of their making, or of those of one list in its order; `count` at most from `offset`.
    /// - Throws: `store`.
    package func ids(
        _ order: Order = .descending, in list: String? = nil, offset: Int = 0, count: Int
    ) async throws(RecordRefusal) -> [String] {
        guard count > 0 else { return [] }
        if keys.shards == 1 {
            let reply = try await store.ask(
                RedisCommand(
                    order == .descending ? "ZREVRANGE" : "ZRANGE", keys.index(list ?? Record.kind, 0), String(offset),
                    String(offset + count - 1)))
            return reply.array?.compactMap(\.string) ?? []
        }
        var walk = walk(order, in: list)
        var left = offset
        while left > 0 {
            let passed = try await walk.next(min(left, 500)).count
            if passed == 0 { return [] }
            left -= passed
        }
        return try await walk.next(count)
    }

    /// Goes through all records, or those of one list, without holding them.
    package func walk(_ order: Order, in list: String? = nil) -> IndexWalk<Record> { IndexWalk(store, order, in: list) }

    /// How many records of this kind, or of one list, there are, over all shards.
    /// - Throws: `store`.
    package func count(in list: String? = nil) async throws(RecordRefusal) -> Int {
        try await sum { RedisCommand("ZCARD", keys.index(list ?? Record.kind, $0)) }
    }

    /// Ids in a list whose places lie in a range, the lowest first, and how many there are in all.
    /// - Parameter count: ids at most.
    /// - Throws: `store`.
    package func ids(in list: String, from low: Int, to high: Int, count: Int) async throws(RecordRefusal) -> (ids: [String], total: Int) {
        var found: [(id: String, at: Double)] = []
        for shard in 0..<keys.shards {
            let reply = try await store.ask(
                RedisCommand(
                    "ZRANGEBYSCORE", keys.index(list, shard), String(low), String(high), "WITHSCORES", "LIMIT", "0", String(count)))
            let entries = reply.array?.compactMap(\.string) ?? []
            for index in stride(from: 0, to: entries.count - 1, by: 2) { found.append((entries[index], Double(entries[index + 1]) ?? 0)) }
        }
        found.sort { ($0.at, $0.id) < ($1.at, $1.id) }
        let total = try await sum { RedisCommand("ZCOUNT", keys.index(list, $0), String(low), String(high)) }
        return (found.prefix(count).map(\.id), total)
    }

    /// Those of some ids that stand in a list too.
    /// - Throws: `store`.
    package func filter(_ ids: [String], in list: String) async throws(RecordRefusal) -> [String] {
        zip(ids, try await places(of: ids, in: list)).filter { $1 != nil }.map(\.0)
    }

    /// The places of some ids in a list, in their order; nil for those that do not stand in it. One command a shard.
    /// - Throws: `store`.
    package func places(of ids: [String], in list: String) async throws(RecordRefusal) -> [Int?] {
        var commands: [Int: (command: RedisCommand, at: [Int])] = [:]
        for (index, id) in ids.enumerated() {
            let shard = keys.shard(of: id)
            commands[shard, default: (RedisCommand("ZMSCORE", keys.index(list, shard)), [])].command.append(id)
            commands[shard]?.at.append(index)
        }
        let asked = Array(commands.values)
        var places = [Int?](repeating: nil, count: ids.count)
        let replies: [RedisReply]
        do { replies = try await store.sendAll(asked.map(\.command)) } catch { throw .store(error) }
        for (part, reply) in zip(asked, replies) {
            for (index, score) in zip(part.at, reply.array ?? []) {
                places[index] = score.string.flatMap(Double.init).flatMap { Int(exactly: $0) }
            }
        }
        return places
    }

    /// Takes out of a list whose places lie below a bound.
    /// - Throws: `store`.
    package func trim(_ list: String, below bound: Int) async throws(RecordRefusal) {
        _ = try await sum { RedisCommand("ZREMRANGEBYSCORE", keys.index(list, $0), "-inf", "(" + String(bound)) }
    }

    private func sum(_ command: (Int) -> RedisCommand) async throws(RecordRefusal) -> Int {
        do { return try await store.sendAll((0..<keys.shards).map(command)).reduce(0) { $0 + ($1.integer ?? 0) } } catch {
            throw .store(error)
        }
    }

    /// Several records at once; those that are gone are left out.
    /// - Throws: `store`.
    package func read(_ ids: [String]) async throws(RecordRefusal) -> [Record] {
        let replies: [RedisReply]
        do { replies = try await store.sendAll(ids.map { RedisCommand("HGETALL", keys.record($0)) }) } catch { throw .store(error) }
        return zip(ids, replies).compactMap { Record(id: $0, fields: $1.fields) }
    }

    private struct Edit {
        let expected: String
        let fields: [String: String]
        let removed: [String]
        let account: [String: String]
        /// Its place in each list, empty for one that it leaves.
        let places: [String: String]
        /// Its word in each list of them, empty for none.
        let words: [String: (old: String, new: String)]
        let end: Int?
        /// Whether the index changes with it.
        let lists: Bool
    }

    private func fingerprint(of operation: Operation, to id: String) -> String { "\(Record.kind):\(id):\(operation.fingerprint)" }

    /// - Throws: `operationReused` where its id stands for something else.
    private func wasDone(_ operation: Operation, to id: String) async throws(RecordRefusal) -> Bool {
        guard let done = try await store.ask(RedisCommand("HGET", keys.operation(id, operation.id), "fingerprint")).string else {
            return false
        }
        guard done.hasSameBytes(as: fingerprint(of: operation, to: id)) else { throw .operationReused }
        return true
    }

    /// False where the record is not as it was expected.
    private func apply(_ edit: Edit, to id: String, createdAt: Int, _ operation: Operation) async throws(RecordRefusal) -> Bool {
        let shard = keys.shard(of: id)
        var places = edit.places
        if let changes = Record.changes { places[changes] = String(createdAt) }
        let lists = places.sorted { $0.key < $1.key }
        let words = edit.words.sorted { $0.key < $1.key }
        var command = RedisCommand(script: .edit, keys: 7 + lists.count + words.count)
        for name in [
            keys.record(id), keys.operation(id, operation.id), keys.feed(shard), keys.audit(shard), keys.account(id), keys.versions(shard),
            keys.index(Record.kind, shard),
        ] { command.append(name) }
        for list in lists.map(\.key) + words.map(\.key) { command.append(keys.index(list, shard)) }
        command.append(fingerprint(of: operation, to: id))
        command.append(Operation.retention)
        command.append(edit.expected)
        command.append(Record.topic.rawValue)
        command.append(id)
        command.append(keys.channel)
        command.append(origin)
        command.append(operation.audit.packed)
        command.append(AuditEntry.retained)
        command.append("")
        command.append(edit.lists ? String(createdAt) : "")
        command.append(edit.end.map(String.init) ?? "")
        command.append(pairs: edit.fields)
        command.append(edit.removed.count)
        for field in edit.removed { command.append(field) }
        command.append(pairs: edit.account)
        command.append(lists.count)
        for list in lists { command.append(list.value) }
        command.append(words.count)
        for word in words {
            command.append(word.value.old)
            command.append(word.value.new)
        }
        switch try await store.ask(command).status {
        case 0: return true
        case 1: return false
        case 2: throw .operationReused
        case 3: throw .full
        default: throw .unexpected
        }
    }
}

extension CommandStore {
    /// Sends patiently what may be applied twice.
    func ask(_ command: RedisCommand) async throws(RecordRefusal) -> RedisReply {
        do { return try await sendPatiently(command) } catch { throw .store(error) }
    }
}

extension RedisCommand {
    fileprivate mutating func append(pairs: [String: String]) {
        append(pairs.count)
        for (field, value) in pairs.sorted(by: { $0.key < $1.key }) {
            append(field)
            append(value)
        }
    }
}
