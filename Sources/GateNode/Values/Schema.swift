// The form of a value, in the words of JSON Schema 2020-12, which OpenAPI 3.1 speaks.

import MCPWire

/// A JSON schema, written as a literal: `["credits": .integer, "alias": .string.maybe]` is an object with two members.
struct Schema: Sendable, Equatable {
    /// The schema as it stands in a document.
    private(set) var members: JSONObject
    /// As a member of an object it may be left out.
    private(set) var isOptional = false

    init(_ members: KeyValuePairs<String, any JSONRepresentable>) {
        self.members = .of(members)
    }

    var json: JSONValue { .object(members) }
}

extension Schema {
    static let string = Schema(["type": "string"])
    static let boolean = Schema(["type": "boolean"])
    static let integer = Schema(["type": "integer"])
    static let number = Schema(["type": "number"])
    /// ISO 8601 in UTC.
    static let time = Schema(["type": "string", "format": "date-time"])
    static let object = Schema(["type": "object"])
    /// Any bytes.
    static let bytes = Schema(["type": "string", "format": "binary"])

    static func integer(_ range: ClosedRange<Int>) -> Schema {
        Schema(["type": "integer", "minimum": range.lowerBound, "maximum": range.upperBound])
    }

    static func string(_ lengths: ClosedRange<Int>) -> Schema {
        Schema(["type": "string", "minLength": lengths.lowerBound, "maxLength": lengths.upperBound])
    }

    static func string(pattern: String) -> Schema { Schema(["type": "string", "pattern": pattern]) }

    static func choice(_ words: [String]) -> Schema { Schema(["type": "string", "enum": words]) }

    static func list(of element: Schema) -> Schema { Schema(["type": "array", "items": element.json]) }

    static func map(of value: Schema) -> Schema { Schema(["type": "object", "additionalProperties": value.json]) }

    /// Labels of a record.
    static let tags = map(of: .string)

    /// Also null.
    var nullable: Schema {
        changed { $0["type"] = .array([$0["type"], .string("null")].compactMap(\.self)) }
    }

    /// Without the null that `nullable` has added.
    var notNull: Schema {
        changed { members in
            guard let types = members["type"]?.arrayValue?.filter({ $0 != .string("null") }), let only = types.first else { return }
            members["type"] = types.count == 1 ? only : .array(types)
        }
    }

    /// As a member of an object it may be left out.
    var maybe: Schema {
        var schema = self
        schema.isOptional = true
        return schema
    }

    func described(_ help: String) -> Schema {
        changed { $0["description"] = .string(help) }
    }

    func defaulting(to value: JSONValue) -> Schema {
        changed { $0["default"] = value }
    }

    func with(_ name: String, _ value: any JSONRepresentable) -> Schema {
        changed { $0[name] = value.json }
    }

    private func changed(_ change: (inout JSONObject) -> Void) -> Schema {
        var schema = self
        change(&schema.members)
        return schema
    }
}

extension Schema: ExpressibleByDictionaryLiteral {
    /// An object of these members; all of them are there but those that are `maybe`.
    init(dictionaryLiteral members: (String, Schema)...) {
        self.init(members: members)
    }

    init(members: [(String, Schema)]) {
        self.init(["type": "object", "properties": JSONObject(members.map { ($0.0, $0.1.json) })])
        let required = members.filter { !$0.1.isOptional }.map(\.0)
        if !required.isEmpty { self.members["required"] = required.json }
    }
}
