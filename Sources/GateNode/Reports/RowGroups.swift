// The rows of a report with their groups as numbers: a million rows are gone through in some milliseconds.

import GateDomain

/// Adds rows up by group and kind in one pass; what reports say of a group is made of these few sums. Only different values and leaders go
/// through the rows again.
struct RowGroups {
    /// What the rows of one group and kind come to.
    private struct Cell {
        let group: Int
        let kind: Int
        var calls = 0
        var timedCalls = 0
        var quickest = Int.max
        var slowest = 0
        var credits = 0
        var milliseconds = 0

        mutating func add(_ sum: RollupSum) {
            calls += Int(sum.calls)
            timedCalls += Int(sum.timedCalls)
            credits = credits.saturating(adding: sum.credits)
            milliseconds = milliseconds.saturating(adding: sum.milliseconds)
            guard sum.timedCalls > 0 else { return }
            quickest = min(quickest, Int(sum.quickest))
            slowest = max(slowest, Int(sum.slowest))
        }

        func value(_ quantity: Quantity) -> Int {
            switch quantity {
            case .calls: calls
            case .credits: credits
            case .milliseconds: milliseconds
            case .timedCalls: timedCalls
            }
        }
    }

    private let input: ReportInput
    private let dimensions: [DimensionCodes]
    private let hours: [RollupHour]
    private var cells: [Cell] = []
    /// The cell of each row of `hours` in turn; -1 for a row that does not count.
    private var cellOfRow: [Int32] = []
    /// What the dimensions of each group are, as one number.
    private var codes: [Int] = []
    /// Groups by that number.
    private var groups: [Int: Int] = [:]
    private let code: RowCode

    /// Cells that a table of all that there might be has room for.
    private static let mostPlaces = 1 << 20

    /// - Parameter dimensions: none puts all rows into one group.
    init(_ dimensions: [Dimension], filters: [RowFilter], of input: ReportInput) {
        self.input = input
        self.dimensions = dimensions.map { DimensionCodes($0.kind, of: input) }
        hours = input.table.hours.filter { input.span.contains($0.hour) }
        code = RowCode(self.dimensions, filters: filters, of: input)
        addUp()
    }

    private mutating func addUp() {
        cellOfRow.reserveCapacity(hours.reduce(0) { $0 + $1.rows.count })
        var places = code.size <= Self.mostPlaces ? [Int32](repeating: -1, count: code.size) : []
        var sparse: [Int: Int32] = [:]
        for hour in hours {
            let time = code.time(of: hour.hour)
            for row in hour.rows {
                let place = code.place(of: row, at: time)
                guard place >= 0 else {
                    cellOfRow.append(-1)
                    continue
                }
                var cell = places.isEmpty ? sparse[place] ?? -1 : places[place]
                if cell < 0 {
                    cell = newCell(at: place)
                    if places.isEmpty { sparse[place] = cell } else { places[place] = cell }
                }
                cellOfRow.append(cell)
                cells[Int(cell)].add(row.sum)
            }
        }
    }

    private mutating func newCell(at place: Int) -> Int32 {
        let (number, kind) = place.quotientAndRemainder(dividingBy: code.kinds)
        let group = groups[number] ?? codes.count
        if group == codes.count {
            codes.append(number)
            groups[number] = group
        }
        cells.append(Cell(group: group, kind: kind))
        return Int32(cells.count - 1)
    }

