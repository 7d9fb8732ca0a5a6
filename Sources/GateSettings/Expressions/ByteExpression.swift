// Regular expressions that are matched without backtracking: the time is the text's length times the places of the expression.

import GateDomain
package import GateValues

/// A regular expression over UTF-8, as the positions of its letters and which of them may follow which (Glushkov's automaton).
///
/// Every byte of a text is looked at once, with the set of positions that are possible there; nothing is ever tried twice (F-GUARD-04). What
/// no such automaton can do is refused: back-references, and looking ahead or behind but for `^`, `$`, `\b` and `\B`. A place that
/// matches is all that any match covers, so nothing that matches is left over beside it.
package struct ByteExpression: Sendable, Equatable {
    /// As it was written.
    package let source: String
    /// Letters among `gimsu`; `g` and `u` are how it is matched anyway.
    package let flags: String
    private let automaton: Automaton

    /// Bytes of an expression.
    package static let longest = 500
    /// Letters and classes of an expression, repeated ones each time.
    package static let capacity = 128

    /// - Throws: why it is none, as a whole sentence.
    package init(_ source: String, flags: String = "") throws(ValueFault) {
        guard (1...Self.longest).contains(source.utf8.count) else { throw ValueFault("Must have 1–\(Self.longest) bytes.") }
        guard flags.utf8.count <= 5, Set(flags).isSubset(of: Set("gimsu")), Set(flags).count == flags.count else {
            throw ValueFault("Flags must be some of the letters g, i, m, s and u.")
        }
        self.source = source
        self.flags = flags
        var parser = ExpressionParser(source, ignoresCase: flags.contains("i"), dotTakesLines: flags.contains("s"))
        automaton = try Automaton(parser.parse(), hasLines: flags.contains("m"))
    }

    package static func == (left: ByteExpression, right: ByteExpression) -> Bool {
        left.source.hasSameBytes(as: right.source) && left.flags == right.flags
    }

    /// Calls `found` with each place in order, none overlapping another, until it says false. No place splits a character.
    package func search(_ text: UnsafeRawBufferPointer, _ found: (Range<Int>) -> Bool) {
        var (state, start, hasMatch) = (Positions(0), 0, false)
        var context = automaton.context(at: 0, in: text)
        for position in 0..<text.count {
            let next = automaton.step(from: state, over: text[position], context)
            context = automaton.context(at: position + 1, in: text)
            if next == 0 {
                if hasMatch, !report(start..<position, in: text, found) { return }
                hasMatch = false
            } else {
                if state == 0 { start = position }
                if next & automaton.last[context] != 0 { hasMatch = true }
            }
            state = next
        }
        if hasMatch { _ = report(start..<text.count, in: text, found) }
    }

    /// - Parameter run: bytes before and behind which no match is under way.
    private func report(_ run: Range<Int>, in text: UnsafeRawBufferPointer, _ found: (Range<Int>) -> Bool) -> Bool {
        var end = run.lowerBound
        for place in automaton.matched(in: run, of: text) {
            var (lower, upper) = (place.lowerBound, place.upperBound)
            while lower > end, text[lower] & 0xc0 == 0x80 { lower -= 1 }
            while upper < text.count, text[upper] & 0xc0 == 0x80 { upper += 1 }
            // Two places of one character.
            guard upper > end else { continue }
            guard found(max(lower, end)..<upper) else { return false }
            end = upper
        }
        return true
    }
}

/// A set of positions of an expression.
private typealias Positions = UInt128

/// What the place between two bytes has to be for an edge to count.
private struct Edge: OptionSet, Hashable {
    let rawValue: UInt8
    static let boundary = Edge(rawValue: 1)
    static let inside = Edge(rawValue: 2)
    static let start = Edge(rawValue: 4)
    static let end = Edge(rawValue: 8)

    /// Whether it can be true anywhere.
    var isPossible: Bool { !isSuperset(of: [.boundary, .inside]) }
}

/// The tables that a text is run through. A context is what a place between two bytes is: bit 0 a word's border, bit 1 a start, bit 2 an end.
private struct Automaton: Sendable {
    /// Where a match may begin, by context.
    let first: [Positions]
    /// Where a match may end, by context.
    let last: [Positions]
    /// What may follow a position: by context, then position.
    private let follow: [Positions]
    /// What may come before a position.
    private let precede: [Positions]
    /// Positions that take a byte.
    private let taking: [Positions]
    private let count: Int
    private let hasLines: Bool
    /// Whether any context differs from the others.
    private let looksAround: Bool

