// What reports group calls by, and which calls they count.

import GateDomain
import GateValues
import MCPWire

/// A property of calls by which a report tells its lines apart.
struct Dimension: Sendable {
    /// A value of a dimension; within one dimension all are of one kind.
    enum Value: Sendable, Hashable, Comparable {
        case number(Int)
        case text(String)
    }

    /// The member of a line that shows it.
    let name: String
    let schema: Schema
    let value: @Sendable (RollupRow) -> Value
    let show: @Sendable (Value) -> JSONValue

    private init(
        _ name: String, _ schema: Schema, _ value: @escaping @Sendable (RollupRow) -> Value, show: @escaping @Sendable (Value) -> JSONValue
    ) {
        self.name = name
        self.schema = schema
        self.value = value
        self.show = show
    }

    func named(_ name: String) -> Dimension { Dimension(name, schema, value, show: show) }

    static let tool = text("tool", \.tool)
    static let key = text("keyId", \.keyID)
    static let keyName = text("name", \.keyName)
    static let namespace = text("namespace", \.namespace)
    static let outcome = text("outcome", \.outcome.rawValue)
    static let reason = text("reason", \.reason)
    /// `2026-11-21T10:00:00Z`.
    static let hour = number("hour", .time, \.hour) { .string(Timestamp.text(milliseconds: $0 * 3_600_000).prefix(19) + "Z") }
    /// `2026-11-21`, UTC.
    static let day = number("date", Schema(["type": "string", "format": "date"]), { Self.floor($0.hour, 24) }) {
        .string(String(Timestamp.text(milliseconds: $0 * 86_400_000).prefix(10)))
    }
    /// 0 to 23, UTC.
    static let hourOfDay = number("hour", .integer(0...23), { $0.hour - Self.floor($0.hour, 24) * 24 }) { $0.json }

    private static func text(_ name: String, _ value: @escaping @Sendable (RollupRow) -> String) -> Dimension {
        Dimension(name, .string, { .text(value($0)) }) { if case .text(let text) = $0 { .string(text) } else { .null } }
    }

    private static func number(
        _ name: String, _ schema: Schema, _ value: @escaping @Sendable (RollupRow) -> Int, show: @escaping @Sendable (Int) -> JSONValue
    ) -> Dimension {
        Dimension(name, schema, { .number(value($0)) }) { if case .number(let number) = $0 { show(number) } else { .null } }
    }

    private static func floor(_ number: Int, _ divisor: Int) -> Int {
        number / divisor - (number % divisor < 0 ? 1 : 0)
    }
}

/// Which calls are meant.
struct RowFilter: Sendable {
    let admits: @Sendable (RollupRow) -> Bool

    static let all = RowFilter { _ in true }
    static let allowed = RowFilter { $0.outcome != .denied }
    static let denied = RowFilter { $0.outcome == .denied }
    /// Let in, and answered by an error or not at all.
    static let failed = RowFilter { $0.outcome == .failed || $0.outcome == .unknown }

    static func of(_ dimension: Dimension, _ text: String) -> RowFilter {
        RowFilter { dimension.value($0) == .text(text) }
    }
}
