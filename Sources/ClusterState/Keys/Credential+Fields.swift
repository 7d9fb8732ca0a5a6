// How credentials lie in Redis. Every form of them is read and written here.

package import GateDomain
import Crypto

extension Credential {
    /// How a secret is named in Redis: SHA-256 in hex digits, never in the clear.
    package static func digest(of secret: String) -> String { Hex.string(SHA256.hash(data: Array(secret.utf8))) }

    /// Of what is stored. A reader that knows only a lower one takes the credential for none, as it might open more than it should.
    static let format = 1

    /// What the name of a key's own secret has besides its owner.
    var nameFields: [String: String] { ["kind": kind.rawValue, "format": String(Self.format)] }

    /// Reads the name of a secret. Nil if nobody has it, or if what it is is not known here.
    /// - Parameter digest: SHA-256 in hex digits.
    init?(named digest: String, fields: [String: String]) {
        guard let owner = fields["owner"], Self.kind(in: fields, elseOf: .key) == .key else { return nil }
        self.init(digest: digest, of: owner)
    }

    /// Of which kind a stored credential is; what was stored before there were formats says less of itself.
    fileprivate static func kind(in fields: [String: String], elseOf usual: Kind) -> Kind? {
        guard let stored = Int(fields["format"] ?? "1"), (1...format).contains(stored) else { return nil }
        return fields["kind"].map { Kind(rawValue: $0) } ?? usual
    }
}

extension CredentialRecord: StoredRecord {
    package static let kind = "tokens"
    package static let topic = Topic.aside
    package static let isListed = false

    /// Those that were revoked, by the time at which they end.
    package static let revoked = "tokens.revoked"

    package var fields: [String: String] {
        [
            "format": String(Credential.format), "kind": credential.kind.rawValue, "key": credential.keyID,
            "allowed": credential.tools.lines,
            "label": label, "created": String(createdAt), "expires": String(credential.expiresAt ?? 0),
            "revoked": String(revokedAt ?? 0), "reason": revokeReason,
        ]
    }

    package var listings: [String: Int] {
        guard revokedAt != nil, let end = credential.expiresAt else { return [:] }
        return [Self.revoked: end]
    }

    /// A clock that a node has heard a moment ago has to find it ended, not gone.
    package var end: Int? { credential.expiresAt.map { $0 + 60_000 } }

    /// Nil if the hash is not there or not a credential that this version knows.
    package init?(id: String, fields: [String: String]) {
        guard id.hasPrefix(Self.prefix) else { return nil }
        self.init(digest: String(id.dropFirst(Self.prefix.count)), fields: fields)
    }

    /// - Parameter digest: SHA-256 of the secret in hex digits.
    init?(digest: String, fields: [String: String]) {
        guard let key = fields["key"], let expires = fields["expires"].flatMap({ Int($0) }),
            let version = fields["version"].flatMap({ Int($0) }),
            let kind = Credential.kind(in: fields, elseOf: .token), kind.lends
        else { return nil }
        let revoked = fields["revoked"].flatMap { Int($0) } ?? 0
        self.init(
            Credential(digest: digest, kind: kind, keyID: key, tools: (fields["allowed"] ?? "").asLines, expiresAt: expires),
            label: fields["label"] ?? "", createdAt: fields["created"].flatMap { Int($0) } ?? 0,
            revokedAt: revoked > 0 ? revoked : nil, revokeReason: fields["reason"] ?? "", version: version)
    }
}
