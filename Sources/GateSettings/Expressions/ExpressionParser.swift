// Reads a regular expression as a tree: the grammar of Perl and ECMAScript, as far as an automaton can do it.

import GateValues

/// A part of a regular expression.
indirect enum ExpressionNode: Sendable {
    /// One byte of these.
    case set(ByteSet)
    case sequence([ExpressionNode])
    case choice([ExpressionNode])
    /// `most` is nil for any number.
    case repeated(ExpressionNode, least: Int, most: Int?)
    case assertion(Assertion)

    /// What a place between two bytes has to be.
    enum Assertion: UInt8, Sendable {
        case wordBorder = 1
        case noWordBorder = 2
        case start = 4
        case end = 8
    }
}

/// A set of bytes.
struct ByteSet: Sendable, Equatable {
    private var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

    init() {}
    init(_ ranges: ClosedRange<UInt8>...) { for range in ranges { insert(range) } }
    init(_ byte: UInt8) { insert(byte...byte) }

    static func == (left: ByteSet, right: ByteSet) -> Bool { left.words == right.words }

    func contains(_ byte: UInt8) -> Bool { self[Int(byte >> 6)] & (1 << UInt64(byte & 63)) != 0 }
    mutating func insert(_ range: ClosedRange<UInt8>) { for byte in range { self[Int(byte >> 6)] |= 1 << UInt64(byte & 63) } }
    mutating func formUnion(_ other: ByteSet) { for index in 0..<4 { self[index] |= other[index] } }

    /// The other bytes of ASCII.
    var otherASCII: ByteSet {
        var other = ByteSet()
        for byte in UInt8(0)...0x7f where !contains(byte) { other.insert(byte...byte) }
        return other
    }

    /// With each letter in both cases.
    var inBothCases: ByteSet {
        var both = self
        for letter in UInt8(ascii: "a")...UInt8(ascii: "z") where contains(letter) || contains(letter - 0x20) {
            both.insert(letter...letter)
            both.insert(letter - 0x20...letter - 0x20)
        }
        return both
    }

    private subscript(index: Int) -> UInt64 {
        get { index == 0 ? words.0 : index == 1 ? words.1 : index == 2 ? words.2 : words.3 }
        set {
            switch index {
            case 0: words.0 = newValue
            case 1: words.1 = newValue
            case 2: words.2 = newValue
            default: words.3 = newValue
            }
        }
    }

    static let digits = ByteSet(UInt8(ascii: "0")...UInt8(ascii: "9"))
    static let word = ByteSet(
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "_")...UInt8(ascii: "_"))
    static let space = ByteSet(0x09...0x0d, 0x20...0x20)
}

/// Reads one expression; a value that is used once.
struct ExpressionParser {
    private let text: [Unicode.Scalar]
    private let ignoresCase: Bool
    private let dotTakesLines: Bool
    private var position = 0
    private var depth = 0

    /// Parentheses within one another.
    private static let deepest = 20
    /// The largest number in braces.
    private static let mostRepeats = ByteExpression.capacity

    init(_ source: String, ignoresCase: Bool, dotTakesLines: Bool) {
        text = Array(source.unicodeScalars)
        self.ignoresCase = ignoresCase
        self.dotTakesLines = dotTakesLines
    }

    mutating func parse() throws(ValueFault) -> ExpressionNode {
        let node = try choice()
        guard position == text.count else { throw fault("a parenthesis is closed that was not opened") }
        return node
    }

    private func fault(_ what: String) -> ValueFault { ValueFault("Must be a regular expression: \(what).") }

    private var next: Unicode.Scalar? { position < text.count ? text[position] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard next == scalar else { return false }
        position += 1
        return true
    }

