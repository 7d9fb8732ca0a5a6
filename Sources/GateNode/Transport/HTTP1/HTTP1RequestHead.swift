import NIOCore

/// Everything before the body of one request that passed all checks of `HTTP1RequestParser`.
///
/// It keeps the bytes that it was parsed from; text is made when it is asked for.
package struct HTTP1RequestHead: Sendable {
    package let method: HTTP1Method
    package let version: HTTP1Version
    package let fields: HTTP1Fields
    /// How long the body is; never `untilClose`.
    package let framing: HTTP1Framing
    /// Whether another request may follow on the connection.
    package let keepAlive: Bool
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 10.1.1).
    package let expectsContinue: Bool
    private let target: HTTP1Target

    init(bytes: ByteBuffer, line: HTTP1RequestLine, section: HTTP1FieldSection, framing: HTTP1Framing) {
        method = line.method
        version = line.version
        target = line.target
        fields = HTTP1Fields(bytes: bytes, section: section)
        keepAlive = section.keepsAlive(line.version)
        expectsContinue = section.expectsContinue && line.version == .http11 && framing != .none
        self.framing = framing
    }

    /// The path as it was sent, percent encoding included; `*` for OPTIONS on the server itself.
    package var path: String {
        target.path.isEmpty ? "/" : fields.string(in: target.path)
    }

    /// What follows the `?`, as it was sent, or nil when there is no `?`.
    package var query: String? {
        target.query.map(fields.string(in:))
    }

    /// Path and query together, as a request line of the origin form has them.
    package var pathAndQuery: String {
        guard let query else { return path }
        return path + "?" + query
    }

    /// Whether the path is exactly `path`; makes no text.
    @inline(__always)
    package func hasPath(_ path: StaticString) -> Bool {
        fields.bytes.withUnsafeReadableBytes { $0.part(target.path.range).equals(path) }
    }

    /// Whether the path starts with `prefix`; makes no text.
    package func hasPath(prefix: StaticString) -> Bool {
        let range = target.path.range
        guard range.count >= prefix.utf8CodeUnitCount else { return false }
        return fields.bytes.withUnsafeReadableBytes {
            $0.part(range.lowerBound..<(range.lowerBound + prefix.utf8CodeUnitCount)).equals(prefix)
        }
    }
}
