// GET /health and GET /livez: whether the node lives, and how it is (F-HEALTH-01).

import GateDomain
import ClusterState
import HTTPTypes
import MCPWire

extension Endpoint {
    static let health = Endpoint(
        .get, "/health", "How the node is; 503 while it drains.", for: .anyone, answer: Health.view.schema, failures: [.serviceUnavailable]
    ) { request, node in
        var health = Health(node: node)
        if node.settings.redisUrl != nil {
            health.redis = Health.Redis(isConnected: await node.store.isReachable, isSubscribed: await request.figures().isFeedConnected)
        }
        return EndpointResponse(Health.view, health, status: node.switches.isLeaving ? .serviceUnavailable : nil)
    }

    static let livez = Endpoint(
        .get, "/livez", "Whether the process serves requests at all.", for: .anyone, isThrottled: false, answer: ["status": .string]
    ) { _, _ in
        ["status": "alive"]
    }
}

/// How a node is, as everybody may know it.
private struct Health {
    struct Redis {
        let isConnected: Bool
        let isSubscribed: Bool
    }

    let node: Node
    /// Of a shared Redis alone.
    var redis: Redis?

    private var status: String { node.switches.isLeaving ? "draining" : node.switches.isInMaintenance ? "maintenance" : "healthy" }

    static let view = View<Health>([
        .choice("status", ["healthy", "draining", "maintenance"], \.status), .integer("uptime", \.node.uptimeSeconds).described("Seconds."),
        .text("version") { _ in ProductVersion.current }, .integer("inflight", \.node.switches.inFlight),
        .object("redis", View<Redis>([.flag("connected", \.isConnected), .flag("pubsub", \.isSubscribed)]), \.redis)
            .maybe.described("With a shared Redis."),
    ])
}

extension Node {
    var uptimeSeconds: Int { Int((ContinuousClock.now - startedAt).components.seconds) }
}
