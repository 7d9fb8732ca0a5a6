// Kinds of values that are one number, one word or one time.

import GateDomain
import MCPWire

extension Int {
    /// The largest number that any setting takes (F-PRICE-12).
    package static let largestSetting = 1_000_000_000
}

extension ValueKind where Value == Int {
    /// What becomes of a number outside of its bounds: refused, or the nearest one within them.
    package enum Excess: Sendable {
        case refused, clamped
    }

    /// A whole number of a request; a fraction is none (X35).
    package static func integer(_ range: ClosedRange<Int>, excess: Excess = .refused) -> Self {
        let schema =
            excess == .refused ? Schema.integer(range) : Schema.integer.described("Kept within \(range.lowerBound) to \(range.upperBound).")
        let rule = "Must be a whole number" + (excess == .refused ? " of \(range.lowerBound) to \(range.upperBound)." : ".")
        return whole(range, excess, schema, floors: false, otherwise: rule, outside: rule)
    }

    /// Credits of a request; a fraction is floored before it is compared, but never to a 0 that is taken (F-PRICE-02).
    package static func credits(_ range: ClosedRange<Int>) -> Self {
        let rule = "Must be a whole number of \(range.lowerBound) to \(range.upperBound)."
        return whole(
            range, .refused, .integer(range).described("Fractions are rounded down."), floors: true, otherwise: rule, outside: rule)
    }

    /// A whole number of the configuration; a fraction is floored, but never to a 0 that is taken (F-PRICE-02).
    package static func amount(_ range: ClosedRange<Int> = 0...Int.largestSetting) -> Self {
        let bounds = "\(range.lowerBound)–\(range.upperBound)"
        return whole(
            range, .refused, .integer(range), floors: true, otherwise: "Must be a number, \(bounds).", outside: "Must be \(bounds).")
    }

    private static func whole(
        _ range: ClosedRange<Int>, _ excess: Excess, _ schema: Schema, floors: Bool, otherwise: String, outside: String
    ) -> Self {
        Self(schema, given: JSONValue.plainNumber) { json throws(ValueFault) in
            guard let given = json.numberValue, !given.isNaN, floors || given == given.rounded(.down) else {
                throw ValueFault(otherwise, showing: json)
            }
            let number = given.rounded(.down)
            // Where 0 is a value it stands for something: no limit, free of charge. Who asks for a little did not mean that.
            if excess == .refused, number == 0, given > 0, range.contains(0) {
                throw ValueFault("Must be 0, or at least 1: fractions are rounded down.", showing: json)
            }
            let bounds = Double(range.lowerBound)...Double(range.upperBound)
            guard excess == .clamped || bounds.contains(number) else { throw ValueFault(outside, showing: json) }
            return Int(min(max(number, bounds.lowerBound), bounds.upperBound))
        }
    }

    /// An amount of credits that one operation may move.
    package static let credits: Self = .credits(1...Credits.operationCeiling)

    /// ISO 8601 as milliseconds since 1970; without a zone it is UTC.
    package static let time = Self(.time, given: plusOfZone) { json throws(ValueFault) in
        guard let time = json.stringValue.flatMap(Timestamp.milliseconds) else {
            throw ValueFault("Must be a date in ISO 8601, as 2030-01-31T12:00:00Z.")
        }
        return time
    }

    /// In a query the plus of a zone comes as a space where nobody has escaped it.
    private static func plusOfZone(_ text: String) -> JSONValue {
        .string(text.utf8.count <= 64 && text.contains("T") ? text.replacing(" ", with: "+") : text)
    }
}

extension ValueKind where Value == Double {
    /// Any number.
    package static let number = Self(.number, given: JSONValue.plainNumber) { json throws(ValueFault) in
        guard let number = json.numberValue else { throw ValueFault("Must be a number.") }
        return number
    }
}

extension ValueKind where Value == Bool {
    /// True or false; in a query or header the words.
    package static let flag = Self(
        .boolean, given: { $0.hasSameBytes(as: "true") ? true : $0.hasSameBytes(as: "false") ? false : .string($0) },
        read: { json throws(ValueFault) in
            guard let flag = json.boolValue else { throw ValueFault("Must be true or false.", showing: json) }
            return flag
        })
}

extension ValueKind where Value: RawRepresentable<String> & CaseIterable {
    /// One of the words of an enumeration.
    package static var choice: Self { choice() }

