// What reports group calls by, and which calls they count.

import ClusterState
import GateDomain
import GateValues
import MCPWire

/// A property of calls by which a report tells its lines apart.
struct Dimension: Sendable {
    enum Kind: Sendable, Equatable {
        case tool, key, namespace, outcome, reason
        case hour, day, hourOfDay
        /// So many hours each, from the begin of the report's time on.
        case span(hours: Int)
        /// Durations up to each of these milliseconds, and above the last: lines of their own making.
        case band([Int])
    }

    /// A value of a dimension; within one dimension all are of one kind.
    enum Value: Sendable, Comparable {
        case number(Int)
        case text(String)

        /// Numbers by size, texts by their bytes.
        static func < (left: Value, right: Value) -> Bool {
            switch (left, right) {
            case (.number(let one), .number(let other)): one < other
            case (.text(let one), .text(let other)): one.utf8.lexicographicallyPrecedes(other.utf8)
            case (.number, .text): true
            case (.text, .number): false
            }
        }

        static func == (left: Value, right: Value) -> Bool {
            switch (left, right) {
            case (.number(let one), .number(let other)): one == other
            case (.text(let one), .text(let other)): one.hasSameBytes(as: other)
            case (.number, .text), (.text, .number): false
            }
        }
    }

    /// The member of a line that shows it.
    let name: String
    let schema: Schema
    let kind: Kind
    let show: @Sendable (Value) -> JSONValue

    private init(_ name: String, _ schema: Schema, _ kind: Kind, show: @escaping @Sendable (Value) -> JSONValue) {
        self.name = name
        self.schema = schema
        self.kind = kind
        self.show = show
    }

    func named(_ name: String) -> Dimension { Dimension(name, schema, kind, show: show) }

    static let tool = text("tool", .tool)
    static let key = text("keyId", .key)
    /// Of the key today.
    static let namespace = text("namespace", .namespace)
    static let outcome = text("outcome", .outcome)
    static let reason = text("reason", .reason)
    /// `2026-11-21T10:00:00Z`.
    static let hour = number("hour", .time, .hour) { .string(Timestamp.text(milliseconds: $0 * 3_600_000).prefix(19) + "Z") }
    /// `2026-11-21T10`.
    static let shortHour = number("hour", .string(pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}$"), .hour) {
        .string(String(Timestamp.text(milliseconds: $0 * 3_600_000).prefix(13)))
    }
    /// `2026-11-21`, UTC.
    static let day = number("date", Schema(["type": "string", "format": "date"]), .day) {
        .string(String(Timestamp.text(milliseconds: $0 * 86_400_000).prefix(10)))
    }
    /// 0 to 23, UTC.
    static let hourOfDay = number("hour", .integer(0...23), .hourOfDay) { $0.json }

    /// The hour that a stretch of the report's time begins with.
    static func span(_ name: String, hours: Int) -> Dimension {
        number(name, .time, .span(hours: hours)) { .string(Timestamp.text(milliseconds: $0 * 3_600_000)) }
    }

    /// `0-50ms`, `51-100ms`, …, `1001ms+`.
    /// - Parameter ends: milliseconds, each the end of a bucket of `DurationHistogram`.
    static func bands(_ name: String, upTo ends: [Int]) -> Dimension {
        number(name, .string, .band(ends)) { index in
            let start = index == 0 ? 0 : ends[index - 1] + 1
            return .string(index < ends.count ? "\(start)-\(ends[index])ms" : "\(start)ms+")
        }
    }

    private static func text(_ name: String, _ kind: Kind) -> Dimension {
        Dimension(name, .string, kind) { if case .text(let text) = $0 { .string(text) } else { .null } }
    }

    private static func number(_ name: String, _ schema: Schema, _ kind: Kind, show: @escaping @Sendable (Int) -> JSONValue) -> Dimension {
        Dimension(name, schema, kind) { if case .number(let number) = $0 { show(number) } else { .null } }
    }
}

/// Which calls are meant, by what became of them.
struct RowFilter: Sendable {
    let admits: @Sendable (RollupKind) -> Bool

    static let all = RowFilter { _ in true }
    static let allowed = RowFilter { $0.outcome != .denied }
    static let denied = RowFilter { $0.outcome == .denied }
    /// Let in, and answered by an error or not at all.
    static let failed = RowFilter { $0.outcome == .failed || $0.outcome == .unknown }
    /// Refused in one of these words.
    static func denied(_ reasons: String...) -> RowFilter { RowFilter { $0.outcome == .denied && reasons.contains($0.reason) } }
}

/// Something of a key that is shown with it: what it is today.
struct KeyFact: Sendable {
    let name: String
    let value: @Sendable (KeyLabel, _ id: String) -> String

    /// The key's name; its id where it has none or is gone.
    static func name(as name: String) -> KeyFact { KeyFact(name: name) { $0.name.isEmpty ? $1 : $0.name } }
    /// The first and last characters of its credential.
    static func masked(as name: String) -> KeyFact { KeyFact(name: name) { label, _ in label.masked } }
}
