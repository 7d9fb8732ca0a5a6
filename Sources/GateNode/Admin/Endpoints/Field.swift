// One input of an endpoint: declared once, it validates, documents and gives access (docs/architecture.md, rule 7).

import GateValues
import MCPWire

/// What the machinery needs to know of a field, whatever its type.
protocol DeclaredField: Sendable {
    var name: String { get }
    var schema: Schema { get }
    var isRequired: Bool { get }
    /// Text of a query or header as the JSON value that it stands for.
    var given: @Sendable (String) -> JSONValue { get }
    /// - Throws: if the value, or its absence, is not acceptable.
    func check(_ value: JSONValue?) throws(HTTPFailure)
}

/// A field of a query, header or body with the type of its values. As it is made it is required; see the modifiers.
struct Field<Value: Sendable>: DeclaredField {
    let name: String
    let schema: Schema
    let isRequired: Bool
    let given: @Sendable (String) -> JSONValue
    private let read: @Sendable (JSONValue?) throws(HTTPFailure) -> Value

    /// A field that has to be there.
    init(_ name: String, _ kind: ValueKind<Value>, _ help: String) {
        self.init(name: name, schema: kind.schema.helping(help), isRequired: true, given: kind.given) { value throws(HTTPFailure) in
            guard let value, !value.isNull else { throw .badRequest("Missing \(name)") }
            do throws(ValueFault) {
                return try kind.value(of: value)
            } catch {
                throw .badRequest("Invalid \(name)\(error.path). \(error.rule)")
            }
        }
    }

    private init(
        name: String, schema: Schema, isRequired: Bool, given: @escaping @Sendable (String) -> JSONValue,
        read: @escaping @Sendable (JSONValue?) throws(HTTPFailure) -> Value
    ) {
        self.name = name
        self.schema = schema
        self.isRequired = isRequired
        self.given = given
        self.read = read
    }

    /// The value; an absent one and null are the same here.
    func value(of value: JSONValue?) throws(HTTPFailure) -> Value {
        try read(value)
    }

    func check(_ value: JSONValue?) throws(HTTPFailure) {
        _ = try read(value)
    }
}

extension Field {
    /// May be left out; null counts as left out.
    var optional: Field<Value?> {
        left(schema.nullable, { _ in nil }) { $0 }
    }

    /// May be left out and is then `value`.
    func `default`(_ value: Value) -> Field<Value> where Value: JSONRepresentable {
        left(schema.defaulting(to: value.json), { _ in value }) { $0 }
    }

    /// May be left out and is then `value`; null, by which somebody may mean nothing at all, is refused.
    func `default`(unlessNull value: Value) -> Field<Value> where Value: JSONRepresentable {
        Field(name: name, schema: schema.defaulting(to: value.json), isRequired: false, given: given) {
            [read, name] given throws(HTTPFailure) in
            guard let given else { return value }
            guard !given.isNull else { throw .badRequest("Invalid \(name). Must not be null; leave it out for \(value.json.text).") }
            return try read(given)
        }
    }

    /// May be left out, which changes nothing, or be null, which clears what is set.
    var clearable: Field<Edit<Value>> {
        left(schema.nullable, { $0 == nil ? .unchanged : .cleared }) { .set($0) }
    }

    private func left<Other: Sendable>(
        _ schema: Schema, _ absent: @escaping @Sendable (JSONValue?) -> Other, _ present: @escaping @Sendable (Value) -> Other
    ) -> Field<Other> {
        Field<Other>(name: name, schema: schema, isRequired: false, given: given) { [read] value throws(HTTPFailure) in
            guard let value, !value.isNull else { return absent(value) }
            return present(try read(value))
        }
    }
}

/// What a request does to a value that may be set: nothing, clear it, or set it.
enum Edit<Value: Sendable>: Sendable {
    case unchanged
    case cleared
    case set(Value)
}

extension Schema {
    /// The description of the field before the one of its kind.
    fileprivate func helping(_ help: String) -> Schema {
        described([help, members["description"]?.stringValue ?? ""].filter { !$0.isEmpty }.joined(separator: " "))
    }
}
