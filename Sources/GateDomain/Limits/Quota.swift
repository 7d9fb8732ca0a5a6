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

    /// The rows that it stands for, in the order in which they are asked (F-GATE-07).
    package func limits(account: Int, subject: Limit.Subject) -> [Limit] {
        let rows: [(String, Limit.Measure, CalendarPeriod, Int)] = [
            ("calls.day", .calls, .day, dailyCalls), ("calls.month", .calls, .month, monthlyCalls),
            ("credits.day", .credits, .day, dailyCredits), ("credits.month", .credits, .month, monthlyCredits),
        ]
        return rows.filter { $0.3 > 0 }.map { name, measure, period, cap in
            Limit(name: name, account: account, measure: measure, window: .calendar(period), cap: cap, subject: subject)
        }
    }
}
