// The shape of the secrets that prove a key, and how they are shown when they must not be seen.

/// A secret of the form `pg_` + 48 hex digits (F-KEY-01); imported ones may be any text from 8 to 200 characters.
package enum Credential {
    /// What a credential of our own making begins with.
    package static let prefix = "pg_"
    /// Characters of a credential.
    package static let lengths = 8...200

    /// A new credential from the system's cryptographically secure generator.
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
