// Writing of values as JSON, members in their order: compact for programs, indented for people.

extension JSONValue {
    /// The value as compact JSON.
    package var bytes: [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    /// The value as compact JSON text.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Appends the value as compact JSON.
    package func append(to output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .int(let value): JSONText.append(Int(value), to: &output)
        case .double(let value): JSONText.append(value, to: &output)
        case .string(let value): JSONText.append(value, to: &output)
        case .array(let elements): Self.append(elements, to: &output)
        case .object(let object): object.append(to: &output)
        }
    }

    private static func append(_ elements: [JSONValue], to output: inout [UInt8]) {
        output.append(.openBracket)
        for (index, element) in elements.enumerated() {
            if index > 0 { output.append(.comma) }
            element.append(to: &output)
        }
        output.append(.closeBracket)
    }
}

extension JSONObject {
    /// Appends the object as compact JSON.
    package func append(to output: inout [UInt8]) {
        output.append(.openBrace)
        for (index, member) in members.enumerated() {
            if index > 0 { output.append(.comma) }
            JSONText.append(member.name, to: &output)
            output.append(.colon)
            member.value.append(to: &output)
        }
        output.append(.closeBrace)
    }
}

extension JSONValue {
    /// The value as text for people: members and elements on lines of their own, two spaces a level, a line feed at the end.
    package var indentedText: String {
        var output: [UInt8] = []
        appendIndented(to: &output, depth: 0)
        output.append(.lineFeed)
        return String(decoding: output, as: UTF8.self)
    }

    private func appendIndented(to output: inout [UInt8], depth: Int) {
        switch self {
        case .array(let elements) where !elements.isEmpty:
            Self.appendLines(of: elements, .openBracket, .closeBracket, to: &output, depth: depth) { element, output in
                element.appendIndented(to: &output, depth: depth + 1)
            }
        case .object(let object) where !object.isEmpty:
            Self.appendLines(of: object.members, .openBrace, .closeBrace, to: &output, depth: depth) { member, output in
                JSONText.append(member.name, to: &output)
                output.append(contentsOf: ": ".utf8)
                member.value.appendIndented(to: &output, depth: depth + 1)
            }
        default: append(to: &output)
        }
    }

    private static func appendLines<Item>(
        of items: [Item], _ open: UInt8, _ close: UInt8, to output: inout [UInt8], depth: Int,
        _ appendItem: (Item, inout [UInt8]) -> Void
    ) {
        output.append(open)
        for (index, item) in items.enumerated() {
            if index > 0 { output.append(.comma) }
            startLine(in: &output, depth: depth + 1)
            appendItem(item, &output)
        }
        startLine(in: &output, depth: depth)
        output.append(close)
    }

    private static func startLine(in output: inout [UInt8], depth: Int) {
        output.append(.lineFeed)
        output.append(contentsOf: repeatElement(.space, count: depth * 2))
    }
}
