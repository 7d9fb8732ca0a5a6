// Answers that are given as HTTPTypes parts, as bytes.

import HTTPTypes
package import NIOCore
package import NIOHTTPTypes

/// Turns one answer given as HTTPTypes parts into bytes, and decides how its body is delimited (RFC 9112 6).
///
/// The answer's own Content-Length is kept as a promise: bytes beyond it are dropped, and when they stay short of it the
/// connection has to close, because the client would take the next answer for the rest of this one.
package struct HTTP1ResponseEncoder: Sendable {
    private enum Body {
        case none, length(remaining: Int), chunked, untilClose
    }

    private let isHead: Bool
    private let version: HTTP1Version
    private var body = Body.none
    /// Whether the connection is to be closed after the answer; final once `.end` was encoded.
    package private(set) var closesAfterwards: Bool
    /// Whether the head was encoded, so that the answer cannot become another one.
    package private(set) var hasBegun = false
    /// Whether the whole answer was encoded.
    package private(set) var isFinished = false

    /// - Parameter request: what is answered.
    package init(answering request: HTTP1RequestHead) {
        isHead = request.method == .head
        version = request.version
        closesAfterwards = !request.keepAlive
    }

    /// Writes one part. Parts after the end are ignored.
    package mutating func encode(_ part: HTTPResponsePart, into buffer: inout ByteBuffer) {
        guard !isFinished else { return }
        switch part {
        case .head(let response): encode(response, into: &buffer)
        case .body(let data): encode(data, into: &buffer)
        case .end(let trailers): end(trailers, into: &buffer)
        }
    }

    private mutating func encode(_ response: HTTPResponse, into buffer: inout ByteBuffer) {
        let status = response.status.code
        HTTP1Writer.beginResponse(status: status, into: &buffer)
        let isProvisional = status < 200
        if !isProvisional {
            hasBegun = true
            decideBody(response)
        }

        let keepsLength = (isHead || status == 304) && status != 204
        for field in response.headerFields where field.name != .transferEncoding {
            if field.name == .contentLength, !keepsLength { continue }
            if field.name == .connection { continue }
            HTTP1Writer.appendSafe(name: field.name.rawName, field.value, into: &buffer)
        }
        if !isProvisional { appendFraming(into: &buffer) }
        HTTP1Writer.endHead(into: &buffer)
    }

    private mutating func decideBody(_ response: HTTPResponse) {
        let asksToClose = response.headerFields[values: .connection].contains { value in
            value.split(separator: ",").contains { $0.filter { $0 != " " }.lowercased() == "close" }
        }
        if asksToClose { closesAfterwards = true }

        let status = response.status.code
        if isHead || status == 204 || status == 304 {
            body = .none
        } else if let length = response.headerFields[.contentLength].flatMap({ Int($0) }), length >= 0 {
            body = .length(remaining: length)
        } else if version == .http11 {
            body = .chunked
        } else {
            body = .untilClose
            closesAfterwards = true
        }
    }

    private func appendFraming(into buffer: inout ByteBuffer) {
        switch body {
        case .length(let length): HTTP1Writer.appendField("content-length", length, into: &buffer)
        case .chunked: HTTP1Writer.appendField("transfer-encoding", "chunked", into: &buffer)
        case .none, .untilClose: break
        }
        if closesAfterwards {
            HTTP1Writer.appendField("connection", "close", into: &buffer)
        } else if version == .http10 {
            HTTP1Writer.appendField("connection", "keep-alive", into: &buffer)
        }
    }

    private mutating func encode(_ data: ByteBuffer, into buffer: inout ByteBuffer) {
        switch body {
        case .none: break
        case .untilClose: buffer.writeImmutableBuffer(data)
        case .chunked: HTTP1Writer.appendChunk(data, into: &buffer)
        case .length(let remaining):
            let kept = data.getSlice(at: data.readerIndex, length: min(remaining, data.readableBytes)) ?? ByteBuffer()
            buffer.writeImmutableBuffer(kept)
            body = .length(remaining: remaining - kept.readableBytes)
        }
    }

    private mutating func end(_ trailers: HTTPFields?, into buffer: inout ByteBuffer) {
        isFinished = true
        switch body {
        case .length(let remaining) where remaining > 0: closesAfterwards = true
        case .chunked:
            buffer.writeStaticString("0\r\n")
            for field in trailers ?? [:] {
                HTTP1Writer.appendSafe(name: field.name.rawName, field.value, into: &buffer)
            }
            HTTP1Writer.endHead(into: &buffer)
        case .none, .length, .untilClose: break
        }
    }
}
