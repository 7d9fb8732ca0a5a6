// What a batch of calls says of one of them.

/// One entry of params.calls in `tools/call_batch`.
package struct BatchedCall: Sendable {
    /// As `Envelope.toolName`.
    package internal(set) var toolName: String?
    /// Where the raw token of the name stands, quotes included.
    package internal(set) var toolNameToken: Range<Int>?
    /// Where the raw value of the arguments stands; nil without any.
    package internal(set) var arguments: Range<Int>?
    /// Bytes of the arguments without insignificant whitespace; 0 without any (F-PRICE-04).
    package internal(set) var argumentsCompactSize = 0
}
