// Reports on how long calls take that are let in. Calls whose end nobody saw have no duration.

extension ReportPage {
    /// GET /admin/response-time-distribution.
    static let responseTimes = ReportPage(
        "/admin/response-time-distribution", "How many calls take how long.",
        Report("buckets").where(.allowed).by(.bands("range", upTo: [50, 100, 250, 500, 1000]))
            .measure(.count, .share(.calls, as: "percentage"))
            .summary(
                .total(.sum(.timedCalls, as: "totalRequests")), .total(.average(.milliseconds, per: .timedCalls, as: "avgResponseTime")),
                .total(.percentile(50, as: "p50")).maybe, .total(.percentile(95, as: "p95")).maybe, .total(.percentile(99, as: "p99")).maybe
            ))

    /// GET /admin/latency.
    static let latency = ReportPage(
        "/admin/latency", "Durations in all, by tool and by consumer.",
        Report().where(.allowed)
            .summary(
                .total(.count(as: "totalCalls")), .total(.average(.milliseconds, per: .timedCalls, as: "avgDurationMs")),
                .total(.quickest(as: "minDurationMs")), .total(.slowest(as: "maxDurationMs")), .total(.percentile(95, as: "p95DurationMs"))),
        slowest("byTool").by(.tool)
            .measure(.quickest(as: "minDurationMs"), .slowest(as: "maxDurationMs"), .percentile(95, as: "p95DurationMs")),
        slowest("slowestTools").by(.tool).limit(10),
        slowest("byKey").byKey(.name(as: "keyName")).measure(.quickest(as: "minDurationMs"), .slowest(as: "maxDurationMs")))

    private static func slowest(_ member: String) -> Report {
        Report(member).where(.allowed)
            .measure(.count(as: "totalCalls"), .average(.milliseconds, per: .timedCalls, as: "avgDurationMs"))
            .order(.desc, by: "avgDurationMs")
    }
}
