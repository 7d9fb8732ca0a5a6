// The hourly sums of a time as reports read them: names as numbers, so that a million rows are gone through in a moment.

/// Names of tools, keys and outcomes under numbers from 0 on.
package struct RollupNames: Sendable {
    /// Names of tools.
    package private(set) var tools: [String] = []
    /// Ids of keys; empty for callers that no key is known of.
    package private(set) var keys: [String] = []
    /// Outcomes with their reasons.
    package private(set) var kinds: [RollupKind] = []
    private var toolNumbers: [ExactText: Int32] = [:]
    private var keyNumbers: [ExactText: Int32] = [:]
    private var kindNumbers: [RollupKind: Int32] = [:]

    package init() {}

    /// The number of a tool, a new one if it has none.
    package mutating func number(ofTool name: String) -> Int32 {
        Self.number(of: ExactText(name), in: &toolNumbers) { tools.append(name) }
    }
    /// The number of a key, a new one if it has none.
    package mutating func number(ofKey id: String) -> Int32 {
        Self.number(of: ExactText(id), in: &keyNumbers) { keys.append(id) }
    }
    /// The number of an outcome and reason, a new one if they have none.
    package mutating func number(of kind: RollupKind) -> Int32 {
        Self.number(of: kind, in: &kindNumbers) { kinds.append(kind) }
    }

    private static func number<Name: Hashable>(of name: Name, in numbers: inout [Name: Int32], _ append: () -> Void) -> Int32 {
        if let number = numbers[name] { return number }
        let number = Int32(numbers.count)
        append()
        numbers[name] = number
        return number
    }
}

/// The sums of one hour, or of one shard's part of it.
package struct RollupHour: Sendable {
    /// Hours since 1970, UTC.
    package let hour: Int
    /// No two of one tool, key and kind.
    package var rows: [RollupRow]
    /// No two of one tool and kind.
    package var latencies: [RollupLatency]

    package init(hour: Int, rows: [RollupRow] = [], latencies: [RollupLatency] = []) {
        self.hour = hour
        self.rows = rows
        self.latencies = latencies
    }
}

/// Hours with the names that their rows are made of; of one hour there may be several parts.
package struct RollupTable: Sendable {
    /// What the numbers of the rows stand for.
    package var names: RollupNames
    /// In any order.
    package var hours: [RollupHour]

    package init(names: RollupNames = RollupNames(), hours: [RollupHour] = []) {
        self.names = names
        self.hours = hours
    }

    /// Rows of all hours.
    package var rowCount: Int { hours.reduce(0) { $0 + $1.rows.count } }
}
