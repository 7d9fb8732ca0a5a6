// The four caps of a calendar quota, as keys, groups, teams and the gate itself have them.

/// Calls and credits a UTC day and a UTC month; 0 is no limit (F-QUOTA-01).
package struct Quota: Sendable, Equatable {
    /// Calls a UTC day.
    package var dailyCalls: Int
    /// Calls a UTC month.
    package var monthlyCalls: Int
    /// Credits a UTC day, as they are held and then as they are charged.
    package var dailyCredits: Int
    /// Credits a UTC month, counted alike.
    package var monthlyCredits: Int

    package init(dailyCalls: Int = 0, monthlyCalls: Int = 0, dailyCredits: Int = 0, monthlyCredits: Int = 0) {
        self.dailyCalls = dailyCalls
        self.monthlyCalls = monthlyCalls
        self.dailyCredits = dailyCredits
        self.monthlyCredits = monthlyCredits
    }

    /// Whether it limits nothing.
    package var isEmpty: Bool { self == Quota() }

    /// What a quota counts, in the order in which it is asked (F-GATE-07).
    package struct Meter: Sendable {
        /// As the account knows it.
        package let name: String
        /// Calls or credits.
        package let measure: Limit.Measure
        /// The day or the month.
        package let period: CalendarPeriod
    }

    /// The meters of a quota.
    package static let meters = [
        Meter(name: "calls.day", measure: .calls, period: .day), Meter(name: "calls.month", measure: .calls, period: .month),
        Meter(name: "credits.day", measure: .credits, period: .day), Meter(name: "credits.month", measure: .credits, period: .month),
    ]

    /// The rows that it stands for. Whoever has a cap has all four counted, so that what is used is known, and known to the cap that is set
    /// next; a quota without any counts nothing.
    package func limits(account: Int, subject: Limit.Subject) -> [Limit] {
        guard !isEmpty else { return [] }
        return zip(Self.meters, [dailyCalls, monthlyCalls, dailyCredits, monthlyCredits]).map { meter, cap in
            Limit(
                name: meter.name, account: account, measure: meter.measure, window: .calendar(meter.period),
                cap: cap > 0 ? cap : Limit.counted, subject: subject)
        }
    }
}