    init(_ node: ExpressionNode, hasLines: Bool) throws(ValueFault) {
        var builder = AutomatonBuilder()
        let whole = try builder.fragment(of: node, depth: 0)
        guard whole.empty.isEmpty else { throw ValueFault("Must not match the empty text.") }
        guard !whole.last.isEmpty else { throw ValueFault("Must match something.") }
        let count = builder.sets.count
        func table(_ edges: Set<PlacedEdge>) -> [Positions] {
            (0..<8).map { context in
                edges.reduce(0) { Self.holds($1.edge, in: context) ? $0 | Positions(1) << $1.position : $0 }
            }
        }
        var (follow, precede) = (Array(repeating: Positions(0), count: 8 * count), Array(repeating: Positions(0), count: 8 * count))
        for (from, edges) in builder.follow.enumerated() {
            for edge in edges {
                for context in 0..<8 where Self.holds(edge.edge, in: context) {
                    follow[context * count + from] |= Positions(1) << edge.position
                    precede[context * count + edge.position] |= Positions(1) << from
                }
            }
        }
        var taking = Array(repeating: Positions(0), count: 256)
        for (position, set) in builder.sets.enumerated() {
            for byte in 0..<256 where set.contains(UInt8(byte)) { taking[byte] |= Positions(1) << position }
        }
        (first, last) = (table(whole.first), table(whole.last))
        (self.follow, self.precede, self.taking, self.count, self.hasLines) = (follow, precede, taking, count, hasLines)
        looksAround = builder.looksAround
    }

    private static func holds(_ edge: Edge, in context: Int) -> Bool {
        let here: Edge = [
            context & 1 != 0 ? .boundary : .inside, context & 2 != 0 ? .start : [], context & 4 != 0 ? .end : [],
        ]
        return here.isSuperset(of: edge)
    }

    func context(at place: Int, in text: UnsafeRawBufferPointer) -> Int {
        guard looksAround else { return 0 }
        let (before, after) = (place > 0 ? text[place - 1] : nil, place < text.count ? text[place] : nil)
        var context = (before?.isWord ?? false) != (after?.isWord ?? false) ? 1 : 0
        if before == nil || hasLines && before == UInt8(ascii: "\n") { context |= 2 }
        if after == nil || hasLines && after == UInt8(ascii: "\n") { context |= 4 }
        return context
    }

    func step(from state: Positions, over byte: UInt8, _ context: Int) -> Positions {
        var (next, rest) = (first[context], state)
        while rest != 0 {
            next |= follow[context * count + rest.trailingZeroBitCount]
            rest &= rest &- 1
        }
        return next & taking[Int(byte)]
    }

    /// Bytes between two places at which the states of a run are kept.
    private static let pace = 1024

    /// Which bytes of a run lie in a match, as ranges in order: those at which a position is possible both by what came before and by what
    /// comes behind. Forward states are made again from marks, so that a long run needs little memory.
    func matched(in run: Range<Int>, of text: UnsafeRawBufferPointer) -> [Range<Int>] {
        var (marks, state): ([Positions], Positions) = ([], 0)
        for position in run {
            if (position - run.lowerBound).isMultiple(of: Self.pace) { marks.append(state) }
            state = step(from: state, over: text[position], context(at: position, in: text))
        }
        var (found, upper, behind): ([Range<Int>], Int?, Positions) = ([], nil, 0)
        for (index, mark) in marks.enumerated().reversed() {
            let piece = (run.lowerBound + index * Self.pace)..<min(run.upperBound, run.lowerBound + (index + 1) * Self.pace)
            var (states, state): ([Positions], Positions) = ([], mark)
            for position in piece {
                state = step(from: state, over: text[position], context(at: position, in: text))
                states.append(state)
            }
            for position in piece.reversed() {
                behind = before(behind, context(at: position + 1, in: text))
                let isMatched = states[position - piece.lowerBound] & behind != 0
                if isMatched, upper == nil { upper = position + 1 }
                if !isMatched, let end = upper {
                    found.append(position + 1..<end)
                    upper = nil
                }
                behind &= taking[Int(text[position])]
            }
        }
        if let upper { found.append(run.lowerBound..<upper) }
        return found.reversed()
    }

