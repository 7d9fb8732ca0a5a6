// Dates as numbers of days, and back.

import GateDomain
import Testing

@Suite("The calendar")
struct TimeTests {
    @Test(
        "A date and its number of days say the same",
        arguments: [
            (0, 1970, 1, 1), (-1, 1969, 12, 31), (11_016, 2000, 2, 29), (19_782, 2024, 2, 29), (20_778, 2026, 11, 21), (-719_468, 0, 3, 1),
            (-719_529, -1, 12, 31),
        ])
    func days(_ number: Int, _ year: Int, _ month: Int, _ day: Int) {
        let date = CivilDate(day: number)
        #expect([date.year, date.month, date.day] == [year, month, day])
        #expect(
            CivilDate(year: year, month: month, day: day).daysSince1970 == number && CivilDate.exists(year: year, month: month, day: day))
    }

    @Test("Every day of eight centuries comes back, each the day after the one before")
    func roundTrip() {
        var previous = CivilDate(day: -146_098)
        for number in -146_097...146_097 {
            let date = CivilDate(day: number)
            #expect(date.daysSince1970 == number)
            let follows =
                date.day == previous.day + 1
                ? date.month == previous.month : date.day == 1 && previous.day == CivilDate.days(in: previous.month, of: previous.year)
            if !follows { Issue.record("\(previous) is followed by \(date)") }
            previous = date
        }
    }

    @Test(
        "What the calendar does not have is no date",
        arguments: [(2025, 2, 29), (1900, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31), (2026, 1, 0)])
    func noDates(_ year: Int, _ month: Int, _ day: Int) {
        #expect(!CivilDate.exists(year: year, month: month, day: day))
    }
}
