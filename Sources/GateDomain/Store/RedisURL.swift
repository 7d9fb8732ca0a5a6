// Where the store is and how one is let in: the one parser of Redis URLs of every topology.

/// A Redis URL, read (F-REDIS-08).
///
/// `redis://[user:password@]host[:port][/database]`, `unix:///path[?db=N]`,
/// `redis+sentinel://[user:password@]h1[:port],h2[:port],…/primary[/database]`, `redis+cluster://[user:password@]h1[:port],…`; `rediss` in
/// place of `redis` for TLS. User and password are those of Redis; those of Sentinels are given apart.
package struct RedisURL: Sendable, Equatable {
    /// Where a server listens.
    package enum Server: Sendable, Hashable {
        /// A name or an address, and a port.
        case tcp(host: String, port: Int)
        /// The path of a Unix socket.
        case unix(path: String)
    }

    /// How many servers there are, and how the one for a command is found.
    package enum Topology: Sendable, Equatable {
        /// The one that the URL names.
        case single
        /// The one that Sentinels say is the primary of this name; the URL names the Sentinels.
        case sentinel(primary: String)
        /// By the slot of what a command touches; the URL names some of the servers.
        case cluster
    }

    /// How the servers that the URL names are to be used.
    package var topology = Topology.single
    /// The servers that the URL names: one of a single Redis, 1 to 64 otherwise, none twice.
    package var servers: [Server] = []
    /// Whether connections are encrypted and certificates checked.
    package var usesTLS = false
    /// Nil for the default user.
    package var username: String?
    /// Nil where none is given.
    package var password: String?
    /// The number of the database.
    package var database = 0
    /// Whether a host is written in it; without one it is this machine's Redis.
    package var namesHost = false

    /// Every scheme, for sentences.
    package static let schemes = [
        "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster",
    ]
    private static let mostServers = 64

    /// - Throws: which rule the text breaks; no sentence repeats what may be a secret.
    package init(_ text: String) throws(RedisURLFault) {
        let bytes = Array(text.utf8)
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), bytes[colon...].starts(with: Array("://".utf8)) else {
            throw .notAURL
        }
        let scheme = String(decoding: bytes[..<colon], as: UTF8.self).lowercased()
        guard Self.schemes.contains(scheme) else { throw .unknownScheme }
        let rest = bytes[(colon + 3)...]
        if scheme == "unix" {
            try readSocket(rest)
            return
        }
        usesTLS = scheme.utf8.starts(with: "rediss".utf8)
        let kind = scheme.split(separator: "+").dropFirst().first
        try read(rest.prefix { $0 != UInt8(ascii: "?") }, isSentinel: kind == "sentinel", isCluster: kind == "cluster")
    }

    private mutating func readSocket(_ bytes: ArraySlice<UInt8>) throws(RedisURLFault) {
        let parts = bytes.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = parts.first, path.first == UInt8(ascii: "/") else { throw .noSocket }
        servers = [.unix(path: String(decoding: path, as: UTF8.self))]
        namesHost = true
        guard parts.count == 2 else { return }
        guard parts[1].starts(with: Array("db=".utf8)), let index = Self.number(parts[1].dropFirst(3)) else { throw .badDatabase }
        database = index
    }

    private mutating func read(_ bytes: ArraySlice<UInt8>, isSentinel: Bool, isCluster: Bool) throws(RedisURLFault) {
        let slash = bytes.firstIndex(of: UInt8(ascii: "/")) ?? bytes.endIndex
        var authority = bytes[..<slash]
        if let at = authority.lastIndex(of: UInt8(ascii: "@")) {
            let parts = authority[..<at].split(separator: UInt8(ascii: ":"), maxSplits: 1, omittingEmptySubsequences: false)
            username = parts[0].isEmpty ? nil : Self.percentDecoded(parts[0])
            password = parts.count == 2 ? Self.percentDecoded(parts[1]) : nil
            if parts.count == 1 { (username, password) = (nil, username) }
            authority = authority[(at + 1)...]
        }
        namesHost = !authority.isEmpty && authority.first != UInt8(ascii: ":")
        let names = authority.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
        if !isSentinel, !isCluster, names.count > 1 { throw .severalHosts }
        if isSentinel || isCluster, names.contains(where: \.isEmpty) { throw .emptyHost }
        guard names.count <= Self.mostServers else { throw .tooManyHosts }
        for name in names { servers.append(try Self.server(name, usualPort: isSentinel ? 26_379 : 6379)) }
        guard Set(servers).count == servers.count else { throw .hostTwice }
        let path = bytes[slash...].dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        try readPath(path.allSatisfy(\.isEmpty) ? [] : path, isSentinel: isSentinel, isCluster: isCluster)
    }

    private mutating func readPath(_ path: [ArraySlice<UInt8>], isSentinel: Bool, isCluster: Bool) throws(RedisURLFault) {
        var path = path[...]
        if isSentinel {
            guard let name = path.popFirst().map(Self.percentDecoded), (1...128).contains(name.utf8.count),
                name.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
            else { throw .noPrimary }
            topology = .sentinel(primary: name)
        } else if isCluster {
            topology = .cluster
        }
        if path.last?.isEmpty == true { path.removeLast() }
        guard let index = path.first.map(Self.number) ?? 0, path.count <= 1 else { throw .badDatabase }
        if isCluster, index != 0 { throw .clusterDatabase }
        database = index
    }

    private static func server(_ bytes: ArraySlice<UInt8>, usualPort: Int) throws(RedisURLFault) -> Server {
        var host = bytes
        var port: Int? = usualPort
        if bytes.first == UInt8(ascii: "["), let close = bytes.firstIndex(of: UInt8(ascii: "]")) {
            host = bytes[bytes.startIndex..<close].dropFirst()
            let rest = bytes[(close + 1)...]
            if rest.first == UInt8(ascii: ":") { port = number(rest.dropFirst()) } else if !rest.isEmpty { throw .badHost }
        } else if let colon = bytes.firstIndex(of: UInt8(ascii: ":")) {
            host = bytes[..<colon]
            port = number(bytes[(colon + 1)...])
        }
        guard host.first != UInt8(ascii: "["), host.allSatisfy({ $0 > 0x20 && $0 != 0x7F }) else { throw .badHost }
        guard let port, (1...65_535).contains(port) else { throw .badPort }
        return .tcp(host: host.isEmpty ? "127.0.0.1" : String(decoding: host, as: UTF8.self), port: port)
    }

    /// Digits alone.
    private static func number(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard (1...9).contains(bytes.count), bytes.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
        return Int(String(decoding: bytes, as: UTF8.self))
    }

    private static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> String {
        var decoded: [UInt8] = []
        var rest = bytes
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let value = hexByte(rest.prefix(2)) {
                decoded.append(value)
                rest = rest.dropFirst(2)
            } else {
                decoded.append(byte)
            }
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func hexByte(_ digits: ArraySlice<UInt8>) -> UInt8? {
        guard digits.count == 2, digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }
}

