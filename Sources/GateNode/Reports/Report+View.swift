// How a report stands in an answer, and the schema that its members always meet.

import ClusterState
import GateDomain
import GateValues
import MCPWire

extension Report {
    /// Whether it has to be known where keys belong.
    var usesNamespaces: Bool { (dimensions + tops.map(\.dimension)).contains { $0.kind == .namespace } }

    /// Ids of the keys that its lines show something of.
    func keys(of result: ReportResult) -> [String] {
        guard !keyFacts.isEmpty, let index = dimensions.firstIndex(where: { $0.kind == .key }) else { return [] }
        return result.lines.compactMap { if case .text(let id) = $0.dimensions[index] { id } else { nil } }
    }

    /// The members that it has in an answer.
    var schemas: [(String, Schema)] {
        var members: [(String, Schema)] = []
        if !member.isEmpty {
            let value = measures.first?.schema ?? .integer
            members.append((member, isMap ? .map(of: value) : .list(of: Schema(members: lineSchemas))))
        }
        guard !facts.isEmpty else { return members }
        return members + [(factMember, isCompared ? comparisonSchema : Schema(members: facts.map { ($0.name, schema(of: $0)) }))]
    }

    private var lineSchemas: [(String, Schema)] {
        dimensions.filter { !hidden.contains($0.name) }.map { ($0.name, $0.schema) } + (endMember.isEmpty ? [] : [(endMember, .time)])
            + keyFacts.map { ($0.name, .string) } + measures.map { ($0.name, $0.schema) }
            + tops.map { ($0.name, $0.dimension.schema.nullable) }
    }

    private func schema(of fact: Fact) -> Schema {
        let schema: Schema =
            switch fact.kind {
            case .groups: .integer
            case .total(let measure): measure.schema
            case .leader, .front, .back: firstSchema.nullable
            case .most(let name): measure(name)
            case .peak(let name): Schema(members: [(dimensions.first?.name ?? "", firstSchema), (name, measure(name))]).nullable
            }
        return fact.isLeftOut ? schema.maybe : schema
    }

    private var firstSchema: Schema { dimensions.first?.schema ?? .string }

    private func measure(_ name: String) -> Schema { measures.first { $0.name == name }?.schema ?? .integer }

    private var comparisonSchema: Schema {
        let totals = Schema(members: facts.map { ($0.name, schema(of: $0)) })
        let change = Schema(members: facts.map { ($0.name, .number.nullable) })
        return ["current": totals, "previous": totals, "change": change]
    }

    /// - Parameters:
    ///   - labels: what the keys of its lines are called, by their ids.
    ///   - end: milliseconds since 1970 at which the last stretch of time ends.
    func members(_ result: ReportResult, labels: [String: KeyLabel], until end: Int) -> [(String, JSONValue)] {
        var members: [(String, JSONValue)] = []
        if !member.isEmpty {
            let lines = result.lines.map { line($0, labels, end) }
            members.append((member, isMap ? .object(JSONObject(result.lines.map(entry))) : .array(lines.map(JSONValue.object))))
        }
        guard !facts.isEmpty else { return members }
        let values =
            isCompared
            ? comparison(result) : JSONObject(zip(facts, result.facts).compactMap { fact, value in value.map { (fact.name, $0) } })
        return members + [(factMember, .object(values))]
    }

    private func entry(_ line: ReportResult.Line) -> (String, JSONValue) {
        (dimensions.first.map { $0.show(line.dimensions[0]).stringValue ?? "" } ?? "", line.measures.first?.json ?? .null)
    }

    private func line(_ line: ReportResult.Line, _ labels: [String: KeyLabel], _ end: Int) -> JSONObject {
        var members: [(String, JSONValue)] = []
        for (dimension, value) in zip(dimensions, line.dimensions) {
            if !hidden.contains(dimension.name) { members.append((dimension.name, dimension.show(value))) }
            if !endMember.isEmpty, case .span(let hours) = dimension.kind, case .number(let start) = value {
                members.append((endMember, .string(Timestamp.text(milliseconds: min((start + hours) * 3_600_000, end)))))
            }
            if dimension.kind == .key, case .text(let id) = value {
                for fact in keyFacts { members.append((fact.name, .string(fact.value(labels[id] ?? KeyLabel(), id)))) }
            }
        }
        members += zip(measures, line.measures).map { ($0.name, $1.json) }
        members += zip(tops, line.tops).map { top, value in (top.name, value.map(top.dimension.show) ?? .null) }
        return JSONObject(members)
    }

    private func comparison(_ result: ReportResult) -> JSONObject {
        func object(_ numbers: [Measure.Number]) -> JSONValue { .object(JSONObject(zip(facts, numbers).map { ($0.name, $1.json) })) }
        let change = zip(facts, zip(result.compared.now, result.compared.before)).map { fact, numbers in
            let (now, before) = (numbers.0.units, numbers.1.units)
            return (
                fact.name,
                before > 0
                    ? Measure.Number.quotient(now.saturating(adding: -before), by: before, times: 100, decimals: 1).json : JSONValue.null
            )
        }
        return JSONObject([
            ("current", object(result.compared.now)), ("previous", object(result.compared.before)), ("change", .object(JSONObject(change))),
        ])
    }
}