    /// The groups with the values of their dimensions; nil for a stretch of time without rows.
    func values(withEmptySpans: Bool) -> [(group: Int?, values: [Dimension.Value])] {
        var values: [(group: Int?, values: [Dimension.Value])] = codes.enumerated().map { ($0, self.values(of: $1)) }
        if withEmptySpans, dimensions.count == 1, let time = dimensions.first {
            values += (0..<time.size).filter { groups[$0] == nil }.map { (nil, [time.value(of: $0)]) }
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

    private func admits(_ filter: RowFilter) -> [Bool] { input.table.names.kinds.map { filter.admits($0) } }

    /// One number for each group, or one for all of them together.
    func numbers(_ measure: Measure, ofAll isWhole: Bool = false) -> [Measure.Number] {
        let (filter, decimals) = (measure.filter, measure.decimals)
        func sums(_ quantity: Quantity, _ filter: RowFilter) -> [Int] {
            fold(0, filter, isWhole) { $0 = $0.saturating(adding: $1.value(quantity)) }
        }
        switch measure.kind {
        case .sum(let quantity): return sums(quantity, filter).map { Measure.Number(units: $0) }
        case .average(let quantity, let per):
            return zip(sums(quantity, filter), sums(per, filter)).map { .quotient($0, by: $1, decimals: decimals) }
        case .rate(let whole, let scale):
            return zip(sums(.calls, filter), sums(.calls, whole)).map { .quotient($0, by: $1, times: scale, decimals: decimals) }
        case .share(let quantity):
            let sums = sums(quantity, filter)
            let whole = sums.reduce(0) { $0.saturating(adding: $1) }
            return sums.map { .quotient($0, by: whole, times: 100) }
        case .distinct(let dimension):
            return distinct(DimensionCodes(dimension.kind, of: input), filter, isWhole).map { Measure.Number(units: $0) }
        case .percentile(let percent):
            let slowest = fold(0, filter, isWhole) { $0 = max($0, $1.slowest) }
            return zip(durations(filter, ofAll: isWhole), slowest).map { counts, slowest in
                guard let found = counts.percentile(percent) else { return Measure.Number(units: 0, isOfNothing: true) }
                return Measure.Number(units: min(found, slowest))
            }
        case .quickest:
            return fold(Int.max, filter, isWhole) { $0 = min($0, $1.quickest) }.map {
                Measure.Number(units: $0 == .max ? 0 : $0, isOfNothing: $0 == .max)
            }
        case .slowest: return fold(0, filter, isWhole) { $0 = max($0, $1.slowest) }.map { Measure.Number(units: $0) }
        }
    }

    private func fold(_ start: Int, _ filter: RowFilter, _ isWhole: Bool, _ add: (inout Int, Cell) -> Void) -> [Int] {
        var values = [Int](repeating: start, count: isWhole ? 1 : codes.count)
        let admits = admits(filter)
        for cell in cells where admits[cell.kind] { add(&values[isWhole ? 0 : cell.group], cell) }
        return values
    }

    /// Calls `body` with each row that has calls and counts, and its group.
    @inline(__always)
    private func forEach(_ filter: RowFilter, _ body: (RollupRow, Int) -> Void) {
        let admits = admits(filter)
        let groups = cells.map { admits[$0.kind] ? $0.group : -1 }
        var index = 0
        for hour in hours {
            for row in hour.rows {
                let cell = Int(cellOfRow[index])
                index += 1
                if cell >= 0, groups[cell] >= 0, row.sum.calls > 0 { body(row, groups[cell]) }
            }
        }
    }

    /// How many different values of a dimension each group has, or all of them together.
    private func distinct(_ values: DimensionCodes, _ filter: RowFilter, _ isWhole: Bool) -> [Int] {
        var counts = [Int](repeating: 0, count: isWhole ? 1 : codes.count)
        guard counts.count * values.size <= Self.mostBits else {
            var seen: Set<Int> = []
            forEach(filter) { row, group in
                let group = isWhole ? 0 : group
                if seen.insert(group * values.size + values.code(of: row)).inserted { counts[group] += 1 }
            }
            return counts
        }
        var bits = [UInt64](repeating: 0, count: counts.count * values.size / 64 + 1)
        forEach(filter) { row, group in
            let group = isWhole ? 0 : group
            let place = group * values.size + values.code(of: row)
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
        forEach(top.filter) { row, group in calls[group * values.size + values.code(of: row), default: 0] += Int(row.sum.calls) }
        var best = [(calls: Int, value: Dimension.Value)?](repeating: nil, count: codes.count)
        for (place, calls) in calls {
            let (group, value) = (place / values.size, values.value(of: place % values.size))
            if let leader = best[group], leader.calls > calls || leader.calls == calls && leader.value < value { continue }
            best[group] = (calls, value)
        }
        return best.map { $0?.value }
    }

    /// How long the calls of each group took, or of all of them together. No group is of a key, as durations are counted by tool and outcome.
    func durations(_ filter: RowFilter, ofAll isWhole: Bool = false) -> [DurationCounts] {
        var counts = [DurationCounts](repeating: DurationCounts(), count: isWhole ? 1 : codes.count)
        let admits = admits(filter)
        for hour in hours {
            let time = code.time(of: hour.hour)
            for latency in hour.latencies where admits[Int(latency.kind)] {
                let place = code.place(of: latency, at: time)
                guard place >= 0 else { continue }
                if isWhole {
                    counts[0].add(latency.durations)
                } else if let group = groups[place / code.kinds] {
                    counts[group].add(latency.durations)
                }
            }
        }
        return counts
    }
}

/// Where a row belongs, as the sum of what its hour, tool, key and kind say: the values of the dimensions, and its kind last.
private struct RowCode {
    /// How many kinds there are, at least 1.
    let kinds: Int
    /// How many places there are.
    let size: Int
    private var tools: [Int]
    private var keys: [Int]
    private var byKind: [Int]
    private let times: [(dimension: DimensionCodes, stride: Int)]

    /// What no sum of others makes a place of.
    private static let nowhere = Int.min / 8

    init(_ dimensions: [DimensionCodes], filters: [RowFilter], of input: ReportInput) {
        let names = input.table.names
        kinds = max(1, names.kinds.count)
        tools = [Int](repeating: 0, count: names.tools.count)
        keys = [Int](repeating: 0, count: names.keys.count)
        byKind = names.kinds.enumerated().map { index, kind in filters.allSatisfy { $0.admits(kind) } ? index : Self.nowhere }
        var (stride, times) = (kinds, [(dimension: DimensionCodes, stride: Int)]())
        for dimension in dimensions.reversed() {
            switch dimension.carrier {
            case .tool: for index in tools.indices { tools[index] += dimension.code(of: index) * stride }
            case .key: for index in keys.indices { keys[index] += dimension.code(of: index) * stride }
            case .kind: for index in byKind.indices { byKind[index] += dimension.code(of: index) * stride }
            case .time: times.append((dimension, stride))
            }
            stride *= dimension.size
        }
        (size, self.times) = (stride, times)
        for choice in input.chosen {
            let dimension = DimensionCodes(choice.dimension.kind, of: input)
            let chosen = dimension.code(of: choice.text)
            switch dimension.carrier {
            case .tool: for index in tools.indices where dimension.code(of: index) != chosen { tools[index] = Self.nowhere }
            case .key: for index in keys.indices where dimension.code(of: index) != chosen { keys[index] = Self.nowhere }
            case .kind: for index in byKind.indices where dimension.code(of: index) != chosen { byKind[index] = Self.nowhere }
            case .time: break
            }
        }
    }

    func time(of hour: Int) -> Int { times.reduce(0) { $0 + $1.dimension.code(ofHour: hour) * $1.stride } }

    /// Below 0 for a row that does not count.
    @inline(__always)
    func place(of row: RollupRow, at time: Int) -> Int { time + tools[Int(row.tool)] + keys[Int(row.key)] + byKind[Int(row.kind)] }

    /// Below 0 for one that does not count.
    func place(of latency: RollupLatency, at time: Int) -> Int { time + tools[Int(latency.tool)] + byKind[Int(latency.kind)] }
}

/// The values of one dimension as numbers from 0 on.
private struct DimensionCodes {
    /// What of a row decides about the value.
    enum Carrier {
        case tool, key, kind, time
    }

    let carrier: Carrier
    let size: Int
    private let kind: Dimension.Kind
    private let span: Range<Int>
    /// What the values of tools, keys, namespaces, outcomes and reasons stand for.
    private let texts: [String]
    /// By the number of a key or of a kind; empty where values are these numbers themselves.
    private let codes: [Int32]

    init(_ kind: Dimension.Kind, of input: ReportInput) {
        let names = input.table.names
        (self.kind, span) = (kind, input.span)
        switch kind {
        case .tool: (carrier, texts, codes) = (.tool, names.tools, [])
        case .key: (carrier, texts, codes) = (.key, names.keys, [])
        case .namespace:
            carrier = .key
            (texts, codes) = Self.numbered(names.keys.indices.map { $0 < input.namespaces.count ? input.namespaces[$0] : "" })
        case .outcome:
            carrier = .kind
            (texts, codes) = Self.numbered(names.kinds.map(\.outcome.rawValue))
        case .reason:
            carrier = .kind
            (texts, codes) = Self.numbered(names.kinds.map(\.reason))
        case .hour, .day, .hourOfDay, .span, .band: (carrier, texts, codes) = (.time, [], [])
        }
        size =
            switch kind {
            case .tool, .key, .namespace, .outcome, .reason: max(1, texts.count)
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

    /// - Parameter number: of a tool, key or kind, as the carrier is.
    @inline(__always)
    func code(of number: Int) -> Int { codes.isEmpty ? number : Int(codes[number]) }

    /// 0 for a time.
    @inline(__always)
    func code(of row: RollupRow) -> Int {
        switch carrier {
        case .tool: code(of: Int(row.tool))
        case .key: code(of: Int(row.key))
        case .kind: code(of: Int(row.kind))
        case .time: 0
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
        case .tool, .key, .namespace, .outcome, .reason: .text(code < texts.count ? texts[code] : "")
        case .hour: .number(span.lowerBound + code)
        case .day: .number(Self.floor(span.lowerBound, 24) + code)
        case .hourOfDay, .band: .number(code)
        case .span(let hours): .number(span.lowerBound + code * hours)
        }
    }

    /// The number of a value; -1 for one that nothing has. Names are the same if their bytes are.
    func code(of text: String) -> Int { texts.firstIndex { $0.hasSameBytes(as: text) } ?? -1 }

    private static func floor(_ number: Int, _ divisor: Int) -> Int {
        number / divisor - (number % divisor < 0 ? 1 : 0)
    }
}
