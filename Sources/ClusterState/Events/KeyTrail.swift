// What happened to one key: its calls and what admins have done with it, out of the records of its shard.

package import GateDomain

/// One thing that happened to a key.
package enum KeyEvent: Sendable {
    /// It called, or was refused.
    case call(LoggedCall)
    /// Somebody changed it.
    case change(LoggedChange)

    /// Milliseconds since 1970 of Redis TIME.
    package var time: Int {
        switch self {
        case .call(let call): call.time
        case .change(let change): change.time
        }
    }
}

/// An entry of the audit log as it is read back.
package struct LoggedChange: Sendable {
    /// Milliseconds since 1970 of Redis TIME.
    package let time: Int
    /// As `key.created`.
    package let type: String
    /// Who did it, in words for people.
    package let actor: String
    /// One sentence for people.
    package let message: String
    /// Pairs for people, in their order.
    package let metadata: [(String, String)]

    /// The value of a pair; nil if there is none of that name.
    package func fact(_ name: String) -> String? { metadata.first { $0.0 == name }?.1 }

    /// Whether it tells of a key: by its id, or where an entry has none by the mask of its secret.
    func tells(of key: KeyRecord) -> Bool {
        let ids = ["keyId", "fromId", "toId"].compactMap(fact)
        if !ids.isEmpty { return ids.contains { $0.hasSameBytes(as: key.id) } }
        return ["keyMasked", "fromMasked", "toMasked"].contains { fact($0)?.hasSameBytes(as: key.masked) ?? false }
    }
}

/// The newest of what happened to a key.
package struct KeyTrail: Sendable {
    /// The newest first.
    package fileprivate(set) var events: [KeyEvent] = []
    /// How many were found.
    package fileprivate(set) var total = 0
    /// Milliseconds since 1970: what is older was not looked at; nil where all was.
    package fileprivate(set) var searchedSince: Int?

    /// Entries of each record that are gone through at most.
    package static let searched = 10_000
}

extension EventLog {
    /// What happened to a key, out of the last entries of its shard's three records: calls, refusals, changes.
    /// - Parameters:
    ///   - since: milliseconds since 1970, included.
    ///   - most: events that are wanted, the newest ones.
    ///   - isShort: whether it ends where these are found, and says nothing of how many there are in all.
    /// - Throws: `StoreFailure`.
    package func trail(of key: KeyRecord, since: Int = 0, most: Int, isShort: Bool = false) async throws -> KeyTrail {
        let shard = store.keys.shard(of: key.id)
        var trail = KeyTrail()
        for stream in [store.keys.usage(shard), store.keys.denials(shard), store.keys.audit(shard)] {
            try await search(stream, since: max(0, since), enough: isShort ? most : .max, into: &trail) { entry in
                if let call = LoggedCall(entry) { return call.event.keyID.hasSameBytes(as: key.id) ? .call(call) : nil }
                return LoggedChange(entry).flatMap { $0.tells(of: key) ? .change($0) : nil }
            }
            trail.events = Array(
                trail.events.enumerated().sorted { ($1.element.time, $0.offset) < ($0.element.time, $1.offset) }
                    .map(\.element).prefix(most))
        }
        return trail
    }

    /// Goes through a stream from its end on, a page at a time.
    private func search(
        _ stream: String, since: Int, enough: Int, into trail: inout KeyTrail, _ pick: (RedisReply) -> KeyEvent?
    ) async throws {
        var (end, left, found) = ("+", KeyTrail.searched, 0)
        while true {
            let page =
                try await store.sendPatiently(
                    RedisCommand("XREVRANGE", stream, end, String(since), "COUNT", String(min(left, Self.trailPage)))
                ).array ?? []
            for event in page.compactMap(pick) {
                trail.events.append(event)
                trail.total += 1
                found += 1
            }
            left -= page.count
            guard page.count == Self.trailPage, let last = page.last?.array?.first?.string else { return }
            if found >= enough { return }
            guard left > 0 else {
                let time = Int(last.prefix { $0 != "-" }) ?? 0
                trail.searchedSince = max(trail.searchedSince ?? 0, time)
                return
            }
            end = "(" + last
        }
    }

    /// Entries of a page: few enough not to occupy Redis.
    private static let trailPage = 500
}

extension LoggedChange {
    /// Reads `[id, ["e", packed]]`; nil for anything else.
    package init?(_ entry: RedisReply) {
        guard let parts = entry.array, parts.count == 2, let time = parts[0].string.flatMap({ Int($0.prefix { $0 != "-" }) }),
            let fields = parts[1].array, fields.count == 2, case .bytes(let bytes) = fields[1]
        else { return nil }
        var (type, actor, message, metadata) = ("", "", "", [(String, String)]())
        let isWhole = PackedFields.readNamed(bytes) { name, value in
            switch name {
            case "t": type = value
            case "a": actor = value
            case "m": message = value
            default: if name.hasPrefix(".") { metadata.append((String(name.dropFirst()), value)) }
            }
        }
        guard isWhole, !type.isEmpty else { return nil }
        self.init(time: time, type: type, actor: actor, message: message, metadata: metadata)
    }
}
