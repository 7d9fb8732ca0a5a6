// The hourly sums of calls: made of the log by whichever node has the turn, each event counted once, and read for reports.

package import GateDomain
import LuaScripts

/// Reads the log of calls from where it was read last, and adds what it finds to the sums of the hours.
///
/// Invariant: `advance.lua` adds a page and moves the cursor in one step, if the cursor is where the page began. So an event counts once,
/// whoever reads it, however often, and whenever a node dies. An event that a late release replaces is taken back from the sums of its own
/// hour: `settle.lua` writes a correction if it lies before the cursor, and else spoils the cursor for pages that still have it. What the
/// log drops before it is read is not counted.
///
/// An hour of a shard has at most `mostRows` rows; calls that would need another one count for the tool and the key `other`.
package struct Rollups: Sendable {
    private let store: any CommandStore
    private var keys: RedisKeys { store.keys }

    /// Milliseconds for which an hour is kept after its last call.
    package static let retention = 90 * 24 * hour
    /// Rows of an hour and shard with a tool and a key of their own.
    package static let mostRows = 2000
    /// What tool and key are called in rows beyond that.
    package static let other = "other"
    /// What tools are called that no server has.
    package static let unknown = "unknown"
    /// The consumers of the two streams of a shard, by the names of their cursors.
    static let usage = "rollups:usage"
    private static let denials = "rollups:denials"
    private static let hour = 3_600_000
    /// Events of a page: few enough not to occupy Redis.
    private static let page = 500
    /// Commands of small answers that are sent at once.
    private static let burst = 128
    /// Hours that a report reads at once, and the fields of one that an answer has, about: a report takes its time and never the calls'.
    private static let (hoursAtOnce, fieldsAtOnce) = (4, 500)
    /// Rows that one report is made of, at most.
    package static let mostRowsRead = 500_000
    /// Milliseconds for which a node has the turn.
    private static let turn = 3000

    package init(store: any CommandStore) {
        self.store = store
    }

    /// Whether this node is the one that reads, so that not all of them do the same work; nothing depends on its being one alone.
    /// - Throws: `StoreFailure`.
    package func hasTurn(_ node: String) async throws -> Bool {
        let time = String(Self.turn)
        if try await store.send(RedisCommand("SET", keys.rollupTurn, node, "NX", "PX", time)) != .null { return true }
        guard try await store.send(RedisCommand("GET", keys.rollupTurn)).string == node else { return false }
        _ = try await store.send(RedisCommand("PEXPIRE", keys.rollupTurn, time))
        return true
    }

    /// Adds a page of each stream that has one.
    /// - Parameter isKnown: whether a name is a tool's; calls of all others count for one tool, so that nobody fills the sums with names
    ///   that he makes up.
    /// - Returns: whether there may be more.
    /// - Throws: `StoreFailure`.
    package func advance(knowing isKnown: (String) -> Bool = { _ in true }) async throws -> Bool {
        let streams = (0..<keys.shards).flatMap { shard in
            [
                (shard, keys.usage(shard), keys.cursor(Self.usage, shard)),
                (shard, keys.denials(shard), keys.cursor(Self.denials, shard)),
            ]
        }
        var hasMore = false
        for start in stride(from: 0, to: streams.count, by: Self.burst) {
            let part = streams[start..<min(start + Self.burst, streams.count)]
            let cursors = try await store.sendAll(part.map { RedisCommand("GET", $0.2) }).map { $0.string ?? "0-0" }
            let pages = try await store.sendAll(
                zip(part, cursors).map { stream, cursor in
                    RedisCommand("XRANGE", stream.1, "(" + cursor.prefix { $0 != "/" }, "+", "COUNT", String(Self.page))
                })
            for ((stream, cursor), page) in zip(zip(part, cursors), pages) {
                guard let entries = page.array, let next = entries.last?.array?.first?.string else { continue }
                let changes = entries.compactMap { SumChange($0) }
                try await add(changes, knowing: isKnown, of: stream.0, cursor: stream.2, from: cursor, to: next)
                hasMore = hasMore || entries.count == Self.page
            }
        }
        return hasMore
    }

    /// Adds a page to the hours that it touches. Where another node was faster nothing is added.
    private func add(
        _ changes: [SumChange], knowing isKnown: (String) -> Bool, of shard: Int, cursor: String, from: String, to next: String
    ) async throws {
        var hours: [Int: [RowName: RowSum]] = [:]
        for change in changes {
            var name = RowName(change.event)
            if !isKnown(name.tool) { name.tool = Self.unknown }
            hours[change.time / Self.hour, default: [:]][name, default: RowSum()].add(change)
        }
        var command = RedisCommand(script: .advance, keys: 1 + hours.count)
        command.append(cursor)
        for hour in hours.keys { command.append(keys.rollup(hour, shard)) }
        command.append(from)
        command.append(next)
        command.append(Self.retention)
        var sums: [(key: Int, field: String, amount: Int)] = []
        for (place, (hour, rows)) in hours.enumerated() {
            for (field, amount) in try await bounded(rows, in: keys.rollup(hour, shard)) { sums.append((place + 2, field, amount)) }
        }
        command.append(sums.count)
        for sum in sums {
            command.append(sum.key)
            command.append(sum.field)
            command.append(sum.amount)
        }
        _ = try await store.sendPatiently(command)
    }

    /// The fields that grow: those of rows that are there or have room, the others together.
    private func bounded(_ rows: [RowName: RowSum], in hour: String) async throws -> [(String, Int)] {
        let names = Array(rows.keys)
        var command = RedisCommand("HMGET", hour, Self.count)
        for name in names { command.append(name.field(Self.calls)) }
        let known = try await store.sendPatiently(command).array ?? []
        var room = Self.mostRows - (known.first?.integer ?? 0)
        var (fields, made): ([String: Int], Int) = ([:], 0)
        for (index, name) in names.enumerated() {
            let isKnown = index + 1 < known.count && known[index + 1] != .null
            if !isKnown, room > 0 {
                (room, made) = (room - 1, made + 1)
            } else if !isKnown {
                rows[name]?.fields(of: name.other, into: &fields)
                continue
            }
            rows[name]?.fields(of: name, into: &fields)
        }
        if made > 0 { fields[Self.count] = made }
        return fields.map { ($0.key, $0.value) }
    }

    /// The field of an hour that counts its rows.
    private static let count = "rows"
    fileprivate static let calls = "c"
    fileprivate static let credits = "v"
    fileprivate static let milliseconds = "m"
    fileprivate static let bucket = "b"
}

