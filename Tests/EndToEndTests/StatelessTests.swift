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
