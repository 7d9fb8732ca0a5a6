// The log of calls in Redis: what was charged, and what was refused.

package import GateDomain
import NIOCore

/// One entry of the log as it is read back.
package struct LoggedCall: Sendable {
    /// Milliseconds since 1970 of Redis TIME.
    package let time: Int
    /// Charged in all, the surcharge included; 0 for a refusal.
    package let credits: Int
    /// What the call was.
    package let event: CallEvent
    /// Orders entries of one millisecond.
    let sequence: Int
    /// What its key is called today; empty where there is none.
    package internal(set) var key = KeyLabel()
}

/// How a key is shown beside its calls.
package struct KeyLabel: Sendable, Equatable {
    /// As people call it.
    package var name = ""
    /// The first 10 characters of its credential and `...`.
    package var prefix = ""
    /// The first 7 and the last 4 characters of its credential.
    package var masked = ""
    /// Where it belongs.
    package var namespace = ""

    /// Of a key that is not there.
    package init() {}

    /// Reads an HMGET of the fields that `command` asks for.
    init(_ reply: RedisReply) {
        let texts = (reply.array ?? []).map { $0.string ?? "" }
        guard texts.count == 4 else { return }
        (name, prefix, masked, namespace) = (texts[0], texts[1], texts[2], texts[3])
    }

    static func command(of id: String, keys: RedisKeys) -> RedisCommand {
        RedisCommand("HMGET", keys.record(id), "name", "prefix", "masked", "namespace")
    }
}

/// Two bounded streams a shard: `usage` for calls that were let in, written by the settling script itself, and `denials` for calls of known
/// keys that were not. They are apart so that a flood of refused calls never pushes out the record of a charge.
package struct EventLog: Sendable {
    let store: any CommandStore

    /// Entries that each stream of a shard keeps, about (F-LOG-02).
    package static let retained = 100_000

    package init(store: any CommandStore) {
        self.store = store
    }

    /// The command that notes a refused call of a known key, or one that shadow mode let pass; nobody waits for it.
    /// It may be lost with its connection, and is never noted twice.
    package static func note(_ event: CallEvent, keys: RedisKeys) -> RedisCommand {
        let shard = keys.shard(of: event.keyID)
        var command = RedisCommand(once: "XADD", keys.denials(shard), "MAXLEN", "~", String(EventLog.retained), "*", "c", "0", "e")
        command.append(event.packed)
        return command
    }

    /// The entries in pages, each ordered, and every page later than the one before it: the streams of all shards are merged by time.
    package func pages(since: Int = 0) -> EventPages {
        let keys = store.keys
        let streams = (0..<keys.shards).flatMap { [keys.usage($0), keys.denials($0)] }
        return EventPages(of: streams, since: max(0, since), in: store)
    }
}

extension LoggedCall {
    package init?(_ entry: RedisReply) {
        guard let entry = LogEntry(entry), let event = CallEvent(packed: entry.packed) else { return nil }
        self.init(time: entry.place.milliseconds, credits: entry.credits, event: event, sequence: entry.place.sequence)
    }
}

/// An entry of the log of calls whose event nobody has read yet.
struct LogEntry {
    let place: StreamPlace
    let credits: Int
    /// The event.
    let packed: [UInt8]

    /// Reads `[id, [name, value, …]]` with `c` credits and `e` the event among the names.
    init?(_ entry: RedisReply) {
        guard let parts = entry.array, parts.count == 2, let id = parts[0].string, let fields = parts[1].array else { return nil }
        var (credits, packed): (Int?, [UInt8]?)
        for index in stride(from: 0, to: fields.count - 1, by: 2) {
            guard case .bytes(let name) = fields[index], name.count == 1, case .bytes(let value) = fields[index + 1] else { continue }
            if name[0] == UInt8(ascii: "c") { credits = fields[index + 1].integer }
            if name[0] == UInt8(ascii: "e") { packed = value }
        }
        guard let credits, let packed, let place = StreamPlace(id) else { return nil }
        (self.place, self.credits, self.packed) = (place, credits, packed)
    }
}
