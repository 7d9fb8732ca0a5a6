// Which values a field takes: how one is read, and how it is described. Kinds convert nothing: "5" and true are never 5 (X35).

import MCPWire

/// Why a value is not taken.
enum FieldFault: Error, Sendable, Equatable {
    case missing
    /// The rule that it breaks: "Must be …".
    case rule(String)
}

/// How values of one type come out of JSON, a query or a header.
struct FieldKind<Value: Sendable>: Sendable {
    let schema: Schema
    /// Text of a query or header as the JSON value that it stands for.
    let given: @Sendable (String) -> JSONValue
    /// Never called with null.
    let read: @Sendable (JSONValue) throws(FieldFault) -> Value

    init(
        _ schema: Schema, given: @escaping @Sendable (String) -> JSONValue = { .string($0) },
        read: @escaping @Sendable (JSONValue) throws(FieldFault) -> Value
    ) {
        self.schema = schema
        self.given = given
        self.read = read
    }
}
