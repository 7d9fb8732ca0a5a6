// What a message says of one call.

/// The params of `tools/call`, or one entry of params.calls in `tools/call_batch`.
package struct BatchedCall: Sendable {
    /// The decoded name of the tool. Nil if it is missing, empty, no string, longer than any name, or holds half a surrogate pair: answer
    /// -32602. It may hold any character, also control characters.
    package internal(set) var toolName: String?
    /// Where the raw token of the name stands, quotes included; only set if it is a string. Prompts have names too.
    package internal(set) var toolNameToken: Range<Int>?
    /// Where the raw value of the arguments stands; nil without any.
    package internal(set) var arguments: Range<Int>?
    /// Bytes of the arguments without insignificant whitespace; 0 without any (F-PRICE-04).
    package internal(set) var argumentsCompactSize = 0
}
