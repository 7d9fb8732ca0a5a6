// Reports on how much is called: by tool, by hour, by who calls.

extension ReportPage {
    /// GET /admin/tool-popularity: calls that were let in.
    static let toolPopularity = ReportPage(
        "/admin/tool-popularity", "Tools by calls.",
        Report("tools").where(.allowed).by(.tool)
            .measure(
                .count(as: "totalCalls"), .sum(.credits, as: "totalCredits"), .distinct(.key, as: "uniqueConsumers"),
                .share(.calls, as: "percentage")
            )
            .order(.desc)
            .summary(.groups("totalTools"), .total(.count(as: "totalCalls")), .leader("mostPopular", by: "totalCalls"))
    ).choosing(.namespace)

    /// GET /admin/hourly-traffic: newest hour first.
    static let hourlyTraffic = ReportPage(
        "/admin/hourly-traffic", "Calls by the hour, newest first.",
        Report("hours").by(.hour.named("timestamp"))
            .measure(
                .count(as: "requests"), .count(as: "allowed", where: .allowed), .count(as: "denied", where: .denied),
                .sum(.credits, where: .allowed), .distinct(.key, as: "uniqueConsumers"), .distinct(.tool, as: "uniqueTools")
            )
            .order(.desc, by: "timestamp")
            .summary(
                .total(.count(as: "totalRequests")), .total(.sum(.credits, as: "totalCredits", where: .allowed)),
                .leader("busiestHour", by: "requests"), .most("busiestHourRequests", of: "requests"))
    ).choosing(.namespace)

    /// GET /admin/request-trends: all calls, oldest hour first.
    static let requestTrends = ReportPage(
        "/admin/request-trends", "Calls, credits and durations by the hour.",
        Report("hourly").by(.hour)
            .measure(
                .count(as: "total"), .count(as: "allowed", where: .allowed), .count(as: "denied", where: .denied),
                .sum(.credits, where: .allowed), .average(.milliseconds, per: .timedCalls, as: "avgDurationMs")
            )
            .order(.asc, by: "hour")
            .summary(
                .total(.count(as: "totalRequests")), .total(.count(as: "totalAllowed", where: .allowed)),
                .total(.count(as: "totalDenied", where: .denied)), .total(.sum(.credits, as: "totalCredits", where: .allowed)),
                .total(.average(.milliseconds, per: .timedCalls, as: "avgDurationMs")), .peak("peakHour", of: "total")))

    /// GET /admin/peak-usage: hours of the day with calls.
    static let peakUsage = ReportPage(
        "/admin/peak-usage", "Calls by the hour of the day, in UTC.",
        Report("hours").by(.hourOfDay)
            .measure(
                .count(as: "requests"), .count(as: "allowed", where: .allowed), .count(as: "denied", where: .denied),
                .sum(.credits, where: .allowed), .distinct(.key, as: "uniqueConsumers"), .share(.calls, as: "percentage")
            )
            .order(.asc, by: "hour")
            .summary(
                .total(.count(as: "totalRequests")), .leader("peakHour", by: "requests"), .most("peakRequests", of: "requests")))

    /// GET /admin/traffic: rates from 0 to 1 (F-ANA-02).
    static let traffic = ReportPage(
        "/admin/traffic", "Calls in all, by tool, hour, consumer and namespace.",
        Report().by(.shortHour).measure(.count(as: "calls"))
            .summary(
                .total(.count(as: "totalCalls")), .total(.count(as: "totalAllowed", where: .allowed)),
                .total(.count(as: "totalDenied", where: .denied)), .total(.ratio(.allowed, as: "successRate")),
                .total(.distinct(.key, as: "uniqueKeys")), .total(.distinct(.tool, as: "uniqueTools")), .leader("peakHour", by: "calls"),
                .most("peakHourCalls", of: "calls")),
        Report("toolPopularity").by(.tool)
            .measure(.count(as: "calls"), .ratio(.allowed, as: "successRate"), .sum(.credits)).order(.desc),
        Report("hourlyVolume").by(.shortHour)
            .measure(
                .count(as: "calls"), .count(as: "allowed", where: .allowed), .count(as: "denied", where: .denied), .sum(.credits)
            )
            .order(.asc, by: "hour").last(24),
        Report("topConsumers").byKey(.name(as: "name"))
            .measure(.count(as: "calls"), .ratio(.allowed, as: "successRate"), .sum(.credits)).order(.desc).limit(10),
        Report("byNamespace").by(.namespace)
            .measure(.count(as: "calls"), .count(as: "allowed", where: .allowed), .sum(.credits)).order(.desc))

    /// Every page of reports that the node can serve by its declaration alone.
    static let all = [
        toolPopularity, hourlyTraffic, requestTrends, peakUsage, traffic, toolRevenue, toolProfitability, costs, toolErrorRate,
        errorBreakdown, denials, responseTimes, latency,
    ]
}
