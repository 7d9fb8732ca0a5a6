// A server over HTTP behind the gate, in fair weather and in foul.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("A server over HTTP")
    struct HTTPUpstreamTests {
        @Test("F-MCP-08: answers as JSON and as an event stream with all its liberties are both understood, 100 at once")
        func forms() async throws {
            try await run { cluster, _ in
                let key = try await cluster[0].createKey(credits: 1000)
                let texts = await concurrently(100, workers: 50) { turn in
                    await cluster[turn].attempt(turn % 3 == 0 ? "json" : "stream", ["text": .string("answer é \(turn)")], key: key).text
                }
                #expect(texts == (0..<100).map { "answer é \($0)" })
                #expect(try await cluster[0].balance(key).spent == 100)
            }
        }

        @Test(
            "F-SEC-14, F-MCP-08, mcp-notes 3.6: the server gets its own session and version and both Accepts, and never a client's key, session or cookie"
        )
        func headers() async throws {
            try await run { cluster, server in
                let key = try await cluster[0].createKey()
                let session = try await cluster[0].openSession(key: key)
                let given: GateClient.Headers = [
                    ("Mcp-Session-Id", session), ("Authorization", "Bearer \(key)"), ("Cookie", "a=b"),
                    ("X-Admin-Key", GateClient.adminKey),
                    ("MCP-Protocol-Version", "2025-11-25"), ("X-Request-Id", "from-the-client"),
                ]
                #expect(try await cluster[0].call("json", ["text": "x"], key: key, headers: given).outcome.text == "x")
                #expect(try await cluster[0].call("stream", ["text": "y"], key: key, headers: given).outcome.text == "y")
                let posts = server.requests.filter { $0["verb"] == "POST" }
                #expect(!posts.contains { $0.text.contains(key) || $0.text.contains(session) || $0.text.contains(GateClient.adminKey) })
                for post in posts {
                    #expect(
                        post["headers"]?["cookie"] == nil && post["headers"]?["authorization"] == nil
                            && post["headers"]?["x-api-key"] == nil)
                    let accept = post["headers"]?["accept"]?.string ?? ""
                    #expect(accept.contains("application/json") && accept.contains("text/event-stream"))
                    guard post["method"] != "initialize", post["method"] != "server/discover" else { continue }
                    #expect(post["headers"]?["mcp-session-id"]?.string?.hasPrefix("session-") == true, "\(post.text)")
                    #expect(post["headers"]?["mcp-protocol-version"] == "2025-06-18", "\(post.text)")
                }
                let calls = posts.filter { $0["method"] == "tools/call" }
                #expect(
                    calls.count == 2 && calls.allSatisfy { $0["id"]?.int != nil } && calls[0]["id"] != calls[1]["id"],
                    "F-MCP-10: ids are rewritten")
            }
        }

        @Test("mcp-notes 3.6: a session that the server has forgotten is opened anew; calls go on, and none is charged twice")
        func forgottenSession() async throws {
            try await run(nodes: 1) { cluster, server in
                let key = try await cluster[0].createKey(credits: 100)
                #expect(try await cluster[0].call("json", ["text": "x"], key: key).outcome.isServed)
                _ = try await cluster[0].call("forget", [:], key: key)
                try await eventually("calls are served again", within: .seconds(3)) {
                    try await cluster[0].call("json", ["text": "x"], key: key).outcome.isServed
                }
                let served = server.requests.filter { $0["name"] == "json" }.count
                #expect(server.requests.filter { $0["method"] == "initialize" }.count >= 2)
                #expect(try await cluster[0].balance(key).spent <= served + 1)
            }
        }

        @Test(
            "F-CREDIT-03, F-RPC-09: a refusal and a broken answer of the server are errors, refunded where that is on",
            arguments: ["refuse", "hangup"])
        func failures(_ tool: String) async throws {
            try await run(["--refund-on-failure"]) { cluster, _ in
                let key = try await cluster[0].createKey(credits: 5)
                let response = try await cluster[0].call(tool, [:], key: key, within: .seconds(10))
                #expect(response.outcome == .failed(code: -32603), "\(response.text)")
                #expect(response.elapsed < .seconds(3).patiently, "F32")
                #expect(try await cluster[1].balance(key).credits == 5)
                #expect(try await cluster[0].call("json", ["text": "still there"], key: key).outcome.isServed)
            }
        }

        @Test("F-TMO-01, mcp-notes 3.7: a server that is silent is given up at the timeout and told with notifications/cancelled")
        func timeout() async throws {
            try await run(nodes: 1, ["--tool-timeout", "500"]) { cluster, server in
                let key = try await cluster[0].createKey()
                let response = try await cluster[0].call("slow", [:], key: key)
                #expect(response.outcome == .failed(code: -32004) && response.elapsed < .seconds(2).patiently, "\(response.text)")
                try await eventually("the server is told", within: .seconds(2)) {
                    server.requests.contains { $0["method"] == "notifications/cancelled" }
                }
            }
        }

        @Test("F-MCP-12, F32: a server that is away is answered for at once and refunded; /ready says so; it is used again by itself")
        func away() async throws {
            try await run(nodes: 1) { cluster, server in
                let key = try await cluster[0].createKey(credits: 5)
                #expect(try await cluster[0].call("json", ["text": "x"], key: key).outcome.isServed)
                try await server.kill9()
                let response = try await cluster[0].call("json", ["text": "x"], key: key)
                #expect(response.outcome == .failed(code: -32603) && response.elapsed < .seconds(2).patiently, "\(response.text)")
                #expect(try await cluster[0].balance(key).credits == 4, "a call that never left is not charged, whatever is configured")
                try await eventually("/ready is 503", within: .seconds(10)) { try await cluster[0].get("/ready").status == 503 }
                #expect(try await cluster[0].get("/health").status == 200)
                try await server.restart()
                try await eventually("calls are served again", within: .seconds(6)) {
                    try await cluster[0].call("json", ["text": "x"], key: key).outcome.isServed
                }
                try await eventually("/ready is 200", within: .seconds(6)) { try await cluster[0].get("/ready").status == 200 }
            }
        }

        @Test("F-MCP-08: the node ends its session with the server when it stops")
        func end() async throws {
            try await run(nodes: 1) { cluster, server in
                let status = try await cluster.nodes[0].terminate()
                #expect(status == 0)
                #expect(server.requests.contains { $0["verb"] == "DELETE" && $0["headers"]?["mcp-session-id"] != nil })
            }
        }

        @Test("F-MULTI-02: a server over HTTP and one over stdio stand behind one gate")
        func mixed() async throws {
            let server = try await ScriptedUpstream()
            let config: JSON = [
                "servers": [
                    ["prefix": "far", "remoteUrl": .string("http://127.0.0.1:\(server.port)/mcp")],
                    ["prefix": "near", "serverCommand": .string(Repository.binary), "serverArgs": ["demo-server"]],
                ]
            ]
            try await GateCluster.run(nodes: 1, upstream: .configured, config: config) { cluster in
                let key = try await cluster[0].createKey()
                #expect(try await cluster[0].call("far:json", ["text": "far"], key: key).outcome.text == "far")
                #expect(try await cluster[0].call("near:echo", ["text": "near"], key: key).outcome.text == "near")
                #expect(try await cluster[0].get("/info").json["transport"] == "multi-server")
            }
            try await server.kill9()
        }

        private func run(
            nodes: Int = 2, _ flags: [String] = [], _ body: @Sendable (GateCluster, ScriptedUpstream) async throws -> Void
        ) async throws {
            let server = try await ScriptedUpstream()
            try await GateCluster.run(nodes: nodes, flags, upstream: server.upstream) { try await body($0, server) }
            try await server.kill9()
        }
    }
}