/// What the calls of one row have in common.
private struct RowName: Hashable {
    var tool: String
    var key: String
    let outcome: CallEvent.Outcome
    /// A word of the gate's own, so that callers cannot make rows with it.
    let reason: String

    init(_ event: CallEvent) {
        (tool, key, outcome) = (event.tool, event.keyID, event.outcome)
        let words = event.reason.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map { $0.trimmingPrefix(" ") }
        if words.first == "shadow" {
            reason = "shadow:" + (words.count > 1 ? words[1] : "")
        } else {
            reason = event.outcome == .denied ? String(words.first ?? "") : ""
        }
    }

    var other: RowName {
        var name = self
        (name.tool, name.key) = (Rollups.other, Rollups.other)
        return name
    }

    func field(_ measure: String) -> String { [tool, key, outcome.rawValue, reason, measure].joined(separator: "\u{1f}") }

    /// The name and the measure that a field stands for; nil where it is no field of a row.
    static func read(_ field: String) -> (name: RowName, measure: Substring)? {
        let parts = field.split(separator: "\u{1f}", omittingEmptySubsequences: false)
        guard parts.count == 5 else { return nil }
        let name = RowName(
            tool: String(parts[0]), key: String(parts[1]), outcome: CallEvent.Outcome(rawValue: String(parts[2])) ?? .unknown,
            reason: String(parts[3]))
        return (name, parts[4])
    }

    private init(tool: String, key: String, outcome: CallEvent.Outcome, reason: String) {
        (self.tool, self.key, self.outcome, self.reason) = (tool, key, outcome, reason)
    }
}

/// What one entry of the log does to the sums: it counts a call, or takes one back that was counted and said too much.
private struct SumChange {
    /// Milliseconds since 1970: when the call that is counted or taken back was logged.
    let time: Int
    let credits: Int
    let event: CallEvent
    /// 1 or -1.
    let calls: Int

    init?(_ entry: RedisReply) {
        if let call = LoggedCall(entry) {
            (time, credits, event, calls) = (call.time, call.credits, call.event, 1)
            return
        }
        guard let parts = entry.array, parts.count == 2, let fields = parts[1].array, fields.count == 6, fields[0].string == "x",
            let time = fields[1].string.flatMap({ Int($0.prefix { $0 != "-" }) }), let credits = fields[3].integer,
            case .bytes(let bytes) = fields[5], let event = CallEvent(packed: bytes)
        else { return nil }
        (self.time, self.credits, self.event, calls) = (time, -credits, event, -1)
    }
}

/// What the calls of one row add up to.
private struct RowSum {
    var calls = 0
    var credits = 0
    /// Of durations.
    var milliseconds = 0
    var buckets: [Int: Int] = [:]

    mutating func add(_ change: SumChange) {
        calls += change.calls
        credits += change.credits
        guard change.event.outcome != .denied, change.event.outcome != .unknown else { return }
        milliseconds += change.calls * change.event.milliseconds
        buckets[DurationHistogram.bucket(of: change.event.milliseconds), default: 0] += change.calls
    }

