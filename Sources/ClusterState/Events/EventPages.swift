// The log of calls page by page, for readers that pass it on: what is held is a page, however long the log is.

import GateDomain

/// The calls of both streams at or after a time, oldest first; a page is never empty.
///
/// Bounded: it ends after as many entries as the log keeps, so that a reader never chases a log that grows as fast as it reads.
package struct EventPages: AsyncSequence, Sendable {
    /// The entries of one page, the oldest first; never empty.
    package typealias Element = [LoggedCall]

    private let first: Iterator

    /// - Parameter since: milliseconds since 1970 of Redis TIME.
    init(of streams: [String], since: Int, in store: any CommandStore) {
        first = Iterator(store: store, cursors: streams.map { StreamCursor(stream: $0, from: String(since), store: store) })
    }

    /// Begins at the first page, however often it is asked.
    package func makeAsyncIterator() -> Iterator { first }

    /// Merges the streams by time; a value, so that it may be moved on after its first page.
    package struct Iterator: AsyncIteratorProtocol, Sendable {
        fileprivate var cursors: [StreamCursor]
        fileprivate var remaining: Int
        private let store: any CommandStore
        private var labels: [String: KeyLabel] = [:]

        /// Labels that are remembered while a log is read.
        private static let mostLabels = 20_000

        fileprivate init(store: any CommandStore, cursors: [StreamCursor]) {
            self.store = store
            self.cursors = cursors
            remaining = cursors.count * EventLog.retained
        }

        /// - Throws: `StoreFailure` if the store does not answer.
        package mutating func next() async throws -> [LoggedCall]? {
            while remaining > 0 {
                for index in cursors.indices { try await cursors[index].fill() }
                // What is later than the last entry read of an unfinished stream may still have others of that stream before it.
                let horizon = cursors.filter { !$0.isAtEnd }.compactMap(\.last).min { $0.isBefore($1) }
                var page: [LoggedCall] = []
                for index in cursors.indices { page += cursors[index].take(through: horizon) }
                if page.isEmpty { return nil }
                remaining -= page.count
                return try await labelled(page.sorted { $0.isBefore($1) })
            }
            return nil
        }

        /// Says of each call what its key is called today.
        private mutating func labelled(_ calls: [LoggedCall]) async throws -> [LoggedCall] {
            if labels.count > Self.mostLabels { labels.removeAll() }
            let unknown = Array(Set(calls.map(\.event.keyID)).filter { !$0.isEmpty && labels[$0] == nil })
            let replies = try await store.sendAll(unknown.map { KeyLabel.command(of: $0, keys: store.keys) })
            for (id, reply) in zip(unknown, replies) { labels[id] = KeyLabel(reply) }
            return calls.map { call in
                var call = call
                call.key = labels[call.event.keyID] ?? KeyLabel()
                return call
            }
        }
    }
}

/// Reads one stream of the log in strides.
private struct StreamCursor: Sendable {
    let stream: String
    /// Where the next stride begins.
    var from: String
    let store: any CommandStore
    /// Read and not taken.
    var entries: ArraySlice<LoggedCall> = []
    var isAtEnd = false

    /// Entries of a command: few enough not to occupy Redis.
    static let stride = 1000

    var last: LoggedCall? { entries.last }

    /// Reads until there is an entry, or no more of them.
    mutating func fill() async throws {
        while entries.isEmpty, !isAtEnd {
            let page = try await store.sendPatiently(RedisCommand("XRANGE", stream, from, "+", "COUNT", String(Self.stride))).array ?? []
            isAtEnd = page.count < Self.stride
            if let id = page.last?.array?.first?.string { from = "(" + id }
            entries = page.compactMap(LoggedCall.init)[...]
        }
    }

    /// - Parameter horizon: the last entry to be taken; nil for all of them.
    mutating func take(through horizon: LoggedCall?) -> ArraySlice<LoggedCall> {
        let end = horizon.flatMap { horizon in entries.firstIndex { horizon.isBefore($0) } } ?? entries.endIndex
        defer { entries = entries[end...] }
        return entries[..<end]
    }
}

extension LoggedCall {
    fileprivate func isBefore(_ other: LoggedCall) -> Bool { (time, sequence) < (other.time, other.sequence) }
}

/// The id of an entry of a stream, as it is ordered.
struct StreamPlace: Comparable {
    let milliseconds: Int
    let sequence: Int

    init?(_ text: String) {
        let bytes = text.utf8
        guard let dash = bytes.firstIndex(of: UInt8(ascii: "-")), let milliseconds = Int(text[..<dash]),
            let sequence = Int(text[bytes.index(after: dash)...])
        else { return nil }
        (self.milliseconds, self.sequence) = (milliseconds, sequence)
    }

    static func < (left: StreamPlace, right: StreamPlace) -> Bool {
        (left.milliseconds, left.sequence) < (right.milliseconds, right.sequence)
    }
}
