// A page of the log of calls, made into what it does to the hourly sums.

import GateDomain

/// What is new in one stream of the log.
struct LogPage {
    /// Where it begins, as it stands in the store.
    let cursor: String
    /// Where the next one begins.
    let next: String
    let count: Int
    let changes: [AlikeCalls]
    /// Keys whose accounts have moved with it.
    let keys: Set<String>

    var isEmpty: Bool { count == 0 }

    init(after cursor: String, _ entries: [RedisReply]) {
        self.cursor = cursor
        next = entries.last?.array?.first?.string ?? cursor
        count = next == cursor ? 0 : entries.count
        var (alike, keys): ([CallLook: AlikeCalls], Set<String>) = ([:], [])
        for entry in count == 0 ? [] : entries {
            if let change = SumChange(entry) {
                let look = CallLook(change)
                if alike[look]?.add(change, look) == nil, let first = AlikeCalls(change, look) { alike[look] = first }
            } else if let key = Self.key(of: entry) {
                keys.insert(key)
            }
        }
        changes = Array(alike.values)
        self.keys = keys.union(changes.map(\.event.keyID))
    }

    /// Of what is taken back of a call that was not counted.
    private static func key(of entry: RedisReply) -> String? {
        guard let fields = entry.array?.last?.array, case .bytes(let bytes)? = fields.last else { return nil }
        return CallEvent(packed: bytes)?.keyID
    }
}

/// What one entry of the log does to the sums: it counts a call, or takes one back that was counted and said too much.
private struct SumChange {
    /// Milliseconds since 1970: when the call that is counted or taken back was logged.
    let time: Int
    let credits: Int
    /// The event.
    let packed: [UInt8]
    /// 1 or -1.
    let calls: Int32

    init?(_ entry: RedisReply) {
        if let call = LogEntry(entry) {
            (time, credits, packed, calls) = (call.place.milliseconds, call.credits, call.packed, 1)
            return
        }
        guard let parts = entry.array, parts.count == 2, let fields = parts[1].array, fields.count == 6, fields[0].string == "x",
            let time = fields[1].string.flatMap({ Int($0.prefix { $0 != "-" }) }), let credits = fields[3].integer,
            case .bytes(let bytes) = fields[5]
        else { return nil }
        (self.time, self.credits, packed, calls) = (time, -credits, bytes, -1)
    }
}

/// How a call looks in the sums: its hour, and what its event begins with. Told from others by bytes, so that what most calls of a page have
/// in common is read and made a name of once.
private struct CallLook: Hashable {
    let hour: Int
    private let packed: [UInt8]
    private let common: Int
    /// Of the call; nil where the event has to be read for it.
    let milliseconds: Int?

    init(_ change: SumChange) {
        hour = change.time / Rollups.hour
        packed = change.packed
        (common, milliseconds) = CallEvent.common(in: change.packed) ?? (change.packed.count, nil)
    }

    static func == (left: CallLook, right: CallLook) -> Bool {
        left.hour == right.hour && left.packed[..<left.common].elementsEqual(right.packed[..<right.common])
    }

    func hash(into hasher: inout Hasher) {
        packed.withUnsafeBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0[..<common])) }
    }
}

/// Calls of one hour, key, tool, outcome and reason, added up.
struct AlikeCalls {
    /// Since 1970.
    let hour: Int
    /// One of them.
    let event: CallEvent
    private(set) var sum = RollupSum()
    /// None where nobody knows how long they took.
    private(set) var durations = DurationHistogram()

    /// Nil where the event cannot be read.
    fileprivate init?(_ change: SumChange, _ look: CallLook) {
        guard let event = CallEvent(packed: change.packed) else { return nil }
        self.event = event
        hour = look.hour
        add(change, look)
    }

    fileprivate mutating func add(_ change: SumChange, _ look: CallLook) {
        let milliseconds = event.outcome == .unknown ? nil : look.milliseconds ?? event.milliseconds
        sum.count(change.calls, credits: change.credits, milliseconds: milliseconds)
        if let milliseconds { durations.add(milliseconds, calls: Int(change.calls)) }
    }
}

/// What pages do to one hour.
struct HourChange {
    private(set) var sums: [RollupField: RollupSum] = [:]
    private(set) var latencies: [RollupField: DurationHistogram] = [:]

    /// - Parameter isKnown: whether their tool is one that a server has.
    mutating func add(_ alike: AlikeCalls, isKnown: Bool) {
        let (event, tool) = (alike.event, isKnown ? alike.event.tool : Rollups.unknown)
        sums[RollupField(tool: tool, key: event.keyID, kind: RollupKind(of: event)), default: RollupSum()].add(alike.sum)
        guard event.outcome != .unknown else { return }
        latencies[RollupField(tool: tool, key: nil, kind: RollupKind(outcome: event.outcome)), default: DurationHistogram()]
            .add(alike.durations)
    }
}

extension RollupKind {
    /// The reason is a word of the gate's own, so that callers cannot make rows with it.
    fileprivate init(of event: CallEvent) {
        guard !event.reason.isEmpty else {
            self.init(outcome: event.outcome)
            return
        }
        let words = event.reason.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map { $0.trimmingPrefix(" ") }
        if words.first == "shadow" {
            self.init(outcome: event.outcome, reason: "shadow:" + (words.count > 1 ? words[1] : ""))
        } else {
            self.init(outcome: event.outcome, reason: event.outcome == .denied ? String(words.first ?? "") : "")
        }
    }
}
