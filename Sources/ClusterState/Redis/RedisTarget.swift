// Where a Redis is and how to be let in.

package import GateDomain

/// One server of a Redis URL, or one that others have told of.
package struct RedisTarget: Sendable, Equatable {
    /// Where the socket is.
    package typealias Address = RedisURL.Server

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
        case .tcp(let host, let port): "\(usesTLS ? "rediss" : "redis")://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
        case .unix(let path): "unix://\(path)"
        }
    }

    /// A Redis on a Unix socket.
    package init(unixSocket path: String, password: String? = nil) {
        self.init(address: .unix(path: path), password: password)
    }

    /// - Parameter database: 0 for a Sentinel, which has none.
    package init(address: Address, usesTLS: Bool = false, username: String? = nil, password: String? = nil, database: Int = 0) {
        self.address = address
        self.usesTLS = usesTLS
        self.username = username
        self.password = password
        self.database = database
    }

    /// Nil if the text is no URL of a single Redis.
    package init?(url: String) {
        guard let url = try? RedisURL(url), url.topology == .single, let address = url.servers.first else { return nil }
        self.init(address: address, usesTLS: url.usesTLS, username: url.username, password: url.password, database: url.database)
    }
}
