/// How the end of a message's body is found (RFC 9112 6.3).
package enum HTTP1Framing: Equatable, Sendable {
    /// There is no body.
    case none
    /// The body is that many bytes long; zero when the peer said so.
    case length(Int)
    /// The body is a sequence of chunks.
    case chunked
    /// The body ends with the connection; only answers may do that.
    case untilClose
}
