// Where a Redis is and how to be let in, read from a URL.

/// `redis://[user:password@]host[:port][/database]`, `rediss://…` for TLS, `unix:///path[?db=N]` (F-REDIS-08).
package struct RedisTarget: Sendable, Equatable {
    /// Where the socket is.
    package enum Address: Sendable, Equatable {
        /// A name or an address, and a port.
        case tcp(host: String, port: Int)
        /// The path of a Unix socket.
        case unix(path: String)
    }

    /// Where Redis listens.
    package var address: Address
    /// Whether the connection is encrypted and the server's certificate checked.
    package var usesTLS: Bool
    /// Nil for the default user.
    package var username: String?
    /// Nil where none is asked for.
    package var password: String?
    /// The number of the database.
    package var database: Int

    /// For logs: never shows the password.
    package var description: String {
        switch address {
        case .tcp(let host, let port): "\(usesTLS ? "rediss" : "redis")://\(host):\(port)/\(database)"
        case .unix(let path): "unix://\(path)"
        }
    }

    /// A Redis on a Unix socket.
    package init(unixSocket path: String, password: String? = nil) {
        self.init(address: .unix(path: path), password: password)
    }

    private init(address: Address, usesTLS: Bool = false, username: String? = nil, password: String? = nil, database: Int = 0) {
        self.address = address
        self.usesTLS = usesTLS
        self.username = username
        self.password = password
        self.database = database
    }

    /// Nil if the text is not such a URL.
    package init?(url: String) {
        if url.hasPrefix("unix://") {
            let rest = url.dropFirst("unix://".count).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
            guard let path = rest.first, path.hasPrefix("/") else { return nil }
            self.init(address: .unix(path: String(path)))
            if rest.count == 2 {
                guard rest[1].hasPrefix("db="), let index = Int(rest[1].dropFirst(3)), index >= 0 else { return nil }
                database = index
            }
            return
        }
        let secure = url.hasPrefix("rediss://")
        guard secure || url.hasPrefix("redis://") else { return nil }
        var rest = url.dropFirst(secure ? "rediss://".count : "redis://".count)
        if let query = rest.firstIndex(of: "?") { rest = rest[..<query] }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        guard let index = slash == rest.endIndex || rest[slash...] == "/" ? 0 : Int(rest[slash...].dropFirst()), index >= 0
        else { return nil }
        var authority = rest[..<slash]
        var user: String?
        var secret: String?
        if let at = authority.lastIndex(of: "@") {
            let parts = authority[..<at].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            user = parts[0].isEmpty ? nil : parts[0].percentDecoded()
            secret = parts.count == 2 ? parts[1].percentDecoded() : nil
            if parts.count == 1 { (user, secret) = (nil, user) }
            authority = authority[authority.index(after: at)...]
        }
        guard let (host, port) = Self.endpoint(authority) else { return nil }
        self.init(address: .tcp(host: host, port: port), usesTLS: secure, username: user, password: secret, database: index)
    }

    private static func endpoint(_ text: Substring) -> (String, Int)? {
        var host = text
        var port: Int? = 6379
        if text.hasPrefix("["), let close = text.firstIndex(of: "]") {
            host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            if rest.hasPrefix(":") { port = Int(rest.dropFirst()) } else if !rest.isEmpty { return nil }
        } else if let colon = text.firstIndex(of: ":") {
            host = text[..<colon]
            port = Int(text[text.index(after: colon)...])
        }
        guard !host.hasPrefix("[") else { return nil }
        guard let port, (1...65535).contains(port) else { return nil }
        return (host.isEmpty ? "127.0.0.1" : String(host), port)
    }
}

extension Substring.UTF8View {
    /// What the next two characters are as hex digits.
    fileprivate var hexByte: UInt8? {
        guard count >= 2, prefix(2).allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else { return nil }
        return UInt8(Substring(prefix(2)), radix: 16)
    }
}

extension Substring {
    fileprivate func percentDecoded() -> String {
        var bytes: [UInt8] = []
        var rest = self.utf8[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = rest.hexByte {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
