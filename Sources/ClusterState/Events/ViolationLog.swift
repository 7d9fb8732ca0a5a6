// The record of violations in Redis: a bounded stream of its own, so that what rules find never pushes out what calls cost.

package import GateDomain

/// An entry of the record as it is read back.
package struct LoggedViolation: Sendable {
    /// Milliseconds since 1970 of Redis TIME.
    package let time: Int
    /// What was found.
    package let event: ViolationEvent
    /// The first 10 characters of the key's credential and `...`, as it is today; empty where there is no such key.
    package internal(set) var keyPrefix = ""
}

/// One stream of the cluster, in shard 0, newest entries first; it is written with nobody waiting (F-GUARD-03).
package struct ViolationLog: Sendable {
    /// What is asked for; nil and empty mean anything.
    package struct Filter: Sendable {
        /// The rule's id.
        package var rule: String?
        /// The tool as the client wrote it.
        package var tool: String?
        /// What the rule does.
        package var action: String?
        /// Milliseconds since 1970, included.
        package var since: Int?
        /// Milliseconds since 1970, included.
        package var until: Int?

        package init(rule: String? = nil, tool: String? = nil, action: String? = nil, since: Int? = nil, until: Int? = nil) {
            self.rule = rule
            self.tool = tool
            self.action = action
            self.since = since
            self.until = until
        }

        func takes(_ event: ViolationEvent) -> Bool {
            rule.map { $0.hasSameBytes(as: event.violation.rule) } ?? true
                && tool.map { $0.cut(toBytes: CallEvent.toolBytes).hasSameBytes(as: event.tool) } ?? true
                && action.map { $0 == event.violation.action } ?? true
        }
    }

    private let store: any CommandStore

    package init(store: any CommandStore) {
        self.store = store
    }

    /// The command that notes a violation; it may be lost with its connection, and is never noted twice.
    /// - Parameter most: entries that the record keeps, 1 or more.
    package static func note(_ event: ViolationEvent, keys: RedisKeys, most: Int) -> RedisCommand {
        var command = RedisCommand(once: "XADD", keys.violations, "MAXLEN", "=", String(most), "*", "e")
        command.append(event.packed)
        return command
    }

    /// Hands out every entry that the filter takes, the newest first.
    /// - Throws: `StoreFailure`, and what `body` throws.
    package func forEach(_ filter: Filter, _ body: (LoggedViolation) -> Void) async throws {
        var end = filter.until.map { String(max(0, $0)) } ?? "+"
        while true {
            let command = RedisCommand(
                "XREVRANGE", store.keys.violations, end, String(max(0, filter.since ?? 0)), "COUNT", String(Self.page))
            let entries = try await store.sendPatiently(command).array ?? []
            for entry in entries {
                guard let violation = LoggedViolation(entry), filter.takes(violation.event) else { continue }
                body(violation)
            }
            guard entries.count == Self.page, let last = entries.last?.array?.first?.string else { return }
            end = "(" + last
        }
    }

    /// A part of what the filter takes, the newest first, and how many there are in all.
    /// - Parameters:
    ///   - offset: entries before the part, 0 or more.
    ///   - count: entries of the part, 1 or more.
    /// - Throws: `StoreFailure`.
    package func entries(_ filter: Filter, offset: Int, count: Int) async throws -> (part: [LoggedViolation], total: Int) {
        var (part, total): ([LoggedViolation], Int) = ([], 0)
        try await forEach(filter) { violation in
            if total >= offset, part.count < count { part.append(violation) }
            total += 1
        }
        let ids = Array(Set(part.map(\.event.keyID)))
        let labels = try await store.sendAll(ids.map { KeyLabel.command(of: $0, keys: store.keys) }).map { KeyLabel($0) }
        let prefixes = Dictionary(zip(ids, labels.map(\.prefix)), uniquingKeysWith: { first, _ in first })
        for index in part.indices { part[index].keyPrefix = prefixes[part[index].event.keyID] ?? "" }
        return (part, total)
    }

    /// Empties the record, with the operation's audit entry, which tells how many entries there were as `entries`; once.
    /// - Returns: how many.
    /// - Throws: `operationReused`, or `store`.
    package func clear(_ operation: Operation) async throws(RecordRefusal) -> Int {
        let name = store.keys.violations
        return try await store.perform(
            operation, of: "violations", [RedisCommand("XLEN", name), RedisCommand("UNLINK", name)], telling: "entries")
    }

    private static let page = 500
}

extension LoggedViolation {
    /// Reads `[id, ["e", packed]]`.
    fileprivate init?(_ entry: RedisReply) {
        guard let parts = entry.array, parts.count == 2, let time = parts[0].string?.split(separator: "-").first.flatMap({ Int($0) }),
            let fields = parts[1].array, fields.count == 2, case .bytes(let bytes) = fields[1], let event = ViolationEvent(packed: bytes)
        else { return nil }
        self.init(time: time, event: event)
    }
}
