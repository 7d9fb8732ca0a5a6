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
