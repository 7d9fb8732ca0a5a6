// What one route shows: some reports beside each other, as an endpoint with a schema.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// The reports of one route, over one time.
///
///     ReportPage("/admin/tool-popularity", "Tools by calls.", Report("tools")…).choosing(.namespace)
struct ReportPage: Sendable {
    let path: String
    /// One sentence.
    let help: String
    let reports: [Report]
    private(set) var choices: [Dimension] = []
    /// The parameter that says where the time begins.
    private(set) var begin = "from"
    /// Hours that it looks back on where the request does not say.
    private(set) var hours = 30 * 24

    init(_ path: String, _ help: String, _ reports: Report...) {
        self.path = path
        self.help = help
        self.reports = reports
    }

    private func with(_ change: (inout ReportPage) -> Void) -> ReportPage {
        var page = self
        change(&page)
        return page
    }

    /// Lets a request choose one value of a dimension, by a query parameter of its name.
    func choosing(_ dimensions: Dimension...) -> ReportPage { with { $0.choices += dimensions } }
    func lookingBack(hours: Int) -> ReportPage { with { $0.hours = hours } }
    func beginning(as name: String) -> ReportPage { with { $0.begin = name } }

    var schema: Schema { Schema(members: reports.flatMap(\.schemas) + ReportTime.schemas + [("generatedAt", .time)]) }

    /// - Parameter source: where the sums come from, of the node that serves it.
    func endpoint(reading source: @escaping @Sendable (AdminParts) -> RollupSource = { RollupSource($0.rollupBook) }) -> Endpoint {
        let choices = choices.map { (dimension: $0, field: Field.choice(of: $0)) }
        return Endpoint(
            .get, path, help, for: .atLeast(.viewer), query: ReportTime.fields(begin: begin) + choices.map(\.field), answer: schema,
            using: source
        ) { request, source in
            let time = try ReportTime(request, begin: begin, hours: hours)
            let chosen = try choices.compactMap { choice in
                // Namespaces are kept in lower case.
                try request[choice.field].map { (choice.dimension, choice.dimension.kind == .namespace ? $0.lowercased() : $0) }
            }
            let members = try await source.members(of: reports, over: time, choosing: chosen)
            return EndpointResponse(
                json: .object(JSONObject(members + time.members + [("generatedAt", .string(Timestamp.text(milliseconds: request.now)))])))
        }
    }
}

/// The time that a request asks for, in full hours.
struct ReportTime: Sendable {
    /// Hours since 1970, the last one left out.
    let hours: Range<Int>
    /// Milliseconds since 1970: the begin of the first hour.
    let from: Int
    /// Milliseconds since 1970: the end of the last hour, or now where that is not over.
    let to: Int

    /// Hours that one report looks at.
    static let longest = 366 * 24
    private static let hour = 3_600_000

    static func fields(begin: String) -> [any DeclaredField] { [Field.begin(begin), Field.to] }

    /// - Parameter hours: how far it goes back where the request does not say.
    init(_ request: EndpointRequest, begin: String = "from", hours: Int) throws {
        let now = request.now
        let end = try request[.to].map { min($0, now) } ?? now
        let asked = try request[.begin(begin)] ?? end - hours * Self.hour
        guard asked <= end else { throw HTTPFailure.badRequest("Invalid \(begin). Must not be after to.") }
        let last = (end + Self.hour - 1) / Self.hour
        let first = max(asked / Self.hour, last - Self.longest)
        self.hours = first..<max(first, last)
        from = first * Self.hour
        to = min(now, self.hours.upperBound * Self.hour)
    }

    /// What answers say of the time that was really counted.
    static let schemas: [(String, Schema)] = [
        ("from", Schema.time.described("The begin of the first hour that counts.")),
        ("to", Schema.time.described("The end of the last hour that counts, or now while that is not over.")),
    ]

    var members: [(String, JSONValue)] {
        [("from", .string(Timestamp.text(milliseconds: from))), ("to", .string(Timestamp.text(milliseconds: to)))]
    }
}

/// The hourly sums as reports read them.
struct RollupSource: Sendable {
    /// Makes something of the sums; both times in milliseconds since 1970 of Redis TIME, the second one left out.
    let read: @Sendable (_ from: Int, _ to: Int, _ extract: @Sendable (RollupTable) -> [ReportResult]) async throws -> [ReportResult]
    /// Ids of the keys that have calls in that time.
    let keys: @Sendable (_ from: Int, _ to: Int) async throws -> [String]
    /// What keys are called today, in their order.
    let labels: @Sendable ([String]) async throws -> [KeyLabel]

    init(_ book: RollupBook) {
        read = { try await book.read(from: $0, to: $1, $2) }
        keys = { try await book.read(from: $0, to: $1) { $0.names.keys } }
        labels = { try await book.labels(of: $0) }
    }

    /// Sums that do not change, for tests.
    init(_ table: RollupTable, labels: [String: KeyLabel] = [:], heard: @escaping @Sendable (Int, Int) -> Void = { _, _ in }) {
        read = {
            heard($0, $1)
            return $2(table)
        }
        keys = { _, _ in table.names.keys }
        self.labels = { $0.map { labels[$0] ?? KeyLabel() } }
    }

    /// The members of an answer that reports give, in their order.
    /// - Throws: 400 where there are more rows than a report is made of, and what the store throws.
    func members(
        of reports: [Report], over time: ReportTime, choosing chosen: [(dimension: Dimension, text: String)] = []
    ) async throws -> [(String, JSONValue)] {
        let hour = 3_600_000
        let isCompared = reports.contains(where: \.isCompared)
        let from = (time.hours.lowerBound - (isCompared ? time.hours.count : 0)) * hour
        let to = time.hours.upperBound * hour
        var namespaces: [String: String] = [:]
        if reports.contains(where: \.usesNamespaces) || chosen.contains(where: { $0.dimension.kind == .namespace }) {
            let ids = try await keys(from, to)
            for (id, label) in zip(ids, try await labels(ids)) { namespaces[id] = label.namespace }
        }
        let results: [ReportResult]
        do {
            results = try await read(from, to) { [namespaces] table in
                let input = ReportInput(
                    table: table, span: time.hours, chosen: chosen,
                    namespaces: namespaces.isEmpty ? [] : table.names.keys.map { namespaces[$0] ?? "" })
                return reports.map { $0.run(over: input) }
            }
        } catch is RollupExcess {
            throw HTTPFailure.badRequest(
                "The report would be made of more than \(RollupBook.mostRows) hourly sums. Ask for a shorter time with from and to.")
        }
        let ids = Set(zip(reports, results).flatMap { $0.keys(of: $1) }.map(ExactText.init)).map(\.text)
        let labels = Dictionary(zip(ids, try await labels(ids)), uniquingKeysWith: { $1 })
        return zip(reports, results).flatMap { $0.members($1, labels: labels, until: time.to) }
    }
}

extension Field where Value == Int? {
    fileprivate static func begin(_ name: String) -> Field { Field<Int>(name, .time, "The first hour that counts.").optional }
    fileprivate static let to = Field<Int>("to", .time, "Up to the end of the hour that it lies in, calls count; now by default.").optional
}

extension Field where Value == String? {
    fileprivate static func choice(of dimension: Dimension) -> Field {
        Field<String>(dimension.name, .text(upTo: 500), "Calls of this \(dimension.name) alone.").optional
    }
}
