// Where an HTTP MCP server is, read from its URL, with the secrets of the URL kept out of every log.

import Foundation

/// `http(s)://[user:password@]host[:port][/path][?query]`.
package struct HTTPUpstreamAddress: Sendable, Equatable {
    /// Whether the scheme is https.
    package let usesTLS: Bool
    /// A name or an address, IPv6 without its brackets.
    package let host: String
    /// As written, else 80 or 443.
    package let port: Int
    /// Path and query as they stand in the request line.
    let target: String
    /// The value of the Host field.
    let hostField: String
    /// The value of the Authorization field, from the user and password of the URL (RFC 7617). Never log it.
    let authorization: String?

    /// Nil if the text is not such a URL.
    package init?(url: String) {
        guard let parts = URLComponents(string: url), let host = parts.host, !host.isEmpty,
            let scheme = parts.scheme?.lowercased(), scheme == "http" || scheme == "https"
        else { return nil }
        usesTLS = scheme == "https"
        let usualPort = usesTLS ? 443 : 80
        port = parts.port ?? usualPort
        guard (1...65_535).contains(port) else { return nil }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        let name = self.host.contains(":") ? "[\(self.host)]" : self.host
        hostField = port == usualPort ? name : "\(name):\(port)"
        let path = parts.percentEncodedPath
        target = (path.isEmpty ? "/" : path) + (parts.percentEncodedQuery.map { "?" + $0 } ?? "")
        authorization = parts.user.map { user in
            "Basic " + Data("\(user):\(parts.password ?? "")".utf8).base64EncodedString()
        }
    }

    /// For logs and for people: without user, password and query, which may be secrets.
    package var description: String {
        let path = target.prefix { $0 != "?" }
        return "\(usesTLS ? "https" : "http")://\(hostField)\(path)"
    }

    /// The name for SNI and for the certificate's check; nil for an address, which has no SNI and is checked as such.
    var serverName: String? {
        let isAddress = host.contains(":") || host.allSatisfy { $0.isNumber || $0 == "." }
        return isAddress ? nil : host
    }
}
