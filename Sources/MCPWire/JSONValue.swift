// JSON as values.

/// A parsed JSON value, for admin requests and for lists that have to be rewritten. The path of a call does without.
package enum JSONValue: Sendable, Equatable {
    /// `null`, which is not the same as nothing; a conditional expression whose other side is `nil` makes this of it.
    case null
    /// `true` or `false`.
    case bool(Bool)
    /// A number without fraction and exponent that fits.
    case int(Int64)
    /// Any other number; always finite when it was parsed.
    case double(Double)
    /// Text, unescaped.
    case string(String)
    /// Elements in their order.
    case array([JSONValue])
    /// Members in their order.
    case object(JSONObject)
}
