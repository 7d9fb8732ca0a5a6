// What is wrong with a message, and the bounds that it has to keep.

/// Why bytes of a peer are not the message that they claim to be; every fault means: answer with its status and close.
///
/// `sentence` says what each one means. After a fault nothing on that connection can be trusted, because the two sides no longer agree where a message ends
/// (RFC 9112 11.2, X36).
@usableFromInline
package enum HTTP1Fault: Error, Equatable, Sendable {
    /// It is not three words with one space between them.
    case malformedRequestLine
    /// The method is no token, or longer than 32 bytes.
    case malformedMethod
    /// The target is in none of the accepted forms, or has a byte that no target may have.
    case malformedTarget
    /// The request line is longer than `HTTP1Limits.startLine`.
    case targetTooLong
    /// A version of HTTP that is neither 1.0 nor 1.1.
    case unsupportedVersion
    /// An answer does not begin with a version, a status of three digits and a reason.
    case malformedStatusLine
    /// Start line and fields are longer than `HTTP1Limits.head`.
    case headTooLarge
    /// More than `HTTP1Limits.fields`.
    case tooManyFields
    /// A line of the head ends with something else than CRLF.
    case malformedLineEnd
    /// A control character stands in the head.
    case forbiddenByte
    /// The name of a field is no token, or a space follows it.
    case malformedFieldName
    /// A field goes on in the next line (RFC 9112 5.2).
    case foldedField
    /// A field that may stand there once stands there again.
    case repeatedField(HTTP1KnownField)
    /// A request of HTTP/1.1 has no Host.
    case missingHost
    /// The value of Host is no authority.
    case malformedHost
    /// Content-Length is no number of decimal digits, or too large for one.
    case malformedContentLength
    /// Two fields that tell the length of the body differently, as smuggling needs them (RFC 9112 6.3).
    case ambiguousFraming
    /// A transfer coding that is not `chunked` alone.
    case unsupportedTransferCoding
    /// A chunk's size or end breaks the grammar.
    case malformedChunk
    /// The body is longer than its limit.
    case bodyTooLarge
    /// An Expect that is not `100-continue`.
    case unsupportedExpectation
    /// The peer closed, or answered too often provisionally, before its message was complete.
    case truncated
}

extension HTTP1Fault {
    /// The HTTP status that a client is told.
    package var status: Int {
        switch self {
        case .bodyTooLarge: 413
        case .targetTooLong: 414
        case .unsupportedExpectation: 417
        case .headTooLarge, .tooManyFields: 431
        case .unsupportedTransferCoding: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }

    /// One sentence for the public; it repeats nothing of the input.
    package var sentence: StaticString {
        switch self {
        case .malformedRequestLine: "The request line is not valid HTTP/1.1."
        case .malformedMethod: "The request method is not a valid token."
        case .malformedTarget: "The request target is not valid."
        case .targetTooLong: "The request target is too long."
        case .unsupportedVersion: "Only HTTP/1.0 and HTTP/1.1 are supported."
        case .malformedStatusLine: "The status line is not valid HTTP/1.1."
        case .headTooLarge: "The header section is too large."
        case .tooManyFields: "There are too many header fields."
        case .malformedLineEnd: "Every line of the header section must end with CRLF."
        case .forbiddenByte: "The header section contains a forbidden control character."
        case .malformedFieldName: "A header field name is not valid."
        case .foldedField: "Folded header lines are not accepted."
        case .repeatedField: "A header field that may appear only once is repeated."
        case .missingHost: "The Host header field is missing."
        case .malformedHost: "The Host header field is not valid."
        case .malformedContentLength: "The Content-Length header field is not valid."
        case .ambiguousFraming: "The length of the body is ambiguous."
        case .unsupportedTransferCoding: "The only supported transfer coding is chunked."
        case .malformedChunk: "The chunked body is not valid."
        case .bodyTooLarge: "The body is too large."
        case .unsupportedExpectation: "The only supported expectation is 100-continue."
        case .truncated: "The message ended too early."
        }
    }
}

/// The bounds that one HTTP/1 message must keep, so that no peer decides how much memory it takes (X34, F-HTTP-03).
package struct HTTP1Limits: Sendable {
    /// Bytes of the request line with its line end; beyond it 414.
    package var startLine: Int
    /// Bytes of start line and fields together; beyond it 431. At most 65,535, because offsets are 16 bits wide.
    package var head: Int
    /// Fields of the head, and of a trailer section; beyond it 431.
    package var fields: Int
    /// Bytes of a body after its transfer coding is taken off; beyond it 413.
    package var body: Int

    /// - Parameters:
    ///   - startLine: bytes; no more than `head` counts.
    ///   - head: bytes, 16 to 65,535; anything else traps.
    ///   - fields: how many of them.
    ///   - body: bytes.
    package init(startLine: Int = 8_192, head: Int = 32_768, fields: Int = 100, body: Int = 1_048_576) {
        precondition((16...65_535).contains(head), "offsets within a head are 16 bits wide")
        self.startLine = min(startLine, head)
        self.head = head
        self.fields = fields
        self.body = body
    }

    /// What a request may take.
    package static let request = HTTP1Limits()
    /// What the answer of an upstream may take; a status line has no limit of its own.
    package static let response = HTTP1Limits(startLine: 32_768, body: 64 << 20)
}
