/// Finds the lines of a head or of chunked framing, resuming where the last buffer ended, so that a line that arrives byte
/// by byte is still looked at once.
///
/// A line ends with CRLF and with nothing else (a bare LF is where two parsers disagree, RFC 9112 2.2), and holds no
/// control byte but the tab.
struct HTTP1LineScanner: Sendable {
    /// Where the next line starts; after a complete line, just behind its CRLF.
    private(set) var start = 0
    private var scanned = 0

    /// The next complete line without its CRLF, or nil when more bytes are needed.
    ///
    /// - Parameters:
    ///   - limit: the offset at which the line, with its CRLF, has to have ended.
    ///   - tooLong: what is thrown beyond it.
    @inline(__always)
    mutating func next(
        in bytes: UnsafeRawBufferPointer, limit: Int, tooLong: HTTP1Fault
    ) throws(HTTP1Fault) -> Range<Int>? {
        let end = min(bytes.count, limit)
        let found = bytes.firstControl(from: scanned, to: end)
        scanned = found
        guard found < end else {
            if bytes.count >= limit { throw tooLong }
            return nil
        }
        guard bytes[found] == HTTP1Byte.carriageReturn else {
            throw bytes[found] == HTTP1Byte.lineFeed ? .malformedLineEnd : .forbiddenByte
        }
        guard found &+ 1 < end else {
            if bytes.count >= limit { throw tooLong }
            return nil
        }
        guard bytes[found &+ 1] == HTTP1Byte.lineFeed else { throw .malformedLineEnd }
        let line = start..<found
        start = found &+ 2
        scanned = start
        return line
    }
}
