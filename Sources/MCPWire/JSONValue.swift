/// A parsed JSON value, for admin requests and for lists that have to be rewritten. The path of a call does without.
package enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits.
    case int(Int64)
    /// Any other number; always finite when it was parsed.
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}
