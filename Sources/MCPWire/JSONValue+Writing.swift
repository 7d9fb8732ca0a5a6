// Writing of values as compact JSON, members in their order.

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
        case .int(let value): JSONText.append(value, to: &output)
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
