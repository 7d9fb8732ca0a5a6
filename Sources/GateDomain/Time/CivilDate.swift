// The calendar as arithmetic: which date a number of days is, and back, without a formatter, a time zone or a lock.

/// A date of the Gregorian calendar, extended over all years (proleptic); the day of UTC, as there are no zones here.
package struct CivilDate: Sendable, Hashable {
    /// Astronomical: 0 is 1 BC.
    package let year: Int
    /// 1 to 12.
    package let month: Int
    /// 1 to 31.
    package let day: Int

    /// The date of a day (Hinnant's algorithm).
    /// - Parameter days: since 1970-01-01; negative before it.
    package init(day days: Int) {
        let shifted = days + 719_468
        let (era, dayOfEra) = shifted.quotientAndFloorRemainder(146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    }

    /// A date that is known to be in the calendar; ask `exists` about one that was given from outside.
    package init(year: Int, month: Int, day: Int) {
        self.year = year
        self.month = month
        self.day = day
    }

    /// Days from 1970-01-01 to this date, negative before it (Hinnant's algorithm).
    package var daysSince1970: Int {
        let shifted = month <= 2 ? year - 1 : year
        let (era, yearOfEra) = shifted.quotientAndFloorRemainder(400)
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// Whether the calendar has such a date.
    package static func exists(year: Int, month: Int, day: Int) -> Bool {
        (1...12).contains(month) && (1...days(in: month, of: year)).contains(day)
    }

    /// How many days a month has, 28 to 31.
    /// - Parameter month: 1 to 12.
    package static func days(in month: Int, of year: Int) -> Int {
        switch month {
        case 2: year.isMultiple(of: 4) && (!year.isMultiple(of: 100) || year.isMultiple(of: 400)) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Int {
    /// The quotient rounded down and the remainder that is never negative, for a positive divisor.
    package func quotientAndFloorRemainder(_ divisor: Int) -> (quotient: Int, remainder: Int) {
        let quotient = self / divisor - (self % divisor < 0 ? 1 : 0)
        return (quotient, self - quotient * divisor)
    }
}
