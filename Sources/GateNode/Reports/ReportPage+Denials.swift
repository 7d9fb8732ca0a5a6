// Reports on calls that were refused.

extension ReportPage {
    /// GET /admin/tool-error-rate: percentages with two digits.
    static let toolErrorRate = ReportPage(
        "/admin/tool-error-rate", "Tools by the part of their calls that is refused.",
        Report("tools").by(.tool)
            .measure(
                .count(as: "totalRequests"), .count(as: "allowed", where: .allowed), .count(as: "denied", where: .denied),
                .rate(.denied, decimals: 2, as: "errorRate")
            )
            .order(.desc, by: "errorRate").order(.desc, by: "totalRequests")
            .summary(
                .groups("totalTools"), .total(.rate(.denied, decimals: 2, as: "overallErrorRate")),
                .leader("highestErrorTool", by: "errorRate")))

    /// GET /admin/error-breakdown: whole percentages.
    static let errorBreakdown = ReportPage(
        "/admin/error-breakdown", "Refusals by their reason.",
        Report("errors").by(.reason)
            .measure(
                .count(as: "count", where: .denied), .share(.calls, as: "percentage", where: .denied),
                .distinct(.key, as: "affectedConsumers", where: .denied)
            )
            .having("count", atLeast: 1).order(.desc)
            .summary(
                .total(.count(as: "totalDenied", where: .denied)), .total(.count(as: "totalAllowed", where: .allowed)),
                .total(.rate(.denied, as: "errorRate"))))

    /// GET /admin/denials: rates from 0 to 1 (F-ANA-02).
    static let denials = ReportPage(
        "/admin/denials", "Refusals by reason, key, tool and hour.",
        Report().summary(
            .total(.count(as: "totalCalls")), .total(.count(as: "totalDenials", where: .denied)),
            .total(.ratio(.denied, as: "denialRate"))),
        Report("byReason").where(.denied).by(.reason).measure(.count).order(.desc).asMap(),
        denied("perKey").byKey(.name(as: "name")),
        denied("perTool").by(.tool),
        Report("hourlyTrends").by(.shortHour).measure(.count(as: "calls"), .count(as: "denials", where: .denied))
            .order(.asc, by: "hour").last(24),
        denied("mostDenied").byKey(.name(as: "name")).having("denials", atLeast: 1).limit(10))

    private static func denied(_ member: String) -> Report {
        Report(member)
            .measure(.count(as: "calls"), .count(as: "denials", where: .denied), .ratio(.denied, as: "denialRate"))
            .top(.reason, as: "topReason", where: .denied).order(.desc, by: "denials")
    }
}
