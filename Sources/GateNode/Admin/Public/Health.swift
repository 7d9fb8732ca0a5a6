// GET /health and GET /livez: whether the node lives, and how it is (F-HEALTH-01).

import GateDomain
import ClusterState
import GateSettings
import GateValues
import MCPUpstream
import HTTPTypes
import MCPWire

extension Endpoint {
    static let health = Endpoint(
        .get, "/health", "How the node is; 503 while it drains.", for: .anyone, answer: Health.view.schema, failures: [.serviceUnavailable],
        using: { parts in
            (
                switches: parts.switches, startedAt: parts.startedAt, sharedStore: parts.settings.redisUrl == nil ? nil : parts.store,
                upstreams: parts.upstreams
            )
        }
    ) { request, parts in
        var health = Health(switches: parts.switches, startedAt: parts.startedAt)
        if parts.upstreams.isSeveral {
            health.servers = parts.upstreams.all.map { .init(name: $0.prefix ?? "", isConnected: $0.isConnected, trouble: $0.trouble) }
        }
        if let store = parts.sharedStore {
            let servers = await store.servers()
            func count(_ role: StoreServer.Role) -> Int { servers.count { $0.role == role && $0.isReachable } }
            health.redis = Health.Redis(
                isConnected: await store.isReachable, isSubscribed: await request.figures().isFeedConnected,
                sentinels: store.isWatchedBySentinels ? count(.sentinel) : nil,
                primaries: store.isCluster ? count(.primary) : nil, replicas: store.isCluster ? count(.replica) : nil, servers: servers)
        }
        return EndpointResponse(Health.view, health, status: parts.switches.isLeaving ? .serviceUnavailable : nil)
    }

    static let livez = Endpoint(
        .get, "/livez", "Whether the process serves requests at all.", for: .anyone, isThrottled: false, answer: ["status": .string]
    ) { _ in
        ["status": "alive"]
    }
}

/// How a node is, as everybody may know it.
private struct Health {
    struct Redis {
        let isConnected: Bool
        let isSubscribed: Bool
        /// Those that answer; nil where there are none.
        let sentinels: Int?
        /// Those that answer; nil unless it is a Redis Cluster.
        let primaries: Int?
        /// Likewise.
        let replicas: Int?
        let servers: [StoreServer]
    }

    /// One of several MCP servers.
    struct Server {
        let name: String
        let isConnected: Bool
        let trouble: String?
    }

    let switches: Switches
    let startedAt: ContinuousClock.Instant
    /// Of a shared Redis alone.
    var redis: Redis?
    /// Where there are several.
    var servers: [Server] = []

    private var uptimeSeconds: Int { Int((ContinuousClock.now - startedAt).components.seconds) }

    private var status: String { switches.isLeaving ? "draining" : switches.isInMaintenance ? "maintenance" : "healthy" }

    private static let storeServer = View<StoreServer>([
        .text("server", \.place), .choice("role", \.role), .flag("reachable", \.isReachable),
        .integer("shards") { $0.role == .primary ? $0.shards : nil }.maybe.described("Of a primary: shards of the store that lie on it."),
        .of("linked", .boolean.nullable) { $0.following?.isLinked }.maybe.described("Of a replica: whether its primary feeds it."),
        .integer("lagSeconds") { $0.following?.seconds }.maybe.described("Of a replica: since the two have heard of each other."),
        .integer("lagBytes") { $0.following?.bytes }.maybe.described("Of a replica: changes that it has not taken."),
    ])

    static let view = View<Health>([
        .choice("status", ["healthy", "draining", "maintenance"], \.status), .integer("uptime", \.uptimeSeconds).described("Seconds."),
        .text("version") { _ in ProductVersion.current }, .integer("inflight", \.switches.inFlight),
        .object(
            "redis",
            View<Redis>(
                [
                    .flag("connected", \.isConnected), .flag("pubsub", \.isSubscribed),
                    .integer("sentinels", \.sentinels).maybe.described("Those that answer, with Sentinels."),
                    .integer("primaries", \.primaries).maybe.described("Those that answer, with Redis Cluster."),
                    .integer("replicas", \.replicas).maybe.described("Those that answer, with Redis Cluster."),
                    .list("servers", storeServer, \.servers).described("Each that the store depends on."),
                ]), \.redis
        )
        .maybe.described("With a shared Redis."),
        .list(
            "servers",
            View<Server>([
                .text("name", \.name).described("Its prefix."), .flag("connected", \.isConnected),
                .text("reason") { $0.isConnected ? nil : $0.trouble },
            ]), \.servers
        ).described("Each of several MCP servers."),
    ])
}
