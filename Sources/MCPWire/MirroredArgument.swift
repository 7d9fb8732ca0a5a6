// An argument of a tool that a header of its calls repeats (`x-mcp-header`, MCP 2026-07-28).

/// One argument with `x-mcp-header` in a tool's schema, and what its header may say.
package struct MirroredArgument: Sendable, Equatable {
    /// The names of `properties` that lead to it, from the outside to the inside.
    let path: [String]
    /// The header's name, as the schema spells it.
    package let header: String

    /// As clients are told of it.
    package var name: String { path.joined(separator: ".") }

    /// Arguments of one tool; a request has no more header fields.
    private static let most = 100

    /// What a schema declares. Nothing if one of its declarations is invalid: clients then take the whole tool for unusable, and send none.
    package static func declared(by schema: JSONValue) -> [MirroredArgument] {
        var (found, seen) = ([MirroredArgument](), Set<String>())
        var open: [(path: [String]?, node: JSONValue)] = [([], schema)]
        while let (path, node) = open.popLast() {
            guard case .object(let members) = node else { continue }
            if let declared = members[member] {
                guard let path, !path.isEmpty, let name = declared.stringValue, isToken(name), found.count < most,
                    members["type"]?.stringValue.map(isType) ?? false, seen.insert(name.lowercased()).inserted
                else { return [] }
                found.append(MirroredArgument(path: path, header: "Mcp-Param-" + name))
            }
            for entry in members { open += parts(entry.name, entry.value, below: path) }
        }
        return found
    }

    private static let member = "x-mcp-header"
    /// Fractions are written in many ways.
    private static func isType(_ name: String) -> Bool { ["string", "integer", "boolean"].contains { $0.utf8.elementsEqual(name.utf8) } }

    /// Bytes of the longest of the keywords below: none that is longer is compared with them.
    private static let longestKeyword = 21

    /// The schemas in the value of a keyword. Only `properties` lead to something that is always in the same place.
    private static func parts(_ keyword: String, _ value: JSONValue, below path: [String]?) -> [(path: [String]?, node: JSONValue)] {
        switch keyword.utf8.count <= longestKeyword ? keyword : "" {
        case "properties": value.objectValue?.map { entry in (path.map { $0 + [entry.name] }, entry.value) } ?? []
        case "items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties", "not", "if", "then",
            "else", "contentSchema":
            [(nil, value)]
        case "allOf", "anyOf", "oneOf", "prefixItems": value.arrayValue?.map { (nil, $0) } ?? []
        case "patternProperties", "dependentSchemas", "$defs", "definitions": value.objectValue?.map { (nil, $0.value) } ?? []
        default: []
        }
    }

    /// RFC 9110 5.6.2.
    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    // MARK: What a call says

    private func value(in arguments: JSONValue) -> JSONValue? {
        var node = arguments
        for name in path {
            guard let inner = node[name] else { return nil }
            node = inner
        }
        return node.isNull ? nil : node
    }

    /// Whether a call has a value for it that a header can repeat.
    package func isMirrored(in arguments: JSONValue) -> Bool {
        switch value(in: arguments) {
        case .bool, .int, .string: true
        case .double(let number): Int64(exactly: number) != nil
        default: false
        }
    }

    /// What a header says of the argument of a call, before it is made fit for a header; nil if the call has none that one can repeat.
    package func text(in arguments: JSONValue) -> String? {
        switch value(in: arguments) {
        case .string(let text): text
        case .bool(let flag): flag ? "true" : "false"
        case .int(let number): "\(number)"
        case .double(let number): Int64(exactly: number).map { "\($0)" }
        default: nil
        }
    }

    /// Whether a header's decoded value is that of the call. Whole numbers are the same however many zeros follow their point.
    package func matches(_ header: [UInt8], in arguments: JSONValue) -> Bool {
        switch value(in: arguments) {
        case .string(let text): header.elementsEqual(text.utf8)
        case .bool(let flag): header.elementsEqual((flag ? "true" : "false").utf8)
        case .int(let number): Self.whole(header) == number
        case .double(let number): Int64(exactly: number).map { Self.whole(header) == $0 } ?? false
        default: false
        }
    }

    /// The number of decimal digits, a sign in front of them and zeros behind a point allowed.
    private static func whole(_ header: [UInt8]) -> Int64? {
        let parts = header.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let digits = parts.first, digits.first != UInt8(ascii: "+") else { return nil }
        if parts.count == 2, parts[1].isEmpty || !parts[1].allSatisfy({ $0 == UInt8(ascii: "0") }) { return nil }
        return Int64(String(decoding: digits, as: UTF8.self))
    }
}
