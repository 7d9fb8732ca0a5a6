// What reports say of a group of calls: sums, averages, shares; whole numbers are exact, and rounded half away from zero.

import GateDomain
import GateValues
import MCPWire

/// A sum that rows carry.
enum Quantity: String, Sendable {
    case calls, credits
    /// Of calls whose duration is known.
    case milliseconds, timedCalls

    func value(of sum: RollupSum) -> Int {
        switch self {
        case .calls: Int(sum.calls)
        case .credits: sum.credits
        case .milliseconds: sum.milliseconds
        case .timedCalls: Int(sum.timedCalls)
        }
    }
}

/// One number about a group of calls, under its name.
struct Measure: Sendable {
    enum Kind: Sendable {
        case sum(Quantity)
        /// Different values of a dimension: tools or keys.
        case distinct(Dimension)
        /// A sum by another, rounded; 0 by nothing.
        case average(Quantity, per: Quantity)
        /// The calls of the filter as a part of those of another, times `scale`; 0 of none.
        case rate(of: RowFilter, scale: Int)
        /// The group's sum as a whole percentage of that of all groups, before having and limit.
        case share(Quantity)
        /// Of durations in milliseconds: exact up to 100, and at most 2.5 % more beyond, never more than the slowest; 0 of none.
        case percentile(Int)
        /// Of durations in milliseconds; 0 of none.
        case quickest, slowest
    }

    let name: String
    let kind: Kind
    /// Which of the report's calls it looks at.
    let filter: RowFilter
    /// Digits that are kept, 0 to 4.
    var decimals = 0

    /// Calls, as `count`.
    static let count = count(as: "count")

    static func count(as name: String, where filter: RowFilter = .all) -> Measure { sum(.calls, as: name, where: filter) }

    static func sum(_ quantity: Quantity, as name: String? = nil, where filter: RowFilter = .all) -> Measure {
        Measure(name: name ?? quantity.rawValue, kind: .sum(quantity), filter: filter)
    }

    static func distinct(_ dimension: Dimension, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .distinct(dimension), filter: filter)
    }

    static func average(
        _ quantity: Quantity, per: Quantity, decimals: Int = 0, as name: String, where filter: RowFilter = .all
    ) -> Measure {
        Measure(name: name, kind: .average(quantity, per: per), filter: filter, decimals: decimals)
    }

    /// As a percentage.
    static func rate(_ part: RowFilter, of whole: RowFilter = .all, decimals: Int = 0, as name: String) -> Measure {
        Measure(name: name, kind: .rate(of: whole, scale: 100), filter: part, decimals: decimals)
    }

    /// From 0 to 1 (F-ANA-02).
    static func ratio(_ part: RowFilter, of whole: RowFilter = .all, as name: String) -> Measure {
        Measure(name: name, kind: .rate(of: whole, scale: 1), filter: part, decimals: 4)
    }

    static func share(_ quantity: Quantity, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .share(quantity), filter: filter)
    }

    static func percentile(_ percent: Int, as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .percentile(percent), filter: filter)
    }

    static func quickest(as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .quickest, filter: filter)
    }

    static func slowest(as name: String, where filter: RowFilter = .all) -> Measure {
        Measure(name: name, kind: .slowest, filter: filter)
    }

    var schema: Schema { decimals > 0 ? .number : .integer }
}

extension Measure {
    /// A number as it stands in a report: whole, or in units of a decimal place.
    struct Number: Sendable, Equatable, Comparable {
        /// In units of 10 to the power of minus `decimals`.
        let units: Int
        var decimals = 0
        /// There is nothing that it could be the number of, so it is 0.
        var isOfNothing = false

        /// Within one measure all have as many decimals.
        static func < (left: Number, right: Number) -> Bool { left.units < right.units }

        var json: JSONValue { decimals == 0 ? units.json : .double(Double(units) / Double(Self.power(decimals))) }

        /// So many times as much, or as near to it as there is a number.
        func times(_ factor: Int) -> Number {
            var number = Number(units: Self.product(units, factor), decimals: decimals)
            number.isOfNothing = isOfNothing
            return number
        }

        /// What is too large or too small for a number is as near to it as there is one.
        /// - Parameter scale: what the quotient is multiplied by before it is rounded.
        static func quotient(_ dividend: Int, by divisor: Int, times scale: Int = 1, decimals: Int = 0) -> Number {
            guard divisor > 0 else { return Number(units: 0, decimals: decimals, isOfNothing: true) }
            let factor = product(scale, power(decimals))
            // Sums of credits may be too large to be multiplied.
            let (whole, rest) = dividend.quotientAndRemainder(dividingBy: divisor)
            let (product, overflows) = rest.multipliedReportingOverflow(by: factor)
            let fraction = overflows ? Int(Double(rest) / Double(divisor) * Double(factor)) : 0
            let rounded = overflows ? fraction : product.saturating(adding: product < 0 ? -divisor / 2 : divisor / 2) / divisor
            return Number(units: Self.product(whole, factor).saturating(adding: rounded), decimals: decimals)
        }

        private static func product(_ one: Int, _ other: Int) -> Int {
            let (product, isBeyond) = one.multipliedReportingOverflow(by: other)
            return isBeyond ? ((one < 0) == (other < 0) ? .max : .min) : product
        }

        private static func power(_ decimals: Int) -> Int { (0..<decimals).reduce(1) { power, _ in power * 10 } }
    }
}
