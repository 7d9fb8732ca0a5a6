// The names of header fields that mean something to the node.

/// The header fields that the node itself reads; each is recognised once, while the head is parsed (F-HDR-16).
@usableFromInline
package enum HTTP1KnownField: UInt8, CaseIterable, Sendable {
    case host, accept, expect, origin
    case mcpName, xAPIKey, xRealIP, xCountry
    case connection, userAgent, mcpMethod
    case xAdminKey, xCostTags, xSignature, retryAfter
    case contentType, xRequestID, cfIPCountry
    case authorization, lastEventID
    case contentLength, mcpSessionID
    case xForwardedFor, idempotencyKey
    case transferEncoding, xIdempotencyKey, mcpProtocolVersion
    /// How a body is packed; nothing packed is read.
    case contentEncoding

    /// The field's name in lower case.
    package var name: StaticString {
        switch self {
        case .host: "host"
        case .accept: "accept"
        case .expect: "expect"
        case .origin: "origin"
        case .mcpName: "mcp-name"
        case .xAPIKey: "x-api-key"
        case .xRealIP: "x-real-ip"
        case .xCountry: "x-country"
        case .connection: "connection"
        case .userAgent: "user-agent"
        case .mcpMethod: "mcp-method"
        case .xAdminKey: "x-admin-key"
        case .xCostTags: "x-cost-tags"
        case .xSignature: "x-signature"
        case .retryAfter: "retry-after"
        case .contentType: "content-type"
        case .xRequestID: "x-request-id"
        case .cfIPCountry: "cf-ipcountry"
        case .authorization: "authorization"
        case .lastEventID: "last-event-id"
        case .contentLength: "content-length"
        case .mcpSessionID: "mcp-session-id"
        case .xForwardedFor: "x-forwarded-for"
        case .idempotencyKey: "idempotency-key"
        case .transferEncoding: "transfer-encoding"
        case .xIdempotencyKey: "x-idempotency-key"
        case .mcpProtocolVersion: "mcp-protocol-version"
        case .contentEncoding: "content-encoding"
        }
    }

    /// Whether the field may occur many times; every other is refused when repeated, because two parties that pick
    /// different copies would disagree about who calls, what, or where the message ends (X36).
    package var mayRepeat: Bool {
        switch self {
        case .accept, .connection, .contentEncoding, .expect, .userAgent, .xRequestID, .xForwardedFor, .retryAfter: true
        default: false
        }
    }

    /// Whether the field says again what the body says: a second copy is refused by whoever reads that, in its own words.
    package var mirrorsBody: Bool {
        switch self {
        case .mcpMethod, .mcpName, .mcpProtocolVersion: true
        default: false
        }
    }

    /// Whether the field has no meaning after a body, and would be an attempt to change what was decided before it.
    var isForbiddenInTrailers: Bool {
        switch self {
        case .host, .contentLength, .transferEncoding, .authorization, .xAPIKey, .xAdminKey: true
        default: false
        }
    }

    /// The field with this name, whatever its case, or nil. `name` consists of token bytes.
    @inline(__always)
    static func recognise(_ name: UnsafeRawBufferPointer) -> Self? {
        switch name.count {
        case 4: match(name, .host)
        case 6: match(name, .accept, .origin, .expect)
        case 8: match(name, .mcpName)
        case 9: match(name, .xAPIKey, .xRealIP, .xCountry)
        case 10: match(name, .connection, .userAgent, .mcpMethod)
        case 11: match(name, .xAdminKey, .xCostTags, .xSignature) ?? match(name, .retryAfter)
        case 12: match(name, .contentType, .xRequestID, .cfIPCountry)
        case 13: match(name, .authorization, .lastEventID)
        case 14: match(name, .contentLength, .mcpSessionID)
        case 15: match(name, .xForwardedFor, .idempotencyKey)
        case 16: match(name, .contentEncoding)
        case 17: match(name, .transferEncoding, .xIdempotencyKey)
        case 20: match(name, .mcpProtocolVersion)
        default: nil
        }
    }

    @inline(__always)
    private static func match(
        _ name: UnsafeRawBufferPointer, _ first: Self, _ second: Self? = nil, _ third: Self? = nil
    ) -> Self? {
        if name.equalsIgnoringCase(first.name) { return first }
        if let second, name.equalsIgnoringCase(second.name) { return second }
        if let third, name.equalsIgnoringCase(third.name) { return third }
        return nil
    }
}
