// The head of an upstream's answer: complete, and while its bytes arrive.

/// Everything before the body of an upstream's final answer.
@usableFromInline
package struct HTTP1ResponseHead: Sendable {
    /// 200 to 599; provisional answers are skipped.
    package let status: Int
    /// The header fields, in the order in which they came.
    package let fields: HTTP1Fields
    /// How the end of the body is found.
    package let framing: HTTP1Framing
    /// Whether the connection may carry another request after this answer.
    package let keepAlive: Bool
    /// How the body is to be read; `other` also when nothing says so.
    package let contentType: HTTP1MediaType

    init(status: Int, fields: HTTP1Fields, framing: HTTP1Framing, keepAlive: Bool) {
        self.status = status
        self.fields = fields
        self.framing = framing
        self.keepAlive = keepAlive
        contentType = fields.contentType ?? .other
    }

    /// The session that the upstream opened.
    package var mcpSessionID: String? { fields.string(of: .mcpSessionID) }

    /// Seconds after which the upstream wants to be asked again; nil also for the form that is a date.
    package var retryAfter: Int? {
        fields.withValue(of: .retryAfter) { $0.decimalNumber() } ?? nil
    }
}

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

/// A status line taken apart (RFC 9112 4); the reason is dropped, it means nothing.
struct HTTP1StatusLine: Sendable {
    let version: HTTP1Version
    /// 100 to 599.
    let status: Int

    /// - Parameter line: a line of `bytes` without its line end, already free of control bytes but the tab.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(HTTP1Fault) {
        let line = bytes.part(line)
        guard line.count >= 12, let version = try HTTP1Version.parse(line.part(0..<8)), line[8] == HTTP1Byte.space,
            let status = line.part(9..<12).decimalNumber(), (100...599).contains(status),
            line.count == 12 || line[12] == HTTP1Byte.space
        else { throw .malformedStatusLine }
        self.version = version
        self.status = status
    }

    /// Whether an answer with this status has no body whatever its fields say (RFC 9110 15.3.5, 15.4.5).
    var isBodiless: Bool { status == 204 || status == 304 }
}
