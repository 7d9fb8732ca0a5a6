/// Why bytes of a peer are not the message that they claim to be; every fault means: answer with its status and close.
///
/// After a fault nothing on that connection can be trusted, because the two sides no longer agree where a message ends
/// (RFC 9112 11.2, X36).
package enum HTTP1Fault: Error, Equatable, Sendable {
    case malformedRequestLine
    case malformedMethod
    case malformedTarget
    case targetTooLong
    case unsupportedVersion
    case malformedStatusLine
    case headTooLarge
    case tooManyFields
    case malformedLineEnd
    case forbiddenByte
    case malformedFieldName
    case foldedField
    case repeatedField(HTTP1KnownField)
    case missingHost
    case malformedHost
    case malformedContentLength
    case ambiguousFraming
    case unsupportedTransferCoding
    case malformedChunk
    case bodyTooLarge
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
