// The text of a scoped token: what it says of itself, signed by the gate (F-TOKEN-01).

import ClusterState
import Crypto
import Foundation
import GateDomain
import MCPWire

/// `pgt_`, what the token says of itself as JSON in base64url, a dot, and the signature over both in base64url.
///
/// What is said names the key by its id and holds no secret (F-TOKEN-07). Whether the token is good is not in it: its record says that.
struct TokenText: Sendable {
    let text: String

    /// A new token. - Parameters are milliseconds since 1970.
    init(of key: KeyRecord, issuedAt: Int, expiresAt: Int, signedWith secret: String) {
        let payload: JSONValue = [
            "id": .string(RandomHex.digits(32)), "keyId": .string(key.id), "issuedAt": .string(Timestamp.text(milliseconds: issuedAt)),
            "expiresAt": .string(Timestamp.text(milliseconds: expiresAt)),
        ]
        let said = Credential.Kind.token.prefix + Self.encode(payload.bytes)
        text = said + "." + Self.encode(Self.signature(of: said, secret))
    }

    /// Whether a text is a token that was signed with the secret; compared in constant time.
    static func isSigned(_ text: String, with secret: String) -> Bool {
        guard text.utf8.starts(with: Credential.Kind.token.prefix.utf8), let dot = text.utf8.lastIndex(of: UInt8(ascii: ".")),
            let shown = decode(text[text.index(after: dot)...])
        else { return false }
        return HMAC<SHA256>.isValidAuthenticationCode(
            shown, authenticating: Array(text.utf8[..<dot]), using: SymmetricKey(data: Array(secret.utf8)))
    }

    /// The secret that all nodes sign with: whoever needs it first makes it, and it stays in the store.
    /// - Throws: `StoreFailure`.
    static func secret(in store: any CommandStore) async throws(StoreFailure) -> String {
        _ = try await store.sendPatiently(RedisCommand("HSETNX", store.keys.secrets, "tokens", RandomHex.digits(64)))
        guard let secret = try await store.sendPatiently(RedisCommand("HGET", store.keys.secrets, "tokens")).string else {
            throw .fault("the secret of tokens is gone")
        }
        return secret
    }

    private static func signature(of text: String, _ secret: String) -> [UInt8] {
        Array(HMAC<SHA256>.authenticationCode(for: Array(text.utf8), using: SymmetricKey(data: Array(secret.utf8))))
    }

    private static func encode(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().filter { $0 != "=" }.map { $0 == "+" ? "-" : $0 == "/" ? "_" : String($0) }.joined()
    }

    private static func decode(_ text: Substring) -> Data? {
        guard text.utf8.count <= 100 else { return nil }
        let plain = text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : String($0) }.joined()
        return Data(base64Encoded: plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4))
    }
}
