/// A request head while its bytes arrive: what was read so far, and where to go on.
struct HTTP1RequestDraft: Sendable {
    private(set) var line: HTTP1RequestLine?
    private(set) var section = HTTP1FieldSection()
    private var lines = HTTP1LineScanner()

    /// Bytes of the head, once it is complete.
    var length: Int { lines.start }

    /// Reads on in `bytes`, which start with the request line; nil when more of them are needed.
    mutating func scan(_ bytes: UnsafeRawBufferPointer, limits: HTTP1Limits) throws(HTTP1Fault) -> HTTP1Framing? {
        if line == nil {
            // Refused at the first byte, because a TLS handshake need not ever contain a line end.
            guard HTTP1ByteSet.token.contains(bytes[0]) else { throw .malformedMethod }
            guard let range = try lines.next(in: bytes, limit: limits.startLine, tooLong: .targetTooLong) else {
                return nil
            }
            line = try HTTP1RequestLine(bytes, range)
        }
        guard let line, try section.scan(bytes, &lines, limits: limits) else { return nil }
        try checkHost(bytes, line)
        return try section.framing(bytes, line.version)
    }

    /// HTTP/1.1 needs exactly one valid Host, and an absolute target has to name the same one (RFC 9112 3.2).
    private func checkHost(_ bytes: UnsafeRawBufferPointer, _ line: HTTP1RequestLine) throws(HTTP1Fault) {
        guard let span = section.slots[.host] else {
            if line.version == .http11 { throw .missingHost }
            return
        }
        let host = bytes.part(span.range)
        guard !host.isEmpty, host.consists(of: .authority) else { throw .malformedHost }
        guard let authority = line.target.authority else { return }
        guard host.equalsIgnoringCase(bytes.part(authority.range)) else { throw .malformedHost }
    }
}
