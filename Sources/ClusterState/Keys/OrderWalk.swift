// A part of an order of keys over all shards, read from any place of it, a few at a time.

package import GateDomain
import LuaScripts

/// Finds both ends of the part, and the place to go on from, in the index of each shard, and merges what lies between.
///
/// Orders by money move while they are read: a key that moves over the place that a walk has come to is met twice or not at all.
package struct OrderWalk: Sendable {
    /// Which end it begins at.
    package typealias Direction = RecordStore<KeyRecord>.Order

    /// What is left of one index: ranks from `low` up to `high`, without it.
    private struct Reader: Sendable {
        let index: String
        var low: Int
        var high: Int
        var found: ArraySlice<KeyPlace> = []

        var left: Int { max(0, high - low) + found.count }
    }

    private let store: any CommandStore
    private let direction: Direction
    private var readers: [Reader]
    /// Keys of the part over all shards, wherever it is read from.
    package let total: Int

    /// Places of one index that a command reads at most.
    private static let span = 500

    /// - Parameter place: the last one that was read; nil for the beginning.
    /// - Throws: `store`.
    package init(
        _ order: KeyOrder, _ direction: Direction, after place: KeyPlace? = nil, in store: any CommandStore
    ) async throws(RecordRefusal) {
        self.store = store
        self.direction = direction
        let indexes = (0..<store.keys.shards).map { store.keys.index(order.list, $0) }
        let ends = order.ends
        let places = [ends.from, ends.to, place]
        let replies: [RedisReply]
        do { replies = try await store.sendAll(indexes.map { Self.command($0, places.compactMap(\.self)) }) } catch { throw .store(error) }
        var (readers, total): ([Reader], Int) = ([], 0)
        for (index, reply) in zip(indexes, replies) {
            var at = 2
            // Ranks before each place that was asked for, and whether it is taken.
            let ranks = places.map { place -> (before: Int, taken: Int)? in
                guard place != nil else { return nil }
                defer { at += 2 }
                return (reply.integer(at: at), reply.integer(at: at + 1))
            }
            var (low, high) = (ranks[0]?.before ?? 0, ranks[1]?.before ?? reply.integer(at: 1))
            total += max(0, high - low)
            if let rank = ranks[2] {
                if direction == .ascending { low = max(low, rank.before + rank.taken) } else { high = min(high, rank.before) }
            }
            readers.append(Reader(index: index, low: low, high: high))
        }
        (self.readers, self.total) = (readers, total)
    }

    private static func command(_ index: String, _ places: [KeyPlace]) -> RedisCommand {
        var command = RedisCommand(script: .rank, keys: 1)
        command.append(index)
        for place in places {
            command.append(place.number)
            command.append(place.member)
        }
        return command
    }

    /// Keys that were not read yet.
    package var left: Int { readers.reduce(0) { $0 + $1.left } }

    /// Passes over some.
    /// - Throws: `store`.
    package mutating func skip(_ count: Int) async throws(RecordRefusal) {
        if readers.count == 1 {
            if direction == .ascending { readers[0].low += count } else { readers[0].high -= count }
            return
        }
        var rest = count
        while rest > 0 {
            let passed = try await next(min(rest, Self.span)).count
            if passed == 0 { return }
            rest -= passed
        }
    }

    /// The places that come next, `count` of them; fewer only at the end.
    /// - Throws: `store`.
    package mutating func next(_ count: Int) async throws(RecordRefusal) -> [KeyPlace] {
        let span = min(Self.span, readers.count == 1 ? count : max(16, count / 4))
        var places: [KeyPlace] = []
        while places.count < count {
            try await fill(span)
            let open = readers.indices.filter { !readers[$0].found.isEmpty }
            guard let first = open.min(by: precedes), let place = readers[first].found.popFirst() else { break }
            places.append(place)
        }
        return places
    }

    private func precedes(_ one: Int, _ other: Int) -> Bool {
        guard let left = readers[one].found.first, let right = readers[other].found.first else { return false }
        return direction == .ascending ? left < right : right < left
    }

    private mutating func fill(_ span: Int) async throws(RecordRefusal) {
        let empty = readers.indices.filter { readers[$0].found.isEmpty && readers[$0].low < readers[$0].high }
        guard !empty.isEmpty else { return }
        let spans = empty.map { number in
            let reader = readers[number]
            return direction == .ascending
                ? reader.low..<min(reader.high, reader.low + span) : max(reader.low, reader.high - span)..<reader.high
        }
        let replies: [RedisReply]
        do {
            replies = try await store.sendAll(
                zip(empty, spans).map { number, span in
                    RedisCommand("ZRANGE", readers[number].index, String(span.lowerBound), String(span.upperBound - 1), "WITHSCORES")
                })
        } catch {
            throw .store(error)
        }
        for ((number, span), reply) in zip(zip(empty, spans), replies) {
            let words = reply.array ?? []
            let found = stride(from: 0, to: words.count - 1, by: 2).compactMap { at -> KeyPlace? in
                guard case .bytes(let member) = words[at], let number = words[at + 1].string.flatMap(Double.init) else { return nil }
                return KeyPlace(number: Int(exactly: number) ?? 0, member: member)
            }
            if direction == .ascending {
                (readers[number].low, readers[number].found) = (span.upperBound, found[...])
            } else {
                (readers[number].high, readers[number].found) = (span.lowerBound, found.reversed()[...])
            }
        }
    }
}
