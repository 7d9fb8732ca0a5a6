// The hourly sums as a node has read them: for reports, which go through a month of them in a moment.

package import GateDomain

/// Keeps the hours that reports have asked for, and reads again those that have changed since.
///
/// Each shard counts the changes of its hours (`hours`, written with them by `advance.lua`), so a report costs one look there and the hours
/// that are still being written; what it says is what is in Redis, on every node. What has not been read yet is read with a small share of
/// Redis: a few hours at a time, in parts, with rests as long as that took. One reading at a time; the others wait for it.
package actor RollupBook {
    private struct Place: Hashable {
        let shard: Int
        let hour: Int
    }

    private struct Entry {
        /// Changes of the hour that are in it; those made while it was read are in the next reading.
        let changes: Int
        let part: RollupHour
    }

    private let store: any CommandStore
    private var names = RollupNames()
    private var entries: [Place: Entry] = [:]
    private var isReading = false
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// Before this nothing is made of the sums.
    private var earliest = ContinuousClock.now
    private static let longestRest = Duration.milliseconds(200)

    /// Rows that it keeps and one report is made of, at most: 48 bytes each.
    package static let mostRows = 1_000_000
    /// Hours that are read at once, and the fields of one that an answer has, about.
    private static let (hoursAtOnce, fieldsAtOnce) = (4, 500)
    /// Commands of small answers that are sent at once.
    private static let burst = 128
    /// Milliseconds of the time up to now that are read before the first report asks.
    private static let usual = 30 * 24 * Rollups.hour

    package init(store: any CommandStore) {
        self.store = store
    }

    /// Reads what a report asks for as a rule, so that the first one need not wait for it.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `StoreFailure`, or `RollupExcess`.
    package func prepare(at now: Int) async throws {
        try await read(from: now - Self.usual, to: now) { _ in }
    }

    /// Makes something of the sums of full hours; what the last second has seen may be missing. Of several that ask, one is served at a time,
    /// and who comes early waits twice as long as the one before took, so that reports have a small share of this node.
    /// - Parameters:
    ///   - from: milliseconds since 1970 of Redis TIME.
    ///   - to: as `from`; left out itself.
    ///   - extract: what is made of them; quick.
    /// - Throws: `StoreFailure`, `RollupExcess` where there are more rows than a report is made of, or `CancellationError`.
    package func read<Extract: Sendable>(
        from: Int, to: Int, _ extract: @Sendable (RollupTable) -> Extract
    ) async throws -> Extract {
        let span = from / Rollups.hour..<max(from / Rollups.hour, (to + Rollups.hour - 1) / Rollups.hour)
        await begin()
        defer { end() }
        try await Task.sleep(until: earliest, clock: .continuous)
        try await update(span)
        let start = ContinuousClock.now
        let found = extract(RollupTable(names: names, hours: entries.filter { span.contains($0.key.hour) }.map(\.value.part)))
        earliest = .now + min((.now - start) * 2, Self.longestRest)
        return found
    }

    private func begin() async {
        if !isReading {
            isReading = true
        } else {
            await withCheckedContinuation { waiting.append($0) }
        }
    }

    private func end() {
        if waiting.isEmpty { isReading = false } else { waiting.removeFirst().resume() }
    }

    private func update(_ span: Range<Int>) async throws {
        // Names of hours that were dropped are still there.
        if names.keys.count + names.tools.count > 2 * Self.mostRows { (entries, names) = ([:], RollupNames()) }
        let changes = try await changes()
        entries = entries.filter { changes[$0.key] != nil }
        let stale = changes.filter { span.contains($0.key.hour) && entries[$0.key]?.changes != $0.value }.map(\.key).sorted {
            ($0.hour, $0.shard) < ($1.hour, $1.shard)
        }
        var rows = rowCount
        for start in stride(from: 0, to: stale.count, by: Self.hoursAtOnce) {
            let begin = ContinuousClock.now
            let part = Array(stale[start..<min(start + Self.hoursAtOnce, stale.count)])
            for (place, fields) in zip(part, try await fields(of: part.map { store.keys.rollup($0.hour, $0.shard) })) {
                let hour = read(fields, of: place.hour)
                rows += hour.rows.count - (entries[place]?.part.rows.count ?? 0)
                entries[place] = Entry(changes: changes[place] ?? 0, part: hour)
            }
            if rows > Self.mostRows {
                // What this report does not need goes first.
                entries = entries.filter { span.contains($0.key.hour) }
                rows = rowCount
                guard rows <= Self.mostRows else { return try giveUp() }
            }
            if start + Self.hoursAtOnce < stale.count { try await Task.sleep(for: ContinuousClock.now - begin) }
        }
    }

    private var rowCount: Int { entries.values.reduce(0) { $0 + $1.part.rows.count } }

    private func giveUp() throws {
        (entries, names) = ([:], RollupNames())
        throw RollupExcess()
    }

    /// How often each hour has changed.
    private func changes() async throws -> [Place: Int] {
        var changes: [Place: Int] = [:]
        for start in stride(from: 0, to: store.keys.shards, by: Self.burst) {
            let shards = start..<min(start + Self.burst, store.keys.shards)
            let replies = try await store.sendAll(shards.map { RedisCommand("HGETALL", store.keys.rollupHours($0)) })
            for (shard, reply) in zip(shards, replies) {
                let parts = reply.array ?? []
                for index in stride(from: 0, to: parts.count - 1, by: 2) {
                    guard let hour = parts[index].integer, let count = parts[index + 1].integer else { continue }
                    changes[Place(shard: shard, hour: hour)] = count
                }
            }
        }
        return changes
    }

    /// All fields of some hours: a part of each at a time, so that no command takes long. A field may come twice; the last one counts.
    private func fields(of hours: [String]) async throws -> [[RollupField: [UInt8]]] {
        var all: [[RollupField: [UInt8]]] = hours.map { _ in [:] }
        var open = hours.indices.map { (index: $0, cursor: "0") }
        while !open.isEmpty {
            let replies = try await store.sendAll(
                open.map { RedisCommand("HSCAN", hours[$0.index], $0.cursor, "COUNT", String(Self.fieldsAtOnce)) })
            var rest: [(index: Int, cursor: String)] = []
            for (scan, reply) in zip(open, replies) {
                guard let parts = reply.array, parts.count == 2, let cursor = parts[0].string, let pairs = parts[1].array else { continue }
                for index in stride(from: 0, to: pairs.count - 1, by: 2) {
                    guard case .bytes(let name) = pairs[index], case .bytes(let value) = pairs[index + 1] else { continue }
                    if let field = RollupField(name) { all[scan.index][field] = value }
                }
                if cursor != "0" { rest.append((scan.index, cursor)) }
            }
            open = rest
        }
        return all
    }

    private func read(_ fields: [RollupField: [UInt8]], of hour: Int) -> RollupHour {
        var part = RollupHour(hour: hour)
        part.rows.reserveCapacity(fields.count)
        for (field, value) in fields {
            let (tool, kind) = (names.number(ofTool: field.tool), names.number(of: field.kind))
            if let key = field.key {
                guard let sum = RollupSum(packed: value), !sum.isNothing else { continue }
                part.rows.append(RollupRow(tool: tool, key: names.number(ofKey: key), kind: kind, sum: sum))
            } else if let durations = DurationHistogram(packed: value), !durations.entries.isEmpty {
                part.latencies.append(RollupLatency(tool: tool, kind: kind, durations: durations))
            }
        }
        return part
    }

    /// What keys are called today, in their order.
    /// - Throws: `StoreFailure`.
    package nonisolated func labels(of ids: [String]) async throws -> [KeyLabel] {
        var labels: [KeyLabel] = []
        for start in stride(from: 0, to: ids.count, by: Self.burst) {
            let part = ids[start..<min(start + Self.burst, ids.count)]
            labels += try await store.sendAll(part.map { KeyLabel.command(of: $0, keys: store.keys) }).map(KeyLabel.init)
        }
        return labels
    }
}

/// A report would need more rows than it may be made of; a shorter time has fewer.
package struct RollupExcess: Error, Sendable {}
