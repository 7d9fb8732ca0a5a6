// The log of calls in Redis: what was charged, and what was refused.

package import GateDomain

/// One entry of the log as it is read back.
package struct LoggedCall: Sendable {
    /// Milliseconds since 1970 of Redis TIME.
    package let time: Int
    package let credits: Int
    package let event: CallEvent
    /// Orders entries of one millisecond.
    let sequence: Int
}

/// Two bounded streams: `usage` for calls that were let in, written by the settling script itself, and `denials` for calls that were
/// not. They are apart so that a flood of refused calls never pushes out the record of a charge.
package struct EventLog: Sendable {
    private let store: RedisStore

    package init(store: RedisStore) {
        self.store = store
    }

    /// The command that notes a refused call, or one that shadow mode let pass; nobody waits for it.
    package static func note(_ event: CallEvent, keys: RedisKeys) -> RedisCommand {
        var command = RedisCommand("XADD", keys.denials, "MAXLEN", "~", String(Ledger.retainedEvents), "*", "c", "0", "e")
        command.append(event.packed)
        return command
    }

    /// The entries at or after `since` (milliseconds), oldest first.
    package func pages(since: Int = 0) -> EventPages {
        EventPages(of: [store.keys.usage, store.keys.denials], since: since, in: store)
    }
}

extension LoggedCall {
    /// Reads `[id, [c, credits, …, e, packed]]`.
    init?(_ entry: RedisReply) {
        guard let parts = entry.array, parts.count == 2, let id = parts[0].string, let fields = parts[1].array, fields.count >= 4,
            let credits = fields[1].integer, let packed = fields.last?.string, let event = CallEvent(packed: packed)
        else { return nil }
        let stamp = id.split(separator: "-")
        guard stamp.count == 2, let time = Int(stamp[0]), let sequence = Int(stamp[1]) else { return nil }
        self.init(time: time, credits: credits, event: event, sequence: sequence)
    }
}
