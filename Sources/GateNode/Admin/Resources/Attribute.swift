// A part of a record that a client sets: one declaration for the requests that make and that change it.

import GateValues
import MCPWire

/// How a field of a request becomes a part of a record.
struct Attribute<Record: Sendable>: Sendable {
    let name: String
    /// As a request declares it that makes a record; nil if it is not set then.
    let onCreate: (any DeclaredField)?
    /// As a request declares it that changes one; nil if it never changes.
    let onUpdate: (any DeclaredField)?
    /// Puts the value of a request that makes a record into it.
    let create: @Sendable (EndpointRequest, inout Record) throws -> Void
    /// Puts the value of a request that changes a record into it, where there is one.
    let update: @Sendable (EndpointRequest, inout Record) throws -> Void
    /// Whether a request that changes a record gives this one.
    let isGiven: @Sendable (EndpointRequest) -> Bool

    private init<Made: Sendable, Changed: Sendable>(
        making: Field<Made>?, _ make: @escaping @Sendable (Made, inout Record) throws -> Void,
        changing: Field<Changed>?, _ change: @escaping @Sendable (Changed, inout Record) throws -> Void
    ) {
        name = making?.name ?? changing?.name ?? ""
        (onCreate, onUpdate) = (making, changing)
        create = { request, record in if let making { try make(request[making], &record) } }
        update = { request, record in if let changing { try change(request[changing], &record) } }
        isGiven = { request in changing.map { request.inputs[$0.name] != nil } ?? false }
    }
}

extension Attribute {
    typealias Path<Value> = WritableKeyPath<Record, Value> & Sendable

    /// Has to be given to make a record; left out of a change, it stays.
    static func required<Value: Sendable>(_ field: Field<Value>, _ path: any Path<Value>) -> Attribute {
        Attribute(making: field, { $1[keyPath: path] = $0 }, changing: field.optional) { value, record in
            if let value { record[keyPath: path] = value }
        }
    }

    /// Is `value` where nothing is given to make a record; left out of a change, it stays.
    static func defaulting<Value: Sendable & JSONRepresentable>(_ field: Field<Value>, to value: Value, _ path: any Path<Value>)
        -> Attribute
    {
        Attribute(making: field.default(value), { $1[keyPath: path] = $0 }, changing: field.optional) { value, record in
            if let value { record[keyPath: path] = value }
        }
    }

    /// May be there or not: null in a change removes it.
    static func optional<Value: Sendable>(_ field: Field<Value>, _ path: any Path<Value?>) -> Attribute {
        Attribute(making: field.optional, { $1[keyPath: path] = $0 }, changing: field.clearable) { edit, record in
            switch edit {
            case .unchanged: break
            case .cleared: record[keyPath: path] = nil
            case .set(let value): record[keyPath: path] = value
            }
        }
    }

    /// A map of which a change sets the members that it names, and removes those that it names as null; clients of the interface that we follow expect that.
    static func merging(_ field: Field<[String: String]>, _ changes: Field<[String: String?]>, _ path: any Path<[String: String]>)
        -> Attribute
    {
        Attribute(making: field.default([:]), { $1[keyPath: path] = $0 }, changing: changes.optional) { changes, record in
            for (name, value) in changes ?? [:] { record[keyPath: path][name] = value }
        }
    }

    /// Set when the record is made, and never again.
    static func fixed<Value: Sendable>(_ field: Field<Value>, _ path: any Path<Value>) -> Attribute {
        Attribute(making: field, { $1[keyPath: path] = $0 }, changing: Field<Value>?.none) { _, _ in }
    }
}
