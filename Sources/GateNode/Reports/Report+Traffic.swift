// Reports on how much is called, by tool and by hour.

extension Report {
    /// GET /admin/tool-popularity: calls that were let in.
    static let toolPopularity = Report("/admin/tool-popularity", "Tools by calls.", as: "tools")
        .where(.allowed).by(.tool)
        .measure(
            .count(as: "totalCalls"), .sum(.credits, as: "totalCredits"), .distinct(.key, as: "uniqueConsumers"),
            .share(.calls, as: "percentage")
        )
        .order(.desc)
        .summary(.groups("totalTools"), .total(.count(as: "totalCalls")), .leader("mostPopular", by: "totalCalls"))
        .choosing(.namespace)

    /// GET /admin/hourly-traffic: newest hour first.
    static let hourlyTraffic = Report("/admin/hourly-traffic", "Calls by the hour, newest first.", as: "hours")
        .by(.hour.named("timestamp"))
        .measure(
            .count(as: "requests"), .count(as: "allowed", where: .allowed), .count(as: "denied", where: .denied),
            .sum(.credits, where: .allowed),
            .distinct(.key, as: "uniqueConsumers"), .distinct(.tool, as: "uniqueTools")
        )
        .order(.desc, by: "timestamp")
        .summary(
            .total(.count(as: "totalRequests")), .total(.sum(.credits, as: "totalCredits", where: .allowed)),
            .leader("busiestHour", by: "requests"), .most("busiestHourRequests", of: "requests")
        )
        .choosing(.namespace)

    /// Every report that the node can serve.
    static let all = [toolPopularity, hourlyTraffic]
}
