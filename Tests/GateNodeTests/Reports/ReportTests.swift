// Reports as pure functions of rows.

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import MCPWire
import Synchronization
import Testing

/// Calls that agree in everything but their number, as tests write them down.
struct SampleRow: Sendable {
    var hour: Int
    var tool: String
    var key: String
    var outcome: CallEvent.Outcome
    var calls: Int
    var credits: Int
    var reason: String
    var durations: [Int]

    init(
        _ hour: Int, _ tool: String, _ key: String, _ outcome: CallEvent.Outcome = .ok, calls: Int, credits: Int = 0, reason: String = "",
        durations: [Int] = []
    ) {
        (self.hour, self.tool, self.key, self.outcome) = (hour, tool, key, outcome)
        (self.calls, self.credits, self.reason, self.durations) = (calls, credits, reason, durations)
    }

    /// As they lie in hours; those of one hour may lie in several parts.
    static func table(_ rows: [SampleRow]) -> RollupTable {
        var table = RollupTable()
        for row in rows {
            var sum = RollupSum()
            (sum.calls, sum.credits) = (Int32(row.calls - row.durations.count), row.credits)
            var durations = DurationHistogram()
            for duration in row.durations {
                sum.count(1, credits: 0, milliseconds: duration)
                durations.add(duration)
            }
            let (tool, key) = (table.names.number(ofTool: row.tool), table.names.number(ofKey: row.key))
            let kind = table.names.number(of: RollupKind(outcome: row.outcome, reason: row.reason))
            let plain = table.names.number(of: RollupKind(outcome: row.outcome))
            table.hours.append(
                RollupHour(
                    hour: row.hour, rows: [RollupRow(tool: tool, key: key, kind: kind, sum: sum)],
                    latencies: row.durations.isEmpty ? [] : [RollupLatency(tool: tool, kind: plain, durations: durations)]))
        }
        return table
    }
}

@Suite("Reports")
struct ReportTests {
    /// 2026-11-21T10:00:00Z.
    private static let hour = 1_795_255_200_000 / 3_600_000
    private static let rows = [
        SampleRow(hour, "search", "k1", calls: 6, credits: 30, durations: [40, 60, 90]),
        SampleRow(hour, "search", "k2", calls: 2, credits: 11, durations: [700]),
        SampleRow(hour, "search", "k2", .denied, calls: 5, reason: "rate_limited", durations: [1]),
        SampleRow(hour, "echo", "k1", calls: 1, credits: 0, durations: [1]),
        SampleRow(hour + 1, "search", "k1", .failed, calls: 1, credits: 0),
        SampleRow(hour + 1, "fetch", "k3", calls: 1, credits: 7, durations: [3]),
        SampleRow(hour + 2, "fetch", "k3", .denied, calls: 4, reason: "insufficient_credits"),
    ]
    private static let namespaces = ["k1": "default", "k2": "default", "k3": "team"]

    private static func json(
        _ reports: [Report], _ rows: [SampleRow] = rows, chosen: [(dimension: Dimension, text: String)] = [],
        span: Range<Int> = hour..<hour + 3
    ) -> JSONValue {
        let table = SampleRow.table(rows)
        let input = ReportInput(table: table, span: span, chosen: chosen, namespaces: table.names.keys.map { namespaces[$0] ?? "" })
        return .object(
            JSONObject(reports.flatMap { $0.members($0.run(over: input), labels: labels, until: (hour + 3) * 3_600_000) }))
    }

    private static let labels: [String: KeyLabel] = {
        var label = KeyLabel()
        (label.name, label.masked) = ("first", "pg_1234...5678")
        return ["k1": label]
    }()

