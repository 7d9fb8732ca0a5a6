// GET /health and GET /livez: whether the node lives, and how it is (F-HEALTH-01).

import ClusterState
import HTTPTypes
import MCPWire

extension Endpoint {
    static let health = Endpoint(
        .get, "/health", "How the node is; 503 while it drains.", for: .anyone,
        answer: [
            "status": .choice(["healthy", "draining", "maintenance"]), "uptime": .integer.described("Seconds."), "version": .string,
            "inflight": .integer, "redis": (["connected": .boolean, "pubsub": .boolean] as Schema).maybe.described("With a shared Redis."),
        ],
        failures: [.serviceUnavailable]
    ) { request, node in
        let status = node.switches.isLeaving ? "draining" : node.switches.isInMaintenance ? "maintenance" : "healthy"
        var page: JSONObject = .of([
            "status": status, "uptime": node.uptimeSeconds, "version": ProductVersion.current, "inflight": node.switches.inFlight,
        ])
        if node.settings.redisUrl != nil {
            page["redis"] = ["connected": .bool(await node.store.isReachable), "pubsub": .bool(await request.figures().isFeedConnected)]
        }
        return EndpointResponse(json: page.json, status: node.switches.isLeaving ? .serviceUnavailable : nil)
    }

    static let livez = Endpoint(
        .get, "/livez", "Whether the process serves requests at all.", for: .anyone, isThrottled: false, answer: ["status": .string]
    ) { _, _ in
        ["status": "alive"]
    }
}

extension Node {
    var uptimeSeconds: Int { Int((ContinuousClock.now - startedAt).components.seconds) }
}
