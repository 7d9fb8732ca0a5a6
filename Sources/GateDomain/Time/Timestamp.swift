// ISO 8601 times without a formatter, which would cost more than the call it stamps.

/// UTC times as `2026-11-21T10:27:00.000Z`.
package enum Timestamp {
    /// The time in UTC, to the millisecond.
    /// - Parameter milliseconds: since 1970; negative before it.
    package static func text(milliseconds: Int) -> String {
        let (day, rest) = milliseconds.quotientAndFloorRemainder(86_400_000)
        let date = CivilDate(day: day)
        let seconds = rest / 1000
        return "\(pad(date.year, 4))-\(pad(date.month, 2))-\(pad(date.day, 2))"
            + "T\(pad(seconds / 3600, 2)):\(pad(seconds / 60 % 60, 2)):\(pad(seconds % 60, 2)).\(pad(rest % 1000, 3))Z"
    }

    private static func pad(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}
