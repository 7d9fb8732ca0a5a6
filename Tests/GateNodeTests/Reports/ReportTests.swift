// Reports as pure functions of rows.

import GateDomain
@testable import GateNode
import GateTesting
@testable import GateValues
import HTTPTypes
import MCPWire
import Synchronization
import Testing

@Suite("Reports")
struct ReportTests {
    private static func row(
        _ hour: Int, _ tool: String, _ key: String, _ outcome: CallEvent.Outcome = .ok, calls: Int, credits: Int = 0, reason: String = "",
        namespace: String = "default", durations: [Int] = []
    ) -> RollupRow {
        var histogram = DurationHistogram()
        for duration in durations { histogram.add(duration) }
        return RollupRow(
            hour: hour, tool: tool, keyID: key, keyName: "name of \(key)", namespace: namespace, outcome: outcome, reason: reason,
            calls: calls,
            credits: credits, durations: histogram)
    }

    /// 2026-11-21T10:00:00Z.
    private static let hour = 1_795_255_200_000 / 3_600_000
    private static let rows = [
        row(hour, "search", "k1", calls: 6, credits: 30, durations: [40, 60, 90]),
        row(hour, "search", "k2", calls: 2, credits: 11, durations: [700]),
        row(hour, "search", "k2", .denied, calls: 5, reason: "rate_limited"), row(hour, "echo", "k1", calls: 1, credits: 0, durations: [1]),
        row(hour + 1, "search", "k1", .failed, calls: 1, credits: 0),
        row(hour + 1, "fetch", "k3", calls: 1, credits: 7, namespace: "team", durations: [3]),
        row(hour + 2, "fetch", "k3", .denied, calls: 4, reason: "insufficient_credits"),
    ]

    private static func json(_ report: Report, _ rows: [RollupRow] = rows, chosen: [RowFilter] = []) -> JSONValue {
        report.view.json(report.run(over: rows, chosen: chosen, now: 1_795_262_400_000)).json
    }

