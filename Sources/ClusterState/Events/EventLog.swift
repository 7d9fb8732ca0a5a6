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
    /// What its key is called today; empty where there is none.
    package internal(set) var key = KeyLabel()
}

/// How a key is shown beside its calls.
package struct KeyLabel: Sendable, Equatable {
    package var name = ""
    package var prefix = ""
    package var masked = ""
    package var namespace = ""

    fileprivate static let fields = ["name", "prefix", "masked", "namespace"]

    fileprivate init() {}

    fileprivate init(_ reply: RedisReply) {
        let texts = (reply.array ?? []).map { $0.string ?? "" }
        guard texts.count == 4 else { return }
        (name, prefix, masked, namespace) = (texts[0], texts[1], texts[2], texts[3])
    }
}

/// Two bounded streams a shard: `usage` for calls that were let in, written by the settling script itself, and `denials` for calls of known
/// keys that were not. They are apart so that a flood of refused calls never pushes out the record of a charge.
package struct EventLog: Sendable {
    private let store: any CommandStore

    /// Entries that are read at once.
    private static let page = 2000

    package init(store: any CommandStore) {
        self.store = store
    }

    /// The command that notes a refused call of a known key, or one that shadow mode let pass; nobody waits for it.
    package static func note(_ event: CallEvent, keys: RedisKeys) -> RedisCommand {
        let shard = keys.shard(of: event.keyID)
        var command = RedisCommand("XADD", keys.denials(shard), "MAXLEN", "~", String(Ledger.retainedEvents), "*", "c", "0", "e")
        command.append(event.packed)
        return command
    }

    /// All entries at or after `since` (milliseconds), oldest first.
    package func entries(since: Int = 0) async throws(StoreFailure) -> [LoggedCall] {
        var entries: [LoggedCall] = []
        for try await page in pages(since: since) { entries += page }
        return entries
    }

    /// The entries in pages, each ordered, and every page later than the one before it: the streams of all shards are merged by time.
    package func pages(since: Int = 0) -> Pages {
        let keys = store.keys
        let streams = (0..<keys.shards).flatMap { [keys.usage($0), keys.denials($0)] }
        return Pages(store: store, streams: streams, since: max(0, since))
    }

    /// An asynchronous sequence of ordered pages.
    package struct Pages: AsyncSequence, Sendable {
        package typealias Element = [LoggedCall]
        package typealias Failure = StoreFailure

        fileprivate let store: any CommandStore
        fileprivate let streams: [String]
        fileprivate let since: Int

        package func makeAsyncIterator() -> Iterator { Iterator(store: store, heads: streams.map { Head(stream: $0, from: String(since)) }) }

        package struct Iterator: AsyncIteratorProtocol {
            fileprivate let store: any CommandStore
            fileprivate var heads: [Head]
            private var labels: [String: KeyLabel] = [:]

            /// Labels that are remembered while a log is read.
            private static let mostLabels = 20_000

            fileprivate init(store: any CommandStore, heads: [Head]) {
                self.store = store
                self.heads = heads
            }

            /// Reads on wherever a stream has nothing waiting, then hands over what no unread entry can be older than.
            package mutating func next(isolation actor: isolated (any Actor)? = #isolation) async throws(StoreFailure) -> [LoggedCall]? {
                while true {
                    let hungry = heads.indices.filter { heads[$0].waiting.isEmpty && !heads[$0].isAtEnd }
                    for index in hungry { try await heads[index].read(from: store, count: EventLog.page) }
                    let limit = heads.filter { !$0.isAtEnd }.compactMap(\.waiting.last?.time).min()
                    var page: [LoggedCall] = []
                    for index in heads.indices {
                        let count = limit.map { limit in heads[index].waiting.prefix { $0.time <= limit }.count } ?? heads[index].waiting.count
                        page += heads[index].waiting.prefix(count)
                        heads[index].waiting.removeFirst(count)
                    }
                    if !page.isEmpty { return try await labelled(page.sorted { ($0.time, $0.sequence) < ($1.time, $1.sequence) }) }
                    if heads.allSatisfy({ $0.isAtEnd && $0.waiting.isEmpty }) { return nil }
                }
            }

            package mutating func next() async throws(StoreFailure) -> [LoggedCall]? { try await next(isolation: nil) }

            private mutating func labelled(_ calls: [LoggedCall]) async throws(StoreFailure) -> [LoggedCall] {
                if labels.count > Self.mostLabels { labels.removeAll() }
                let unknown = Array(Set(calls.map(\.event.keyID)).filter { !$0.isEmpty && labels[$0] == nil })
                let replies = try await store.sendAll(
                    unknown.map { id in
                        var command = RedisCommand("HMGET", store.keys.record(id))
                        for field in KeyLabel.fields { command.append(field) }
                        return command
                    })
                for (id, reply) in zip(unknown, replies) { labels[id] = KeyLabel(reply) }
                return calls.map { call in
                    var call = call
                    call.key = labels[call.event.keyID] ?? KeyLabel()
                    return call
                }
            }
        }
    }

    fileprivate struct Head: Sendable {
        let stream: String
        var from: String
        var waiting: [LoggedCall] = []
        var isAtEnd = false

        mutating func read(from store: any CommandStore, count: Int) async throws(StoreFailure) {
            let reply = try await store.sendPatiently(RedisCommand("XRANGE", stream, from, "+", "COUNT", String(count))).array ?? []
            waiting = reply.compactMap(LoggedCall.init)
            isAtEnd = reply.count < count
            if let last = reply.last?.array?.first?.string { from = "(" + last }
        }
    }
}

extension LoggedCall {
    /// Reads `[id, [name, value, …]]` with `c` credits and `e` the event among the names.
    package init?(_ entry: RedisReply) {
        guard let parts = entry.array, parts.count == 2, let id = parts[0].string, let fields = parts[1].array else { return nil }
        var credits: Int?
        var event: CallEvent?
        for index in stride(from: 0, to: fields.count - 1, by: 2) {
            switch fields[index].string {
            case "c": credits = fields[index + 1].integer
            case "e": if case .bytes(let bytes) = fields[index + 1] { event = CallEvent(packed: bytes) }
            default: break
            }
        }
        let stamp = id.split(separator: "-")
        guard let credits, let event, stamp.count == 2, let time = Int(stamp[0]), let sequence = Int(stamp[1]) else { return nil }
        self.init(time: time, credits: credits, event: event, sequence: sequence)
    }
}
