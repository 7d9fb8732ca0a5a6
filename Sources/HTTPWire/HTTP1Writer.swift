// Heads and chunks written into a buffer.

public import NIOCore

/// Writes heads and chunks into a buffer with few capacity checks and no text made on the way.
///
/// What callers give as a value can never end its line: control bytes are left out (X36, F-HDR-15).
@usableFromInline
package enum HTTP1Writer {
    /// Opens an answer: the status line.
    @inlinable @inline(__always)
    package static func beginResponse(status: Int, into buffer: inout ByteBuffer) {
        if let line = statusLine(status) {
            buffer.writeStaticString(line)
        } else {
            buffer.writeStaticString("HTTP/1.1 ")
            appendInteger(min(max(status, 100), 999), into: &buffer)
            buffer.writeStaticString(" Status\r\n")
        }
    }

    /// Opens a request: the request line. Bytes that may not stand in a target are left out.
    package static func beginRequest(method: StaticString, target: String, into buffer: inout ByteBuffer) {
        buffer.writeStaticString(method)
        buffer.writeStaticString(" ")
        appendText(target, into: &buffer) { HTTP1ByteSet.target.contains($0) }
        buffer.writeStaticString(" HTTP/1.1\r\n")
    }

    /// Ends the head.
    @inlinable @inline(__always)
    package static func endHead(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("\r\n")
    }

    /// A field whose value is known when this is compiled.
    @inlinable @inline(__always)
    package static func appendField(_ name: StaticString, _ value: StaticString, into buffer: inout ByteBuffer) {
        appendLine(name.bytes, value.bytes, into: &buffer)
    }

    /// A field with a number.
    @inlinable @inline(__always)
    package static func appendField(_ name: StaticString, _ value: Int, into buffer: inout ByteBuffer) {
        withDigits(of: value, radix: 10) { appendLine(name.bytes, $0, into: &buffer) }
    }

    /// A field with any text; control bytes other than the tab are left out of it.
    package static func appendSafe(_ name: StaticString, _ value: String, into buffer: inout ByteBuffer) {
        appendSafe(name.bytes, value, into: &buffer)
    }

    /// A field with any bytes; control bytes other than the tab are left out of them.
    package static func appendSafe(_ name: StaticString, _ value: UnsafeRawBufferPointer, into buffer: inout ByteBuffer) {
        appendSafe(name.bytes, value, into: &buffer)
    }

    /// A field whose name is only known at run time. Nothing is written, and false returned, when it is no token.
    @discardableResult
    package static func appendSafe(name: String, _ value: String, into buffer: inout ByteBuffer) -> Bool {
        guard isFieldName(name) else { return false }
        var name = name
        name.withUTF8 { appendSafe(UnsafeRawBufferPointer($0), value, into: &buffer) }
        return true
    }

    /// Whether a text may be the name of a field (RFC 9110 5.1).
    package static func isFieldName(_ name: some StringProtocol) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { HTTP1ByteSet.token.contains($0) }
    }

    /// One chunk; nothing for an empty one, because that would end the body.
    package static func appendChunk(_ data: ByteBuffer, into buffer: inout ByteBuffer) {
        guard data.readableBytes > 0 else { return }
        beginChunk(of: data.readableBytes, into: &buffer)
        buffer.writeImmutableBuffer(data)
        buffer.writeStaticString("\r\n")
    }

    /// The line before a chunk whose bytes are written apart, with the line end that follows them.
    package static func beginChunk(of size: Int, into buffer: inout ByteBuffer) {
        withDigits(of: size, radix: 16) { buffer.writeBytes($0) }
        buffer.writeStaticString("\r\n")
    }

    /// The last chunk, without trailers.
    package static func endChunks(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("0\r\n\r\n")
    }

    /// A decimal number.
    @inlinable @inline(__always)
    package static func appendInteger(_ value: Int, into buffer: inout ByteBuffer) {
        withDigits(of: value, radix: 10) { buffer.writeBytes($0) }
    }

    /// The digits of a number, on the stack.
    @inlinable @inline(__always)
    static func withDigits(of value: Int, radix: UInt, _ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 24, alignment: 1) { digits in
            var rest = value.magnitude
            var start = digits.count
            repeat {
                start &-= 1
                let digit = UInt8(truncatingIfNeeded: rest % radix)
                digits[start] = digit < 10 ? digit &+ HTTP1Byte.zero : digit &+ 0x57
                rest /= radix
            } while rest > 0
            if value < 0 {
                start &-= 1
                digits[start] = HTTP1Byte.minus
            }
            body(UnsafeRawBufferPointer(rebasing: digits[start...]))
        }
    }
}

extension HTTP1Writer {
    private static func appendSafe(_ name: UnsafeRawBufferPointer, _ value: String, into buffer: inout ByteBuffer) {
        var value = value
        value.withUTF8 { appendSafe(name, UnsafeRawBufferPointer($0), into: &buffer) }
    }

