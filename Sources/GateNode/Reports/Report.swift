// A report as a declaration: which calls, grouped by what, measured how, in which order, how many, and what is said of all of them.

import GateDomain
import MCPWire

/// A report over the hourly sums of calls.
///
///     Report("/admin/tool-popularity", "Tools by calls.", as: "tools").where(.allowed).by(.tool)
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
            /// The most of a measure that a line has; 0 without lines.
            case most(String)
        }

        let name: String
        let kind: Kind

        static func groups(_ name: String) -> Fact { Fact(name: name, kind: .groups) }
        static func total(_ measure: Measure) -> Fact { Fact(name: measure.name, kind: .total(measure)) }
        static func leader(_ name: String, by measure: String) -> Fact { Fact(name: name, kind: .leader(by: measure)) }
        static func most(_ name: String, of measure: String) -> Fact { Fact(name: name, kind: .most(measure)) }
    }

    let path: String
    /// One sentence.
    let help: String
    /// The member of the answer that has the lines.
    let member: String
    private(set) var filters: [RowFilter] = []
    private(set) var dimensions: [Dimension] = []
    /// Shown and not told apart by: of the latest row of a line.
    private(set) var labels: [Dimension] = []
    private(set) var hidden: Set<String> = []
    private(set) var measures: [Measure] = []
    private(set) var least: [(measure: String, units: Int)] = []
    private(set) var orders: [Order] = []
    private(set) var mostLines: Int?
    private(set) var facts: [Fact] = []
    private(set) var choices: [Dimension] = []
    /// Hours that it looks back on where the request does not say.
    private(set) var hours = 30 * 24

    init(_ path: String, _ help: String, as member: String = "rows") {
        self.path = path
        self.help = help
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
    func showing(_ labels: Dimension...) -> Report { with { $0.labels += labels } }
    func measure(_ measures: Measure...) -> Report { with { $0.measures += measures } }
    /// Lines that have at least so much of a measure, in its smallest unit.
    func having(_ measure: String, atLeast units: Int) -> Report { with { $0.least.append((measure, units)) } }
    /// By a measure or a dimension; the first measure by default. Called again it orders what is equal so far.
    func order(_ direction: Direction, by name: String? = nil) -> Report {
        with { $0.orders.append(Order(direction: direction, name: name ?? $0.measures.first?.name ?? "")) }
    }
    func limit(_ lines: Int) -> Report { with { $0.mostLines = lines } }
    func summary(_ facts: Fact...) -> Report { with { $0.facts += facts } }
    /// Lets a request choose one value of a dimension, by a query parameter of its name.
    func choosing(_ dimensions: Dimension...) -> Report { with { $0.choices += dimensions } }
    func lookingBack(hours: Int) -> Report { with { $0.hours = hours } }
}

/// What a report says.
struct ReportResult: Sendable, Equatable {
    struct Line: Sendable, Equatable {
        let dimensions: [Dimension.Value]
        let labels: [Dimension.Value]
        let measures: [Measure.Number]
    }

    let lines: [Line]
    /// One value for each fact.
    let facts: [JSONValue]
    /// Milliseconds since 1970.
    let generatedAt: Int
}