    @Test("tools by calls: exact sums, different keys, shares rounded, the most popular; denied calls do not count")
    func popularity() throws {
        #expect(
            Self.json(ReportPage.toolPopularity.reports) == [
                "tools": [
                    ["tool": "search", "totalCalls": 9, "totalCredits": 41, "uniqueConsumers": 2, "percentage": 82],
                    ["tool": "echo", "totalCalls": 1, "totalCredits": 0, "uniqueConsumers": 1, "percentage": 9],
                    ["tool": "fetch", "totalCalls": 1, "totalCredits": 7, "uniqueConsumers": 1, "percentage": 9],
                ],
                "summary": ["totalTools": 3, "totalCalls": 11, "mostPopular": "search"],
            ])
    }

    @Test("the hours, newest first, each with its calls; the busiest is named")
    func hours() {
        #expect(
            Self.json(ReportPage.hourlyTraffic.reports) == [
                "hours": [
                    [
                        "timestamp": "2026-11-21T12:00:00Z", "requests": 4, "allowed": 0, "denied": 4, "credits": 0, "uniqueConsumers": 1,
                        "uniqueTools": 1,
                    ],
                    [
                        "timestamp": "2026-11-21T11:00:00Z", "requests": 2, "allowed": 2, "denied": 0, "credits": 7, "uniqueConsumers": 2,
                        "uniqueTools": 2,
                    ],
                    [
                        "timestamp": "2026-11-21T10:00:00Z", "requests": 14, "allowed": 9, "denied": 5, "credits": 41, "uniqueConsumers": 2,
                        "uniqueTools": 2,
                    ],
                ],
                "summary": ["totalRequests": 20, "totalCredits": 48, "busiestHour": "2026-11-21T10:00:00Z", "busiestHourRequests": 14],
            ])
    }

    @Test("a time series, oldest hour first, with the durations of all calls and the peak by name and number")
    func trends() {
        let trends = Self.json(ReportPage.requestTrends.reports)
        #expect(
            trends["hourly"]?[0] == [
                "hour": "2026-11-21T10:00:00Z", "total": 14, "allowed": 9, "denied": 5, "credits": 41, "avgDurationMs": 149,
            ])
        #expect(
            trends["summary"] == [
                "totalRequests": 20, "totalAllowed": 11, "totalDenied": 9, "totalCredits": 48, "avgDurationMs": 128,
                "peakHour": ["hour": "2026-11-21T10:00:00Z", "total": 14],
            ])
        #expect(Self.json(ReportPage.peakUsage.reports)["hours"]?[1]?["percentage"] == 10)
    }

    @Test("a top list by credits: averages and shares are whole, the first tool is named, also where nothing was earned")
    func revenue() {
        let revenue = Self.json(ReportPage.toolRevenue.reports)
        #expect(
            revenue["tools"]?[0] == [
                "tool": "search", "totalCredits": 41, "callCount": 9, "avgCreditsPerCall": 5, "uniqueConsumers": 2, "percentage": 85,
            ])
        #expect(revenue["summary"] == ["totalTools": 3, "totalRevenue": 48, "topTool": "search"])
        let free = Self.json(
            ReportPage.toolProfitability.reports, [SampleRow(Self.hour, "a", "k", calls: 2), SampleRow(Self.hour, "b", "k", calls: 1)])
        #expect(free["summary"] == ["totalRevenue": 0, "mostProfitable": "a", "leastProfitable": "b"])
    }

    @Test("F-ANA-05: how many calls take how long is exact; percentiles are nearest ranks, and left out where there are none")
    func durations() {
        #expect(
            Self.json(ReportPage.responseTimes.reports) == [
                "buckets": [
                    ["range": "0-50ms", "count": 3, "percentage": 50], ["range": "51-100ms", "count": 2, "percentage": 33],
                    ["range": "101-250ms", "count": 0, "percentage": 0], ["range": "251-500ms", "count": 0, "percentage": 0],
                    ["range": "501-1000ms", "count": 1, "percentage": 17], ["range": "1001ms+", "count": 0, "percentage": 0],
                ],
                "summary": ["totalRequests": 6, "avgResponseTime": 149, "p50": 40, "p95": 700, "p99": 700],
            ])
        #expect(Self.json(ReportPage.responseTimes.reports, [])["summary"] == ["totalRequests": 0, "avgResponseTime": 0])
        let latency = Self.json(ReportPage.latency.reports)
        #expect(
            latency["summary"] == ["totalCalls": 11, "avgDurationMs": 149, "minDurationMs": 1, "maxDurationMs": 700, "p95DurationMs": 700])
        #expect(
            latency["byTool"]?[0] == [
                "tool": "search", "totalCalls": 9, "avgDurationMs": 223, "minDurationMs": 40, "maxDurationMs": 700, "p95DurationMs": 700,
            ])
        #expect(latency["byKey"]?.arrayValue?.compactMap { $0["keyName"]?.stringValue } == ["k2", "first", "k3"])
    }

    @Test("two periods beside each other, and the change in percent; null where there was nothing before")
    func comparison() {
        let report = Report().compared(as: "trend", .count(as: "calls"), .sum(.credits), .count(as: "denied", where: .denied))
        #expect(
            Self.json([report], span: Self.hour + 1..<Self.hour + 2)["trend"] == [
                "current": ["calls": 2, "credits": 7, "denied": 0], "previous": ["calls": 14, "credits": 41, "denied": 5],
                "change": ["calls": -85.7, "credits": -82.9, "denied": -100.0],
            ])
        #expect(
            Self.json([report], span: Self.hour..<Self.hour + 3)["trend"]?["change"] == ["calls": .null, "credits": .null, "denied": .null])
    }

    @Test("refusals by their words, with the words that most calls of a line have")
    func denials() {
        let denials = Self.json(ReportPage.denials.reports)
        #expect(denials["summary"] == ["totalCalls": 20, "totalDenials": 9, "denialRate": 0.45])
        #expect(denials["byReason"] == ["rate_limited": 5, "insufficient_credits": 4])
        #expect(denials["perKey"]?[0] == ["name": "k2", "calls": 7, "denials": 5, "denialRate": 0.7143, "topReason": "rate_limited"])
        #expect(denials["perKey"]?[2] == ["name": "first", "calls": 8, "denials": 0, "denialRate": 0.0, "topReason": .null])
        #expect(denials["mostDenied"]?.arrayValue?.count == 2)
        let errors = Self.json(ReportPage.errorBreakdown.reports)
        #expect(errors["errors"]?[1] == ["reason": "insufficient_credits", "count": 4, "percentage": 44, "affectedConsumers": 1])
        #expect(errors["errors"]?.arrayValue?.count == 2 && errors["summary"] == ["totalDenied": 9, "totalAllowed": 11, "errorRate": 45])
        #expect(Self.json(ReportPage.toolErrorRate.reports)["summary"]?["highestErrorTool"] == "fetch")
    }

    @Test("F-ANA-06: without rows: no lines, zeros, nobody in front")
    func empty() {
        #expect(Self.json(ReportPage.toolPopularity.reports, [])["summary"] == ["totalTools": 0, "totalCalls": 0, "mostPopular": .null])
        let hours = Self.json(ReportPage.hourlyTraffic.reports, [])
        #expect(hours["hours"] == [] && hours["summary"]?["busiestHourRequests"] == 0)
        #expect(Self.json(ReportPage.requestTrends.reports, [])["summary"]?["peakHour"] == .null)
    }

    @Test("rates keep their decimals, and lead an order; having and limit come after the shares, facts before the limit")
    func rates() {
        let report = Report("tools").by(.tool)
            .measure(.count(as: "total"), .rate(.denied, decimals: 2, as: "rate"), .share(.calls, as: "share"))
            .having("total", atLeast: 2).order(.desc, by: "rate").order(.asc, by: "tool").limit(1)
            .summary(.groups("groups"), .total(.rate(.denied, decimals: 2, as: "overall")), .leader("worst", by: "rate"))
        let result = Self.json([report])
        #expect(result["tools"] == [["tool": "fetch", "total": 5, "rate": 80.0, "share": 25]])
        #expect(result["summary"] == ["groups": 2, "overall": 45.0, "worst": "fetch"])
        let third = Self.json([report], [SampleRow(Self.hour, "a", "k", calls: 2), SampleRow(Self.hour, "a", "k", .denied, calls: 1)])
        #expect(third["tools"]?[0]?["rate"] == 33.33)
        #expect(Self.json([report], [SampleRow(Self.hour, "a", "k", calls: 2)])["summary"]?["worst"] == .null)
    }

    @Test("averages are rounded half away from zero, and sums of any size do not overflow")
    func rounding() {
        let rows = [
            SampleRow(Self.hour, "t", "k1", calls: 2, credits: 5), SampleRow(Self.hour, "t", "k2", calls: 2, credits: -5),
            SampleRow(Self.hour, "t", "k3", calls: 1, credits: 1 << 52),
        ]
        let report = Report("rows").by(.key).measure(
            .average(.credits, per: .calls, decimals: 2, as: "each"), .share(.credits, as: "share")
        ).order(.desc)
        #expect(
            Self.json([report], rows)["rows"] == [
                ["keyId": "k3", "each": .double(Double(1 << 52)), "share": 100], ["keyId": "k1", "each": 2.5, "share": 0],
                ["keyId": "k2", "each": -2.5, "share": 0],
            ])
        #expect(Measure.Number.quotient(-5, by: 2).units == -3 && Measure.Number.quotient(5, by: 2).units == 3)
        #expect(Measure.Number.quotient(1, by: 3, times: 100, decimals: 2).units == 3333)
        #expect(Measure.Number.quotient(.max, by: 2, times: 3_600_000, decimals: 2).units == .max)
        #expect(Measure.Number.quotient(-.max, by: 1, decimals: 4).units == .min && Measure.Number.quotient(.max, by: 1).units == .max)
        #expect(Measure.Number.quotient(.max - 1, by: .max, times: 100).units == 100)
        #expect(Measure.Number(units: 400_000_000_000_000_000, decimals: 2).times(24) == Measure.Number(units: .max, decimals: 2))
        #expect(Measure.Number(units: .min).times(2).units == .min && Measure.Number(units: 50, decimals: 2).times(24).units == 1200)
    }

    @Test("credits of thousands of accounts, which no integer holds together, are the highest number and end no node")
    func floods() {
        let rows = [("t", "k1"), ("t", "k2"), ("u", "k1")].map { SampleRow(Self.hour, $0.0, $0.1, calls: 1, credits: .max / 2 + 1) }
        let report = Report("tools").by(.tool)
            .measure(.sum(.credits), .average(.credits, per: .calls, decimals: 2, as: "each"), .share(.credits, as: "share"))
            .order(.asc, by: "tool").summary(.total(.sum(.credits, as: "all")))
        let told = Self.json([report], rows)
        let (all, half) = (JSONValue.int(.max), JSONValue.int(.max / 2 + 1))
        #expect(told["tools"]?[0]?["credits"] == all && told["tools"]?[1]?["credits"] == half && told["summary"]?["all"] == all)
        #expect(told["tools"]?[0]?["share"] == 100 && told["tools"]?[1]?["share"] == 50)
        let compared = Report().compared(as: "trend", .sum(.credits))
        #expect(Self.json([compared], rows, span: Self.hour + 1..<Self.hour + 2)["trend"]?["change"]?["credits"] == -100.0)
        var sum = RollupSum()
        for _ in 0..<2 { sum.count(1, credits: .max, milliseconds: nil) }
        sum.add(sum)
        #expect(sum.credits == .max && sum.calls == 4)
    }

    @Test("days and hours of the day are UTC, also before 1970; a stretch of time without calls is a line of zeros")
    func calendar() {
        let rows = [SampleRow(-1, "t", "k", calls: 1), SampleRow(0, "t", "k", calls: 1), SampleRow(47, "t", "k", calls: 1)]
        #expect(
            Self.json([Report("rows").by(.day, .hourOfDay).measure(.count)], rows, span: -1..<48)["rows"] == [
                ["date": "1969-12-31", "hour": 23, "count": 1], ["date": "1970-01-01", "hour": 0, "count": 1],
                ["date": "1970-01-02", "hour": 23, "count": 1],
            ])
        let series = Report("rows").by(.span("start", hours: 24)).everySpan(endingAs: "end").measure(.count).order(.asc, by: "start")
        #expect(
            Self.json([series], rows, span: -1..<48)["rows"]?.arrayValue?.compactMap { $0["count"]?.intValue } == [2, 0, 1])
        #expect(Self.json([series], rows, span: -1..<24)["rows"]?[0]?["end"] == "1970-01-01T23:00:00.000Z")
    }

    @Test("rows may come in any order and any split: the report is the same", arguments: ReportPage.all)
    func split(_ page: ReportPage) {
        var random = Chance(seed: 5)
        let expected = Self.json(page.reports)
        for _ in 0..<10 {
            let pieces = Self.rows.flatMap { row in
                var (one, rest) = (row, row)
                (one.durations, rest.durations) = (Array(row.durations.prefix(1)), Array(row.durations.dropFirst()))
                (one.calls, one.credits) = (max(row.calls / 2, one.durations.count), row.credits / 3)
                (rest.calls, rest.credits) = (row.calls - one.calls, row.credits - one.credits)
                return [one, rest]
            }
            #expect(Self.json(page.reports, pieces.shuffled(using: &random)) == expected)
        }
    }

    @Test("every declared report names only what it has, and answers as its schema says", arguments: ReportPage.all)
    func declared(_ page: ReportPage) {
        #expect(page.reports.flatMap(\.dangling) == [] && page.help.hasSuffix("."))
        for rows in [Self.rows, []] {
            let answer = Self.json(page.reports, rows)
            let schema = Schema(members: page.reports.flatMap(\.schemas))
            #expect(SchemaConformance.faults(of: answer, against: schema.json) == [])
        }
    }

    @Test("as an endpoint: full hours are read, a namespace is chosen, nonsense is refused")
    func endpoint() async throws {
        let asked = Mutex<[(Int, Int)]>([])
        let hour = 1_577_836_800_000 / 3_600_000
        let table = SampleRow.table([SampleRow(hour - 1, "fetch", "k3", calls: 1), SampleRow(hour - 2, "echo", "k1", calls: 4)])
        var label = KeyLabel()
        label.namespace = "team"
        let source = RollupSource(table, labels: ["k3": label]) { from, to in asked.withLock { $0.append((from, to)) } }
        let endpoint = ReportPage.toolPopularity.endpoint { _ in source }
        let analytics = Analytics.endpoint { _ in source }
        try await AdminBench.run(serving: [endpoint, analytics, ReportPage.costs.endpoint { _ in source }]) { bench in
            let path = endpoint.path
            let all = try await bench.get("\(path)?from=2026-11-20T10:30:00Z&to=2020-01-01T00:00:01Z")
            #expect(all.status == 400 && all.error == "Invalid from. Must not be after to.")
            let day = try await bench.get("\(path)?from=2019-12-31T10:30:00Z&to=2020-01-01T00:00:01Z&namespace=Team").json
            #expect(day["summary"] == ["totalTools": 1, "totalCalls": 1, "mostPopular": "fetch"])
            _ = try await bench.get("\(path)?from=1990-01-01&to=2020-01-01")
            #expect(try await bench.get("\(path)?from=yesterday").status == 400)
            #expect(try await bench.send(.get, path).status == 401)
            let spans = asked.withLock { $0 }
            #expect(spans.map(\.1) == [1_577_840_400_000, 1_577_836_800_000])
            #expect(spans.map { ($0.1 - $0.0) / 3_600_000 } == [15, 366 * 24])

            let costs = try await bench.get("/admin/costs?since=2019-12-31&namespace=none").json
            #expect(costs["summary"]?["totalCalls"] == 0 && costs["topSpenders"] == [])
            let edges = try await bench.get("/admin/costs?since=2019-12-31T00:10:00Z&to=2020-01-01T00:00:00Z").json
            #expect(edges["from"] == "2019-12-31T00:00:00.000Z" && edges["to"] == "2020-01-01T00:00:00.000Z", "\(edges.text)")
            let query = "/analytics?from=2019-12-31T21:10:00Z&to=2020-01-01T00:30:00Z"
            let answer = try await bench.get(query + "&topN=1").json
            #expect(SchemaConformance.faults(of: answer, against: analytics.answer.json) == [])
            #expect(answer["from"] == "2019-12-31T21:00:00.000Z" && answer["to"] == "2020-01-01T01:00:00.000Z")
            #expect(answer["timeSeries"]?.arrayValue?.compactMap { $0["calls"]?.intValue } == [0, 4, 1, 0])
            #expect(answer["timeSeries"]?[3]?["end"] == answer["to"] && answer["timeSeries"]?[0]?["start"] == answer["from"])
            #expect(answer["tools"] == answer["toolBreakdown"] && answer["topConsumers"]?.arrayValue?.count == 1)
            #expect(try await bench.get(query + "&granularity=daily").json["timeSeries"]?.arrayValue?.count == 1)
            for nonsense in ["topN=0", "top=1001", "topN=ten", "granularity=weekly", "from=2019-01-01"] {
                #expect(try await bench.get("/analytics?to=2020-01-01&" + nonsense).status == 400, "\(nonsense)")
            }
        }
    }

    @Test("keys by the day of their making: those that are revoked or suspended do not count, used ones are retained, newest day first")
    func cohorts() {
        var cohort = KeyCohort(day: 20_000)
        for (calls, spent) in [(0, 0), (3, 10), (1, 5)] {
            cohort.add(Account(.array([.integer(0), .integer(spent), .integer(calls), .null])))
        }
        #expect(
            .object(KeyCohort.view.json(cohort))
                == ["period": "2024-10-04", "created": 3, "retained": 2, "retentionRate": 67, "avgSpend": 5] as JSONValue)
    }
}

extension ReportPage: CustomTestStringConvertible {
    public var testDescription: String { path }
}
