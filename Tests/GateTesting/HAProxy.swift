// The balancer of the repository's own deployment, in front of a test's nodes.

import Glibc
import Testing

/// `deploy/haproxy.cfg` as it stands, told by its variables where the nodes are.
package final class HAProxy: Sendable {
    package let port: Int
    private let program: Program

    /// Starts it and waits until it passes requests on to a ready node.
    /// - Parameter isSticky: whether it keeps a session at one node.
    package init(_ nodes: [ClusterNode], isSticky: Bool = false) async throws {
        port = FreePort.take()
        var environment = ["GATE_BIND": "127.0.0.1:\(port)"]
        if isSticky { environment["GATE_STICKY"] = "1" }
        for (index, node) in nodes.enumerated() { environment["GATE_NODE_\(index + 1)"] = "127.0.0.1:\(node.port)" }
        program = try Program("haproxy", ["haproxy", "-db", "-f", Repository.file("deploy/haproxy.cfg")], environment: environment)
        let client = client
        try await eventually("haproxy finds a node", within: .seconds(10)) { await client.isReady() }
    }

    package var client: GateClient { GateClient("http://127.0.0.1:\(port)") }

    package func kill9() async throws { try await program.kill9() }

    deinit { program.signal(SIGKILL) }
}
