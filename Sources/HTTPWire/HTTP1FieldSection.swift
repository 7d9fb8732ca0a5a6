// Header lines on their way in: found, taken apart, and asked what they say about the connection and the body.

/// The field lines of a head while they are read, with what they say about the connection and the body.
struct HTTP1FieldSection: Sendable {
    /// Where the first field line starts.
    private(set) var start = 0
    private(set) var slots = HTTP1FieldSlots()
    private(set) var expectsContinue = false
    private var asksToClose = false
    private var asksToKeepAlive = false
    private var count = 0

    /// Reads field lines up to the empty line that ends them. True when it was read, false when more bytes are needed.
    @inline(__always)
    mutating func scan(
        _ bytes: UnsafeRawBufferPointer, _ lines: inout HTTP1LineScanner, limits: HTTP1Limits
    ) throws(HTTP1Fault) -> Bool {
        if start == 0 { start = lines.start }
        while let line = try lines.next(in: bytes, limit: limits.head, tooLong: .headTooLarge) {
            if line.isEmpty { return true }
            guard count < limits.fields else { throw .tooManyFields }
            count &+= 1
            try take(HTTP1FieldLine(bytes, line), bytes)
        }
        return false
    }

    @inline(__always)
    private mutating func take(_ line: HTTP1FieldLine, _ bytes: UnsafeRawBufferPointer) throws(HTTP1Fault) {
        guard let field = HTTP1KnownField.recognise(bytes.part(line.name)) else { return }
        switch field {
        case .connection: noteConnection(bytes.part(line.value))
        case .expect: try noteExpectation(bytes.part(line.value))
        default: break
        }
        try slots.note(field, line.value)
    }

    private mutating func noteConnection(_ value: UnsafeRawBufferPointer) {
        value.forEachListElement { option in
            if option.equalsIgnoringCase("close") { asksToClose = true }
            if option.equalsIgnoringCase("keep-alive") { asksToKeepAlive = true }
        }
    }

    private mutating func noteExpectation(_ value: UnsafeRawBufferPointer) throws(HTTP1Fault) {
        guard value.equalsIgnoringCase("100-continue") else { throw .unsupportedExpectation }
        expectsContinue = true
    }

    /// Whether the peer wants the connection to live on (RFC 9112 9.3).
    func keepsAlive(_ version: HTTP1Version) -> Bool {
        if asksToClose { return false }
        return version == .http11 || asksToKeepAlive
    }

    /// How long the body is, by the fields alone (RFC 9112 6.3); whatever could be read in two ways is refused.
    @inline(__always)
    func framing(_ bytes: UnsafeRawBufferPointer, _ version: HTTP1Version) throws(HTTP1Fault) -> HTTP1Framing {
        let length = slots[.contentLength]
        if let coding = slots[.transferEncoding] {
            guard length == nil, version == .http11 else { throw .ambiguousFraming }
            guard bytes.part(coding.range).equalsIgnoringCase("chunked") else { throw .unsupportedTransferCoding }
            return .chunked
        }
        guard let length else { return .none }
        guard let number = bytes.part(length.range).decimalNumber() else { throw .malformedContentLength }
        return .length(number)
    }
}

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

/// One header line taken apart into name and value, by the grammar of RFC 9112 5 without its obsolete parts.
struct HTTP1FieldLine {
    let name: Range<Int>
    let value: Range<Int>

    /// - Parameter line: a line of `bytes` without its line end, not empty, already free of control bytes.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(HTTP1Fault) {
        var offset = line.lowerBound
        while offset < line.upperBound, HTTP1ByteSet.token.contains(bytes[offset]) { offset &+= 1 }
        guard offset > line.lowerBound, offset < line.upperBound, bytes[offset] == HTTP1Byte.colon else {
            let first = bytes[line.lowerBound]
            throw first == HTTP1Byte.space || first == HTTP1Byte.tab ? .foldedField : .malformedFieldName
        }
        name = line.lowerBound..<offset
        value = bytes.trimmedRange((offset &+ 1)..<line.upperBound)
    }
}
