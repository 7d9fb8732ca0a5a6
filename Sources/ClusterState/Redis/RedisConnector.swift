// Opens the wire to Redis: address, TLS, and nothing else; used for commands and for subscriptions.

import NIOCore
import NIOPosix
import NIOSSL

/// How connections to one Redis are made; its certificate context is built once.
package struct RedisConnector: Sendable {
    /// Where Redis is, and how one logs in.
    package let target: RedisTarget
    private let tls: NIOSSLContext?

    static let dialTimeout = TimeAmount.seconds(1)

    /// - Throws: when the TLS configuration cannot be used.
    package init(_ target: RedisTarget) throws {
        self.target = target
        tls = target.usesTLS ? try NIOSSLContext(configuration: .makeClientConfiguration()) : nil
    }

    func connect(on loop: any EventLoop, handler: @escaping @Sendable () -> any ChannelHandler) -> EventLoopFuture<any Channel> {
        let (target, tls) = (target, tls)
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(Self.dialTimeout)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls, case .tcp(let host, _) = target.address {
                        let name = host.contains(":") || host.first?.isNumber == true ? nil : host
                        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: name))
                    }
                    try channel.pipeline.syncOperations.addHandler(handler())
                }
            }
        switch target.address {
        case .tcp(let host, let port): return bootstrap.connect(host: host, port: port)
        case .unix(let path): return bootstrap.connect(unixDomainSocketPath: path)
        }
    }

    /// What has to be said first on a new connection.
    var greeting: [RedisCommand] {
        var commands: [RedisCommand] = []
        switch (target.username, target.password) {
        case (let user?, let password?): commands.append(RedisCommand("AUTH", user, password))
        case (nil, let password?): commands.append(RedisCommand("AUTH", password))
        default: break
        }
        if target.database != 0 { commands.append(RedisCommand("SELECT", String(target.database))) }
        return commands
    }
}
