package import NIOCore

/// Writes heads and chunks into a buffer with few capacity checks and no text made on the way.
///
/// What callers give as a value can never end its line: control bytes are left out (X36, F-HDR-15).
package enum HTTP1Writer {
    /// Opens an answer: the status line.
    @inline(__always)
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
    @inline(__always)
    package static func endHead(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("\r\n")
    }

    /// A field whose value is known when this is compiled.
    @inline(__always)
    package static func appendField(_ name: StaticString, _ value: StaticString, into buffer: inout ByteBuffer) {
        appendLine(name.bytes, value.bytes, into: &buffer)
    }

    /// A field with a number.
    @inline(__always)
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
    package static func isFieldName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.allSatisfy { HTTP1ByteSet.token.contains($0) }
    }

    /// One chunk; nothing for an empty one, because that would end the body.
    package static func appendChunk(_ data: ByteBuffer, into buffer: inout ByteBuffer) {
        guard data.readableBytes > 0 else { return }
        withDigits(of: data.readableBytes, radix: 16) { buffer.writeBytes($0) }
        buffer.writeStaticString("\r\n")
        buffer.writeImmutableBuffer(data)
        buffer.writeStaticString("\r\n")
    }

    /// The last chunk, without trailers.
    package static func endChunks(into buffer: inout ByteBuffer) {
        buffer.writeStaticString("0\r\n\r\n")
    }

    /// A decimal number.
    @inline(__always)
    package static func appendInteger(_ value: Int, into buffer: inout ByteBuffer) {
        withDigits(of: value, radix: 10) { buffer.writeBytes($0) }
    }

    /// The digits of a number, on the stack.
    @inline(__always)
    private static func withDigits(of value: Int, radix: UInt, _ body: (UnsafeRawBufferPointer) -> Void) {
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
    @inline(__always)
    private static func appendLine(
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
    @inline(__always)
    fileprivate var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
    }
}
