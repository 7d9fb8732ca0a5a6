// What proves a key: of which kind it is, what it opens and for how long; and the shape of the secrets.

/// A credential as every node sees it. Of whichever kind it is, it is looked up in one way, for calls and for the admin API.
///
/// Invariant: one whose kind or format a node does not know proves nothing there. So a later version can store kinds that open less, and
/// none that runs beside it takes them for more.
package struct Credential: Sendable, Equatable {
    /// What sort of secret it is.
    package enum Kind: String, Sendable, CaseIterable {
        /// The secret of a key itself: it opens what the key opens, as long as the key is there and has no other secret.
        case key
        /// A scoped token: it lends a key to somebody for a while, and for some of its tools (F-TOKEN-01 to F-TOKEN-09).
        case token

        /// What the text of each one begins with that is made here.
        package var prefix: String {
            switch self {
            case .key: Credential.prefix
            case .token: "pgt_"
            }
        }

        /// Whether it lends a key: it has a life of its own, and may open less than the key does.
        package var lends: Bool { self != .key }
    }

    /// SHA-256 of the secret in hex digits; the secret itself is kept nowhere.
    package let digest: String
    /// What sort of secret it is.
    package let kind: Kind
    /// The key that it proves: stable over rotations, not a secret.
    package let keyID: String
    /// Tools that it opens, of those that the key may call; empty for all of them, at most 1,000.
    package let tools: [String]
    /// Milliseconds since 1970 of Redis TIME; nil where it ends with its key alone.
    package let expiresAt: Int?

    /// The secret of a key itself. - Parameter digest: SHA-256 in hex digits.
    package init(digest: String, of key: String) {
        self.init(digest: digest, kind: .key, keyID: key)
    }

    /// - Parameter digest: SHA-256 of the secret in hex digits.
    package init(digest: String, kind: Kind, keyID: String, tools: [String] = [], expiresAt: Int? = nil) {
        self.digest = digest
        self.kind = kind
        self.keyID = keyID
        self.tools = tools
        self.expiresAt = expiresAt
    }

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    package func isExpired(at now: Int) -> Bool { expiresAt.map { now >= $0 } ?? false }

    /// Whether the tool is among those that it opens.
    package func permits(_ tool: String) -> Bool { tools.isEmpty || tools.contains { $0.hasSameBytes(as: tool) } }
}

/// A credential with a life of its own, as it is stored: what lends a key, and what people have to know of it.
///
/// Invariant: whoever revokes one raises the version of its key afterwards, and whoever reads one for a call has read the key before. So from
/// the moment that the revocation is answered nothing is admitted that was judged by the credential as it was.
package struct CredentialRecord: Sendable, Equatable {
    /// What it proves. Redis forgets the record soon after it has expired.
    package let credential: Credential
    /// For people; at most 200 characters.
    package let label: String
    /// Milliseconds since 1970.
    package let createdAt: Int
    /// Milliseconds since 1970; nil if it is not revoked.
    package var revokedAt: Int?
    /// Why, as the operator said; at most 500 characters.
    package var revokeReason: String
    package var version: Int

    /// What the id of each of them begins with, whatever its kind.
    package static let prefix = "token_"
    /// Seconds that one lives at most.
    package static let longestLife = 86_400

    package init(
        _ credential: Credential, label: String = "", createdAt: Int, revokedAt: Int? = nil, revokeReason: String = "",
        version: Int = 1
    ) {
        self.credential = credential
        self.label = label
        self.createdAt = createdAt
        self.revokedAt = revokedAt
        self.revokeReason = revokeReason
        self.version = version
    }

    /// `token_` and the digest of the secret.
    package var id: String { Self.id(of: credential.digest) }

    /// - Parameter digest: SHA-256 of the secret in hex digits.
    package static func id(of digest: String) -> String { prefix + digest }
}

/// A secret of a key has the form `pg_` + 48 hex digits (F-KEY-01); imported ones may be any text from 8 to 200 characters.
extension Credential {
    /// What a secret of our own making begins with.
    package static let prefix = "pg_"
    /// Characters of a secret.
    package static let lengths = 8...200

    /// A new secret from the system's cryptographically secure generator.
    package static func generate() -> String { prefix + RandomHex.digits(48) }

    /// Whether a secret has the form of those that are made here.
    package static func isGenerated(_ secret: String) -> Bool {
        secret.utf8.count == prefix.utf8.count + 48 && secret.hasPrefix(prefix)
            && secret.utf8.dropFirst(prefix.utf8.count).allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// First 10 characters and `...` (F-KEY-02).
    package static func shortMask(_ secret: String) -> String { secret.prefix(10) + "..." }

    /// First 7 and last 4 characters (F-KEY-03); a short secret shows less of itself.
    package static func longMask(_ secret: String) -> String {
        secret.count >= 20 ? secret.prefix(7) + "..." + secret.suffix(4) : secret.prefix(3) + "..."
    }
}
