// The UTC periods that quotas are counted in.

/// A kind of UTC period, and the one that a moment lies in.
package enum CalendarPeriod: String, Sendable, Hashable, CaseIterable {
    /// From midnight to midnight.
    case day
    /// From Monday.
    case week
    /// From the first of a month.
    case month

    /// One period: a number that no other period of its kind has, and its bounds in microseconds since 1970, the end not included.
    package struct Span: Sendable, Hashable {
        /// Days since 1970; weeks since the one that 1970 began in; for months twelve times the year, and the months before it.
        package let number: Int
        /// Microseconds since 1970, the first of the period.
        package let start: Int
        /// Microseconds since 1970, the first after the period.
        package let end: Int

        /// Whether a moment lies in the period.
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
            let next =
                date.month == 12
                ? CivilDate(year: date.year + 1, month: 1, day: 1) : CivilDate(year: date.year, month: date.month + 1, day: 1)
            return Span(
                number: date.year * 12 + date.month - 1, start: first.daysSince1970 * Self.dayLength,
                end: next.daysSince1970 * Self.dayLength)
        }
    }
}
