// The hourly sums as a node has read them: for reports, which go through a month of them in a moment.

package import GateDomain

/// Keeps the hours that reports have asked for, and reads again those that have changed since.
///
/// Each shard counts the changes of its hours (`hours`, written with them by `advance.lua`), so a report costs one look there and the hours
/// that are still being written; what it says is what is in Redis, on every node. What has not been read yet is read a few hours at a time, in
/// parts, the next ones while these are made sense of; with rests as long as that took while nobody waits for it. One reading at a time; the
/// others wait for it.
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

    /// What the rows of an hour have in common: their fields have the same names in every hour.
    private struct Field: Hashable {
        let tool: Int32
        /// Nil for durations.
        let key: Int32?
        let kind: Int32
    }

    /// The bytes of a field's name; hashed as a whole.
    private struct FieldName: Hashable {
        let bytes: [UInt8]

        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    private let store: any CommandStore
    private var names = RollupNames()
    /// What names of fields say; nil for those of no row.
    private var known: [FieldName: Field?] = [:]
    private var entries: [Place: Entry] = [:]
    private let turn = Turn()
    /// Before this nothing is made of the sums.
    private var earliest = ContinuousClock.now
    private static let longestRest = Duration.milliseconds(200)

    /// Rows that it keeps and one report is made of, at most: 48 bytes each.
    package static let mostRows = 1_000_000
    /// Hours that are read at once, and the fields of one that an answer has, about.
    private static let (hoursAtOnce, fieldsAtOnce) = (8, 500)
    /// Names of fields that are remembered while hours are read.
    private static let mostFields = 100_000
    /// Commands of small answers that are sent at once.
    private static let burst = 128
    /// Days up to now that are read before the first report asks.
    private static let usual = 30

    package init(store: any CommandStore) {
        self.store = store
    }

    /// Reads what a report asks for as a rule, so that the first one need not wait for it: a day at a time, the newest first, so that a report
    /// that asks meanwhile has its turn after a day, and reads for itself what it still needs.
    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    /// - Throws: `StoreFailure`, or `RollupExcess`.
    package func prepare(at now: Int) async throws {
        let day = 24 * Rollups.hour
        for past in 0..<Self.usual where rowCount < Self.mostRows / 4 * 3 {
            await turn.take()
            defer { turn.pass() }
            try await update(
                (now - (past + 1) * day) / Rollups.hour..<(now - past * day) / Rollups.hour + (past == 0 ? 1 : 0), isAwaited: false)
        }
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
        await turn.take()
        defer { turn.pass() }
        try await Task.sleep(until: earliest, clock: .continuous)
        try await update(span, isAwaited: true)
        let start = ContinuousClock.now
        let found = extract(RollupTable(names: names, hours: entries.filter { span.contains($0.key.hour) }.map(\.value.part)))
        earliest = .now + min((.now - start) * 2, Self.longestRest)
        return found
    }

    /// - Parameter isAwaited: whether a report waits for it; else it rests, unless one comes.
    private func update(_ span: Range<Int>, isAwaited: Bool) async throws {
        // Names of hours that were dropped are still there.
        if names.keys.count + names.tools.count > 2 * Self.mostRows { forget() }
        let changes = try await changes()
        entries = entries.filter { changes[$0.key] != nil }
        let stale = changes.filter { span.contains($0.key.hour) && entries[$0.key]?.changes != $0.value }.map(\.key).sorted {
            ($0.hour, $0.shard) < ($1.hour, $1.shard)
        }
        let parts = stride(from: 0, to: stale.count, by: Self.hoursAtOnce).map { stale[$0..<min($0 + Self.hoursAtOnce, stale.count)] }
        guard !parts.isEmpty else { return }
        var (rows, number, found) = (rowCount, 0, try await pages(of: parts[0]))
        while true {
            let begin = ContinuousClock.now
            let next = number + 1 < parts.count ? parts[number + 1] : []
            async let following = pages(of: next)
            for (place, pages) in zip(parts[number], found) {
                let hour = read(pages, of: place.hour)
                rows += hour.rows.count - (entries[place]?.part.rows.count ?? 0)
                entries[place] = Entry(changes: changes[place] ?? 0, part: hour)
            }
            if rows > Self.mostRows {
                // What this report does not need goes first.
                entries = entries.filter { span.contains($0.key.hour) }
                rows = rowCount
                guard rows <= Self.mostRows else { return try giveUp() }
            }
            found = try await following
            if next.isEmpty { return }
            if !isAwaited, !turn.isAwaited { try await Task.sleep(for: ContinuousClock.now - begin) }
            number += 1
        }
    }

    private func forget() { (entries, names, known) = ([:], RollupNames(), [:]) }

    private var rowCount: Int { entries.values.reduce(0) { $0 + $1.part.rows.count } }

    private func giveUp() throws {
        forget()
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

    /// Names and values of all fields of some hours: a part of each at a time, so that no command takes long. A field may come twice.
    private nonisolated func pages(of places: ArraySlice<Place>) async throws -> [[[RedisReply]]] {
        let hours = places.map { store.keys.rollup($0.hour, $0.shard) }
        var all: [[[RedisReply]]] = hours.map { _ in [] }
        var open = hours.indices.map { (index: $0, cursor: "0") }
        while !open.isEmpty {
            let replies = try await store.sendAll(
                open.map { RedisCommand("HSCAN", hours[$0.index], $0.cursor, "COUNT", String(Self.fieldsAtOnce)) })
            var rest: [(index: Int, cursor: String)] = []
            for (scan, reply) in zip(open, replies) {
                guard let parts = reply.array, parts.count == 2, let cursor = parts[0].string, let pairs = parts[1].array else { continue }
                all[scan.index].append(pairs)
                if cursor != "0" { rest.append((scan.index, cursor)) }
            }
            open = rest
        }
        return all
    }

    /// Of a field that comes twice the last one counts.
    private func read(_ pages: [[RedisReply]], of hour: Int) -> RollupHour {
        if known.count > Self.mostFields { known = [:] }
        var (sums, latencies): ([Field: RollupSum], [Field: DurationHistogram]) = ([:], [:])
        sums.reserveCapacity(pages.reduce(0) { $0 + $1.count / 2 })
        for pairs in pages {
            for index in stride(from: 0, to: pairs.count - 1, by: 2) {
                guard case .bytes(let name) = pairs[index], case .bytes(let value) = pairs[index + 1], let field = field(name) else {
                    continue
                }
                if field.key == nil {
                    latencies[field] = DurationHistogram(packed: value)
                } else {
                    sums[field] = RollupSum(packed: value)
                }
            }
        }
        var part = RollupHour(hour: hour)
        part.rows.reserveCapacity(sums.count)
        for (field, sum) in sums where !sum.isNothing {
            if let key = field.key { part.rows.append(RollupRow(tool: field.tool, key: key, kind: field.kind, sum: sum)) }
        }
        for (field, durations) in latencies where !durations.entries.isEmpty {
            part.latencies.append(RollupLatency(tool: field.tool, kind: field.kind, durations: durations))
        }
        return part
    }

    private func field(_ name: [UInt8]) -> Field? {
        if let field = known[FieldName(bytes: name)] { return field }
        let field = RollupField(name).map { field in
            Field(
                tool: names.number(ofTool: field.tool), key: field.key.map { names.number(ofKey: $0) }, kind: names.number(of: field.kind))
        }
        known[FieldName(bytes: name)] = .some(field)
        return field
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
