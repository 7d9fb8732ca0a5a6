// How a report is made of rows: one pass that groups and adds, then having, order, limit and the facts about all lines.

import GateDomain
import GateValues
import MCPWire

extension Report {
    private struct Group {
        var newest = Int.min
        var labels: [Dimension.Value] = []
        var tallies: [Measure.Tally]
    }

    /// - Parameters:
    ///   - chosen: what the request narrows it down by, besides the report's own filters.
    ///   - now: milliseconds since 1970.
    func run(over rows: some Sequence<RollupRow>, chosen: [RowFilter] = [], now: Int) -> ReportResult {
        let filters = filters + chosen
        let totals = facts.map { if case .total(let measure) = $0.kind { measure } else { Measure.count } }
        var groups: [[Dimension.Value]: Group] = [:]
        var whole = measures.map { _ in Measure.Tally() }
        var sums = totals.map { _ in Measure.Tally() }
        for row in rows where filters.allSatisfy({ $0.admits(row) }) {
            for (index, measure) in measures.enumerated() { measure.add(row, to: &whole[index]) }
            for (index, measure) in totals.enumerated() { measure.add(row, to: &sums[index]) }
            add(row, to: &groups[dimensions.map { $0.value(row) }, default: Group(tallies: measures.map { _ in Measure.Tally() })])
        }
        let lines = groups.map { key, group in
            ReportResult.Line(dimensions: key, labels: group.labels, measures: numbers(group.tallies, of: whole))
        }.filter(isShown).sorted(by: precedes)
        let answers = zip(facts, zip(totals, sums)).map { fact, total in value(of: fact, lines, total.0.number(total.1, of: total.1)) }
        return ReportResult(lines: Array(lines.prefix(mostLines ?? lines.count)), facts: answers, generatedAt: now)
    }

    private func add(_ row: RollupRow, to group: inout Group) {
        for (index, measure) in measures.enumerated() { measure.add(row, to: &group.tallies[index]) }
        guard !labels.isEmpty else { return }
        // Of two rows of one hour the greater label is taken, in whatever order they come.
        let labels = labels.map { $0.value(row) }
        if row.hour > group.newest || row.hour == group.newest && group.labels.lexicographicallyPrecedes(labels) {
            (group.newest, group.labels) = (row.hour, labels)
        }
    }

    private func numbers(_ tallies: [Measure.Tally], of whole: [Measure.Tally]) -> [Measure.Number] {
        measures.indices.map { measures[$0].number(tallies[$0], of: whole[$0]) }
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

    private func value(of fact: Fact, _ lines: [ReportResult.Line], _ total: Measure.Number) -> JSONValue {
        switch fact.kind {
        case .groups: return lines.count.json
        case .total: return total.json
        case .leader(let name):
            guard let leader = leader(name, lines), let dimension = dimensions.first else { return .null }
            return dimension.show(leader.dimensions[0])
        case .most(let name): return (leader(name, lines).flatMap { number(name, of: $0) } ?? Measure.Number(units: 0)).json
        }
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
    /// Names that its declaration refers to and does not have; a test finds them.
    var dangling: [String] {
        let names = Set(measures.map(\.name))
        let ordered = orders.map(\.name).filter { name in !names.contains(name) && !dimensions.contains { $0.name == name } }
        let measured =
            least.map(\.measure)
            + facts.compactMap { fact in
                switch fact.kind {
                case .leader(let name), .most(let name): name
                case .groups, .total: nil
                }
            }
        return ordered + measured.filter { !names.contains($0) }
    }
}
