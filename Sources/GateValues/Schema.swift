// The form of a value, in the words of JSON Schema 2020-12, which OpenAPI 3.1 speaks.

package import MCPWire

/// A JSON schema, written as a literal: `["credits": .integer, "alias": .string.maybe]` is an object with two members.
package struct Schema: Sendable, Equatable {
    /// The schema as it stands in a document.
    package private(set) var members: JSONObject
    /// As a member of an object it may be left out.
    package private(set) var isOptional = false

    /// A schema of these keywords.
    package init(_ members: KeyValuePairs<String, any JSONRepresentable>) {
        self.members = .of(members)
    }

    /// The schema as a document has it.
    package var json: JSONValue { .object(members) }
}

extension Schema {
    /// Any text.
    package static let string = Schema(["type": "string"])
    /// True or false.
    package static let boolean = Schema(["type": "boolean"])
    /// A whole number.
    package static let integer = Schema(["type": "integer"])
    /// Any number.
    package static let number = Schema(["type": "number"])
    /// ISO 8601 in UTC.
    package static let time = Schema(["type": "string", "format": "date-time"])
    /// An object of any members.
    package static let object = Schema(["type": "object"])
    /// Any bytes.
    package static let bytes = Schema(["type": "string", "format": "binary"])

    /// A whole number within bounds, both included.
    package static func integer(_ range: ClosedRange<Int>) -> Schema {
        Schema(["type": "integer", "minimum": range.lowerBound, "maximum": range.upperBound])
    }

    /// Text of so many characters.
    package static func string(_ lengths: ClosedRange<Int>) -> Schema {
        Schema(["type": "string", "minLength": lengths.lowerBound, "maxLength": lengths.upperBound])
    }

    /// Text that a regular expression of ECMA-262 matches.
    package static func string(pattern: String) -> Schema { Schema(["type": "string", "pattern": pattern]) }

    /// One of these words.
    package static func choice(_ words: [String]) -> Schema { Schema(["type": "string", "enum": words]) }

    /// A list of any length.
    package static func list(of element: Schema) -> Schema { Schema(["type": "array", "items": element.json]) }

    /// An object with any names, and values of one kind.
    package static func map(of value: Schema) -> Schema { Schema(["type": "object", "additionalProperties": value.json]) }

    /// Labels of a record.
    package static let tags = map(of: .string)

    /// Also null.
    package var nullable: Schema {
        changed { $0["type"] = .array([$0["type"], .string("null")].compactMap(\.self)) }
    }

    /// Without the null that `nullable` has added.
    package var notNull: Schema {
        changed { members in
            guard let types = members["type"]?.arrayValue?.filter({ $0 != .string("null") }), let only = types.first else { return }
            members["type"] = types.count == 1 ? only : .array(types)
        }
    }

    /// As a member of an object it may be left out.
    package var maybe: Schema {
        var schema = self
        schema.isOptional = true
        return schema
    }

    /// With a sentence for people, in place of the one that it has.
    package func described(_ help: String) -> Schema {
        changed { $0["description"] = .string(help) }
    }

    /// With the value that stands for one that is left out.
    package func defaulting(to value: JSONValue) -> Schema {
        changed { $0["default"] = value }
    }

    /// With one more keyword.
    package func with(_ name: String, _ value: any JSONRepresentable) -> Schema {
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
    package init(dictionaryLiteral members: (String, Schema)...) {
        self.init(members: members)
    }

    /// An object of these members; all of them are there but those that are `maybe`.
    package init(members: [(String, Schema)]) {
        self.init(["type": "object", "properties": JSONObject(members.map { ($0.0, $0.1.json) })])
        let required = members.filter { !$0.1.isOptional }.map(\.0)
        if !required.isEmpty { self.members["required"] = required.json }
    }
}
