// The rows of a report with their groups as numbers: a million rows are gone through in some milliseconds.

import GateDomain

/// Tells each row its group once; each measure then goes through all rows by itself.
struct RowGroups {
    private let input: ReportInput
    private let dimensions: [DimensionCodes]
    private let hours: [RollupHour]
    /// The group of each row of `hours` in turn; -1 for a row that does not count.
    private var groups: [Int32] = []
    /// What the dimensions of each group are, as one number.
    private var codes: [Int] = []
    /// Groups by that number.
    private var numbers: [Int: Int32] = [:]
    /// By the number of a kind, whether the report's filters let it pass.
    private let admitted: [Bool]

    /// - Parameter dimensions: none puts all rows into one group.
    init(_ dimensions: [Dimension], filters: [RowFilter], of input: ReportInput) {
        self.input = input
        self.dimensions = dimensions.map { DimensionCodes($0.kind, of: input) }
        hours = input.table.hours.filter { input.span.contains($0.hour) }
        admitted = input.table.names.kinds.map { kind in filters.allSatisfy { $0.admits(kind) } }
        group()
    }

    private mutating func group() {
        let chosen = input.chosen.map { choice in (codes: DimensionCodes(choice.dimension.kind, of: input), text: choice.text) }
            .map { ($0.codes, $0.codes.code(of: $0.text)) }
        groups.reserveCapacity(hours.reduce(0) { $0 + $1.rows.count })
        let size = dimensions.reduce(1) { $0 * $1.size }
        var places = size <= Self.mostPlaces ? [Int32](repeating: -1, count: size) : []
        for hour in hours {
            let times = dimensions.map { $0.code(ofHour: hour.hour) }
            for row in hour.rows {
                guard admitted[Int(row.kind)], chosen.allSatisfy({ $0.code(of: row, time: 0) == $1 }) else {
                    groups.append(-1)
                    continue
                }
                var code = 0
                for index in dimensions.indices {
                    code = code * dimensions[index].size + dimensions[index].code(of: row, time: times[index])
                }
                groups.append(number(of: code, &places))
            }
        }
    }

    /// Groups that a table of all that there might be has room for.
    private static let mostPlaces = 1 << 20

    private mutating func number(of code: Int, _ places: inout [Int32]) -> Int32 {
        if places.isEmpty {
            if let number = numbers[code] { return number }
        } else if places[code] >= 0 {
            return places[code]
        }
        let number = Int32(codes.count)
        codes.append(code)
        if places.isEmpty { numbers[code] = number } else { places[code] = number }
        return number
    }

    /// The groups with the values of their dimensions; nil for a stretch of time without rows.
    func values(withEmptySpans: Bool) -> [(group: Int?, values: [Dimension.Value])] {
        var values: [(group: Int?, values: [Dimension.Value])] = codes.enumerated().map { ($0, self.values(of: $1)) }
        if withEmptySpans, dimensions.count == 1, let time = dimensions.first {
            let seen = Set(codes)
            values += (0..<time.size).filter { !seen.contains($0) }.map { (nil, [time.value(of: $0)]) }
        }
        return values
    }

    private func values(of code: Int) -> [Dimension.Value] {
        var (rest, values) = (code, [Dimension.Value]())
        for dimension in dimensions.reversed() {
            values.append(dimension.value(of: rest % dimension.size))
            rest /= dimension.size
        }
        return values.reversed()
    }

    /// Calls `body` with each row that counts, and its group.
    @inline(__always)
    private func forEach(_ admits: [Bool], _ body: (RollupRow, Int) -> Void) {
        var index = 0
        for hour in hours {
            for row in hour.rows {
                let group = groups[index]
                index += 1
                if group >= 0, admits[Int(row.kind)] { body(row, Int(group)) }
            }
        }
    }

    private func admits(_ filter: RowFilter) -> [Bool] { input.table.names.kinds.map { filter.admits($0) } }

    private func sums(_ filter: RowFilter, _ value: (RollupSum) -> Int) -> [Int] {
        var sums = [Int](repeating: 0, count: codes.count)
        forEach(admits(filter)) { sums[$1] += value($0.sum) }
        return sums
    }

