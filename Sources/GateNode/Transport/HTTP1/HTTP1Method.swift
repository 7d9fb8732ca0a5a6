/// The method of a request; a token that is compared with regard to case (RFC 9110 9.1).
package enum HTTP1Method: Equatable, Sendable {
    case get, post, delete, put, patch, head, options
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
