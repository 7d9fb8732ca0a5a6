// A value of many elements, from one store into another, in pieces: no command keeps a server for longer because there are more of them.

import GateDomain

/// One name whose value is a collection. Only what the target does not have is written, and what is gone is taken away.
///
/// What changes in the source meanwhile may be left out: whoever is told of changes copies the name again, and at rest both are the same.
struct CollectionCopy {
    /// As Redis calls its type.
    enum Kind: String {
        case sorted = "zset"
        case hash, set, list
    }

    let name: [UInt8]
    let kind: Kind
    let from: StoreVisit
    let to: StoreVisit

    /// Elements of one command.
    static let piece = 500
    /// Those of a list may be large.
    private static let pieceOfList = 100
    /// More elements than that are no matter for one command (DUMP, RESTORE, HGETALL): some milliseconds.
    static let most = 10_000
    /// Those of a list, likewise.
    static let mostOfList = 1000

    private typealias Entry = (member: [UInt8], value: [UInt8])

    /// Of a name, as `TYPE` answers; nil for what is no collection of these kinds.
    init?(_ name: [UInt8], type: RedisReply, from: StoreVisit, to: StoreVisit) {
        guard let kind = type.string.flatMap(Kind.init) else { return nil }
        (self.name, self.kind, self.from, self.to) = (name, kind, from, to)
    }

    /// Asks how many elements there are.
    var size: RedisCommand {
        switch kind {
        case .sorted: command("ZCARD")
        case .hash: command("HLEN")
        case .set: command("SCARD")
        case .list: command("LLEN")
        }
    }

    /// Whether so many elements are too many for one command.
    func isLarge(_ size: RedisReply) -> Bool { size.integer ?? 0 > (kind == .list ? Self.mostOfList : Self.most) }

    /// Makes the value in the target what it is in the source.
    /// - Throws: `StoreFailure`.
    func run() async throws {
        let end = try await from.ask([command("PEXPIRETIME")])[0].integer ?? -1
        let type = try await to.ask([command("TYPE")])[0].string ?? "none"
        if type != kind.rawValue, type != "none" { _ = try await to.ask([command("UNLINK")]) }
        if kind == .list {
            try await copyList()
        } else {
            try await walk(from) { entries in
                let missing = try await lacking(entries, in: to)
                if !missing.isEmpty { _ = try await to.ask([putting(missing)]) }
                return true
            }
            if try await !haveOneSize() {
                try await walk(to) { entries in
                    let gone = try await lacking(entries, in: from, isGone: true)
                    if !gone.isEmpty { _ = try await to.ask([taking(gone)]) }
                    return true
                }
            }
        }
        var ending = command(end > 0 ? "PEXPIREAT" : "PERSIST")
        if end > 0 { ending.append(end) }
        _ = try await to.ask([ending])
    }

    /// Whether both stores have the same elements; not for lists.
    /// - Throws: `StoreFailure`.
    func isSame() async throws -> Bool {
        guard try await haveOneSize() else { return false }
        return try await walk(from) { try await lacking($0, in: to).isEmpty }
    }

    private func haveOneSize() async throws -> Bool {
        let (here, there) = (try await from.ask([size])[0], try await to.ask([size])[0])
        return here == there
    }

    /// Hands out the elements of one store in pieces, some of them perhaps twice, for as long as `body` says. - Returns: whether it always has.
    @discardableResult
    private func walk(_ visit: StoreVisit, _ body: ([Entry]) async throws -> Bool) async throws -> Bool {
        let verb =
            switch kind {
            case .sorted: "ZSCAN"
            case .hash: "HSCAN"
            case .set, .list: "SSCAN"
            }
        var cursor = "0"
        repeat {
            let page = try await visit.ask([command(verb, cursor, "COUNT", String(Self.piece))])[0].array ?? []
            guard page.count == 2, let next = page[0].string else { return true }
            let words = (page[1].array ?? []).compactMap { if case .bytes(let bytes) = $0 { bytes } else { [UInt8]?.none } }
            let entries =
                kind == .set
                ? words.map { ($0, []) } : stride(from: 0, to: words.count - 1, by: 2).map { (words[$0], words[$0 + 1]) }
            // However many a server gives at once, as it does of what it keeps in one piece.
            for start in stride(from: 0, to: entries.count, by: Self.piece) {
                guard try await body(Array(entries[start..<min(start + Self.piece, entries.count)])) else { return false }
            }
            cursor = next
        } while cursor != "0"
        return true
    }

    /// Those of some elements that a store does not have, or has otherwise.
    /// - Parameter isGone: only those that it does not have at all.
    private func lacking(_ entries: [Entry], in visit: StoreVisit, isGone: Bool = false) async throws -> [Entry] {
        var question =
            switch kind {
            case .sorted: command("ZMSCORE")
            case .hash: command("HMGET")
            case .set, .list: command("SMISMEMBER")
            }
        for entry in entries { question.append(entry.member) }
        let found = try await visit.ask([question])[0].array ?? []
        return zip(entries, found + Array(repeating: .null, count: max(0, entries.count - found.count))).filter { entry, found in
            switch kind {
            case .set, .list: found.integer != 1
            case .hash: isGone ? found == .null : found != .bytes(entry.value)
            // Versions of Redis write one number in several ways.
            case .sorted:
                found == .null
                    || !isGone && found.string.flatMap(Double.init) != Double(String(decoding: entry.value, as: UTF8.self))
            }
        }.map(\.0)
    }

    private func putting(_ entries: [Entry]) -> RedisCommand {
        var order =
            switch kind {
            case .sorted: command("ZADD")
            case .hash: command("HSET")
            case .set, .list: command("SADD")
            }
        for entry in entries {
            if kind == .sorted { order.append(entry.value) }
            order.append(entry.member)
            if kind == .hash { order.append(entry.value) }
        }
        return order
    }

    private func taking(_ entries: [Entry]) -> RedisCommand {
        var order =
            switch kind {
            case .sorted: command("ZREM")
            case .hash: command("HDEL")
            case .set, .list: command("SREM")
            }
        for entry in entries { order.append(entry.member) }
        return order
    }

    /// From its beginning each time: an element of a list has no name by which it could be found.
    private func copyList() async throws {
        for _ in 0..<5 {
            _ = try await to.ask([command("UNLINK")])
            var count = 0
            while true {
                let end = count + Self.pieceOfList
                let page = try await from.ask([command("LRANGE", String(count), String(end - 1))])[0].array ?? []
                if page.isEmpty { break }
                var order = command("RPUSH")
                for case .bytes(let element) in page { order.append(element) }
                _ = try await to.ask([order])
                count += page.count
            }
            // What was sent on a connection that broke had perhaps arrived, and came twice then.
            if try await to.ask([size])[0].integer == count { return }
        }
        throw StoreFailure.unavailable("a list is not as it was written")
    }

    private func command(_ verb: String, _ words: String...) -> RedisCommand {
        var command = RedisCommand(verb)
        command.append(name)
        for word in words { command.append(word) }
        return command
    }
}