    @Test("tools by calls: exact sums, different keys, shares rounded, the most popular; denied calls do not count")
    func popularity() throws {
        #expect(
            Self.json(.toolPopularity) == [
                "tools": [
                    ["tool": "search", "totalCalls": 9, "totalCredits": 41, "uniqueConsumers": 2, "percentage": 82],
                    ["tool": "echo", "totalCalls": 1, "totalCredits": 0, "uniqueConsumers": 1, "percentage": 9],
                    ["tool": "fetch", "totalCalls": 1, "totalCredits": 7, "uniqueConsumers": 1, "percentage": 9],
                ],
                "summary": ["totalTools": 3, "totalCalls": 11, "mostPopular": "search"], "generatedAt": "2026-11-21T12:00:00.000Z",
            ])
    }

    @Test("the hours, newest first, each with its calls; the busiest is named")
    func hours() {
        #expect(
            Self.json(.hourlyTraffic) == [
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
                "generatedAt": "2026-11-21T12:00:00.000Z",
            ])
    }

    @Test("F-ANA-06: without rows: no lines, zeros, nobody in front")
    func empty() {
        #expect(Self.json(.toolPopularity, [])["summary"] == ["totalTools": 0, "totalCalls": 0, "mostPopular": .null])
        #expect(Self.json(.hourlyTraffic, [])["hours"] == [] && Self.json(.hourlyTraffic, [])["summary"]?["busiestHourRequests"] == 0)
    }

    @Test("rates keep their decimals, and lead an order; having and limit come after the shares, facts before the limit")
    func rates() {
        let report = Report("/r", "R.", as: "tools").by(.tool)
            .measure(.count(as: "total"), .rate(.denied, decimals: 2, as: "rate"), .share(.calls, as: "share"))
            .having("total", atLeast: 2).order(.desc, by: "rate").order(.asc, by: "tool").limit(1)
            .summary(.groups("groups"), .total(.rate(.denied, decimals: 2, as: "overall")), .leader("worst", by: "rate"))
        let result = Self.json(report)
        #expect(result["tools"] == [["tool": "fetch", "total": 5, "rate": 80.0, "share": 25]])
        #expect(result["summary"] == ["groups": 2, "overall": 45.0, "worst": "fetch"])
        let third = Self.json(report, [Self.row(1, "a", "k", calls: 2), Self.row(1, "a", "k", .denied, calls: 1)])
        #expect(third["tools"]?[0]?["rate"] == 33.33)
        #expect(Self.json(report, [Self.row(1, "a", "k", calls: 2)])["summary"]?["worst"] == .null)
    }

    @Test("keys are told apart by their ids and shown by their latest names; averages are rounded half away from zero")
    func labels() {
        var late = Self.row(9, "t", "k1", calls: 1, credits: -4)
        late.keyName = "renamed"
        let rows = [
            Self.row(3, "t", "k1", calls: 1, credits: 7), late, Self.row(5, "t", "k2", calls: 2, credits: 5),
            Self.row(5, "t", "k3", calls: 2, credits: -5),
        ]
        let report = Report("/r", "R.").by(hiding: .key).showing(.keyName).measure(.average(.credits, per: .calls, as: "each")).order(.desc)
        for order in [rows, rows.reversed()] {
            #expect(
                Self.json(report, order)["rows"] == [
                    ["name": "name of k2", "each": 3], ["name": "renamed", "each": 2], ["name": "name of k3", "each": -3],
                ])
        }
    }

    @Test("F-ANA-05: percentiles are nearest ranks, as far as the buckets tell")
    func percentiles() {
        let report = Report("/r", "R.").by(.tool)
            .measure(.percentile(50, as: "p50"), .percentile(99, as: "p99"), .average(.milliseconds, per: .timedCalls, as: "average"))
        let lines = Self.json(report)["rows"]
        #expect(lines?[2] == ["tool": "search", "p50": 75, "p99": 750, "average": 223])
        var histogram = DurationHistogram()
        #expect(histogram.percentile(50) == nil)
        for duration in [0, 50, 51, 1_000_000] { histogram.add(duration) }
        #expect(
            histogram.percentile(25) == 1 && histogram.percentile(50) == 50 && histogram.percentile(75) == 75
                && histogram.percentile(100) == 60_000)
    }

    @Test("days and hours of the day are UTC, also before 1970")
    func calendar() {
        let report = Report("/r", "R.").by(.day, .hourOfDay).measure(.count)
        let lines = Self.json(
            report, [Self.row(-1, "t", "k", calls: 1), Self.row(0, "t", "k", calls: 1), Self.row(47, "t", "k", calls: 1)])["rows"]
        #expect(
            lines == [
                ["date": "1969-12-31", "hour": 23, "count": 1], ["date": "1970-01-01", "hour": 0, "count": 1],
                ["date": "1970-01-02", "hour": 23, "count": 1],
            ])
    }

    @Test("rows may come in any order and any split: the report is the same")
    func split() {
        var random = Chance(seed: 5)
        for report in Report.all {
            let expected = Self.json(report)
            for _ in 0..<20 {
                let pieces = Self.rows.flatMap { row in
                    var (one, rest) = (row, row)
                    (one.calls, one.credits, rest.durations) = (row.calls / 2, row.credits / 3, DurationHistogram())
                    (rest.calls, rest.credits) = (row.calls - one.calls, row.credits - one.credits)
                    return [one, rest]
                }
                #expect(Self.json(report, pieces.shuffled(using: &random)) == expected)
            }
        }
    }

    @Test("every declared report names only what it has, and answers as its schema says", arguments: Report.all)
    func declared(_ report: Report) {
        #expect(report.dangling == [] && report.help.hasSuffix("."))
        for rows in [Self.rows, []] {
            #expect(SchemaConformance.faults(of: Self.json(report, rows), against: report.view.schema.json) == [])
        }
    }

    @Test("as an endpoint: full hours are read, a namespace is chosen, nonsense is refused")
    func endpoint() async throws {
        let asked = Mutex<[(Int, Int)]>([])
        let endpoint = Report.toolPopularity.endpoint { _ in
            { from, to in
                asked.withLock { $0.append((from, to)) }
                return Self.rows
            }
        }
        try await AdminBench.run(serving: [endpoint]) { bench in
            let path = endpoint.path
            let all = try await bench.get("\(path)?from=2026-11-20T10:30:00Z&to=2020-01-01T00:00:01Z")
            #expect(all.status == 400 && all.error == "Invalid from. Must not be after to.")
            let day = try await bench.get("\(path)?from=2019-12-31T10:30:00Z&to=2020-01-01T00:00:01Z&namespace=team").json
            #expect(day["summary"] == ["totalTools": 1, "totalCalls": 1, "mostPopular": "fetch"])
            _ = try await bench.get("\(path)?from=1990-01-01&to=2020-01-01")
            #expect(try await bench.get("\(path)?from=yesterday").status == 400)
            #expect(try await bench.send(.get, path).status == 401)
            let hour = 3_600_000
            let spans = asked.withLock { $0 }
            #expect(spans.map(\.1) == [1_577_840_400_000, 1_577_836_800_000] && spans.map { ($0.1 - $0.0) / hour } == [15, 366 * 24])
        }
    }
}

extension Report: CustomTestStringConvertible {
    public var testDescription: String { path }
}
