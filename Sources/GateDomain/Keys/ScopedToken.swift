// A token that lends a key to somebody for a while, and for some of its tools.

/// A scoped token as every node sees it (F-TOKEN-01 to F-TOKEN-09); the key that it names pays for its calls.
///
/// Invariant: whoever revokes one raises the version of its key afterwards, and whoever reads one for a call has read the key before. So from
/// the moment that the revocation is answered nothing is admitted that was judged by the token as it was.
package struct ScopedToken: Sendable, Equatable {
    /// `token_` and the SHA-256 of its text in hex digits; the text itself is kept nowhere.
    package let id: String
    /// The key that it lends: stable over rotations, not a secret.
    package let keyID: String
    /// Tools that it may call, of those that the key may; empty for all of them, at most 1,000.
    package let allowed: [String]
    /// For people; at most 200 characters.
    package let label: String
    /// Milliseconds since 1970.
    package let createdAt: Int
    /// Milliseconds since 1970 of Redis TIME; Redis forgets it soon after.
    package let expiresAt: Int
    /// Milliseconds since 1970; nil if it is not revoked.
    package var revokedAt: Int?
    /// Why, as the operator said; at most 500 characters.
    package var revokeReason: String
    package var version: Int

    /// What the text of every token begins with.
    package static let prefix = "pgt_"
    /// Seconds that a token lives at most.
    package static let longestLife = 86_400

    /// - Parameter digest: SHA-256 of its text in hex digits.
    package init(
        digest: String, keyID: String, allowed: [String] = [], label: String = "", createdAt: Int, expiresAt: Int, revokedAt: Int? = nil,
        revokeReason: String = "", version: Int = 1
    ) {
        id = Self.id(of: digest)
        self.keyID = keyID
        self.allowed = allowed
        self.label = label
        self.createdAt = createdAt
        self.expiresAt = expiresAt
        self.revokedAt = revokedAt
        self.revokeReason = revokeReason
        self.version = version
    }

    /// - Parameter digest: SHA-256 of the text in hex digits.
    package static func id(of digest: String) -> String { "token_" + digest }

    /// The SHA-256 of its text, by which it is known to people (F-TOKEN-04).
    package var fingerprint: String { String(id.dropFirst("token_".count)) }

    /// - Parameter now: milliseconds since 1970 of Redis TIME.
    package func isExpired(at now: Int) -> Bool { now >= expiresAt }

    /// Whether the tool is among those that it was made for.
    package func permits(_ tool: String) -> Bool { allowed.isEmpty || allowed.contains { $0.hasSameBytes(as: tool) } }
}
