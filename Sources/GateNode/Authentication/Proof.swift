// What a request shows to prove who sends it; the doors to `/mcp` and to the admin API read it by the same rules.

import GateDomain

/// The header fields that carry secrets.
enum CredentialHeader: Sendable, CaseIterable {
    case apiKey, adminKey, authorization
}

/// A secret as it was shown, by the place that it stood in; nothing has been looked up.
///
/// A secret of more than `longest` bytes is kept as `unknown`: it is never hashed, nor looked for.
enum Proof: Sendable, Equatable {
    case none
    /// X-API-Key.
    case apiKey(String)
    /// X-Admin-Key.
    case adminKey(String)
    /// Authorization: Bearer.
    case bearer(String)
    /// Shown, and longer than any secret of ours.
    case unknown

    /// Bytes of a secret that is looked at.
    static let longest = ClientText.credential

    /// What proves an API key: X-API-Key, else a Bearer token (F-GATE-04).
    static func ofKey(_ header: (CredentialHeader) -> String?) -> Proof {
        if let secret = header(.apiKey) { return shown(secret, as: Proof.apiKey) }
        return ofBearer(header)
    }

    static func ofAdministrator(_ header: (CredentialHeader) -> String?) -> Proof {
        header(.adminKey).map { shown($0, as: Proof.adminKey) } ?? .none
    }

    /// The scheme is compared by its bytes, in any case (RFC 9110 11.1): what a combining mark does to the space after it is no matter.
    static func ofBearer(_ header: (CredentialHeader) -> String?) -> Proof {
        guard let field = header(.authorization) else { return .none }
        let bytes = field.utf8
        guard bytes.count > scheme.count,
            zip(bytes, scheme).allSatisfy({ byte, letter in byte == letter || byte | 0x20 == letter && letter != 0x20 })
        else { return .none }
        return shown(String(Substring(bytes.dropFirst(scheme.count))), as: Proof.bearer)
    }

    private static let scheme = Array("bearer ".utf8)

    private static func shown(_ secret: String, as proof: (String) -> Proof) -> Proof {
        if secret.isEmpty { return .none }
        return secret.utf8.count > longest ? .unknown : proof(secret)
    }

    /// The secret, whatever it is shown as: nil if there is none, empty if it can be none of ours.
    var secret: String? {
        switch self {
        case .none: nil
        case .apiKey(let secret), .adminKey(let secret), .bearer(let secret): secret
        case .unknown: ""
        }
    }
}
