// Lets a verb write its answer as plainly as it is documented: ["credits": balance, "expiresAt": nil].

package import MCPWire

/// A value that has one form in JSON.
package protocol JSONRepresentable: Sendable {
    /// The form; the same for equal values.
    var json: JSONValue { get }
}

extension JSONValue: JSONRepresentable {
    package var json: JSONValue { self }
}

extension JSONObject: JSONRepresentable {
    package var json: JSONValue { .object(self) }
}

extension Int: JSONRepresentable {
    package var json: JSONValue { .int(Int64(self)) }
}

extension Bool: JSONRepresentable {
    package var json: JSONValue { .bool(self) }
}

extension String: JSONRepresentable {
    package var json: JSONValue { .string(self) }
}

extension JSONRepresentable where Self: RawRepresentable<String> {
    /// The word.
    package var json: JSONValue { .string(rawValue) }
}

extension Optional: JSONRepresentable where Wrapped: JSONRepresentable {
    package var json: JSONValue { self?.json ?? .null }
}

extension Array: JSONRepresentable where Element: JSONRepresentable {
    package var json: JSONValue { .array(map(\.json)) }
}

extension Dictionary: JSONRepresentable where Key == String, Value: JSONRepresentable {
    /// Members in the order of their names.
    package var json: JSONValue { .object(JSONObject(sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) })) }
}

extension JSONObject {
    /// The object of these members, in their order.
    package static func of(_ members: KeyValuePairs<String, any JSONRepresentable>) -> JSONObject {
        JSONObject(members.map { ($0.key, $0.value.json) })
    }
}
