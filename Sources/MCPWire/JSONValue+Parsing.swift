// Building of values from JSON text, on the same scanner that checks the messages of the call path.

extension JSONValue {
    /// What is done with members that mean trouble.
    package enum MemberRules: Sendable {
        /// The last of several members of one name wins, as it does in JavaScript. For what upstreams send.
        case lenient
        /// A name that is there twice is refused. For what is judged by its members before others read it.
        case distinct
        /// A name that is there twice, or pollutes prototypes elsewhere, is refused (F-SEC-02). For admin requests.
        case strict
    }

    /// Parses one value; nothing but whitespace may follow it. Half a surrogate pair becomes U+FFFD.
    /// - Parameter depthCap: how many arrays and objects may be open at once.
    /// - Throws: the first fault, with its place.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, rules: MemberRules = .lenient, depthCap: Int = 64
    ) throws(JSONFault) -> JSONValue {
        var parser = JSONValueParser(scanner: JSONScanner(bytes, depthCap: depthCap), rules: rules)
        let value = try parser.value()
        try parser.scanner.finish()
        return value
    }

    /// Parses one value out of an array of bytes.
    /// - Throws: the first fault, with its place.
    package static func parse(
        _ bytes: [UInt8], rules: MemberRules = .lenient, depthCap: Int = 64
    ) throws(JSONFault) -> JSONValue {
        let outcome: Result<JSONValue, JSONFault> = bytes.withUnsafeBytes { memory in
            do throws(JSONFault) {
                return .success(try parse(memory, rules: rules, depthCap: depthCap))
            } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }

    /// Parses one value out of a string.
    /// - Throws: the first fault, with its place in the text's UTF-8.
    package static func parse(_ text: String, rules: MemberRules = .lenient) throws(JSONFault) -> JSONValue {
        try parse(Array(text.utf8), rules: rules)
    }
}

private struct JSONValueParser {
    var scanner: JSONScanner
    let rules: JSONValue.MemberRules

    mutating func value() throws(JSONFault) -> JSONValue {
        switch scanner.next {
        case .quote: return .string(text(try scanner.skipString()))
        case .openBrace: return .object(try object())
        case .openBracket: return .array(try array())
        case UInt8(ascii: "t"):
            try scanner.skipLiteral("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try scanner.skipLiteral("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try scanner.skipLiteral("null")
            return .null
        default: return try number()
        }
    }

    private mutating func object() throws(JSONFault) -> JSONObject {
        var builder = JSONObjectBuilder()
        try scanner.openObject()
        while let token = try scanner.nextMember() {
            let name = text(token)
            if rules == .strict && Self.forbiddenNames.contains(where: { $0.utf8.elementsEqual(name.utf8) }) {
                throw scanner.fault(.forbiddenMember)
            }
            let isNew = builder.set(name, to: try value())
            if rules != .lenient && !isNew { throw scanner.fault(.duplicateMember) }
        }
        return builder.object
    }

    private static let forbiddenNames = ["__proto__", "constructor", "prototype"]

    private mutating func array() throws(JSONFault) -> [JSONValue] {
        var elements: [JSONValue] = []
        try scanner.openArray()
        while try scanner.nextElement() { elements.append(try value()) }
        return elements
    }

    private mutating func number() throws(JSONFault) -> JSONValue {
        let start = scanner.position
        let isWhole = try scanner.skipNumber()
        let digits = String(decoding: scanner.bytes.piece(start..<scanner.position), as: UTF8.self)
        if isWhole, let value = Int64(digits) { return .int(value) }
        guard let value = Double(digits), value.isFinite else { throw scanner.fault(.magnitude) }
        return .double(value)
    }

    private func text(_ token: StringToken) -> String { token.text(in: scanner.bytes) }
}
