// A report as an endpoint: its lines, summary and schema through one view.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// Reads the hourly sums of calls; both times in milliseconds since 1970 of Redis TIME, at full hours, the second one left out.
/// - Throws: `StoreFailure`.
typealias RollupSource = @Sendable (_ from: Int, _ to: Int) async throws -> [RollupRow]

extension Report {
    var view: View<ReportResult> {
        var members: [View<ReportResult>.Member] = [.list(member, lineView, \.lines)]
        if !facts.isEmpty {
            members.append(.object("summary", View<ReportResult>(facts.indices.map(factMember)), \.self))
        }
        return View(members + [.time("generatedAt", \.generatedAt)])
    }

    private var lineView: View<ReportResult.Line> {
        let keys = dimensions.enumerated().filter { !hidden.contains($0.element.name) }.map { index, dimension in
            View<ReportResult.Line>.Member.of(dimension.name, dimension.schema) { dimension.show($0.dimensions[index]) }
        }
        let names = labels.enumerated().map { index, label in
            View<ReportResult.Line>.Member.of(label.name, label.schema) { label.show($0.labels[index]) }
        }
        let numbers = measures.enumerated().map { index, measure in
            View<ReportResult.Line>.Member.of(measure.name, measure.schema) { $0.measures[index].json }
        }
        return View(keys + names + numbers)
    }

    private func factMember(_ index: Int) -> View<ReportResult>.Member {
        .of(facts[index].name, schema(of: facts[index])) { $0.facts[index] }
    }

    private func schema(of fact: Fact) -> Schema {
        switch fact.kind {
        case .groups: .integer
        case .total(let measure): measure.schema
        case .leader: dimensions.first?.schema.nullable ?? .string.nullable
        case .most(let name): measures.first { $0.name == name }?.schema ?? .integer
        }
    }

    /// Hours that one report looks at.
    private static let longest = 366 * 24
    private static let hour = 3_600_000

    /// - Parameter source: where the rows come from, of the node that serves it.
    func endpoint(reading source: @escaping @Sendable (AdminParts) -> RollupSource) -> Endpoint {
        let (view, choices) = (view, choices.map { (dimension: $0, field: Field.choice(of: $0)) })
        return Endpoint(
            .get, path, help, for: .atLeast(.viewer), query: [Field.from, Field.to] + choices.map(\.field), answer: view.schema,
            using: source
        ) { request, rows in
            let now = request.now
            let end = try request[.to].map { min($0, now) } ?? now
            let begin = try request[.from] ?? end - hours * Self.hour
            guard begin <= end else { throw HTTPFailure.badRequest("Invalid from. Must not be after to.") }
            let last = (end + Self.hour - 1) / Self.hour * Self.hour
            let first = max(begin / Self.hour * Self.hour, last - Self.longest * Self.hour)
            let chosen = try choices.compactMap { choice in try request[choice.field].map { RowFilter.of(choice.dimension, $0) } }
            let found: [RollupRow]
            do {
                found = try await rows(first, last)
            } catch is RollupExcess {
                throw HTTPFailure.badRequest(
                    "The report would be made of more than \(Rollups.mostRowsRead) hourly sums. Ask for a shorter time with from and to.")
            }
            return EndpointResponse(view, run(over: found, chosen: chosen, now: now))
        }
    }
}

extension Field where Value == Int? {
    fileprivate static let from = Field<Int>("from", .time, "The first hour that counts.").optional
    fileprivate static let to = Field<Int>("to", .time, "The hour up to which calls count; now by default.").optional
}

extension Field where Value == String? {
    fileprivate static func choice(of dimension: Dimension) -> Field {
        Field<String>(dimension.name, .text(upTo: 500), "Calls of this \(dimension.name) alone.").optional
    }
}
