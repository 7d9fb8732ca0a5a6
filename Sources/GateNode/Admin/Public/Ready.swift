// GET /ready: whether a balancer should send calls here.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPUpstream
import MCPWire

/// The conditions under which a node can serve calls.
///
/// A node whose store is a Redis Cluster is ready as long as it serves the calls of any shard: when a primary dies all nodes miss it, and if
/// they said no for it, a balancer would turn away the calls of all others too (docs/redis.md, what is reachable).
struct Readiness: Sendable {
    /// Names and whether they hold, as the page shows them.
    let checks: [(name: String, holds: Bool)]
    /// Why no server is there.
    let trouble: String?
    /// What the node can write to.
    let reach: StoreReach

    init(_ switches: Switches, _ upstreams: UpstreamSet, _ store: StoreProbe) async {
        trouble = upstreams.trouble
        reach = await store.reach()
        checks = [
            ("notDraining", !switches.isLeaving),
            ("notMaintenance", !switches.isInMaintenance),
            ("backendConnected", upstreams.isConnected),
            ("storeConnected", reach.served > 0),
        ]
    }

    var isReady: Bool { checks.allSatisfy(\.holds) }
}

extension Endpoint {
    static let ready = Endpoint(
        .get, "/ready", "Whether the node can serve calls; 503 if not.", for: .anyone, isThrottled: false,
        answer: [
            "ready": .boolean, "timestamp": .time,
            "reason": .string.nullable.described("Why no MCP server is there."),
            "degraded": .boolean.described("Whether calls of some shards of the store are served, and those of others are not."),
            "store": ["shards": .integer, "served": .integer],
            "checks": ["notDraining": .boolean, "notMaintenance": .boolean, "backendConnected": .boolean, "storeConnected": .boolean],
        ],
        failures: [.serviceUnavailable], using: { (switches: $0.switches, upstreams: $0.upstreams, store: $0.storeProbe) }
    ) { request, parts in
        parts.switches.readinessAsked()
        let readiness = await Readiness(parts.switches, parts.upstreams, parts.store)
        let page: JSONObject = .of([
            "ready": readiness.isReady, "checks": JSONObject(readiness.checks.map { ($0.name, .bool($0.holds)) }),
            "reason": readiness.trouble, "degraded": readiness.reach.isDegraded,
            "store": JSONObject([("shards", readiness.reach.shards.json), ("served", readiness.reach.served.json)]),
            "timestamp": Timestamp.text(milliseconds: request.now),
        ])
        return EndpointResponse(json: page.json, status: readiness.isReady ? nil : .serviceUnavailable)
    }
}
