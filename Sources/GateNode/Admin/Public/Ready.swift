// GET /ready: whether a balancer should send calls here.

import ClusterState
import GateDomain
import HTTPTypes
import MCPWire

/// The conditions under which a node can serve calls.
struct Readiness: Sendable {
    /// Names and whether they hold, as the page shows them.
    let checks: [(name: String, holds: Bool)]
    /// Why no server is there.
    let trouble: String?

    init(of node: Node) async {
        trouble = node.upstreams.trouble
        checks = [
            ("notDraining", !node.switches.isLeaving),
            ("notMaintenance", !node.switches.isInMaintenance),
            ("backendConnected", node.upstreams.isConnected),
            ("storeConnected", await node.storeProbe.holds()),
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
            "checks": ["notDraining": .boolean, "notMaintenance": .boolean, "backendConnected": .boolean, "storeConnected": .boolean],
        ],
        failures: [.serviceUnavailable]
    ) { _, node in
        node.switches.readinessAsked()
        let readiness = await Readiness(of: node)
        let page: JSONObject = .of([
            "ready": readiness.isReady, "checks": JSONObject(readiness.checks.map { ($0.name, .bool($0.holds)) }),
            "reason": readiness.trouble, "timestamp": Timestamp.text(milliseconds: node.members.now),
        ])
        return EndpointResponse(json: page.json, status: readiness.isReady ? nil : .serviceUnavailable)
    }
}
