// Records as admins see and change them: every change is one script, may be sent twice, and binds every node at once.

import GateDomain
import LuaScripts

/// The records of one kind.
package struct RecordStore<Record: StoredRecord>: Sendable {
    let store: any CommandStore
    let origin: String
    var keys: RedisKeys { store.keys }

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
