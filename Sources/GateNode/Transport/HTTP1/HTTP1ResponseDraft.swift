/// The head of an answer while its bytes arrive.
struct HTTP1ResponseDraft: Sendable {
    private(set) var line: HTTP1StatusLine?
    private(set) var section = HTTP1FieldSection()
    private var lines = HTTP1LineScanner()

    /// Bytes of the head, once it is complete.
    var length: Int { lines.start }

    /// Reads on in `bytes`, which start with the status line; nil when more of them are needed.
    mutating func scan(_ bytes: UnsafeRawBufferPointer, limits: HTTP1Limits) throws(HTTP1Fault) -> HTTP1Framing? {
        if line == nil {
            guard bytes[0] == 0x48 else { throw .malformedStatusLine }
            guard let range = try lines.next(in: bytes, limit: limits.startLine, tooLong: .headTooLarge) else { return nil }
            line = try HTTP1StatusLine(bytes, range)
        }
        guard let line, try section.scan(bytes, &lines, limits: limits) else { return nil }
        let framing = try section.framing(bytes, line.version)
        if line.isBodiless { return HTTP1Framing.none }
        return framing == .none ? .untilClose : framing
    }

    /// Whether the connection is fit for another request after this answer.
    ///
    /// A length announced for a body that cannot be is a sign that bytes may follow which belong to no answer.
    func keepsAlive(_ line: HTTP1StatusLine, _ framing: HTTP1Framing) -> Bool {
        guard framing != .untilClose, section.keepsAlive(line.version) else { return false }
        if line.status == 204 { return section.slots[.contentLength] == nil && section.slots[.transferEncoding] == nil }
        return true
    }
}
