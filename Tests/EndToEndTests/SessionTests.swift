// Sessions of the 2025 revisions: their ids, their life, and that every node knows them.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Sessions", .cluster(nodes: 2))
    struct SessionTests {
        @Test("F-MCP-04, F-HDR-10: every answer to a POST names its session, mcp_sess_ and 32 hex digits; each new one is different")
        func ids() async throws {
            let cluster = try SharedCluster.cluster
            var ids: Set<String> = []
            for client in cluster.clients {
                for _ in 0..<20 {
                    let id = try #require(try await client.initialize().header("Mcp-Session-Id"))
                    #expect(try id.wholeMatch(of: Regex("mcp_sess_[0-9a-f]{32}")) != nil, "\(id)")
                    ids.insert(id)
                }
            }
            #expect(ids.count == 40)
        }

        @Test("F-MCP-03, F-MCP-06: a session is echoed on every answer by any node, whatever is asked")
        func echo() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let id = try await cluster[0].openSession()
            let session: GateClient.Headers = [("Mcp-Session-Id", id)]
            for client in cluster.clients + cluster.clients {
                #expect(try await client.rpc("ping", [:], headers: session).header("Mcp-Session-Id") == id)
                #expect(try await client.rpc("tools/list", [:], headers: session).header("Mcp-Session-Id") == id)
                #expect(try await client.call("echo", ["text": "x"], key: key, headers: session).header("Mcp-Session-Id") == id)
                #expect(try await client.call("echo", ["text": "x"], key: nil, headers: session).header("Mcp-Session-Id") == id)
                #expect(try await client.notify("notifications/initialized", headers: session).header("Mcp-Session-Id") == id)
            }
        }

        @Test(
            "F-MCP-03: every request without a session gets a new one, also on one connection, which a balancer may use for several clients"
        )
        func offeredOnOneConnection() async throws {
            let connection = try await RawConnection(port: try SharedCluster.cluster.nodes[0].port)
            let body = #"{"jsonrpc":"2.0","id":1,"method":"ping"}"#
            for turn in 1...3 {
                await connection.send(
                    "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                #expect(try await connection.waitForAnswer(atLeast: turn))
            }
            let ids = connection.text.matches(of: try Regex("mcp_sess_[0-9a-f]{32}")).map { String(connection.text[$0.range]) }
            #expect(ids.count == 3 && Set(ids).count == 3, "\(ids)")
            await connection.close()
        }

        @Test("F-MCP-03: the session that a request without one gets can be used on any node")
        func offered() async throws {
            let cluster = try SharedCluster.cluster
            let id = try #require(try await cluster[0].rpc("ping", [:]).header("Mcp-Session-Id"))
            for client in cluster.clients {
                let response = try await client.rpc("ping", [:], headers: [("Mcp-Session-Id", id)])
                #expect(response.status == 200 && response.header("Mcp-Session-Id") == id)
            }
        }

        @Test(
            "MCP 2025-11-25 Sessions: an unknown, forged or foreign id is 404 on every node",
            arguments: [
                "mcp_sess_" + String(repeating: "0", count: 32), "mcp_sess_" + String(repeating: "f", count: 32), "mcp_sess_", "x",
                "../../etc",
                "mcp_sess_" + String(repeating: "a", count: 4000),
            ])
        func unknown(_ id: String) async throws {
            for client in try SharedCluster.cluster.clients {
                #expect(try await client.rpc("ping", [:], headers: [("Mcp-Session-Id", id)]).status == 404)
                #expect(try await client.endSession(id).status == 404)
            }
        }

        @Test("MCP 2025-11-25 Sessions: an id with one digit changed is unknown")
        func guessed() async throws {
            let client = try SharedCluster.cluster[0]
            let id = try await client.openSession()
            for position in [9, 15, 24, 30, 40] {
                var digits = Array(id)
                digits[position] = digits[position] == "0" ? "1" : "0"
                #expect(try await client.rpc("ping", [:], headers: [("Mcp-Session-Id", String(digits))]).status == 404, "digit \(position)")
            }
        }

        @Test("DELETE /mcp: 200 once, then the session is unknown on both nodes; without an id 400; initialize opens a new one")
        func deletion() async throws {
            let cluster = try SharedCluster.cluster
            let id = try await cluster[0].openSession()
            let session: GateClient.Headers = [("Mcp-Session-Id", id)]
            for client in cluster.clients { #expect(try await client.rpc("ping", [:], headers: session).status == 200) }
            #expect(try await cluster[1].endSession(id).status == 200)
            #expect(try await cluster[1].rpc("ping", [:], headers: session).status == 404)
            try await eventually("the other node knows", within: .seconds(2)) {
                try await cluster[0].rpc("ping", [:], headers: session).status == 404
            }
            for client in cluster.clients { #expect(try await client.endSession(id).status == 404) }
            #expect(try await cluster[0].endSession(nil).status == 400)
            let next = try await cluster[0].initialize(headers: session)
            #expect(next.status == 200 && next.header("Mcp-Session-Id") != id)
        }

        @Test("DELETE /mcp ends an offered session too, on both nodes, whether or not it was ever used")
        func deletionOfOffered() async throws {
            let cluster = try SharedCluster.cluster
            for isUsed in [false, true] {
                let id = try #require(try await cluster[0].rpc("ping", [:]).header("Mcp-Session-Id"))
                let session: GateClient.Headers = [("Mcp-Session-Id", id)]
                if isUsed { #expect(try await cluster[1].rpc("ping", [:], headers: session).status == 200) }
                #expect(try await cluster[0].endSession(id).status == 200)
                for client in cluster.clients {
                    try await eventually("ended, used: \(isUsed)", within: .seconds(2)) {
                        try await client.rpc("ping", [:], headers: session).status == 404
                    }
                }
            }
        }

        @Test("X-13: a session that was opened with a key can be ended with that key only")
        func owner() async throws {
            let cluster = try SharedCluster.cluster
            let owner = try await cluster[0].createKey(), other = try await cluster[0].createKey()
            let id = try await cluster[0].openSession(key: owner)
            #expect(try await cluster[1].endSession(id).status == 404)
            #expect(try await cluster[1].endSession(id, key: other).status == 404)
            #expect(try await cluster[0].rpc("ping", [:], headers: [("Mcp-Session-Id", id)]).status == 200)
            #expect(try await cluster[1].endSession(id, key: owner).status == 200)
        }

        @Test("mcp-notes 2.9: a session is not a credential: none is judged by itself, and for another key it does not exist")
        func notAuthentication() async throws {
            let cluster = try SharedCluster.cluster
            let owner = try await cluster[0].createKey(credits: 5), other = try await cluster[0].createKey(credits: 5)
            let session: GateClient.Headers = [("Mcp-Session-Id", try await cluster[0].openSession(key: owner))]
            #expect(try await cluster[1].call("echo", ["text": "x"], key: nil, headers: session).outcome == .denied("missing_api_key"))
            for node in cluster.clients {
                #expect(try await node.call("echo", ["text": "x"], key: other, headers: session).status == 404)
                #expect(try await node.call("echo", ["text": "x"], key: owner, headers: session).outcome.isServed)
            }
            #expect(try await cluster[0].balance(owner).spent == 2)
            #expect(try await cluster[0].balance(other).spent == 0)
        }
    }
}
