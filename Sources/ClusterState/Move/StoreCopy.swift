// Names and what lies under them, from one store into another: as often as they change.

import GateDomain

/// Copies names as they are; both stores have the same number of shards, so that everything keeps its name.
///
/// Values are copied as a whole (DUMP, RESTORE with the time of their end), collections of many elements in pieces; the records of calls and
/// changes only grow, and are read on from where the copy ends. Each account is compared after it was copied.
struct StoreCopy {
    let from: StoreVisit
    let to: StoreVisit
    /// Accounts that were not the same after they had been copied, because they had changed again, or for a worse reason.
    private(set) var unequal: Set<[UInt8]> = []
    /// Accounts that were copied and compared; one counts each time.
    private(set) var compared = 0

    /// Names whose values are copied together from here on, by how large those before were.
    private var breadth = 8

    /// Names that are copied together at most.
    static let batch = 100
    private static let partBytes = 2 << 20
    /// Entries of a stream that are copied together.
    private static let page = 500

    private enum Kind {
        case value
        case account
        /// What grows with what the store has.
        case collection
        /// A stream that grows at its end, with the entries that it keeps.
        case record(kept: Int)
        /// Of this moment, or of the move itself.
        case left
    }

    init(from: StoreVisit, to: StoreVisit) { (self.from, self.to) = (from, to) }

    private func kind(of name: [UInt8]) -> Kind {
        guard let text = String(validating: name, as: UTF8.self), let name = StoreName(text, keys: from.keys) else { return .value }
        switch name.kind {
        case "account": return .account
        case "index", "keys.touched", "keys.sums", "tasks.known", "tasks.due", "webhooks", "open": return .collection
        case "usage" where name.rest.isEmpty, "denials" where name.rest.isEmpty: return .record(kept: EventLog.retained)
        case "audit" where name.rest.isEmpty: return .record(kept: AuditEntry.retained)
        case "move", "probe", "trial": return .left
        default: return .value
        }
    }

    /// Makes these names in the target what they are in the source at some moment during the call.
    /// - Throws: `StoreFailure`.
    mutating func copy(_ names: [[UInt8]]) async throws {
        for start in stride(from: 0, to: names.count, by: Self.batch) {
            var (values, accounts, growing): ([[UInt8]], [[UInt8]], [[UInt8]]) = ([], [], [])
            var records: [(name: [UInt8], kept: Int)] = []
            for name in names[start..<min(start + Self.batch, names.count)] {
                switch kind(of: name) {
                case .value: values.append(name)
                case .collection: growing.append(name)
                case .account:
                    growing.append(name)
                    accounts.append(name)
                case .record(let kept): records.append((name, kept))
                case .left: break
                }
            }
            let large = try await large(growing)
            try await copyValues(values + growing.filter { name in !large.contains { $0.name == name } })
            for collection in large { try await collection.run() }
            try await copyRecords(records)
            try await compare(accounts)
        }
    }

    /// Those of some names that have more elements than one command should touch.
    private func large(_ names: [[UInt8]]) async throws -> [CollectionCopy] {
        guard !names.isEmpty else { return [] }
        let types = try await from.ask(names.map { command("TYPE", $0) })
        let collections = zip(names, types).compactMap { CollectionCopy($0, type: $1, from: from, to: to) }
        let sizes = try await from.ask(collections.map(\.size))
        return zip(collections, sizes).filter { $0.isLarge($1) }.map(\.0)
    }

    /// In parts of some megabytes at most: an answer of an idempotent call may have one by itself.
    private mutating func copyValues(_ names: [[UInt8]]) async throws {
        var rest = names[...]
        while !rest.isEmpty {
            let bytes = try await copyPart(Array(rest.prefix(breadth)))
            rest = rest.dropFirst(breadth)
            breadth = bytes > Self.partBytes ? max(1, breadth * Self.partBytes / bytes) : min(Self.batch, breadth * 2)
        }
    }

    /// - Returns: the bytes of their values.
    private func copyPart(_ names: [[UInt8]]) async throws -> Int {
        var bytes = 0
        let found = try await from.ask(names.flatMap { [command("PEXPIRETIME", $0), command("DUMP", $0)] })
        var orders: [RedisCommand] = []
        for (index, name) in names.enumerated() {
            guard case .bytes(let value) = found[2 * index + 1] else {
                orders.append(command("UNLINK", name))
                continue
            }
            bytes += value.count
            var order = command("RESTORE", name)
            order.append(max(0, found[2 * index].integer ?? 0))
            order.append(value)
            order.append("REPLACE")
            order.append("ABSTTL")
            orders.append(order)
        }
        _ = try await to.ask(orders)
        return bytes
    }

    private func copyRecords(_ records: [(name: [UInt8], kept: Int)]) async throws {
        var open = records
        while !open.isEmpty {
            let ends = try await to.ask(open.map { command("XREVRANGE", $0.name, "+", "-", "COUNT", "1") })
            let pages = try await from.ask(
                zip(open, ends).map { record, end in
                    let last = end.array?.first?.array?.first?.string
                    return command("XRANGE", record.name, last.map { "(" + $0 } ?? "-", "+", "COUNT", String(Self.page))
                })
            var orders: [RedisCommand] = []
            for (record, page) in zip(open, pages) {
                for entry in page.array ?? [] { orders += self.orders(for: entry, of: record) }
            }
            do { _ = try await to.ask(orders) } catch StoreFailure.fault(let why) where why.contains("equal or smaller") {
                // A connection broke, and what was sent on it had arrived: what is there by now says where to go on.
                continue
            }
            open = zip(open, pages).filter { $1.array?.count == Self.page }.map(\.0)
        }
    }

    /// An entry again under its own number; one that takes another back takes it away here as well, as `settle.lua` did there.
    private func orders(for entry: RedisReply, of record: (name: [UInt8], kept: Int)) -> [RedisCommand] {
        guard let parts = entry.array, parts.count == 2, let id = parts[0].string, let words = parts[1].array else { return [] }
        var order = command("XADD", record.name, "MAXLEN", "~", String(record.kept), id)
        for case .bytes(let word) in words { order.append(word) }
        guard words.count > 1, ["x", "n"].contains(words[0].string), let gone = words[1].string else { return [order] }
        return [order, command("XDEL", record.name, gone)]
    }

    /// What has changed meanwhile is copied again, and compared then.
    private mutating func compare(_ accounts: [[UInt8]]) async throws {
        guard !accounts.isEmpty else { return }
        let large = try await large(accounts)
        for account in large { note(account.name, isSame: try await account.isSame()) }
        let others = accounts.filter { name in !large.contains { $0.name == name } }
        let questions = others.map { command("HGETALL", $0) }
        let (here, there) = (try await from.ask(questions), try await to.ask(questions))
        for (index, name) in others.enumerated() { note(name, isSame: here[index].fields == there[index].fields) }
        compared += accounts.count
    }

    private mutating func note(_ account: [UInt8], isSame: Bool) {
        if isSame { unequal.remove(account) } else { unequal.insert(account) }
    }

    /// Compares again whatever was not the same; for a time when nothing changes.
    /// - Throws: `StoreMoveRefusal` where an account is another one than it was, `StoreFailure`.
    mutating func settle() async throws {
        try await compare(Array(unequal))
        guard let name = unequal.first else { return }
        throw StoreMoveRefusal("\(unequal.count) accounts are not what they were, \(String(decoding: name, as: UTF8.self)) among them")
    }

    private func command(_ verb: String, _ name: [UInt8], _ words: String...) -> RedisCommand {
        var command = RedisCommand(verb)
        command.append(name)
        for word in words { command.append(word) }
        return command
    }
}