/// Which rule a text breaks that should be a Redis URL.
package enum RedisURLFault: Error, Sendable, Equatable, CaseIterable {
    case notAURL, unknownScheme, noSocket, badDatabase, severalHosts, emptyHost, tooManyHosts, hostTwice, noPrimary, clusterDatabase
    case badHost, badPort

    /// A whole sentence that repeats nothing of the text.
    package var rule: String {
        switch self {
        case .notAURL, .unknownScheme:
            "Expected "
                + RedisURL.schemes.dropLast().map { "\"\($0)://\"" }.joined(separator: ", ")
                + " or \"\(RedisURL.schemes[RedisURL.schemes.count - 1])://\"."
        case .noSocket: "Must name a socket, as unix:///run/redis.sock."
        case .badDatabase: "Its database must be a number, as redis://host:6379/0."
        case .severalHosts: "A single Redis has one host; several are named with redis+sentinel:// or redis+cluster://."
        case .emptyHost: "Must name a host between all commas, as redis+sentinel://h1:26379,h2:26379,h3:26379/primary."
        case .tooManyHosts: "Must name at most 64 hosts."
        case .hostTwice: "Must name no host twice, because a majority of them decides."
        case .noPrimary:
            "Must name the primary that the Sentinels watch (1–128 visible ASCII characters), as redis+sentinel://h1:26379,h2:26379,h3:26379/primary."
        case .clusterDatabase: "A Redis Cluster has the database 0 alone."
        case .badHost: "Must name hosts, an IPv6 address in brackets."
        case .badPort: "Its ports must be 1–65535."
        }
    }
}
