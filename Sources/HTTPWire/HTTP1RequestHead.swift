// The head of a request: while its bytes arrive, complete, and as HTTPTypes sees it.

package import HTTPTypes
public import NIOCore

/// Everything before the body of one request that passed all checks of `HTTP1RequestParser`.
///
/// It keeps the bytes that it was parsed from; text is made when it is asked for.
@usableFromInline
package struct HTTP1RequestHead: Sendable {
    /// The method of the request line.
    package let method: HTTP1Method
    /// The version of the request line.
    package let version: HTTP1Version
    /// The header fields, in the order in which they came.
    @usableFromInline package let fields: HTTP1Fields
    /// How long the body is; never `untilClose`.
    package let framing: HTTP1Framing
    /// Whether another request may follow on the connection.
    package let keepAlive: Bool
    /// Whether the client waits for `100 Continue` before it sends the body (RFC 9110 10.1.1).
    package let expectsContinue: Bool
    @usableFromInline let target: HTTP1Target

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
    @inlinable @inline(__always)
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

extension HTTP1RequestHead {
    /// The request for the router, which answers whatever is not on the hot path, with all fields; Host is the authority, cookies are split, hop-by-hop framing stays as it was sent.
    package var httpRequest: HTTPRequest {
        var request = HTTPRequest(
            method: httpMethod,
            scheme: "http",
            authority: fields.string(of: .host),
            path: pathAndQuery
        )
        request.headerFields.reserveCapacity(16)
        fields.forEach { name, value in
            guard !name.equalsIgnoringCase("host"), let name = HTTPField.Name(String(decoding: name, as: UTF8.self)) else {
                return
            }
            let value = String(decoding: value, as: UTF8.self)
            guard name == .cookie else { return request.headerFields.append(HTTPField(name: name, value: value)) }
            for pair in value.split(separator: "; ") {
                request.headerFields.append(HTTPField(name: name, value: String(pair)))
            }
        }
        return request
    }

    private var httpMethod: HTTPRequest.Method {
        switch method {
        case .get: .get
        case .post: .post
        case .delete: .delete
        case .put: .put
        case .patch: .patch
        case .head: .head
        case .options: .options
        // Every token is a method there too; TRACE stands for what cannot come, because nothing answers it.
        case .other(let name): HTTPRequest.Method(name) ?? .trace
        }
    }
}
