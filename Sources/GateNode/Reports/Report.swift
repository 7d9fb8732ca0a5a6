// A report as a declaration: which calls, grouped by what, measured how, in which order, how many, and what is said of all of them.

import GateDomain
import GateValues
import MCPWire

/// One list, or one summary, or both, over the hourly sums of calls.
///
///     Report("tools").where(.allowed).by(.tool)
///         .measure(.count(as: "totalCalls"), .sum(.credits, as: "totalCredits")).order(.desc).limit(10)
///         .summary(.groups("totalTools"), .leader("mostPopular", by: "totalCalls"))
///
/// Lines that are equal in its order come in the order of their dimensions, so that every node gives one answer.
struct Report: Sendable {
    enum Direction: Sendable {
        case asc, desc
    }

    struct Order: Sendable {
        let direction: Direction
        /// The measure or dimension that decides.
        let name: String
    }

    /// One fact about all lines together; having counts, the limit does not.
    struct Fact: Sendable {
        enum Kind: Sendable {
            /// The number of lines.
            case groups
            /// Of all rows of the report as if they were one line.
            case total(Measure)
            /// The first dimension of the line with the most of a measure; null if no line has any.
            case leader(by: String)
            /// That of the first line, or of the last one; null without lines.
            case front, back
            /// The most of a measure that a line has; 0 without lines.
            case most(String)
            /// The first dimension, and the most of a measure, under their names; null if no line has any.
            case peak(of: String)
        }

        let name: String
        let kind: Kind
        /// Left out where there is nothing that it could be said of.
        var isLeftOut = false

        static func groups(_ name: String) -> Fact { Fact(name: name, kind: .groups) }
        static func total(_ measure: Measure) -> Fact { Fact(name: measure.name, kind: .total(measure)) }
        static func leader(_ name: String, by measure: String) -> Fact { Fact(name: name, kind: .leader(by: measure)) }
        static func front(_ name: String) -> Fact { Fact(name: name, kind: .front) }
        static func back(_ name: String) -> Fact { Fact(name: name, kind: .back) }
        static func most(_ name: String, of measure: String) -> Fact { Fact(name: name, kind: .most(measure)) }
        static func peak(_ name: String, of measure: String) -> Fact { Fact(name: name, kind: .peak(of: measure)) }

        /// Left out where there is nothing that it could be said of.
        var maybe: Fact { Fact(name: name, kind: kind, isLeftOut: true) }
    }

    /// A value of a dimension that has the most calls of a line.
    struct Top: Sendable {
        let name: String
        let dimension: Dimension
        let filter: RowFilter
    }

    /// The member of the answer that has the lines; empty for a report without.
    let member: String
    /// The member that has the facts; empty puts them beside the lists.
    private(set) var factMember = "summary"
    private(set) var filters: [RowFilter] = []
    private(set) var dimensions: [Dimension] = []
    /// Shown of the key that a line is of.
    private(set) var keyFacts: [KeyFact] = []
    private(set) var hidden: Set<String> = []
    private(set) var measures: [Measure] = []
    private(set) var tops: [Top] = []
    private(set) var least: [(measure: String, units: Int)] = []
    private(set) var orders: [Order] = []
    private(set) var mostLines: Int?
    private(set) var keepsLastLines = false
    private(set) var isMap = false
    /// The member that says when a stretch of time ends; empty for none.
    private(set) var endMember = ""
    private(set) var facts: [Fact] = []
    private(set) var showsEmptySpans = false
    private(set) var isCompared = false

    init(_ member: String = "") {
        self.member = member
    }

    private func with(_ change: (inout Report) -> Void) -> Report {
        var report = self
        change(&report)
        return report
    }

    func `where`(_ filter: RowFilter) -> Report { with { $0.filters.append(filter) } }
    func by(_ dimensions: Dimension...) -> Report { with { $0.dimensions += dimensions } }
    /// Groups by a dimension that is not shown.
    func by(hiding dimension: Dimension) -> Report {
        with {
            $0.dimensions.append(dimension)
            $0.hidden.insert(dimension.name)
        }
    }
    /// Keys as people know them; two of one name are two lines.
    func byKey(_ facts: KeyFact...) -> Report { by(hiding: .key).with { $0.keyFacts += facts } }
    func measure(_ measures: Measure...) -> Report { with { $0.measures += measures } }
    /// The value of a dimension that most calls of a line have; the first one of equal ones, null where there are none.
    func top(_ dimension: Dimension, as name: String, where filter: RowFilter = .all) -> Report {
        with { $0.tops.append(Top(name: name, dimension: dimension, filter: filter)) }
    }
    /// Lines that have at least so much of a measure, in its smallest unit.
    func having(_ measure: String, atLeast units: Int) -> Report { with { $0.least.append((measure, units)) } }
    /// By a measure or a dimension; the first measure by default. Called again it orders what is equal so far.
    func order(_ direction: Direction, by name: String? = nil) -> Report {
        with { $0.orders.append(Order(direction: direction, name: name ?? $0.measures.first?.name ?? "")) }
    }
    func limit(_ lines: Int) -> Report { with { $0.mostLines = lines } }
    /// The last so many lines, in their order.
    func last(_ lines: Int) -> Report { with { ($0.mostLines, $0.keepsLastLines) = (lines, true) } }
    /// An object: the first dimension names the first measure.
    func asMap() -> Report { with { $0.isMap = true } }
    func summary(_ facts: Fact..., as member: String = "summary") -> Report {
        with {
            $0.facts += facts
            $0.factMember = member
        }
    }
    /// Lines for stretches of time without calls too, each with its end, which is never after that of the report's time.
    func everySpan(endingAs member: String) -> Report { with { ($0.showsEmptySpans, $0.endMember) = (true, member) } }
    /// The totals of its time, those of as long a time before it, and the change in percent.
    func compared(as member: String, _ measures: Measure...) -> Report {
        with {
            $0.facts += measures.map { Fact.total($0) }
            ($0.factMember, $0.isCompared) = (member, true)
        }
    }
}

/// What a report says.
struct ReportResult: Sendable {
    struct Line: Sendable {
        let dimensions: [Dimension.Value]
        let measures: [Measure.Number]
        let tops: [Dimension.Value?]
    }

    let lines: [Line]
    /// One value for each fact; nil where it is left out.
    let facts: [JSONValue?]
    /// The totals of a comparison, of its time and of the time before.
    var compared: (now: [Measure.Number], before: [Measure.Number]) = ([], [])
}
