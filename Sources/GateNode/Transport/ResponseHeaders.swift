// The headers that every answer carries, whoever writes it: the front handler as bytes, the router as fields.

import GateDomain
import GateSettings

/// Built once from the settings (F-HDR-06, F-HDR-11 to F-HDR-15, F-HDR-17, F-HDR-18). Our own names are lower case.
///
/// Invariant: a custom header never takes the place of one of ours (F-HDR-14).
struct ResponseHeaders: Sendable {
    typealias Header = (name: String, value: String)

    /// On every answer.
    let fixed: [Header]
    /// On every answer to a preflight, besides those of its origin.
    let preflight: [Header]
    /// False where every origin may read answers; `cors(for:)` is empty then.
    let variesByOrigin: Bool

    private let origins: Set<ExactText>
    private let granted: [Header]

    init(_ settings: Settings) {
        let exposed: Header = ("access-control-expose-headers", Self.exposed.joined(separator: ", "))
        var fixed = Self.security + [("x-paygate-version", ProductVersion.current)]
        switch settings.cors.origin {
        case .any, .unlisted:
            variesByOrigin = false
            origins = []
            granted = []
            fixed += [("access-control-allow-origin", "*"), exposed]
        case .listed(let listed):
            variesByOrigin = true
            origins = Set(listed.map(ExactText.init))
            granted = [exposed] + (settings.cors.credentials ? [("access-control-allow-credentials", "true")] : [])
        }
        let custom = settings.customHeaders.filter { !Self.isOurs($0.name.lowercased()) }.map { ($0.name, $0.value) }
        self.fixed = fixed + custom
        preflight = [
            ("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS"),
            ("access-control-allow-headers", Self.allowed.joined(separator: ", ")),
            ("access-control-max-age", String(settings.cors.maxAge)),
        ]
    }

    /// What depends on who asks: `vary` always, and leave to read the answer for an origin that is listed. Others get none (F-HDR-18).
    func cors(for origin: String?) -> [Header] {
        guard variesByOrigin else { return [] }
        guard let origin, lists(origin) else { return [("vary", "Origin")] }
        return [("vary", "Origin"), ("access-control-allow-origin", origin)] + granted
    }

    private func lists(_ origin: String) -> Bool {
        origin.utf8.count <= ClientText.origin && origins.contains(ExactText(origin))
    }
}

extension ResponseHeaders {
    /// The values of F-HDR-13.
    private static let security: [Header] = [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "0"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ("cache-control", "no-store"),
    ]

    /// What a page in a browser may read of an answer (F-HDR-11).
    private static let exposed = [
        "X-Request-Id", "X-PayGate-Version", "Mcp-Session-Id", "X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset",
        "X-Credits-Remaining", "X-Output-Surcharge", "X-Guardrail-Warning", "X-Cache", "Retry-After",
    ]

    /// What a page in a browser may send (F-HDR-11, F-HDR-16).
    private static let allowed = [
        "Content-Type", "Accept", "Authorization", "X-API-Key", "X-Admin-Key", "X-Request-Id", "Mcp-Session-Id", "MCP-Protocol-Version",
        "Mcp-Method", "Mcp-Name", "Last-Event-ID", "Idempotency-Key", "X-Idempotency-Key", "X-Cost-Tags", "X-Signature", "X-Country",
    ]

    /// The names in a list of them that repeat arguments of a tool (`Mcp-Param-…`, MCP Custom Headers), which tools make up themselves.
    static func mirrored(in names: String) -> [String] {
        guard names.utf8.count <= longestRequest else { return [] }
        let isBlank = { (byte: UInt8) in byte == 0x20 || byte == 0x09 }
        return names.utf8.split(separator: UInt8(ascii: ",")).compactMap { entry in
            let name = entry.drop(while: isBlank).prefix { !isBlank($0) }
            guard name.allSatisfy(\.isMirroredNameByte) else { return nil }
            let text = String(Substring(name))
            return text.lowercased().hasPrefix("mcp-param-") ? text : nil
        }
    }

    /// Bytes of a list of header names that is read.
    private static let longestRequest = 8192

    private static func isOurs(_ name: String) -> Bool {
        name.hasPrefix("access-control-") || name.hasPrefix("x-ratelimit-") || reserved.contains(name)
    }

    private static let reserved = Set(security.map(\.name)).union([
        "x-paygate-version", "x-request-id", "mcp-session-id", "x-credits-remaining", "x-output-surcharge", "x-guardrail-warning",
        "x-cache", "retry-after",
        "vary", "allow", "date", "set-cookie", "x-powered-by",
    ])
}

extension UInt8 {
    /// Whether it may stand in the name of a header (RFC 9110, tokens).
    fileprivate var isMirroredNameByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }
}
