// Reports on what was charged: by tool, by who pays. What was given back counts nowhere (F-ANA-03).

extension ReportPage {
    /// GET /admin/tool-revenue.
    static let toolRevenue = ReportPage(
        "/admin/tool-revenue", "Tools by credits.",
        Report("tools").where(.allowed).by(.tool)
            .measure(
                .sum(.credits, as: "totalCredits"), .count(as: "callCount"), .average(.credits, per: .calls, as: "avgCreditsPerCall"),
                .distinct(.key, as: "uniqueConsumers"), .share(.credits, as: "percentage")
            )
            .order(.desc)
            .summary(.groups("totalTools"), .total(.sum(.credits, as: "totalRevenue")), .front("topTool")))

    /// GET /admin/tool-profitability.
    static let toolProfitability = ReportPage(
        "/admin/tool-profitability", "What tools earn, in all and a call.",
        Report("tools").where(.allowed).by(.tool)
            .measure(
                .count(as: "totalCalls"), .sum(.credits, as: "totalRevenue"),
                .average(.credits, per: .calls, decimals: 2, as: "avgRevenuePerCall"), .distinct(.key, as: "callerCount")
            )
            .order(.desc, by: "totalRevenue")
            .summary(.total(.sum(.credits, as: "totalRevenue")), .front("mostProfitable"), .back("leastProfitable")))

    /// GET /admin/costs.
    static let costs = ReportPage(
        "/admin/costs", "Credits by tool, namespace, hour and consumer.",
        Report()
            .summary(
                .total(.sum(.credits, as: "totalCredits")), .total(.count(as: "totalCalls")),
                .total(.count(as: "totalAllowed", where: .allowed)), .total(.count(as: "totalDenied", where: .denied)),
                .total(.average(.credits, per: .calls, decimals: 2, as: "avgCostPerCall", where: .allowed))),
        Report("perTool").by(.tool)
            .measure(
                .count(as: "calls"), .sum(.credits), .average(.credits, per: .calls, decimals: 2, as: "avgCost", where: .allowed),
                .count(as: "denied", where: .denied)
            )
            .order(.desc, by: "credits"),
        Report("perNamespace").by(.namespace)
            .measure(.count(as: "calls"), .sum(.credits), .count(as: "denied", where: .denied)).order(.desc, by: "credits"),
        Report("hourlyTrends").by(.shortHour)
            .measure(.count(as: "calls"), .sum(.credits), .count(as: "denied", where: .denied)).order(.asc, by: "hour").last(24),
        Report("topSpenders").byKey(.masked(as: "key"), .name(as: "name"))
            .measure(.sum(.credits), .count(as: "calls"), .count(as: "denied", where: .denied)).order(.desc).limit(10)
    ).choosing(.namespace).beginning(as: "since")
}
