// How a report is made of rows: each row is told its group, each measure goes through the rows, then having, order, limit and facts.

import GateDomain
import GateValues
import MCPWire

/// What a report is made of.
struct ReportInput: Sendable {
    let table: RollupTable
    /// Hours since 1970 that count, the last one left out.
    var span: Range<Int>
    /// What the request narrows it down by: tools, keys or namespaces.
    var chosen: [(dimension: Dimension, text: String)] = []
    /// Of each key of the table, by its number; empty where no report asks.
    var namespaces: [String] = []

    func over(_ span: Range<Int>) -> ReportInput {
        var input = self
        input.span = span
        return input
    }
}

extension Report {
    func run(over input: ReportInput) -> ReportResult {
        if isCompared { return comparison(over: input) }
        let groups = RowGroups(dimensions, filters: filters, of: input)
        if case .band(let ends) = dimensions.first?.kind { return distribution(ends, groups, of: input) }
        let numbers = measures.map { groups.numbers($0) }
        let tops = tops.map { groups.tops($0) }
        var lines = groups.values(withEmptySpans: showsEmptySpans).map { group, values in
            ReportResult.Line(
                dimensions: values,
                measures: zip(measures, numbers).map { measure, numbers in group.map { numbers[$0] } ?? nothing(measure) },
                tops: tops.map { top in group.flatMap { top[$0] } })
        }
        lines = lines.filter(isShown).sorted(by: precedes)
        let most = mostLines ?? lines.count
        return ReportResult(
            lines: Array(keepsLastLines ? lines.suffix(most) : lines.prefix(most)), facts: facts.map { value(of: $0, lines, input) })
    }

    private func nothing(_ measure: Measure) -> Measure.Number { Measure.Number(units: 0, decimals: measure.decimals, isOfNothing: true) }

    /// Of all rows as if they were one line.
    private func total(_ measure: Measure, _ input: ReportInput) -> Measure.Number {
        RowGroups([], filters: filters, of: input).numbers(measure).first ?? nothing(measure)
    }

    private func comparison(over input: ReportInput) -> ReportResult {
        let before = input.span.lowerBound - input.span.count..<input.span.lowerBound
        let totals = [input, input.over(before)].map { input in
            facts.compactMap { if case .total(let measure) = $0.kind { total(measure, input) } else { nil } }
        }
        return ReportResult(lines: [], facts: [], compared: (totals[0], totals[1]))
    }

    /// How many calls took how long.
    private func distribution(_ ends: [Int], _ groups: RowGroups, of input: ReportInput) -> ReportResult {
        let counts = groups.durations(.all).first ?? DurationCounts()
        let starts = [-1] + ends
        let lines = starts.enumerated().map { index, start in
            let count = counts.count(after: start, upTo: index < ends.count ? ends[index] : .max)
            return ReportResult.Line(
                dimensions: [.number(index)], measures: [Measure.Number(units: count), .quotient(count, by: counts.count, times: 100)],
                tops: [])
        }
        return ReportResult(lines: lines, facts: facts.map { value(of: $0, lines, input) })
    }

    private func isShown(_ line: ReportResult.Line) -> Bool {
        least.allSatisfy { name, units in number(name, of: line).map { $0.units >= units } ?? false }
    }

    private func number(_ name: String, of line: ReportResult.Line) -> Measure.Number? {
        measures.firstIndex { $0.name == name }.map { line.measures[$0] }
    }

    private func precedes(_ left: ReportResult.Line, _ right: ReportResult.Line) -> Bool {
        for order in orders {
            if let one = number(order.name, of: left), let other = number(order.name, of: right) {
                if one != other { return (one < other) == (order.direction == .asc) }
            } else if let index = dimensions.firstIndex(where: { $0.name == order.name }), left.dimensions[index] != right.dimensions[index]
            {
                return (left.dimensions[index] < right.dimensions[index]) == (order.direction == .asc)
            }
        }
        return left.dimensions.lexicographicallyPrecedes(right.dimensions)
    }

    private func value(of fact: Fact, _ lines: [ReportResult.Line], _ input: ReportInput) -> JSONValue? {
        switch fact.kind {
        case .groups: return lines.count.json
        case .total(let measure):
            let number = total(measure, input)
            return fact.isLeftOut && number.isOfNothing ? JSONValue?.none : number.json
        case .leader(let name): return leader(name, lines).map(first) ?? nobody(fact)
        case .front: return lines.first.map(first) ?? nobody(fact)
        case .back: return lines.last.map(first) ?? nobody(fact)
        case .most(let name): return (leader(name, lines).flatMap { number(name, of: $0) } ?? Measure.Number(units: 0)).json
        case .peak(let name):
            guard let leader = leader(name, lines), let dimension = dimensions.first, let number = number(name, of: leader) else {
                return nobody(fact)
            }
            return .object([dimension.name: first(leader), name: number.json])
        }
    }

    private func nobody(_ fact: Fact) -> JSONValue? { fact.isLeftOut ? JSONValue?.none : .some(.null) }

    private func first(_ line: ReportResult.Line) -> JSONValue {
        dimensions.first.map { $0.show(line.dimensions[0]) } ?? .null
    }

    /// The line with the most of a measure, if it has any; of equal ones the one that its dimensions put first.
    private func leader(_ name: String, _ lines: [ReportResult.Line]) -> ReportResult.Line? {
        let best = lines.min { left, right in
            guard let one = number(name, of: left), let other = number(name, of: right), one != other else {
                return left.dimensions.lexicographicallyPrecedes(right.dimensions)
            }
            return one > other
        }
        guard let best, let number = number(name, of: best), number.units > 0 else { return nil }
        return best
    }
}

extension Report {
    /// Names that its declaration refers to and does not have, and what cannot be: a test finds them.
    var dangling: [String] {
        let names = Set(measures.map(\.name))
        let ordered = orders.map(\.name).filter { name in !names.contains(name) && !dimensions.contains { $0.name == name } }
        let measured =
            least.map(\.measure)
            + facts.compactMap { fact in
                switch fact.kind {
                case .leader(let name), .most(let name), .peak(let name): name
                case .groups, .total, .front, .back: nil
                }
            }
        let keyed = dimensions.contains { [.key, .namespace, .reason].contains($0.kind) }
        // Durations are counted by tool and outcome.
        let blurred = keyed ? measures.filter { if case .percentile = $0.kind { true } else { false } }.map { "\($0.name) by key" } : []
        let nobody = keyFacts.isEmpty || dimensions.contains { $0.kind == .key } ? [] : keyFacts.map { "\($0.name) of no key" }
        return ordered + measured.filter { !names.contains($0) } + blurred + nobody
    }
}
