/// One entry of params.calls in `tools/call_batch`.
package struct BatchedCall: Sendable {
    /// As `Envelope.toolName`.
    package internal(set) var toolName: String?
    package internal(set) var toolNameToken: Range<Int>?
    package internal(set) var arguments: Range<Int>?
    package internal(set) var argumentsCompactSize = 0
}
