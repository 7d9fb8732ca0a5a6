// What reports say of a group of calls: sums, averages, shares; whole numbers are exact, and rounded half away from zero.

import GateDomain
import GateValues
import MCPWire

/// A sum that rows carry.
enum Quantity: String, Sendable {
    case calls, credits
    /// Of calls whose duration is known.
    case milliseconds, timedCalls

    func value(of row: RollupRow) -> Int {
        switch self {
        case .calls: row.calls
        case .credits: row.credits
        case .milliseconds: row.durations.sum
        case .timedCalls: row.durations.count
        }
    }
}

/// One number about a group of calls, under its name.
struct Measure: Sendable {
    enum Kind: Sendable {
        case sum(Quantity, RowFilter)
        /// Different values of a dimension.
        case distinct(Dimension, RowFilter)
        /// A sum by another, rounded; 0 by nothing.
        case average(Quantity, per: Quantity, RowFilter)
        /// The calls of one filter as a percentage of those of another, 0 of none.
        case rate(RowFilter, of: RowFilter, decimals: Int)
        /// The group's sum as a whole percentage of that of all groups, before having and limit.
        case share(Quantity, RowFilter)
        /// Of durations in milliseconds, by `DurationHistogram`; 0 of none.
        case percentile(Int, RowFilter)
    }

    let name: String
    let kind: Kind

    /// Calls, as `count`.
    static let count = count(as: "count")

    static func count(as name: String, where filter: RowFilter = .all) -> Measure { Measure(name: name, kind: .sum(.calls, filter)) }

    static func sum(_ quantity: Quantity, as name: String? = nil, where filter: RowFilter = .all) -> Measure {
        Measure(name: name ?? quantity.rawValue, kind: .sum(quantity, filter))
    }

    static func distinct(_ dimension: Dimension, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .distinct(dimension, filter))
    }

    static func average(_ quantity: Quantity, per: Quantity, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .average(quantity, per: per, filter))
    }

    /// - Parameter decimals: 0 to 3 digits that are kept.
    static func rate(_ part: RowFilter, of whole: RowFilter = .all, decimals: Int = 0, as name: String) -> Measure {
        Measure(name: name, kind: .rate(part, of: whole, decimals: decimals))
    }

    static func share(_ quantity: Quantity, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .share(quantity, filter))
    }

    static func percentile(_ percent: Int, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .percentile(percent, filter))
    }

    var schema: Schema {
        if case .rate(_, _, let decimals) = kind, decimals > 0 { .number } else { .integer }
    }
}

extension Measure {
    /// A number as it stands in a report: whole, or in units of a decimal place.
    struct Number: Sendable, Equatable, Comparable {
        /// In units of 10 to the power of minus `decimals`.
        let units: Int
        var decimals = 0

        /// Within one measure all have as many decimals.
        static func < (left: Number, right: Number) -> Bool { left.units < right.units }

        var json: JSONValue { decimals == 0 ? units.json : .double(Double(units) / Double(Self.power(decimals))) }

        /// - Parameter scale: what the quotient is multiplied by before it is rounded.
        static func quotient(_ dividend: Int, by divisor: Int, times scale: Int = 1, decimals: Int = 0) -> Number {
            guard divisor > 0 else { return Number(units: 0, decimals: decimals) }
            let (product, half) = (dividend * scale * power(decimals), divisor / 2)
            return Number(units: (product + (product < 0 ? -half : half)) / divisor, decimals: decimals)
        }

        private static func power(_ decimals: Int) -> Int { (0..<decimals).reduce(1) { power, _ in power * 10 } }
    }

    /// What a measure remembers of the rows of a group; each kind of measure uses its own part.
    struct Tally: Sendable {
        var sum = 0
        var count = 0
        var values: Set<Dimension.Value> = []
        var durations = DurationHistogram()
    }

    func add(_ row: RollupRow, to tally: inout Tally) {
        switch kind {
        case .sum(let quantity, let filter), .share(let quantity, let filter):
            if filter.admits(row) { tally.sum += quantity.value(of: row) }
        case .average(let quantity, let per, let filter):
            guard filter.admits(row) else { return }
            tally.sum += quantity.value(of: row)
            tally.count += per.value(of: row)
        case .rate(let part, let whole, _):
            if part.admits(row) { tally.sum += row.calls }
            if whole.admits(row) { tally.count += row.calls }
        case .distinct(let dimension, let filter):
            if filter.admits(row) { tally.values.insert(dimension.value(row)) }
        case .percentile(_, let filter):
            if filter.admits(row) { tally.durations.add(row.durations) }
        }
    }

    /// - Parameter whole: the tally of all groups together.
    func number(_ tally: Tally, of whole: Tally) -> Number {
        switch kind {
        case .sum: Number(units: tally.sum)
        case .distinct: Number(units: tally.values.count)
        case .average: .quotient(tally.sum, by: tally.count)
        case .rate(_, _, let decimals): .quotient(tally.sum, by: tally.count, times: 100, decimals: decimals)
        case .share: .quotient(tally.sum, by: whole.sum, times: 100)
        case .percentile(let percent, _): Number(units: tally.durations.percentile(percent) ?? 0)
        }
    }
}
