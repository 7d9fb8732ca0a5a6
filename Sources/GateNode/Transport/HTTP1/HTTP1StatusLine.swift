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