    private func sums(_ quantity: Quantity, _ filter: RowFilter) -> [Int] {
        switch quantity {
        case .calls: sums(filter) { Int($0.calls) }
        case .credits: sums(filter) { $0.credits }
        case .milliseconds: sums(filter) { $0.milliseconds }
        case .timedCalls: sums(filter) { Int($0.timedCalls) }
        }
    }

    /// One number for each group.
    func numbers(_ measure: Measure) -> [Measure.Number] {
        let (filter, decimals) = (measure.filter, measure.decimals)
        switch measure.kind {
        case .sum(let quantity): return sums(quantity, filter).map { Measure.Number(units: $0) }
        case .average(let quantity, let per):
            return zip(sums(quantity, filter), sums(per, filter)).map { .quotient($0, by: $1, decimals: decimals) }
        case .rate(let whole, let scale):
            return zip(sums(.calls, filter), sums(.calls, whole)).map { .quotient($0, by: $1, times: scale, decimals: decimals) }
        case .share(let quantity):
            let sums = sums(quantity, filter)
            let whole = sums.reduce(0, +)
            return sums.map { .quotient($0, by: whole, times: 100) }
        case .distinct(let dimension): return distinct(DimensionCodes(dimension.kind, of: input), filter).map { Measure.Number(units: $0) }
        case .percentile(let percent):
            return zip(durations(filter), extremes(filter).slowest).map { counts, slowest in
                guard let found = counts.percentile(percent) else { return Measure.Number(units: 0, isOfNothing: true) }
                return Measure.Number(units: min(found, slowest))
            }
        case .quickest: return extremes(filter).quickest.map { Measure.Number(units: $0 == .max ? 0 : $0, isOfNothing: $0 == .max) }
        case .slowest: return extremes(filter).slowest.map { Measure.Number(units: $0) }
        }
    }

    private func extremes(_ filter: RowFilter) -> (quickest: [Int], slowest: [Int]) {
        var (quickest, slowest) = ([Int](repeating: .max, count: codes.count), [Int](repeating: 0, count: codes.count))
        forEach(admits(filter)) { row, group in
            guard row.sum.timedCalls > 0 else { return }
            quickest[group] = min(quickest[group], Int(row.sum.quickest))
            slowest[group] = max(slowest[group], Int(row.sum.slowest))
        }
        return (quickest, slowest)
    }

    /// How many different values of a dimension each group has.
    private func distinct(_ values: DimensionCodes, _ filter: RowFilter) -> [Int] {
        var counts = [Int](repeating: 0, count: codes.count)
        guard codes.count * values.size <= Self.mostBits else {
            var seen: Set<Int> = []
            forEach(admits(filter)) { row, group in
                if row.sum.calls > 0, seen.insert(group * values.size + values.code(of: row, time: 0)).inserted { counts[group] += 1 }
            }
            return counts
        }
        var bits = [UInt64](repeating: 0, count: codes.count * values.size / 64 + 1)
        forEach(admits(filter)) { row, group in
            guard row.sum.calls > 0 else { return }
            let place = group * values.size + values.code(of: row, time: 0)
            let bit = UInt64(1) << UInt64(place & 63)
            if bits[place >> 6] & bit == 0 {
                bits[place >> 6] |= bit
                counts[group] += 1
            }
        }
        return counts
    }

    /// 32 MB of memory.
    private static let mostBits = 1 << 28

    /// The value that has the most calls of each group; nil where there are none.
    func tops(_ top: Report.Top) -> [Dimension.Value?] {
        let values = DimensionCodes(top.dimension.kind, of: input)
        var calls: [Int: Int] = [:]
        forEach(admits(top.filter)) { row, group in
            calls[group * values.size + values.code(of: row, time: 0), default: 0] += Int(row.sum.calls)
        }
        var best = [(calls: Int, value: Dimension.Value)?](repeating: nil, count: codes.count)
        for (place, calls) in calls where calls > 0 {
            let (group, value) = (place / values.size, values.value(of: place % values.size))
            if let leader = best[group], (leader.calls, value) > (calls, leader.value) { continue }
            best[group] = (calls, value)
        }
        return best.map { $0?.value }
    }

