// `--isolation session` over several nodes: a server of one's own is that of one node, so the balancer keeps a session where it is.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Sessions that stay at their node")
    struct StickySessionTests {
        private static let sentence = "have the balancer keep a session at one node"

        @Test(
            "--isolation session: behind a haproxy that is told to, a session has one process however many nodes there are, also a client without sessions, and another one when its node goes; nodes that are several say that they need it, and one alone does not"
        )
        func sticky() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(
                nodes: 2, ["--isolation", "session", "--trusted-proxies", "127.0.0.1"], upstream: server.upstream
            ) { cluster in
                let balancer = try await HAProxy(cluster.nodes, isSticky: true)
                let keys = try await concurrently(3) { _ in try await cluster[0].createKey(credits: 100) }
                let shared = server.processes.count
                #expect(shared == 2)
                var sessions: [String] = []
                for _ in 0..<6 { sessions.append(try await balancer.client.openSession(key: keys[0])) }
                for _ in 0..<6 {
                    for session in sessions {
                        let answer = try await balancer.client.call(
                            "echo", ["text": "x"], key: keys[0], headers: [("Mcp-Session-Id", session)])
                        #expect(answer.outcome.isServed, "\(answer.text)")
                    }
                }
                #expect(server.processes.count == shared + sessions.count)
                for _ in 0..<4 {
                    for key in keys.dropFirst() {
                        let answer = try await balancer.client.stateless(
                            "tools/call", ["name": "echo", "arguments": ["text": "x"]], key: key)
                        #expect(answer.status == 200, "\(answer.text)")
                    }
                }
                #expect(server.processes.count == shared + sessions.count + 2)
                for node in cluster.nodes {
                    try await eventually("the node warns", within: .seconds(10)) { node.log.contains(Self.sentence) }
                }
                try await cluster.nodes[0].kill9()
                try await eventually("every session goes on", within: .seconds(20)) {
                    for session in sessions {
                        let answer = try await balancer.client.call(
                            "echo", ["text": "x"], key: keys[0], headers: [("Mcp-Session-Id", session)])
                        guard answer.outcome.isServed else { return false }
                    }
                    return true
                }
                try await balancer.kill9()
            }
            try await GateCluster.run(nodes: 1, ["--isolation", "session"]) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                #expect(await cluster[0].echo(key: key).isServed)
                #expect(!cluster.nodes[0].log.contains(Self.sentence))
            }
        }
    }
}
