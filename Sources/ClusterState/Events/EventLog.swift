// The log of calls in Redis: what was charged, and what was refused.

package import GateDomain
import NIOCore

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

    /// All entries at or after `since` (milliseconds), oldest first.
    package func entries(since: Int = 0) async throws(StoreFailure) -> [LoggedCall] {
        let usage = try await read(store.keys.usage, since: since)
        let denials = try await read(store.keys.denials, since: since)
        return (usage + denials).sorted { ($0.time, $0.sequence) < ($1.time, $1.sequence) }
    }

    private func read(_ stream: String, since: Int) async throws(StoreFailure) -> [LoggedCall] {
        var entries: [LoggedCall] = []
        var from = String(since)
        while true {
            let page = try await store.sendPatiently(RedisCommand("XRANGE", stream, from, "+", "COUNT", "5000")).array ?? []
            entries += page.compactMap(LoggedCall.init)
            guard page.count == 5000, let last = page.last?.array?.first?.string else { return entries }
            from = "(" + last
        }
    }
}

extension LoggedCall {
    /// Reads `[id, [c, credits, …, e, packed]]`.
    fileprivate init?(_ entry: RedisReply) {
        guard let parts = entry.array, parts.count == 2, let id = parts[0].string, let fields = parts[1].array, fields.count >= 4,
            let credits = fields[1].integer, let packed = fields.last?.string, let event = CallEvent(packed: packed)
        else { return nil }
        let stamp = id.split(separator: "-")
        guard stamp.count == 2, let time = Int(stamp[0]), let sequence = Int(stamp[1]) else { return nil }
        self.init(time: time, credits: credits, event: event, sequence: sequence)
    }
}
