// The revision 2026-07-28 in front of servers of the era with sessions: any node answers any request, and leaves no session.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("The era without sessions")
    struct StatelessTests {
        @Test("F-MCP-14: each request of 2026-07-28 that a MUST rejects has that status and that code, on any node, and costs nothing")
        func rejections() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 5)
            for (turn, row) in Rejection.all.enumerated() {
                let response = try await row.send(cluster[turn % 2], key)
                #expect(
                    response.status == row.status && response.json["error"]?["code"] == .int(row.code),
                    "\(row.name): \(response.status) \(response.text)")
                #expect(response.header("Mcp-Session-Id") == nil, "\(row.name)")
            }
            #expect(try await cluster[1].balance(key).credits == 5)
        }

        @Test("F-MCP-14: a revision that is not served is answered with those that are, a subset of what server/discover says")
        func versions() async throws {
            let client = try SharedCluster.cluster[0]
            let discovered = try await client.stateless("server/discover").json["result"]?["supportedVersions"]?.array
            #expect(discovered?.first == "2026-07-28" && discovered?.contains("2025-11-25") ?? false)
            let response = try await client.stateless("tools/list", version: "2099-01-01")
            #expect(response.status == 400 && response.json["error"]?["code"] == -32022, "\(response.text)")
            #expect(response.json["error"]?["data"]?["requested"] == "2099-01-01")
            #expect(response.json["error"]?["data"]?["supported"]?.array == discovered)
        }

        @Test("F-MCP-13: server/discover needs no key and says what the gate and its servers can, for how long, and for whom")
        func discovery() async throws {
            for client in try SharedCluster.cluster.clients {
                let response = try await client.stateless("server/discover", id: "first")
                let result = response.json["result"]
                #expect(response.status == 200 && response.json["id"] == "first" && result?["resultType"] == "complete", "\(response.text)")
                #expect(result?["capabilities"]?["tools"] != nil && result?["ttlMs"]?.int ?? -1 >= 0 && result?["cacheScope"] == "public")
                #expect(result?["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "gate-node")
                #expect(response.header("Mcp-Session-Id") == nil)
            }
        }

        @Test(
            "F-MCP-13: results are complete and name the gate; lists say how long they hold and are the caller's alone; ids come back as they were"
        )
        func results() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            for (turn, id) in (["1", #""\u00e9""#, "1e2", #""""#] as [String]).enumerated() {
                let body =
                    #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"},"_meta":\#(GateClient.statelessMeta.text)}}"#
                let headers: GateClient.Headers = [
                    ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "=?base64?ZWNobw==?="),
                    ("Mcp-Session-Id", "mcp_sess_00000000000000000000000000000000"), ("Last-Event-ID", "1-0.x"),
                ]
                let response = try await cluster[turn % 2].post(Array(body.utf8), key: key, headers: headers)
                #expect(response.outcome.text == "x" && response.text.contains(#""id":\#(id)"#), "\(response.text)")
                #expect(response.json["result"]?["resultType"] == "complete" && response.json["result"]?["ttlMs"] == nil)
                #expect(response.json["result"]?["_meta"]?["io.modelcontextprotocol/serverInfo"]?["name"] == "gate-node")
                #expect(response.header("Mcp-Session-Id") == nil && response.integer("X-Credits-Remaining") != nil)
            }
            #expect(try await cluster[0].balance(key).spent == 4)
            for client in cluster.clients {
                let list = try await client.stateless("tools/list", key: key).json["result"]
                #expect(
                    list?["resultType"] == "complete" && list?["ttlMs"]?.int ?? -1 >= 0 && list?["cacheScope"] == "private",
                    "\(list?.text ?? "")")
                #expect(list?["tools"]?.array?.contains { $0["_pricing"] != nil } ?? false)
            }
            let batch = try await cluster[0].stateless(
                "tools/call_batch", ["calls": [["name": "echo", "arguments": ["text": "x"]]]], key: key)
            #expect(batch.json["result"]?["resultType"] == "complete" && batch.json["result"]?["totalCreditsCharged"] == 1, "\(batch.text)")
        }

        @Test("F-MCP-14: denials keep their code and their status in the era without sessions")
        func denials() async throws {
            let cluster = try SharedCluster.cluster
            let poor = try await cluster[0].createKey(credits: 1)
            for (key, reason) in [
                (nil, "missing_api_key"), ("pg_" + String(repeating: "0", count: 48), "invalid_api_key"), (poor, "insufficient_credits"),
            ] {
                let response = try await cluster[1].stateless("tools/call", ["name": "add", "arguments": ["a": 1, "b": 2]], key: key)
                #expect(response.outcome.word == CallOutcome.denied(reason).word, "\(response.text)")
            }
        }

        @Test("issue 14: the same key and idempotency key are one call in the era without sessions, on any node, charged once")
        func idempotency() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 10)
            for turn in 0..<3 {
                let response = try await cluster[turn % 2].stateless(
                    "tools/call", ["name": "echo", "arguments": ["text": "once"]], key: key, id: .int(turn),
                    headers: ["X-Idempotency-Key": "one"])
                #expect(
                    response.outcome.text == "once" && response.json["id"] == .int(turn)
                        && response.json["result"]?["resultType"] == "complete")
            }
            #expect(try await cluster[1].balance(key).spent == 1)
        }

        @Test("F-MCP-13: a handshake is served whatever its header says, and GET and DELETE of the era without sessions are 405")
        func both() async throws {
            let client = try SharedCluster.cluster[0]
            let version: GateClient.Headers = [("MCP-Protocol-Version", "2026-07-28")]
            let handshake = try await client.initialize("2026-07-28", headers: version)
            #expect(handshake.json["result"]?["protocolVersion"] == "2025-11-25" && handshake.header("Mcp-Session-Id") != nil)
            for verb in ["GET", "DELETE"] {
                let response = try await client.send(verb, "/mcp", headers: version + [("Accept", "text/event-stream")])
                #expect(response.status == 405 && response.header("Allow")?.contains("POST") ?? false, "\(verb): \(response.text)")
            }
            let cancelled: JSON = ["jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": 1]]
            #expect(try await client.post(cancelled.bytes, headers: version).status == 202)
            // One that describes itself and is of a session all the same.
            let old = try await client.rpc(
                "ping", ["_meta": ["io.modelcontextprotocol/protocolVersion": "2025-06-18"]],
                headers: [("MCP-Protocol-Version", "2025-06-18")])
            #expect(old.status == 200 && old.json["result"] == [:], "\(old.text)")
        }
    }

    /// A request that is refused before anybody looks at what it wants.
    struct Rejection: Sendable {
        let name: String
        var method = "tools/call"
        var params: [String: JSON] = ["name": "echo", "arguments": ["text": "x"]]
        var meta: JSON? = GateClient.statelessMeta
        var headers: [String: String?] = [:]
        /// The whole body, in the place of a request.
        var body: JSON?
        /// A header that is there a second time.
        var twice: String?
        var status = 400
        var code = -32020

        func send(_ client: GateClient, _ key: String) async throws -> GateResponse {
            try await client.stateless(method, params, meta: meta, key: key, headers: headers, twice: twice, body: body)
        }

        static let all = missing + mismatched + unserved

        private static let version = "io.modelcontextprotocol/protocolVersion", capabilities = "io.modelcontextprotocol/clientCapabilities"

        private static let missing: [Rejection] = [
            .init(name: "no _meta", meta: nil, code: -32602),
            .init(name: "_meta that is no object", meta: [1], code: -32602),
            .init(name: "no version in _meta", meta: [capabilities: [:]], code: -32602),
            .init(name: "a version that is no text", meta: [version: 20_260_728, capabilities: [:]], code: -32602),
            .init(name: "no capabilities", meta: [version: "2026-07-28"], code: -32602),
            .init(name: "capabilities that are no object", meta: [version: "2026-07-28", capabilities: ["sampling"]], code: -32602),
            .init(
                name: "an unknown log level",
                meta: [version: "2026-07-28", capabilities: [:], "io.modelcontextprotocol/logLevel": "loud"], code: -32602),
            .init(name: "no tool", params: [:], code: -32602),
            .init(
                name: "a listening without a filter", method: "subscriptions/listen", params: [:], headers: ["Accept": "text/event-stream"],
                code: -32602),
            .init(
                name: "a listening to too much", method: "subscriptions/listen",
                params: ["notifications": ["resourceSubscriptions": .array((0..<101).map { .string("test://\($0)") })]],
                headers: ["Accept": "text/event-stream"], code: -32602),
        ]

        private static let mismatched: [Rejection] = [
            .init(name: "no version header", headers: ["MCP-Protocol-Version": nil]),
            .init(name: "another version header", headers: ["MCP-Protocol-Version": "2025-11-25"]),
            .init(name: "no Mcp-Method", headers: ["Mcp-Method": nil]),
            .init(name: "another Mcp-Method", headers: ["Mcp-Method": "tools/list"]),
            .init(name: "Mcp-Method in other letters", headers: ["Mcp-Method": "Tools/Call"]),
            .init(name: "no Mcp-Name", headers: ["Mcp-Name": nil]),
            .init(name: "another Mcp-Name", headers: ["Mcp-Name": "add"]),
            .init(name: "Mcp-Name in other letters", headers: ["Mcp-Name": "Echo"]),
            .init(name: "another Mcp-Name in base64", headers: ["Mcp-Name": "=?base64?YWRk?="]),
            .init(name: "Mcp-Name in no base64", headers: ["Mcp-Name": "=?base64?ec*o?="]),
            .init(name: "Mcp-Name in a second spelling of base64", headers: ["Mcp-Name": "=?base64?ZWNobx==?="]),
            .init(name: "Mcp-Name without a name", params: [:], headers: ["Mcp-Name": "echo"]),
            .init(name: "no Mcp-Name of a prompt", method: "prompts/get", params: ["name": "greet"], headers: ["Mcp-Name": nil]),
            .init(
                name: "another Mcp-Name of a resource", method: "resources/read", params: ["uri": "test://one"],
                headers: ["Mcp-Name": "test://two"]),
            .init(name: "Mcp-Method twice", twice: "Mcp-Method"),
            .init(name: "Mcp-Name twice", twice: "Mcp-Name"),
            .init(name: "MCP-Protocol-Version twice", twice: "MCP-Protocol-Version"),
            .init(name: "another Mcp-Name of a task", method: "tasks/get", params: ["taskId": "a"], headers: ["Mcp-Name": "b"]),
        ]

        /// In front of a recording server's `route`, whose arguments headers have to repeat.
        static let mirrored: [Rejection] = [
            route("no header of an argument", ["region": "eu"]),
            route("a header without its argument", [:], ["Mcp-Param-Region": "eu"]),
            route("a header of null", ["region": .null], ["Mcp-Param-Region": "null"]),
            route("another value", ["region": "eu"], ["Mcp-Param-Region": "us"]),
            route("a value in other letters", ["region": "eu"], ["mcp-param-region": "EU"]),
            route("another value in base64", ["region": "eu"], ["Mcp-Param-Region": "=?base64?dXM=?="]),
            route("a value in no base64", ["region": "eu"], ["Mcp-Param-Region": "=?base64?e*?="]),
            route("a value in a second spelling of base64", ["region": "eu"], ["Mcp-Param-Region": "=?base64?ZXV=?="]),
            route("bytes that are no ASCII", ["region": "\u{fffd}"], ["Mcp-Param-Region": "\u{fffd}"]),
            route("a header twice", ["region": "eu"], ["Mcp-Param-Region": "eu"], twice: "Mcp-Param-Region"),
            route("another number", ["count": 3], ["Mcp-Param-Count": "4"]),
            route("a number with a fraction", ["count": 3], ["Mcp-Param-Count": "3.1"]),
            route("a number in words", ["count": 3], ["Mcp-Param-Count": "+3"]),
            route("another truth", ["sure": true], ["Mcp-Param-Sure": "True"]),
            route("no header of an inner argument", ["where": ["zone": "a"]]),
            route("one of two headers", ["region": "eu", "count": 3], ["Mcp-Param-Region": "eu"]),
        ]

        private static func route(
            _ name: String, _ arguments: [String: JSON], _ headers: [String: String?] = [:], twice: String? = nil
        ) -> Rejection {
            .init(
                name: name, params: ["name": "route", "arguments": .object(arguments.merging(["text": "x"]) { $1 })], headers: headers,
                twice: twice)
        }

        private static let unserved: [Rejection] =
            [
                "initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list", "tasks/result",
                "acme/unheard",
            ].map { .init(name: $0, method: $0, params: [:], status: 404, code: -32601) }
            + [
                .init(
                    name: "a notification that is gone", method: "notifications/roots/list_changed",
                    body: ["jsonrpc": "2.0", "method": "notifications/roots/list_changed"], status: 404, code: -32601),
                .init(name: "a response", body: ["jsonrpc": "2.0", "id": 1, "result": [:]], code: -32600),
                .init(name: "a list of messages", body: [["jsonrpc": "2.0", "id": 1, "method": "server/discover"]], code: -32600),
                .init(
                    name: "an unserved version", meta: [version: "2099-01-01", capabilities: [:]],
                    headers: ["MCP-Protocol-Version": "2099-01-01"], code: -32022),
            ]
    }
}

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

    @Suite("Rounds of a call")
    struct RoundTests {
        @Test(
            "F-MCP-16: a 2025 server asks the official client of 2026-07-28 in rounds of one call, through whichever of two nodes they come, and the call is charged once",
            arguments: ["stdio", "http"])
        func official(_ transport: String) async throws {
            let server = try await AskingServer(.handshakeEra(), over: transport)
            let python = try await PythonEnvironment.current()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                try await python.expectAll("Clients/test_rounds.py", [key] + cluster.clients.map(\.address), count: 5)
                // declared twice; two turns of three, and an echo; six at once; two with a stream; one that is not asked.
                try await eventually("each call is charged once", within: .seconds(10)) {
                    try await cluster[1].balance(key).spent == 2 + 7 + 6 + 2 + 1
                }
            }
        }

        @Test("F-MCP-16: requestState is good for the key and the request that it was made for, for one round, and for no other")
        func states() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = [try await cluster[0].createKey(credits: 10), try await cluster[0].createKey(credits: 10)]
                func round(_ node: Int, key: String?, text: String = "who", state: String? = nil, answers: JSON? = nil) async throws
                    -> GateResponse
                {
                    var params: [String: JSON] = ["name": "elicit", "arguments": ["text": .string(text)]]
                    if let state { params["requestState"] = .string(state) }
                    if let answers { params["inputResponses"] = answers }
                    let meta: JSON = [
                        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                        "io.modelcontextprotocol/clientCapabilities": ["elicitation": [:]],
                    ]
                    return try await cluster[node].stateless("tools/call", params, meta: meta, key: key, id: .int(node))
                }
                let first = try await round(0, key: keys[0]).json["result"]
                #expect(first?["resultType"] == "input_required", "\(first?.text ?? "")")
                let (name, question) = try #require(first?["inputRequests"]?.object?.first)
                #expect(question["method"] == "elicitation/create" && question["params"]?["message"]?.string?.hasPrefix("who") ?? false)
                let state = try #require(first?["requestState"]?.string)
                let ada: JSON = ["action": "accept", "content": ["name": "ada"]]
                let forged = String(state.dropLast()) + (state.hasSuffix("0") ? "1" : "0")
                for (turn, bad) in [
                    try await round(1, key: keys[1], state: state, answers: [name: ada]),
                    try await round(0, key: keys[0], state: forged, answers: [name: ada]),
                    try await round(1, key: keys[0], text: "other", state: state, answers: [name: ada]),
                    try await round(0, key: nil, state: state),
                    try await round(0, key: keys[0], state: String(repeating: "x", count: 100_000)),
                    try await round(0, key: keys[0], state: ""),
                ].enumerated() {
                    #expect(bad.status == 400 && bad.json["error"]?["code"] == -32602, "\(turn): \(bad.text)")
                }
                // Without the answer it is asked again, under a state of its own.
                let second = try await round(1, key: keys[0], state: state, answers: [:]).json
                #expect(second["result"]?["resultType"] == "input_required" && second["id"] == 1, "\(second.text)")
                #expect(second["result"]?["inputRequests"]?[name] == question)
                let next = try #require(second["result"]?["requestState"]?.string)
                #expect(next != state)
                #expect(
                    try await round(0, key: keys[0], state: state, answers: [name: ada]).json["error"]?["code"] == -32602, "it was used")
                let last = try await round(1, key: keys[0], state: next, answers: [name: ada])
                #expect(last.outcome.text == "user: ada" && last.json["result"]?["resultType"] == "complete", "\(last.text)")
                #expect(
                    try await round(1, key: keys[0], state: next, answers: [name: ada]).json["error"]?["code"] == -32602,
                    "its call has ended")
                #expect(try await cluster[0].balance(keys[0]).spent == 1)
                #expect(try await cluster[0].balance(keys[1]).spent == 0)
                #expect(server.calls.count == 1)
            }
        }

        @Test("F-MCP-16: a call whose node has died between two rounds is said to be lost, and is not made again")
        func death() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let meta: JSON = [
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": ["elicitation": [:]],
                ]
                let call: [String: JSON] = ["name": "elicit", "arguments": ["text": "who"]]
                let state = try #require(
                    try await cluster[0].stateless("tools/call", call, meta: meta, key: key).json["result"]?["requestState"])
                try await cluster.nodes[0].kill9()
                let retry: [String: JSON] = ["requestState": state, "inputResponses": ["q": ["action": "decline"]]]
                let answer = try await cluster[1].stateless("tools/call", call.merging(retry) { $1 }, meta: meta, key: key)
                #expect(answer.outcome == .failed(code: -32603) && answer.text.contains("node"), "\(answer.text)")
                #expect(server.calls.count == 1)
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