    private mutating func choice() throws(ValueFault) -> ExpressionNode {
        var parts = [try sequence()]
        while take("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() throws(ValueFault) -> ExpressionNode {
        var parts: [ExpressionNode] = []
        while let scalar = next, scalar != "|", scalar != ")" { parts.append(try repeated(atom())) }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    private mutating func repeated(_ atom: ExpressionNode) throws(ValueFault) -> ExpressionNode {
        let bounds: (least: Int, most: Int?)
        if take("*") {
            bounds = (0, nil)
        } else if take("+") {
            bounds = (1, nil)
        } else if take("?") {
            bounds = (0, 1)
        } else if let braces = try braces() {
            bounds = braces
        } else {
            return atom
        }
        if case .assertion = atom { throw fault("an assertion cannot be repeated") }
        // How greedy it is makes no difference to what is covered.
        _ = take("?")
        if let scalar = next, "*+?".unicodeScalars.contains(scalar) { throw fault("two repetitions follow one another") }
        return .repeated(atom, least: bounds.least, most: bounds.most)
    }

    /// Nil, and nothing is taken, where the brace is a letter like others.
    private mutating func braces() throws(ValueFault) -> (least: Int, most: Int?)? {
        let start = position
        guard take("{"), let least = number() else {
            position = start
            return nil
        }
        var most: Int? = least
        if take(",") { most = number() }
        guard take("}") else {
            position = start
            return nil
        }
        guard least <= Self.mostRepeats, most ?? 0 <= Self.mostRepeats else {
            throw fault("a repetition is at most \(Self.mostRepeats) times")
        }
        if let most, most < least { throw fault("{\(least),\(most)} is no range") }
        return (least, most)
    }

    private mutating func number() -> Int? {
        var value: Int?
        while let scalar = next, ("0"..."9").contains(scalar) {
            value = min(100_000, (value ?? 0) * 10 + Int(scalar.value - 0x30))
            position += 1
        }
        return value
    }

    private mutating func atom() throws(ValueFault) -> ExpressionNode {
        guard let scalar = next else { throw fault("it ends too early") }
        position += 1
        switch scalar {
        case "(": return try group()
        case "[": return try bracket()
        case ".":
            var set = ByteSet(0...0x7f)
            if !dotTakesLines { set = ByteSet(0...0x09, 0x0b...0x0c, 0x0e...0x7f) }
            return Self.scalars(set)
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case "*", "+", "?": throw fault("nothing stands before \(scalar)")
        case "\\": return try escape()
        default: return literal(scalar)
        }
    }

    private mutating func group() throws(ValueFault) -> ExpressionNode {
        depth += 1
        guard depth <= Self.deepest else { throw fault("parentheses are nested too deep") }
        if take("?") {
            if take("<") {
                guard next != "=", next != "!" else { throw fault("it cannot look behind") }
                guard let end = text[position...].firstIndex(of: ">") else { throw fault("a name is not closed") }
                position = end + 1
            } else if !take(":") {
                throw fault(next == "=" || next == "!" ? "it cannot look ahead" : "flags stand beside it, and not in it")
            }
        }
        let node = try choice()
        guard take(")") else { throw fault("a parenthesis is not closed") }
        depth -= 1
        return node
    }

    /// One character: those of ASCII in the set, and all others.
    private static func scalars(_ set: ByteSet) -> ExpressionNode {
        .choice([.set(set), .sequence([.set(ByteSet(0xc2...0xf4)), .repeated(.set(ByteSet(0x80...0xbf)), least: 0, most: nil)])])
    }

    private func literal(_ scalar: Unicode.Scalar) -> ExpressionNode {
        guard scalar.isASCII else { return .sequence(Array(String(scalar).utf8).map { .set(ByteSet($0)) }) }
        return .set(cased(ByteSet(UInt8(scalar.value))))
    }

    private func cased(_ set: ByteSet) -> ByteSet { ignoresCase ? set.inBothCases : set }

    /// What `\d` and its kin stand for; with `isOther`, all other characters.
    private static func shorthand(_ scalar: Unicode.Scalar) -> (set: ByteSet, isOther: Bool)? {
        switch scalar {
        case "d": (.digits, false)
        case "D": (.digits, true)
        case "w": (.word, false)
        case "W": (.word, true)
        case "s": (.space, false)
        case "S": (.space, true)
        default: nil
        }
    }

    private mutating func escape() throws(ValueFault) -> ExpressionNode {
        guard let scalar = next else { throw fault("it ends with a backslash") }
        if let (set, isOther) = Self.shorthand(scalar) {
            position += 1
            return isOther ? Self.scalars(set.otherASCII) : .set(set)
        }
        switch scalar {
        case "b", "B":
            position += 1
            return .assertion(scalar == "b" ? .wordBorder : .noWordBorder)
        case "1"..."9", "k": throw fault("it cannot refer back")
        default: return literal(try escaped())
        }
    }

    /// The character that an escape stands for, behind its backslash.
    private mutating func escaped() throws(ValueFault) -> Unicode.Scalar {
        guard let scalar = next else { throw fault("it ends with a backslash") }
        position += 1
        switch scalar {
        case "t": return "\t"
        case "n": return "\n"
        case "r": return "\r"
        case "f": return "\u{0c}"
        case "v": return "\u{0b}"
        case "0": return "\0"
        case "x": return try hex(2)
        case "u":
            if take("{") {
                guard let end = text[position...].firstIndex(of: "}"), (1...6).contains(end - position) else {
                    throw fault("\\u{…} is not closed")
                }
                let value = try hex(end - position)
                position += 1
                return value
            }
            return try hex(4)
        case "a"..."z", "A"..."Z", "1"..."9": throw fault("\\\(scalar) is not known")
        default: return scalar
        }
    }

    private mutating func hex(_ digits: Int) throws(ValueFault) -> Unicode.Scalar {
        guard position + digits <= text.count,
            let value = UInt32(String(String.UnicodeScalarView(text[position..<position + digits])), radix: 16),
            let scalar = Unicode.Scalar(value)
        else { throw fault("\\x and \\u need hex digits of a character") }
        position += digits
        return scalar
    }

    private mutating func bracket() throws(ValueFault) -> ExpressionNode {
        let isOther = take("^")
        var (set, takesOthers) = (ByteSet(), false)
        while !take("]") {
            guard let scalar = next else { throw fault("a bracket is not closed") }
            if scalar == "\\", position + 1 < text.count, let (members, isNegated) = Self.shorthand(text[position + 1]) {
                position += 2
                set.formUnion(isNegated ? members.otherASCII : members)
                takesOthers = takesOthers || isNegated
                continue
            }
            let lower = try member()
            guard next == "-", position + 1 < text.count, text[position + 1] != "]" else {
                set.insert(lower...lower)
                continue
            }
            position += 1
            let upper = try member()
            guard lower <= upper else { throw fault("a range in brackets runs backwards") }
            set.insert(lower...upper)
        }
        set = cased(set)
        if isOther { return takesOthers ? .set(set.otherASCII) : Self.scalars(set.otherASCII) }
        return takesOthers ? Self.scalars(set) : .set(set)
    }

    /// One character of a bracket.
    private mutating func member() throws(ValueFault) -> UInt8 {
        guard var scalar = next else { throw fault("a bracket is not closed") }
        position += 1
        if scalar == "\\" {
            if take("b") { return 0x08 }
            scalar = try escaped()
        }
        guard scalar.isASCII else { throw fault("characters in brackets must be ASCII") }
        return UInt8(scalar.value)
    }
}
