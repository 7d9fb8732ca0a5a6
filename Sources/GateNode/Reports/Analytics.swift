// GET /analytics: a time series, tools, consumers, and how it compares with as long a time before.

import GateDomain
import GateValues
import HTTPTypes
import MCPWire

/// The overview that dashboards read. Its stretches of time begin at `from`, which is a full hour; the last one ends at `to`, which is the end of an hour, or now.
enum Analytics {
    private enum Granularity: String, CaseIterable, Sendable {
        case hourly, daily

        var hours: Int { self == .hourly ? 1 : 24 }
    }

    /// Lines of the time series at most.
    private static let mostSpans = 90 * 24

    private static let granularity = Field<Granularity>("granularity", .choice, "Length of the time series' parts; hourly by default.")
        .optional
    private static let topN = Field("topN", .integer(1...1000), "Consumers that are shown; 10 by default.").optional
    private static let top = Field("top", .integer(1...1000), "Another name of topN.").optional
    private static let namespace = Field<String>("namespace", .text(upTo: 500), "Calls of this namespace alone.").optional

    private static func reports(_ granularity: Granularity, top: Int) -> [Report] {
        let allowed = Measure.count(as: "allowed", where: .allowed)
        let denied = Measure.count(as: "denied", where: .denied)
        return [
            Report("timeSeries").by(.span("start", hours: granularity.hours)).everySpan(endingAs: "end")
                .measure(.count(as: "calls"), allowed, denied, .sum(.credits)).order(.asc, by: "start"),
            Report("toolBreakdown").by(.tool)
                .measure(
                    .count(as: "calls"), allowed, denied, .sum(.credits), .rate(.allowed, decimals: 2, as: "successRate"),
                    .average(.credits, per: .calls, decimals: 2, as: "avgCreditsPerCall", where: .allowed)
                )
                .order(.desc),
            Report("topConsumers").byKey(.name(as: "keyName"))
                .measure(.count(as: "calls"), .sum(.credits), denied).top(.tool, as: "topTool").order(.desc, by: "credits").limit(top),
            Report().compared(as: "trend", .count(as: "calls"), .sum(.credits), denied),
            Report().summary(
                .total(.count(as: "totalCalls")), .total(.sum(.credits, as: "totalCredits")),
                .total(.count(as: "totalDenied", where: .denied)), .total(.distinct(.key, as: "uniqueKeys")),
                .total(.distinct(.tool, as: "uniqueTools")), .total(.rate(.allowed, decimals: 2, as: "successRate"))),
        ]
    }

    private static var schema: Schema {
        let members = reports(.hourly, top: 10).flatMap(\.schemas)
        let tools = members.first { $0.0 == "toolBreakdown" }?.1 ?? .object
        return Schema(
            members: ReportTime.schemas + [("granularity", .choice(Granularity.allCases.map(\.rawValue)))] + members
                + [("tools", tools.described("toolBreakdown under its other name."))])
    }

    /// - Parameter source: where the sums come from, of the node that serves it.
    static func endpoint(reading source: @escaping @Sendable (AdminParts) -> RollupSource = { RollupSource($0.rollupBook) }) -> Endpoint {
        Endpoint(
            .get, "/analytics", "Calls over time, by tool and consumer, and compared with the time before.", for: .atLeast(.viewer),
            query: ReportTime.fields(begin: "from") + [granularity, topN, top, namespace], answer: schema, using: source
        ) { request, source in
            let time = try ReportTime(request, hours: 24)
            let granularity = try request[Self.granularity] ?? .hourly
            let top = try request[topN] ?? request[Self.top] ?? 10
            guard time.hours.count <= mostSpans * granularity.hours else {
                throw HTTPFailure.badRequest(
                    "The time series would have more than \(mostSpans) lines. Ask for a shorter time, or granularity=daily.")
            }
            let chosen = try request[namespace].map { [(dimension: Dimension.namespace, text: $0.lowercased())] } ?? []
            let members = try await source.members(of: reports(granularity, top: top), over: time, choosing: chosen)
            let span = time.members + [("granularity", .string(granularity.rawValue))]
            let tools = members.first { $0.0 == "toolBreakdown" }.map { [("tools", $0.1)] } ?? []
            return EndpointResponse(json: .object(JSONObject(span + members + tools)))
        }
    }
}
