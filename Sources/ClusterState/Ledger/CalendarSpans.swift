// The periods of the moment, as scripts read them.

import GateDomain

/// The calendar periods that this moment lies in, each packed once for all calls that are counted in it.
struct CalendarSpans {
    private struct Entry {
        let span: CalendarPeriod.Span
        let pack: ScriptPack
    }

    private var entries: [Entry?] = Array(repeating: nil, count: CalendarPeriod.allCases.count)

    /// Its number, start and end.
    /// - Parameter now: microseconds since 1970.
    mutating func packed(_ period: CalendarPeriod, at now: Int) -> ScriptPack {
        if let entry = entries[period.place], entry.span.contains(now) { return entry.pack }
        let span = period.span(at: now)
        var pack = ScriptPack()
        for number in [span.number, span.start, span.end] { pack.append(number) }
        entries[period.place] = Entry(span: span, pack: pack)
        return pack
    }
}

extension CalendarPeriod {
    // A dictionary would hash the period's name for each limit of each call.
    fileprivate var place: Int {
        switch self {
        case .day: 0
        case .week: 1
        case .month: 2
        }
    }
}
