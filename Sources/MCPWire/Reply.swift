// A server's message as far as the gate has to understand it.

/// One JSON-RPC message from an upstream, read as far as its routing and its settlement need it.
///
/// Ranges are byte offsets into the memory that was scanned; raw tokens keep their quotes.
@usableFromInline
package struct Reply: Sendable {
    /// What a server's message is.
    @usableFromInline
    package enum Kind: Sendable, Equatable {
        /// `isError` is true only if the result is an object with `"isError": true`.
        case result(isError: Bool)
        /// A JSON-RPC error; the code is 0 if it has no integer code.
        case error(code: Int)
        /// The upstream asks something of the client (sampling, elicitation, roots, ping).
        case request
        /// News that nobody answers.
        case notification
    }

    /// A notification unless it says something else.
    package internal(set) var kind = Kind.notification
    /// The raw token of the id.
    package internal(set) var id: Range<Int>?
    /// The id, if it is a plain decimal as the gate hands them out.
    package internal(set) var number: UInt64?
    /// Of a request or a notification; `other` where the gate knows no such method.
    package internal(set) var method = Method.other
    /// The bytes between the quotes of the method, undecoded; nil unless this is a request or a notification.
    package internal(set) var methodName: Range<Int>?
    /// The raw value of params.
    package internal(set) var params: Range<Int>?
    /// The raw value of result.
    package internal(set) var result: Range<Int>?
    /// The raw token of result.resultType (revision 2026-07-28); only set if it is a string.
    package internal(set) var resultType: Range<Int>?
    /// The raw value of error.
    package internal(set) var error: Range<Int>?
    /// The raw value of params.progressToken (`notifications/progress`).
    package internal(set) var progressToken: Range<Int>?
    /// That token, if it is a plain decimal.
    package internal(set) var progressNumber: UInt64?
    /// The raw value of params.requestId (`notifications/cancelled`).
    package internal(set) var requestIdToCancel: Range<Int>?
    /// Whether the message has more than a message of its kind consists of, or some of it twice (JSON-RPC 2.0, sections 4 and 5).
    package internal(set) var isLoose = false
}