    /// Positions from which a match can end: at once, or over one of `behind`.
    private func before(_ behind: Positions, _ context: Int) -> Positions {
        var (all, rest) = (last[context], behind)
        while rest != 0 {
            all |= precede[context * count + rest.trailingZeroBitCount]
            rest &= rest &- 1
        }
        return all
    }
}

private struct PlacedEdge: Hashable {
    let position: Int
    let edge: Edge
}

/// Makes the sets of Glushkov's automaton from an expression's tree.
private struct AutomatonBuilder {
    /// What is known of a part of an expression.
    struct Fragment {
        /// Where it may match nothing.
        var empty: Set<Edge> = []
        var first: Set<PlacedEdge> = []
        var last: Set<PlacedEdge> = []
    }

    private(set) var sets: [ByteSet] = []
    private(set) var follow: [Set<PlacedEdge>] = []
    private(set) var looksAround = false
    private var steps = 0

    mutating func fragment(of node: ExpressionNode, depth: Int) throws(ValueFault) -> Fragment {
        steps += 1
        guard steps <= 4096 else { throw ValueFault.tooLong }
        switch node {
        case .set(let set):
            guard sets.count < ByteExpression.capacity else { throw ValueFault.tooLong }
            let place: Set = [PlacedEdge(position: sets.count, edge: [])]
            sets.append(set)
            follow.append([])
            return Fragment(first: place, last: place)
        case .assertion(let kind):
            looksAround = true
            return Fragment(empty: [Edge(rawValue: kind.rawValue)])
        case .sequence(let parts):
            var whole = Fragment(empty: [[]])
            for part in parts { whole = joined(whole, try fragment(of: part, depth: depth + 1)) }
            return whole
        case .choice(let parts):
            var whole = Fragment()
            for part in parts {
                let fragment = try fragment(of: part, depth: depth + 1)
                whole.empty.formUnion(fragment.empty)
                whole.first.formUnion(fragment.first)
                whole.last.formUnion(fragment.last)
            }
            return whole
        case .repeated(let part, let least, let most):
            var whole = Fragment(empty: [[]])
            for _ in 0..<least { whole = joined(whole, try fragment(of: part, depth: depth + 1)) }
            if let most {
                // a{2,4} is aa(a(a)?)?, so that none of the optional ones is passed over for a later one.
                var rest = Fragment(empty: [[]])
                for _ in least..<max(least, most) {
                    rest = joined(try fragment(of: part, depth: depth + 1), rest)
                    rest.empty.insert([])
                }
                return joined(whole, rest)
            }
            var loop = try fragment(of: part, depth: depth + 1)
            connect(loop.last, loop.first)
            loop.empty.insert([])
            return joined(whole, loop)
        }
    }

    private mutating func joined(_ left: Fragment, _ right: Fragment) -> Fragment {
        connect(left.last, right.first)
        var whole = Fragment(first: left.first, last: right.last)
        for edge in left.empty {
            whole.first.formUnion(right.first.compactMap { $0.needing(edge) })
            whole.empty.formUnion(right.empty.map { $0.union(edge) }.filter(\.isPossible))
        }
        for edge in right.empty { whole.last.formUnion(left.last.compactMap { $0.needing(edge) }) }
        return whole
    }

    private mutating func connect(_ left: Set<PlacedEdge>, _ right: Set<PlacedEdge>) {
        for from in left { follow[from.position].formUnion(right.compactMap { $0.needing(from.edge) }) }
    }
}

extension PlacedEdge {
    func needing(_ other: Edge) -> PlacedEdge? {
        let both = edge.union(other)
        return both.isPossible ? PlacedEdge(position: position, edge: both) : nil
    }
}

extension ValueFault {
    fileprivate static let tooLong = ValueFault(
        "Is too long: an expression has at most \(ByteExpression.capacity) letters and classes, repeated ones each time.")
}

extension UInt8 {
    fileprivate var isWord: Bool {
        self &- UInt8(ascii: "0") <= 9 || (self | 0x20) &- UInt8(ascii: "a") < 26 || self == UInt8(ascii: "_")
    }
}
