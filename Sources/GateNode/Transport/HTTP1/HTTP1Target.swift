/// The target of a request, reduced to path and query; the authority is kept only to compare it with Host.
struct HTTP1Target: Sendable {
    /// Empty when an absolute target has no path, which means `/`.
    let path: HTTP1Span
    /// What follows the first `?`, without it.
    let query: HTTP1Span?
    /// The host of an absolute target (RFC 9112 3.2.2).
    let authority: HTTP1Span?

    /// Takes the origin form (`/path`), the absolute form (`http://host/path`), and `*` for OPTIONS.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, _ target: Range<Int>, method: HTTP1Method) throws(HTTP1Fault) {
        if bytes[target.lowerBound] == HTTP1Byte.slash {
            self.init(bytes, pathAndQuery: target, authority: nil)
        } else if method == .options, target.count == 1, bytes[target.lowerBound] == HTTP1Byte.asterisk {
            self.init(bytes, pathAndQuery: target, authority: nil)
        } else {
            let authority = try Self.authority(of: bytes, target)
            self.init(bytes, pathAndQuery: authority.upperBound..<target.upperBound, authority: HTTP1Span(authority))
        }
    }

    @inline(__always)
    private init(_ bytes: UnsafeRawBufferPointer, pathAndQuery: Range<Int>, authority: HTTP1Span?) {
        var end = pathAndQuery.lowerBound
        while end < pathAndQuery.upperBound, bytes[end] != HTTP1Byte.questionMark { end &+= 1 }
        path = HTTP1Span(pathAndQuery.lowerBound..<end)
        query = end < pathAndQuery.upperBound ? HTTP1Span((end &+ 1)..<pathAndQuery.upperBound) : nil
        self.authority = authority
    }

    private static func authority(of bytes: UnsafeRawBufferPointer, _ target: Range<Int>) throws(HTTP1Fault) -> Range<Int> {
        let scheme: StaticString = "http://"
        let start = target.lowerBound + scheme.utf8CodeUnitCount
        guard start < target.upperBound, bytes.part(target.lowerBound..<start).equalsIgnoringCase(scheme) else {
            throw .malformedTarget
        }
        var end = start
        while end < target.upperBound, bytes[end] != HTTP1Byte.slash, bytes[end] != HTTP1Byte.questionMark { end += 1 }
        guard end > start, bytes.part(start..<end).consists(of: .authority) else { throw .malformedTarget }
        return start..<end
    }
}
