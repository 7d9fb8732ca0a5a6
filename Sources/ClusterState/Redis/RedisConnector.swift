// Opens the wire to Redis: address, TLS, and nothing else; used for commands and for subscriptions.

import GateDomain
import NIOCore
import NIOPosix
import NIOSSL

/// How connections to one Redis, to the primary that Sentinels name, or to the servers of a Redis Cluster are made; its certificate context is
/// built once.
package struct RedisConnector: Sendable {
    /// How one logs in, and where Redis is, unless Sentinels say so.
    package private(set) var target: RedisTarget
    /// Who says which server is the primary; nil for a Redis of a fixed address.
    package let watch: PrimaryWatch?
    /// Who knows the servers and their slots; nil unless it is a Redis Cluster.
    package let cluster: ClusterWatch?
    /// Whether it leads to the server of `target`, and not to the whole cluster.
    private(set) var isPinned = false
    /// Replicas that have to have a write before it counts as done; 0 for none.
    package private(set) var replicasToAck: Int
    private let tls: NIOSSLContext?

    static let dialTimeout = TimeAmount.seconds(1)

    /// - Parameters:
    ///   - watch: where it is given, the address of `target` does not count.
    ///   - cluster: likewise.
    ///   - replicasToAck: 0 to 16.
    /// - Throws: `RedisTLSFault` when the files for TLS cannot be used.
    package init(
        _ target: RedisTarget, watch: PrimaryWatch? = nil, cluster: ClusterWatch? = nil, tls files: RedisTLS = RedisTLS(),
        replicasToAck: Int = 0
    ) throws {
        self.target = target
        self.watch = watch
        self.cluster = cluster
        self.replicasToAck = replicasToAck
        tls = target.usesTLS ? try files.context() : nil
    }

    /// The same to one server of a cluster.
    func leading(to place: RedisTarget.Address) -> RedisConnector {
        var connector = self
        connector.target.address = place
        connector.isPinned = true
        return connector
    }

    /// The same for what changes nothing: no replica has to acknowledge it.
    var reading: RedisConnector {
        var connector = self
        connector.replicasToAck = 0
        return connector
    }

    /// Where connections lead, for logs: never shows a password.
    package var description: String {
        if let cluster { return isPinned ? target.place : cluster.seeds.map(\.text).joined(separator: ",") + " (Redis Cluster)" }
        guard let watch else { return target.description }
        return watch.primary.map { "\($0.place) (primary of \(watch.name))" } ?? "the primary \(watch.name)"
    }

    /// Where a connection that is opened now leads, as `host:port`; of a socket the word `unix`.
    var present: String {
        if let primary = watch?.primary { return primary.place }
        if case .unix = target.address { return "unix" }
        return target.place
    }

    func connect(on loop: any EventLoop, handler: @escaping @Sendable () -> any ChannelHandler) -> EventLoopFuture<any Channel> {
        if let cluster, !isPinned {
            guard let place = cluster.anyServer() else {
                return loop.makeFailedFuture(StoreFailure.unavailable("no server of the Redis Cluster is known"))
            }
            return dial(place, on: loop, fence: nil, handler: handler)
        }
        guard let watch else { return dial(target.address, on: loop, fence: nil, handler: handler) }
        guard let (primary, generation) = watch.whereToDial() else {
            return loop.makeFailedFuture(StoreFailure.unavailable("no majority of the Sentinels names a primary"))
        }
        let address = RedisTarget.Address.tcp(host: primary.host, port: primary.port)
        return dial(address, on: loop, fence: (watch, generation), handler: handler).map { channel in
            watch.opened(channel, generation)
            return channel
        }
    }

    private func dial(
        _ address: RedisTarget.Address, on loop: any EventLoop, fence: (watch: PrimaryWatch, generation: Int)?,
        handler: @escaping @Sendable () -> any ChannelHandler
    ) -> EventLoopFuture<any Channel> {
        let tls = tls
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(Self.dialTimeout)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls, case .tcp(let host, _) = address {
                        let name = host.contains(":") || host.first?.isNumber == true ? nil : host
                        try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: tls, serverHostname: name))
                    }
                    if let fence { try channel.pipeline.syncOperations.addHandler(PrimaryFence(fence.watch, fence.generation)) }
                    try channel.pipeline.syncOperations.addHandler(handler())
                }
            }
        switch address {
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
        // It tells the server's role, and needs no right of its own.
        if watch != nil { commands.append(RedisCommand("HELLO", "2")) }
        return commands
    }

    /// Why a server that answers the greeting so is not the one that is looked for; nil where nothing is wrong with it.
    func objection(to reply: RedisReply) -> String? {
        guard watch != nil, let hello = RedisHello(reply), !hello.isPrimary else { return nil }
        return "it is no primary"
    }

    /// Something speaks against the primary that is known: the Sentinels, or the servers of the cluster, are asked at once. Nothing where there
    /// are none.
    func doubt() {
        watch?.doubt()
        cluster?.doubt()
    }
}

/// What a server says of itself in its answer to `HELLO`.
struct RedisHello: Equatable {
    /// As `7.0.15`.
    let version: String
    /// `standalone`, `cluster` or `sentinel`.
    let mode: String
    let isPrimary: Bool

    /// Nil for any other answer.
    init?(_ reply: RedisReply) {
        let fields = reply.fields
        guard let version = fields["version"], let mode = fields["mode"] else { return nil }
        self.version = version
        self.mode = mode
        isPrimary = fields["role"] == "master"
    }

    /// The first number of the version; 0 where it has none.
    var majorVersion: Int { Int(version.prefix { $0 != "." }) ?? 0 }
}