    /// One of the words of an enumeration; a word that is known but not served yet is refused with its own sentence.
    package static func choice(notYet: [String: String] = [:]) -> Self {
        let words = Value.allCases.map(\.rawValue)
        let rule = "Must be one of \(words.joined(separator: ", "))."
        let longest = (words + notYet.keys).map(\.utf8.count).max() ?? 0
        return Self(.choice(words)) { json throws(ValueFault) in
            // What is longer is none of them, and is not compared.
            let word = json.stringValue.flatMap { $0.utf8.count <= longest ? $0 : nil }
            guard let word, let value = Value(rawValue: word) else {
                throw ValueFault(word.flatMap { notYet[$0] } ?? rule, showing: json)
            }
            return value
        }
    }
}

extension ValueKind where Value == String {
    /// What becomes of text that is too long: refused, or the beginning of it.
    package enum Rest: Sendable {
        case refused, cut
    }

    /// Text for people: control characters become spaces, and ends are trimmed.
    /// - Parameters:
    ///   - length: characters of Unicode.
    ///   - rest: only names and free text, of which nothing is decided, are cut (F-KEY-14).
    package static func text(upTo length: Int, rest: Rest = .refused) -> Self {
        let schema = rest == .refused ? Schema.string(0...length) : Schema.string.described("Cut after \(length) characters.")
        let rule = rest == .refused ? "Must be text of at most \(length) characters." : "Must be text."
        return Self(schema) { json throws(ValueFault) in
            guard let text = json.stringValue else { throw ValueFault(rule) }
            guard rest == .cut || text.unicodeScalars.count <= length else { throw ValueFault(rule) }
            return text.cleaned(upTo: length)
        }
    }

    /// Text that is taken as it is or not at all. The value of a secret is never repeated in a sentence.
    package static func word(_ schema: Schema, isSecret: Bool = false, rule: String, _ isValid: @escaping @Sendable (String) -> Bool)
        -> Self
    {
        Self(schema) { json throws(ValueFault) in
            guard let text = json.stringValue, isValid(text) else { throw ValueFault(rule, showing: isSecret ? nil : json) }
            return text
        }
    }

    /// What names a record, which may not be there: any text without control characters.
    /// - Parameter length: bytes.
    package static func reference(upTo length: Int, isSecret: Bool = false, rule: String) -> Self {
        word(.string(1...length), isSecret: isSecret, rule: rule) { (1...length).contains($0.utf8.count) && $0.isOneLine }
    }

    /// What names a key in an admin request: its secret, its id or its alias (F-ALIAS-02).
    package static let keyReference = reference(upTo: 500, isSecret: true, rule: "Must be a key, its id or its alias.")

    /// F-ALIAS-01.
    package static let alias = word(
        .string(pattern: "^[A-Za-z0-9_-]{1,100}$"), rule: "Must be 1 to 100 letters, digits, hyphens or underscores."
    ) { text in
        (1...100).contains(text.utf8.count)
            && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_") }
    }

    /// Kept in lower case; what is no namespace is the default one (F-NS-01).
    package static let namespace = Self(.string.described("1 to 50 letters, digits or hyphens; anything else means default.")) {
        json throws(ValueFault) in
        guard let text = json.stringValue else { throw ValueFault("Must be text.") }
        let isValid = (1...50).contains(text.utf8.count) && text.utf8.allSatisfy { $0.isASCIILetterOrDigit || $0 == UInt8(ascii: "-") }
        return isValid ? text.lowercased() : "default"
    }
}

extension JSONValue {
    /// The number that a text is by the grammar of JSON, else the text.
    fileprivate static func plainNumber(_ text: String) -> JSONValue {
        guard let value = try? parse(text), value.numberValue != nil else { return .string(text) }
        return value
    }
}

extension UInt8 {
    fileprivate var isASCIILetterOrDigit: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: false
        }
    }
}

extension String {
    /// Never holds a control character, so no line, header or log entry becomes two (X36).
    fileprivate func cleaned(upTo length: Int) -> String {
        let isSpace = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace || scalar.properties.generalCategory == .control }
        let scalars = unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }
        let trimmed = scalars.drop(while: isSpace).prefix(length)
        return String(String.UnicodeScalarView(trimmed.reversed().drop(while: isSpace).reversed()))
    }
}
