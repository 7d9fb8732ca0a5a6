// The UTC periods that quotas are counted in.

/// A kind of UTC period, and the one that a moment lies in.
package enum CalendarPeriod: String, Sendable, Hashable, CaseIterable {
    case day
    /// From Monday.
    case week
    case month

    /// One period: a number that no other period of its kind has, and its bounds in microseconds since 1970, the end not included.
    package struct Span: Sendable, Hashable {
        package let number: Int
        package let start: Int
        package let end: Int

        package func contains(_ microseconds: Int) -> Bool { microseconds >= start && microseconds < end }
    }

    private static let dayLength = 86_400_000_000

    /// - Parameter microseconds: since 1970, UTC; not negative.
    package func span(at microseconds: Int) -> Span {
        let day = microseconds / Self.dayLength
        switch self {
        case .day: return Span(number: day, start: day * Self.dayLength, end: (day + 1) * Self.dayLength)
        case .week:
            // 1970-01-01 was a Thursday.
            let week = (day + 3) / 7
            return Span(number: week, start: (week * 7 - 3) * Self.dayLength, end: (week * 7 + 4) * Self.dayLength)
        case .month:
            let date = CivilDate(day: day)
            let first = CivilDate(year: date.year, month: date.month, day: 1)
            let next = date.month == 12 ? CivilDate(year: date.year + 1, month: 1, day: 1) : CivilDate(year: date.year, month: date.month + 1, day: 1)
            return Span(
                number: date.year * 12 + date.month - 1, start: first.daysSince1970 * Self.dayLength, end: next.daysSince1970 * Self.dayLength)
        }
    }
}

/// A date of the Gregorian calendar (Hinnant's algorithms).
package struct CivilDate: Sendable, Equatable {
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// 1 to 31.
    package let day: Int

    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// - Parameter days: since 1970-01-01; may be negative.
    package init(day days: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    }

    package var daysSince1970: Int {
        let shiftedYear = month <= 2 ? year - 1 : year
        let era = (shiftedYear >= 0 ? shiftedYear : shiftedYear - 399) / 400
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }
}
