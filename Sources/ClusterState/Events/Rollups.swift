// The hourly sums of calls: made of the log by whichever node has the turn, each event counted once.

import GateDomain
import LuaScripts

/// Reads the log of calls from where it was read last, and adds what it finds to the sums of the hours.
///
/// Invariant: `advance.lua` writes what the sums have become and moves the cursors in one step, if both are where the pages began. The sums
/// were read after the cursors and change with them alone, so they are what the pages were added to: an event counts once, whoever reads it,
/// however often, and whenever a node dies. An event that a late release replaces is taken back from the sums of its own hour: `settle.lua`
/// writes a correction if it lies before the cursor, and else spoils the cursor for pages that still have it. What the log drops before it is
/// read is not counted.
///
/// An hour of a shard has at most `mostRows` rows; calls that would need another one count for the tool and the key `other`.
package struct Rollups: Sendable {
    private let store: any CommandStore
    private let orders: KeyOrders
    private var keys: RedisKeys { store.keys }

    /// Milliseconds for which an hour is kept after its last call.
    package static let retention = 90 * 24 * hour
    /// Rows of an hour and shard with a tool and a key of their own.
    package static let mostRows = 2000
    /// Tools and outcomes of an hour and shard whose durations are counted apart.
    package static let mostLatencies = 500
    /// What tool and key are called in rows beyond that.
    package static let other = "other"
    /// What tools are called that no server has.
    package static let unknown = "unknown"
    /// The consumers of the two streams of a shard, by the names of their cursors.
    static let usage = "rollups:usage"
    private static let denials = "rollups:denials"
    static let hour = 3_600_000
    /// Events of a page: few enough not to occupy Redis.
    private static let page = 500
    /// The fields of an hour that count its rows.
    private static let (rows, latencies) = ("rows", "latencies")

    package init(store: any CommandStore) {
        self.store = store
        orders = KeyOrders(KeyDirectory(store: store, origin: ""))
    }

    /// Which node reads.
    package var turn: NodeTurn { NodeTurn(store: store, name: keys.rollupTurn) }

    private var consumer: EventConsumer {
        EventConsumer(
            store: store, page: Self.page, streams: { [keys] in [keys.usage($0), keys.denials($0)] },
            cursors: { [self] shards in
                let found = await store.each(shards.flatMap { cursors(of: $0) }.map { RedisCommand("GET", $0) })
                return stride(from: 0, to: found.count, by: 2).map { place in
                    found[place].flatMap { first in found[place + 1].map { [first.string ?? "0-0", $0.string ?? "0-0"] } }
                }
            })
    }

    /// Adds a page of each stream that has one. A shard that is away delays its own alone.
    /// - Parameter isKnown: whether a name is a tool's; calls of all others count for one tool, so that nobody fills the sums with names
    ///   that he makes up.
    /// - Returns: whether there may be more.
    package func advance(knowing isKnown: (String) -> Bool = { _ in true }) async -> ShardStep<Bool> {
        await consumer.advance { found in
            var failure: (any Error)?
            for pages in found { do { try await add(pages, knowing: isKnown) } catch { failure = error } }
            return failure
        }
    }

    private func add(_ found: ShardPages, knowing isKnown: (String) -> Bool) async throws {
        let pages = found.streams.map { LogPage(after: $0.cursor, $0.entries) }
        // Before the cursor moves: whoever goes on after a node that dies in between does it again.
        try await orders.refresh(pages[0].keys, of: found.shard)
        try await add(pages, knowing: isKnown, of: found.shard)
    }

    private func cursors(of shard: Int) -> [String] { [keys.cursor(Self.usage, shard), keys.cursor(Self.denials, shard)] }

    /// Adds a page of each stream to the hours that they touch. Where another node was faster nothing is added.
    private func add(_ pages: [LogPage], knowing isKnown: (String) -> Bool, of shard: Int) async throws {
        var hours: [Int: HourChange] = [:]
        for alike in pages.flatMap(\.changes) {
            hours[alike.hour, default: HourChange()].add(alike, isKnown: isKnown(alike.event.tool))
        }
        var command = RedisCommand(script: .advance, keys: 3 + hours.count)
        for name in cursors(of: shard) + [keys.rollupHours(shard)] + hours.keys.map({ keys.rollup($0, shard) }) { command.append(name) }
        for page in pages {
            command.append(page.cursor)
            command.append(page.next)
        }
        command.append(Self.retention)
        var sums: [(key: Int, field: String, value: [UInt8])] = []
        for (place, (hour, change)) in hours.enumerated() {
            let name = keys.rollup(hour, shard)
            let rows = try await grown(by: change.sums, in: name, counted: Self.rows, upTo: Self.mostRows)
            let latencies = try await grown(by: change.latencies, in: name, counted: Self.latencies, upTo: Self.mostLatencies)
            sums += (rows + latencies).map { (place + 4, $0.field, $0.value) }
        }
        command.append(sums.count)
        for sum in sums {
            command.append(sum.key)
            command.append(sum.field)
            command.append(sum.value)
        }
        _ = try await store.sendPatiently(command)
    }

    /// What rows become: those that are there or have room, the others together.
    private func grown<Value: RollupValue>(
        by changes: [RollupField: Value], in hour: String, counted count: String, upTo most: Int
    ) async throws -> [(field: String, value: [UInt8])] {
        guard !changes.isEmpty else { return [] }
        let fields = Array(changes.keys)
        let known = try await read(fields, and: count, in: hour, as: Value.self)
        var (sums, rest): ([RollupField: Value], [RollupField: Value]) = ([:], [:])
        var made = known.count
        for (field, old) in zip(fields, known.values) {
            if old == nil, made >= most {
                rest[field.other, default: Value()].add(changes[field] ?? Value())
                continue
            }
            if old == nil { made += 1 }
            sums[field] = old ?? Value()
            sums[field]?.add(changes[field] ?? Value())
        }
        if !rest.isEmpty {
            let others = Array(rest.keys)
            for (field, old) in zip(others, try await read(others, and: count, in: hour, as: Value.self).values) {
                // One of the first may be the row of all others itself.
                var sum = sums[field] ?? old ?? Value()
                sum.add(rest[field] ?? Value())
                sums[field] = sum
            }
        }
        return sums.map { ($0.key.text, $0.value.packed) } + (made > known.count ? [(count, Array(String(made).utf8))] : [])
    }

    /// What fields hold, nil where they are not there, and how many rows their hour has.
    private func read<Value: RollupValue>(
        _ fields: [RollupField], and count: String, in hour: String, as type: Value.Type
    ) async throws -> (values: [Value?], count: Int) {
        var command = RedisCommand("HMGET", hour, count)
        for field in fields { command.append(field.text) }
        let replies = try await store.sendPatiently(command).array ?? []
        let values = fields.indices.map { index in
            if index + 1 < replies.count, case .bytes(let bytes) = replies[index + 1] {
                Value(packed: bytes) ?? Value()
            } else {
                Value?.none
            }
        }
        return (values, replies.first?.integer ?? 0)
    }
}