    /// How long the calls of each group took. No group is of a key, as durations are counted by tool and outcome.
    func durations(_ filter: RowFilter) -> [DurationCounts] {
        var counts = codes.map { _ in DurationCounts() }
        let admits = admits(filter)
        let groups = Dictionary(uniqueKeysWithValues: codes.enumerated().map { ($1, $0) })
        for hour in hours {
            for latency in hour.latencies where admitted[Int(latency.kind)] && admits[Int(latency.kind)] {
                let row = RollupRow(tool: latency.tool, key: 0, kind: latency.kind, sum: RollupSum())
                let code = dimensions.reduce(0) { $0 * $1.size + $1.code(of: row, time: $1.code(ofHour: hour.hour)) }
                if let group = groups[code] { counts[group].add(latency.durations) }
            }
        }
        return counts
    }
}

/// The values of one dimension as numbers from 0 on.
private struct DimensionCodes {
    private let kind: Dimension.Kind
    private let names: RollupNames
    private let span: Range<Int>
    /// What the numbers of namespaces, outcomes and reasons stand for.
    private var texts: [String] = []
    /// By the number of a key or of a kind.
    private var codes: [Int32] = []
    let size: Int

    init(_ kind: Dimension.Kind, of input: ReportInput) {
        (self.kind, names, span) = (kind, input.table.names, input.span)
        switch kind {
        case .namespace: (texts, codes) = Self.numbered(names.keys.indices.map { $0 < input.namespaces.count ? input.namespaces[$0] : "" })
        case .outcome: (texts, codes) = Self.numbered(names.kinds.map(\.outcome.rawValue))
        case .reason: (texts, codes) = Self.numbered(names.kinds.map(\.reason))
        default: break
        }
        size =
            switch kind {
            case .tool: max(1, names.tools.count)
            case .key: max(1, names.keys.count)
            case .namespace, .outcome, .reason: max(1, texts.count)
            case .hour: max(1, span.count)
            case .day: span.isEmpty ? 1 : Self.floor(span.upperBound - 1, 24) - Self.floor(span.lowerBound, 24) + 1
            case .hourOfDay: 24
            case .span(let hours): max(1, (span.count + hours - 1) / hours)
            case .band: 1
            }
    }

    private static func numbered(_ texts: [String]) -> ([String], [Int32]) {
        var (numbers, names): ([ExactText: Int32], [String]) = ([:], [])
        let codes = texts.map { text in
            if let number = numbers[ExactText(text)] { return number }
            let number = Int32(names.count)
            names.append(text)
            numbers[ExactText(text)] = number
            return number
        }
        return (names, codes)
    }

    /// - Parameter time: what `code(ofHour:)` says of the row's hour.
    @inline(__always)
    func code(of row: RollupRow, time: Int) -> Int {
        switch kind {
        case .tool: Int(row.tool)
        case .key: Int(row.key)
        case .namespace: Int(codes[Int(row.key)])
        case .outcome, .reason: Int(codes[Int(row.kind)])
        case .hour, .day, .hourOfDay, .span, .band: time
        }
    }

    /// 0 for what is no time.
    func code(ofHour hour: Int) -> Int {
        switch kind {
        case .hour: hour - span.lowerBound
        case .day: Self.floor(hour, 24) - Self.floor(span.lowerBound, 24)
        case .hourOfDay: hour - Self.floor(hour, 24) * 24
        case .span(let hours): (hour - span.lowerBound) / hours
        default: 0
        }
    }

    func value(of code: Int) -> Dimension.Value {
        switch kind {
        case .tool: .text(code < names.tools.count ? names.tools[code] : "")
        case .key: .text(code < names.keys.count ? names.keys[code] : "")
        case .namespace, .outcome, .reason: .text(code < texts.count ? texts[code] : "")
        case .hour: .number(span.lowerBound + code)
        case .day: .number(Self.floor(span.lowerBound, 24) + code)
        case .hourOfDay, .band: .number(code)
        case .span(let hours): .number(span.lowerBound + code * hours)
        }
    }

    /// The number of a value; -1 for one that nothing has. Names are the same if their bytes are.
    func code(of text: String) -> Int {
        let texts =
            switch kind {
            case .tool: names.tools
            case .key: names.keys
            default: texts
            }
        return texts.firstIndex { $0.hasSameBytes(as: text) } ?? -1
    }

    private static func floor(_ number: Int, _ divisor: Int) -> Int {
        number / divisor - (number % divisor < 0 ? 1 : 0)
    }
}
