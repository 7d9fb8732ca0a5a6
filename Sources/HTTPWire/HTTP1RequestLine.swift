// The first line of a request: method, target, version.

/// A request line taken apart: method, target and version (RFC 9112 3).
struct HTTP1RequestLine: Sendable {
    let method: HTTP1Method
    let version: HTTP1Version
    let target: HTTP1Target

    /// - Parameter line: a line of `bytes` without its line end, already free of control bytes.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(HTTP1Fault) {
        var offset = line.lowerBound
        while offset < line.upperBound, HTTP1ByteSet.token.contains(bytes[offset]) { offset &+= 1 }
        let token = line.lowerBound..<offset
        guard (1...HTTP1Method.longest).contains(token.count) else { throw .malformedMethod }
        guard offset < line.upperBound, bytes[offset] == HTTP1Byte.space else { throw .malformedRequestLine }

        let targetStart = offset &+ 1
        offset = targetStart
        while offset < line.upperBound, bytes[offset] != HTTP1Byte.space {
            guard HTTP1ByteSet.target.contains(bytes[offset]) else { throw .malformedTarget }
            offset &+= 1
        }
        guard offset > targetStart, offset < line.upperBound else { throw .malformedRequestLine }
        guard let version = try HTTP1Version.parse(bytes.part((offset &+ 1)..<line.upperBound)) else {
            throw .malformedRequestLine
        }
        self.method = HTTP1Method(bytes.part(token))
        self.version = version
        target = try HTTP1Target(bytes, targetStart..<offset, method: method)
    }
}

/// The method of a request; a token that is compared with regard to case (RFC 9110 9.1).
@usableFromInline
package enum HTTP1Method: Equatable, Sendable {
    case get, post, delete, put, patch, head, options
    /// Any other token of at most 32 bytes.
    case other(String)

    /// Bytes that a method may have; the longest registered one has 17.
    static let longest = 32

    /// - Parameter token: bytes that are known to be a token.
    @inline(__always)
    init(_ token: UnsafeRawBufferPointer) {
        if token.equals("POST") {
            self = .post
        } else if token.equals("GET") {
            self = .get
        } else {
            self = Self.rare(token)
        }
    }

    private static func rare(_ token: UnsafeRawBufferPointer) -> Self {
        if token.equals("DELETE") { return .delete }
        if token.equals("PUT") { return .put }
        if token.equals("PATCH") { return .patch }
        if token.equals("HEAD") { return .head }
        if token.equals("OPTIONS") { return .options }
        return .other(String(decoding: token, as: UTF8.self))
    }

    /// The token as it is sent.
    package var name: String {
        switch self {
        case .get: "GET"
        case .post: "POST"
        case .delete: "DELETE"
        case .put: "PUT"
        case .patch: "PATCH"
        case .head: "HEAD"
        case .options: "OPTIONS"
        case .other(let name): name
        }
    }
}

/// The target of a request, reduced to path and query; the authority is kept only to compare it with Host.
@usableFromInline
struct HTTP1Target: Sendable {
    /// Empty when an absolute target has no path, which means `/`.
    @usableFromInline let path: HTTP1Span
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

/// The two versions that are spoken.
@usableFromInline
package enum HTTP1Version: Sendable {
    case http10, http11

    /// The version that these eight bytes name, or nil when they are no version of HTTP at all.
    @inline(__always)
    static func parse(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Fault) -> Self? {
        guard bytes.count == 8 else { return nil }
        switch bytes.word(at: 0) {
        case 0x312E_312F_5054_5448: return .http11
        case 0x302E_312F_5054_5448: return .http10
        default: break
        }
        let isVersion =
            bytes.part(0..<5).equals("HTTP/") && HTTP1ByteSet.digit.contains(bytes[5])
            && bytes[6] == HTTP1Byte.dot && HTTP1ByteSet.digit.contains(bytes[7])
        if isVersion { throw .unsupportedVersion }
        return nil
    }
}