extension GateClient {
    /// What every request of the revision says of itself.
    static let statelessMeta: JSON = [
        "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:],
        "io.modelcontextprotocol/clientInfo": ["name": "test", "version": "1"],
    ]

    /// One request of the revision 2026-07-28, with the headers that repeat it.
    /// - Parameters:
    ///   - version: another revision than that, in header and `_meta`.
    ///   - changed: headers that are other than they should be, or are not there.
    ///   - twice: a header that is there a second time.
    ///   - body: in the place of the request.
    func stateless(
        _ method: String, _ params: [String: JSON] = [:], version: String? = nil, meta: JSON? = statelessMeta, key: String? = nil,
        id: JSON = 1,
        headers changed: [String: String?] = [:], twice: String? = nil, body: JSON? = nil
    ) async throws -> GateResponse {
        var params = params
        if let meta { params["_meta"] = meta }
        if let version {
            params["_meta"] = [
                "io.modelcontextprotocol/protocolVersion": .string(version), "io.modelcontextprotocol/clientCapabilities": [:],
            ]
        }
        var headers: [String: String?] = [
            "Content-Type": "application/json", "Accept": "application/json", "MCP-Protocol-Version": version ?? "2026-07-28",
            "Mcp-Method": method,
        ]
        switch method {
        case "tools/call", "prompts/get": headers["Mcp-Name"] = params["name"]?.string
        case "resources/read": headers["Mcp-Name"] = params["uri"]?.string
        default: break
        }
        for (name, value) in changed { headers[name] = .some(value) }
        if let key { headers["X-API-Key"] = key }
        var fields = headers.compactMap { name, value in value.map { (key: name, value: $0) } }
        fields += fields.filter { $0.key == twice }
        let message: JSON = body ?? ["jsonrpc": "2.0", "id": id, "method": .string(method), "params": .object(params)]
        return try await send("POST", "/mcp", headers: fields, body: message.bytes)
    }
}
