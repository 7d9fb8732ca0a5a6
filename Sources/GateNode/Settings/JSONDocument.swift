/// A JSON value that tells booleans from numbers; flags, variables and the file meet in this one shape.
package enum JSONDocument: Sendable, Equatable {
    case null
    case bool(Bool)
    case number(Double)
    case string(String)
    case array([JSONDocument])
    case object([String: JSONDocument])
}

extension JSONDocument {
    /// Nests a value: `cors.origin` becomes `{"cors": {"origin": value}}`.
    init(_ value: JSONDocument, at path: String) {
        self = path.split(separator: ".").reversed().reduce(value) { .object([String($1): $0]) }
    }

    /// The value at a dotted path; nil where there is none or a null.
    package subscript(path path: String) -> JSONDocument? {
        var found = self
        for name in path.split(separator: ".") {
            guard case .object(let members) = found, let next = members[String(name)] else { return nil }
            found = next
        }
        return found == .null ? nil : found
    }

    /// Lays a stronger document over this one: objects merge member by member, anything else is replaced.
    package func overlaid(by stronger: JSONDocument) -> JSONDocument {
        guard case .object(let members) = self, case .object(let others) = stronger else { return stronger }
        return .object(members.merging(others) { $0.overlaid(by: $1) })
    }

    /// The value in a sentence: quoted when it is text, by its kind when it is a structure.
    var shown: String {
        switch self {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .number(let number): Int(exactly: number).map(String.init) ?? "\(number)"
        case .string(let text): "\"\(text)\""
        case .array: "[…]"
        case .object: "{…}"
        }
    }
}

extension JSONDocument: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let flag = try? container.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? container.decode(Double.self) {
            self = .number(number)
        } else if let text = try? container.decode(String.self) {
            self = .string(text)
        } else if let elements = try? container.decode([JSONDocument].self) {
            self = .array(elements)
        } else {
            self = .object(try container.decode([String: JSONDocument].self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let flag): try container.encode(flag)
        case .number(let number):
            if let whole = Int(exactly: number) { try container.encode(whole) } else { try container.encode(number) }
        case .string(let text): try container.encode(text)
        case .array(let elements): try container.encode(elements)
        case .object(let members): try container.encode(members)
        }
    }
}
