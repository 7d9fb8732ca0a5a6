// ISO 8601 times without a formatter, which would cost more than the call it stamps.

/// UTC times as `2026-11-21T10:27:00.000Z`.
package enum Timestamp {
    /// - Parameter milliseconds: since 1970.
    package static func text(milliseconds: Int) -> String {
        let (day, rest) = milliseconds.quotientAndFloorRemainder(86_400_000)
        let (year, month, dayOfMonth) = civil(day)
        let seconds = rest / 1000
        return "\(pad(year, 4))-\(pad(month, 2))-\(pad(dayOfMonth, 2))T\(pad(seconds / 3600, 2)):\(pad(seconds / 60 % 60, 2)):\(pad(seconds % 60, 2)).\(pad(rest % 1000, 3))Z"
    }

    /// Days since 1970 to a date of the Gregorian calendar (Hinnant's algorithm).
    private static func civil(_ days: Int) -> (Int, Int, Int) {
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndFloorRemainder(146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    private static func pad(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

extension Int {
    fileprivate func quotientAndFloorRemainder(_ divisor: Int) -> (Int, Int) {
        let quotient = self / divisor - (self % divisor < 0 ? 1 : 0)
        return (quotient, self - quotient * divisor)
    }
}
