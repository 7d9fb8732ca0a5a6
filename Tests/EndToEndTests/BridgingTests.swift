// Clients of the revision 2026-07-28 in front of servers of the era with sessions: what they have of each other.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("A client of the era without sessions in front of a server of the other")
    struct BridgingTests {
        @Test(
            "issue 14: the official client of 2026-07-28 has tools, resources, prompts, progress, logs and listening from a 2025 server through any of two nodes; each call is charged once, and one that it gives up is cancelled there",
            arguments: ["stdio", "http"])
        func official(_ transport: String) async throws {
            let server = try await AskingServer(.handshakeEra(), over: transport)
            let python = try await PythonEnvironment.current()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                try await python.expectAll("Clients/test_stateless.py", [key] + cluster.clients.map(\.address), count: 10)
                try await eventually("the call that was given up is cancelled", within: .seconds(10)) { server.cancelled.count == 1 }
                // 50 at once, one with progress, four with logs, one each of meta, sample, change and touch, and the one that was given up.
                try await eventually("each call is charged once", within: .seconds(10)) { try await cluster[1].balance(key).spent == 60 }
                try await closing(on: cluster, server, key)
            }
        }

        /// A client that closes the connection of an answer gives up what it has asked for, and pays for it as for any that it cancels.
        private func closing(on cluster: GateCluster, _ server: AskingServer, _ key: String) async throws {
            for (turn, accept) in ["application/json", "application/json, text/event-stream"].enumerated() {
                let calls = server.calls.count
                let body =
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"wait","arguments":{"seconds":60},"_meta":\#(GateClient.statelessMeta.text)}}"#
                let connection = try await RawConnection(port: cluster.nodes[turn].port)
                await connection.send(
                    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: \(accept)\r\nContent-Type: application/json\r\nX-API-Key: \(key)\r\n"
                        + "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: wait\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                try await eventually("the server works on it", within: .seconds(10)) { server.calls.count == calls + 1 }
                await connection.close()
                try await eventually("the server is told", within: .seconds(10)) { server.cancelled.count == turn + 2 }
                try await eventually("it is charged once", within: .seconds(10)) { try await cluster[0].balance(key).spent == 61 + turn }
            }
        }

        @Test(
            "F-MCP-14: headers that repeat arguments say what the call says, or it is refused on any node, reaches no server and costs nothing"
        )
        func mirrored() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 2, upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 5)
                for (turn, row) in OneGate.Rejection.mirrored.enumerated() {
                    let response = try await row.send(cluster[turn % 2], key)
                    #expect(
                        response.status == row.status && response.json["error"]?["code"] == .int(row.code),
                        "\(row.name): \(response.status) \(response.text)")
                }
                let doubled =
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"route","arguments":{"text":"x","region":"us","region":"eu"},"_meta":\#(GateClient.statelessMeta.text)}}"#
                let headers: GateClient.Headers = [
                    ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "route"), ("Mcp-Param-Region", "eu"),
                ]
                let refused = try await cluster[0].post(Array(doubled.utf8), key: key, headers: headers)
                #expect(refused.status == 400 && refused.json["error"]?["code"] == -32020, "\(refused.text)")
                #expect(recording.calls.isEmpty)
                #expect(try await cluster[1].balance(key).spent == 0)
                for (turn, headers) in [
                    ["Mcp-Param-Region": "Zürich 1", "Mcp-Param-Count": "-3", "Mcp-Param-Sure": "true", "Mcp-Param-Zone": "a b"],
                    [
                        "Mcp-Param-Region": "=?base64?WsO8cmljaCAx?=", "mcp-param-COUNT": "-3.00", "Mcp-Param-Sure": "true",
                        "Mcp-Param-Zone": "=?base64?YSBi?=",
                    ],
                ].enumerated() {
                    let response = try await cluster[turn].stateless(
                        "tools/call",
                        [
                            "name": "route",
                            "arguments": ["text": "x", "region": "Zürich 1", "count": -3, "sure": true, "where": ["zone": "a b"]],
                        ], key: key, headers: headers.merging(["Mcp-Param-Else": "y"]) { $1 })
                    // What is no ASCII travels in base64 alone.
                    #expect(turn == 0 ? response.status == 400 : response.outcome.text == "x", "\(response.text)")
                }
                // A call without such arguments needs no header, and one of another tool may have any.
                for (tool, more) in [("route", [:]), ("note", ["Mcp-Param-Region": "eu"])] as [(String, [String: String?])] {
                    let response = try await cluster[0].stateless(
                        "tools/call", ["name": .string(tool), "arguments": ["text": "x", "region": .null]], key: key, headers: more)
                    #expect(response.outcome.text == "x", "\(response.text)")
                }
                #expect(try await cluster[1].balance(key).spent == 3)
            }
        }

        @Test("--isolation session: a stateless client's key has a server process of its own, and two keys never share one")
        func isolation() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, ["--isolation", "session"], upstream: server.upstream) { cluster in
                for count in 1...2 {
                    let key = try await cluster[0].createKey(credits: 10)
                    for _ in 0..<2 {
                        let answer = try await cluster[0].stateless("tools/call", ["name": "echo", "arguments": ["text": "x"]], key: key)
                        #expect(answer.outcome.text == "x", "\(answer.text)")
                    }
                    #expect(server.processes.count == 1 + count)
                }
            }
        }

        @Test(
            "F-MCP-15: a listening stream tells what was agreed and nothing else, names its request in every message, and ends with a result when the node stops"
        )
        func listening() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let refused = try await cluster[0].stateless("subscriptions/listen", ["notifications": [:]], key: key)
                #expect(refused.status == 406, "\(refused.text)")
                let denied = try await cluster[0].stateless(
                    "subscriptions/listen", ["notifications": ["toolsListChanged": true]], headers: ["Accept": "text/event-stream"])
                #expect(denied.text.contains("missing_api_key"))
                let lists = try await OpenListening(on: cluster.nodes[0], #"{"toolsListChanged":true}"#, id: #""a\u0062""#, key: key)
                let resources = try await OpenListening(
                    on: cluster.nodes[0], #"{"resourceSubscriptions":["test://one"],"promptsListChanged":false}"#, id: "7", key: key)
                try await eventually("both are agreed", within: .seconds(10)) { lists.messages.count == 1 && resources.messages.count == 1 }
                #expect(lists.messages[0]["method"] == "notifications/subscriptions/acknowledged")
                #expect(lists.messages[0]["params"]?["notifications"] == ["toolsListChanged": true], "\(lists.text)")
                #expect(resources.messages[0]["params"]?["notifications"] == ["resourceSubscriptions": ["test://one"]], "\(resources.text)")
                for (tool, arguments) in [("change", [:]), ("touch", ["uri": "test://one"])] as [(String, JSON)] {
                    #expect(
                        try await cluster[0].stateless("tools/call", ["name": .string(tool), "arguments": arguments], key: key).outcome
                            .isServed)
                }
                try await eventually("each hears its own", within: .seconds(10)) {
                    lists.messages.count == 2 && resources.messages.count == 2
                }
                #expect(lists.messages[1]["method"] == "notifications/tools/list_changed")
                #expect(
                    resources.messages[1]["method"] == "notifications/resources/updated"
                        && resources.messages[1]["params"]?["uri"] == "test://one")
                for (stream, id) in [(lists, "ab"), (resources, 7)] as [(OpenListening, JSON)] {
                    for message in stream.messages {
                        #expect(message["params"]?["_meta"]?["io.modelcontextprotocol/subscriptionId"] == id, "\(stream.text)")
                    }
                }
                cluster.nodes[0].program.signal(15)
                try await eventually("the end is said", within: .seconds(30)) { lists.isEnded && resources.isEnded }
                for stream in [lists, resources] {
                    #expect(stream.messages.count == 3 && stream.messages[2]["result"]?["resultType"] == "complete", "\(stream.text)")
                }
            }
        }
    }

    /// A `subscriptions/listen` that stays open.
    struct OpenListening {
        private let connection: RawConnection

        init(on node: ClusterNode, _ filter: String, id: String, key: String) async throws {
            let body =
                #"{"jsonrpc":"2.0","id":\#(id),"method":"subscriptions/listen","params":{"notifications":\#(filter),"_meta":\#(GateClient.statelessMeta.text)}}"#
            connection = try await RawConnection(port: node.port)
            await connection.send(
                "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
                    + "X-API-Key: \(key)\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }

        var text: String { connection.text }
        var isEnded: Bool { connection.isEnded }
        func close() async { await connection.close() }
        var messages: [JSON] {
            text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("data:") }.compactMap { JSON($0.dropFirst(5).utf8) }
        }
    }
}