    func fields(of name: RowName, into fields: inout [String: Int]) {
        func add(_ measure: String, _ amount: Int) { if amount != 0 { fields[name.field(measure), default: 0] += amount } }
        add(Rollups.calls, calls)
        add(Rollups.credits, credits)
        add(Rollups.milliseconds, milliseconds)
        for (bucket, count) in buckets { add(Rollups.bucket + String(bucket), count) }
    }

    /// Takes in one stored field.
    mutating func read(_ measure: Substring, _ amount: Int) {
        switch measure {
        case Substring(Rollups.calls): calls += amount
        case Substring(Rollups.credits): credits += amount
        case Substring(Rollups.milliseconds): milliseconds += amount
        default: if let bucket = Int(measure.dropFirst()), measure.hasPrefix(Rollups.bucket) { buckets[bucket, default: 0] += amount }
        }
    }

    var durations: DurationHistogram {
        guard !buckets.isEmpty else { return DurationHistogram() }
        let counts = (0...DurationHistogram.bounds.count).map { buckets[$0] ?? 0 }
        return DurationHistogram(sum: milliseconds, counts: counts) ?? DurationHistogram()
    }
}

extension Rollups {
    /// The rows of full hours, with what their keys are called today; what the last seconds have seen may be missing.
    ///
    /// A report has a small share of Redis and of this node: it reads a few hours at a time, in parts, and rests as long as that took.
    /// - Parameters: milliseconds since 1970 of Redis TIME, the second one left out.
    /// - Throws: `StoreFailure`, or `RollupExcess` where there are more rows than a report is made of.
    package func rows(from: Int, to: Int) async throws -> [RollupRow] {
        let hours = Array(stride(from: from / Self.hour, to: (to + Self.hour - 1) / Self.hour, by: 1))
        var rows: [RollupRow] = []
        for shard in 0..<keys.shards {
            for start in stride(from: 0, to: hours.count, by: Self.hoursAtOnce) {
                let begin = ContinuousClock.now
                let part = Array(hours[start..<min(start + Self.hoursAtOnce, hours.count)])
                let fields = try await fields(of: part.map { keys.rollup($0, shard) })
                for (hour, fields) in zip(part, fields) { rows += Self.rows(of: hour, fields) }
                guard rows.count <= Self.mostRowsRead else { throw RollupExcess() }
                if fields.contains(where: { !$0.isEmpty }) { try await Task.sleep(for: ContinuousClock.now - begin) }
            }
        }
        return try await labelled(rows)
    }

    /// All fields of some hours: a part of each at a time, so that no command takes long.
    private func fields(of names: [String]) async throws -> [[String: String]] {
        var all: [[String: String]] = names.map { _ in [:] }
        var open = names.indices.map { (index: $0, cursor: "0") }
        while !open.isEmpty {
            let replies = try await store.sendAll(
                open.map { RedisCommand("HSCAN", names[$0.index], $0.cursor, "COUNT", String(Self.fieldsAtOnce)) })
            var rest: [(index: Int, cursor: String)] = []
            for (scan, reply) in zip(open, replies) {
                guard let parts = reply.array, parts.count == 2, let cursor = parts[0].string else { continue }
                // A field may come twice; it is the same one.
                all[scan.index].merge(parts[1].fields) { $1 }
                if cursor != "0" { rest.append((scan.index, cursor)) }
            }
            open = rest
        }
        return all
    }

    private static func rows(of hour: Int, _ fields: [String: String]) -> [RollupRow] {
        var sums: [RowName: RowSum] = [:]
        for (field, text) in fields {
            guard let (name, measure) = RowName.read(field), let amount = Int(text) else { continue }
            sums[name, default: RowSum()].read(measure, amount)
        }
        // What was counted and taken back leaves nothing.
        return sums.filter { $0.value.calls != 0 || $0.value.credits != 0 }.map { name, sum in
            RollupRow(
                hour: hour, tool: name.tool, keyID: name.key, keyName: "", namespace: "", outcome: name.outcome, reason: name.reason,
                calls: sum.calls, credits: sum.credits, durations: sum.durations)
        }
    }

    private func labelled(_ rows: [RollupRow]) async throws -> [RollupRow] {
        let ids = Array(Set(rows.map(\.keyID)))
        var labels: [String: KeyLabel] = [:]
        for start in stride(from: 0, to: ids.count, by: Self.burst) {
            let part = ids[start..<min(start + Self.burst, ids.count)]
            let replies = try await store.sendAll(part.map { KeyLabel.command(of: $0, keys: keys) })
            for (id, reply) in zip(part, replies) { labels[id] = KeyLabel(reply) }
        }
        return rows.map { row in
            var row = row
            (row.keyName, row.namespace) = (labels[row.keyID]?.name ?? "", labels[row.keyID]?.namespace ?? "")
            return row
        }
    }
}

/// A report would need more rows than it may be made of; a shorter time has fewer.
package struct RollupExcess: Error, Sendable {}