    private static func appendSafe(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, into buffer: inout ByteBuffer
    ) {
        if value.firstControl(from: 0, to: value.count) == value.count {
            appendLine(name, value, into: &buffer)
        } else {
            let kept = value.filter { $0 == HTTP1Byte.tab || ($0 >= HTTP1Byte.space && $0 != HTTP1Byte.delete) }
            kept.withUnsafeBytes { appendLine(name, $0, into: &buffer) }
        }
    }

    /// `name: value` and the line end, with one capacity check.
    @inlinable @inline(__always)
    static func appendLine(
        _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, into buffer: inout ByteBuffer
    ) {
        let size = name.count + value.count + 4
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: size) { line in
            let tail = name.count &+ 2 &+ value.count
            line.copyMemory(from: name)
            line[name.count] = HTTP1Byte.colon
            line[name.count &+ 1] = HTTP1Byte.space
            UnsafeMutableRawBufferPointer(rebasing: line[(name.count &+ 2)...]).copyMemory(from: value)
            line[tail] = HTTP1Byte.carriageReturn
            line[tail &+ 1] = HTTP1Byte.lineFeed
            return size
        }
    }

    private static func appendText(_ text: String, into buffer: inout ByteBuffer, where isAllowed: (UInt8) -> Bool) {
        if text.utf8.allSatisfy(isAllowed) {
            buffer.writeString(text)
        } else {
            buffer.writeBytes(text.utf8.filter(isAllowed))
        }
    }
}

extension StaticString {
    /// The literal's own bytes, which live as long as the program.
    @inlinable @inline(__always)
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
    }
}

extension HTTP1Writer {
    /// The status line of a status that we know, with its line end, as finished bytes, so that it is one copy; nil for others.
    @inlinable
    static func statusLine(_ status: Int) -> StaticString? {
        switch status {
        case 200: "HTTP/1.1 200 OK\r\n"
        case 202: "HTTP/1.1 202 Accepted\r\n"
        case 100: "HTTP/1.1 100 Continue\r\n"
        case 201: "HTTP/1.1 201 Created\r\n"
        case 204: "HTTP/1.1 204 No Content\r\n"
        case 206: "HTTP/1.1 206 Partial Content\r\n"
        case 301: "HTTP/1.1 301 Moved Permanently\r\n"
        case 302: "HTTP/1.1 302 Found\r\n"
        case 303: "HTTP/1.1 303 See Other\r\n"
        case 304: "HTTP/1.1 304 Not Modified\r\n"
        case 307: "HTTP/1.1 307 Temporary Redirect\r\n"
        case 308: "HTTP/1.1 308 Permanent Redirect\r\n"
        case 400: "HTTP/1.1 400 Bad Request\r\n"
        case 401: "HTTP/1.1 401 Unauthorized\r\n"
        case 402: "HTTP/1.1 402 Payment Required\r\n"
        case 403: "HTTP/1.1 403 Forbidden\r\n"
        case 404: "HTTP/1.1 404 Not Found\r\n"
        case 405: "HTTP/1.1 405 Method Not Allowed\r\n"
        case 406: "HTTP/1.1 406 Not Acceptable\r\n"
        case 408: "HTTP/1.1 408 Request Timeout\r\n"
        case 409: "HTTP/1.1 409 Conflict\r\n"
        case 410: "HTTP/1.1 410 Gone\r\n"
        case 411: "HTTP/1.1 411 Length Required\r\n"
        case 412: "HTTP/1.1 412 Precondition Failed\r\n"
        case 413: "HTTP/1.1 413 Content Too Large\r\n"
        case 414: "HTTP/1.1 414 URI Too Long\r\n"
        case 415: "HTTP/1.1 415 Unsupported Media Type\r\n"
        case 417: "HTTP/1.1 417 Expectation Failed\r\n"
        case 421: "HTTP/1.1 421 Misdirected Request\r\n"
        case 422: "HTTP/1.1 422 Unprocessable Content\r\n"
        case 423: "HTTP/1.1 423 Locked\r\n"
        case 428: "HTTP/1.1 428 Precondition Required\r\n"
        case 429: "HTTP/1.1 429 Too Many Requests\r\n"
        case 431: "HTTP/1.1 431 Request Header Fields Too Large\r\n"
        case 451: "HTTP/1.1 451 Unavailable For Legal Reasons\r\n"
        case 500: "HTTP/1.1 500 Internal Server Error\r\n"
        case 501: "HTTP/1.1 501 Not Implemented\r\n"
        case 502: "HTTP/1.1 502 Bad Gateway\r\n"
        case 503: "HTTP/1.1 503 Service Unavailable\r\n"
        case 504: "HTTP/1.1 504 Gateway Timeout\r\n"
        case 505: "HTTP/1.1 505 HTTP Version Not Supported\r\n"
        case 507: "HTTP/1.1 507 Insufficient Storage\r\n"
        default: nil
        }
    }
}
