// What MCP asks of an endpoint, whoever pays.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Protocol")
    struct ProtocolTests {
        @Test(
            "MCP 2025-11-25 Lifecycle: a served revision is agreed to as asked, any other is answered with the latest one",
            arguments: [
                ("2025-11-25", "2025-11-25"), ("2025-06-18", "2025-06-18"), ("2025-03-26", "2025-03-26"), ("2026-07-28", "2025-11-25"),
                ("1999-01-01", "2025-11-25"), ("", "2025-11-25"),
            ])
        func versions(_ asked: String, _ agreed: String) async throws {
            let result = try await SharedCluster.cluster[0].initialize(.string(asked)).json["result"]
            #expect(result?["protocolVersion"]?.string == agreed)
            #expect(result?["capabilities"]?["tools"] != nil && result?["serverInfo"]?["name"] == "gate-node")
        }

        @Test("MCP 2025-11-25 Lifecycle: a version that is no text, or none at all, still gets a handshake")
        func oddVersions() async throws {
            let client = try SharedCluster.cluster[0]
            for odd: JSON in [1, nil, ["a": 1]] {
                #expect(try await client.initialize(odd).json["result"]?["protocolVersion"] == "2025-11-25")
            }
            #expect(try await client.rpc("initialize", [:]).json["result"]?["protocolVersion"] == "2025-11-25")
        }

        @Test("MCP 2025-11-25 Transports: an invalid or unsupported MCP-Protocol-Version is 400, a served or missing one is not")
        func versionHeader() async throws {
            let client = try SharedCluster.cluster[0]
            for bad in ["2026-99-99", "1.0", "2025-06-18, 2025-03-26", ""] {
                let response = try await client.rpc("ping", [:], headers: [("MCP-Protocol-Version", bad)])
                #expect(response.status == 400, "\(bad)")
                #expect(
                    response.json["error"]?["code"] == -32022 && response.json["error"]?["data"]?["requested"] == .string(bad),
                    "\(response.text)")
            }
            for good in ["2025-03-26", "2025-06-18", "2025-11-25"] {
                #expect(try await client.rpc("ping", [:], headers: [("MCP-Protocol-Version", good)]).status == 200)
            }
        }

        @Test(
            "F-MCP-01, F-MCP-02: JSON where JSON is accepted, one event `message` where only a stream is",
            arguments: [
                (nil, "application/json"), ("application/json", "application/json"), ("*/*", "application/json"),
                ("application/json, text/event-stream", "application/json"),
                ("text/event-stream, application/json;q=0.5", "application/json"),
                ("text/event-stream", "text/event-stream"), ("text/event-stream;q=0.9", "text/event-stream"),
            ] as [(String?, String)])
        func accept(_ accept: String?, _ type: String) async throws {
            let client = try SharedCluster.cluster[0]
            let body = Array(#"{"jsonrpc":"2.0","id":"an id","method":"tools/list"}"#.utf8)
            let headers: GateClient.Headers = [("Content-Type", "application/json")] + (accept.map { [("Accept", $0)] } ?? [])
            let response = try await client.send("POST", "/mcp", headers: headers, body: body)
            #expect(
                response.status == 200 && response.header("Content-Type")?.hasPrefix(type) == true,
                "\(response.header("Content-Type") ?? "")")
            guard type == "text/event-stream" else {
                #expect(response.json["id"] == "an id")
                return
            }
            let events = EventStreamText(response.text).events
            #expect(events.count == 1 && events[0].name == "message", "\(response.text)")
            #expect(events.first?.message?["id"] == "an id" && events.first?.message?["result"]?["tools"]?.array?.isEmpty == false)
        }

        @Test("F-MCP-02: a denial to a client that reads streams only is an event too")
        func denialAsEvent() async throws {
            let headers: GateClient.Headers = [("Accept", "text/event-stream"), ("Content-Type", "application/json")]
            let body = Array(#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}"#.utf8)
            let response = try await SharedCluster.cluster[0].send("POST", "/mcp", headers: headers, body: body)
            #expect(response.status == 200)
            #expect(EventStreamText(response.text).events.first?.message?["error"]?["code"] == -32402, "\(response.text)")
        }

        @Test("MCP 2025-11-25 Transports 4: progress comes before the answer on the call's own stream, under the client's own token")
        func progress() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            for token: JSON in ["a token \"é\"", 7, 9_007_199_254_740_993] {
                let params: JSON = ["name": "slow", "arguments": ["seconds": 0.2, "steps": 3], "_meta": ["progressToken": token]]
                let body: JSON = ["jsonrpc": "2.0", "id": token, "method": "tools/call", "params": params]
                let headers: GateClient.Headers = [
                    ("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json"), ("X-API-Key", key),
                ]
                let response = try await cluster[1].send("POST", "/mcp", headers: headers, body: body.bytes)
                let messages = EventStreamText(response.text).events.compactMap(\.message)
                #expect(messages.count == 4, "\(response.text)")
                for (step, message) in messages.prefix(3).enumerated() {
                    #expect(
                        message["method"] == "notifications/progress" && message["params"]?["progressToken"] == token, "\(message.text)")
                    #expect(message["params"]?["progress"]?.int == step + 1 && message["params"]?["total"] == 3)
                }
                #expect(messages.last?["id"] == token && messages.last?["result"] != nil)
            }
        }

        @Test("F-RPC-13, MCP Transports 2: a notification, known or not, and a response are 202 without a body, with or without a key")
        func notifications() async throws {
            let client = try SharedCluster.cluster[0]
            for method in [
                "notifications/initialized", "notifications/cancelled", "notifications/roots/list_changed", "notifications/unheard/of",
            ] {
                let response = try await client.notify(method, ["requestId": 1])
                #expect(response.status == 202 && response.body.isEmpty, "\(method): \(response.status) \(response.text)")
            }
            let response = try await client.post(Array(#"{"jsonrpc":"2.0","id":1,"result":{}}"#.utf8))
            #expect(response.status == 202 && response.body.isEmpty)
        }

        @Test(
            "MCP 2025-11-25 Cancellation: notifications/cancelled through any node ends the call that its key made in its session, and no other; it is charged",
            arguments: [0, 1])
        func cancellation(_ node: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--refund-on-failure"]) { cluster in
                let key = try await cluster[0].createKey()
                let session: GateClient.Headers = [("Mcp-Session-Id", try await cluster[0].openSession())]
                let other: GateClient.Headers = [("Mcp-Session-Id", try await cluster[0].openSession())]
                async let own = cluster[0].call("slow", ["seconds": 20], key: key, id: 5, headers: session)
                async let neighbour = cluster[0].call("slow", ["seconds": 1.5], key: key, id: 5, headers: other)
                try await eventually("both are under way", within: .seconds(3)) { try await cluster[1].balance(key).spent == 2 }
                let stranger = try await cluster[0].createKey()
                let proofs: [GateClient.Headers] = [other, other + [("X-API-Key", stranger)], session + [("X-API-Key", key)]]
                for headers in proofs {
                    #expect(try await cluster[node].notify("notifications/cancelled", ["requestId": 5], headers: headers).status == 202)
                }
                let cancelled = try await own
                #expect(cancelled.elapsed < .seconds(10), "the cancelled call took \(cancelled.elapsed)")
                #expect(!cancelled.outcome.isServed, "\(cancelled.text)")
                #expect(try await neighbour.outcome.isServed)
                #expect(
                    try await cluster[1].balance(key).spent == 2,
                    "a cancellation is no failure of the tool: the call was taken, and is charged")
            }
        }

        @Test("F33: the id of an answer is the id of its request, byte for byte, of whatever type")
        func ids() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            for id in ["1", #""1""#, "-0", "1e2", "1.50", "123456789012345678901234567890", #""\u00e9\n\"""#, #""""#, #""é😀""#] {
                let body = #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{"name":"echo","arguments":{"text":"x"}}}"#
                let response = try await cluster[0].post(Array(body.utf8), key: key)
                #expect(response.text.contains(#""id":\#(id),"#) || response.text.contains(#""id":\#(id)}"#), "\(id): \(response.text)")
                #expect(response.outcome.isServed, "\(id)")
            }
        }

        @Test("MCP Base Protocol: a request under the id null, or one of more than 1,024 bytes, is refused, and nothing is charged")
        func noID() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 5)
            for id in ["null", "\"" + String(repeating: "i", count: 1023) + "\"", String(repeating: "9", count: 1025)] {
                for method in [#""ping""#, #""tools/call","params":{"name":"echo","arguments":{"text":"x"}}"#] {
                    let response = try await cluster[1].post(Array(#"{"jsonrpc":"2.0","id":\#(id),"method":\#(method)}"#.utf8), key: key)
                    #expect(response.status == 400 && response.json["error"]?["code"] == -32600, "\(response.text)")
                    #expect(response.json["id"] == nil || response.json["id"] == .null)
                }
            }
            #expect(try await cluster[0].balance(key).credits == 5)
            let response = try await cluster[0].post(Array(#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}"#.utf8))
            #expect(response.status == 202, "an answer to nobody in particular is none of ours")
        }

        @Test("F33: 200 calls at once that all have the id 1 get their own answers")
        func equalIDs() async throws {
            let cluster = try SharedCluster.cluster
            let keys = [try await cluster[0].createKey(), try await cluster[0].createKey()]
            let texts = await concurrently(200, workers: 100) { turn in
                await cluster[turn].attempt("echo", ["text": .string("answer \(turn)")], key: keys[turn / 100]).text
            }
            #expect(texts == (0..<200).map { "answer \($0)" })
        }

        @Test(
            "F-GATE-05: the free methods need no key and cost nothing",
            arguments: [
                "ping", "tools/list", "resources/list", "resources/templates/list", "prompts/list",
            ])
        func freeMethods(_ method: String) async throws {
            let response = try await SharedCluster.cluster[0].rpc(method, [:])
            #expect(response.status == 200 && response.json["error"]?["code"] != -32402, "\(response.text)")
        }

        @Test(
            "X-47, F-GATE-06: any other method needs a valid key, costs nothing and is passed on, also one that nobody knows",
            arguments: [
                "resources/read", "prompts/get", "completion/complete", "logging/setLevel", "acme/unheard",
            ])
        func otherMethods(_ method: String) async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 5)
            #expect(try await cluster[0].rpc(method, [:]).outcome == .denied("missing_api_key"))
            #expect(
                try await cluster[0].rpc(method, [:], key: "pg_" + String(repeating: "0", count: 48)).outcome == .denied("invalid_api_key"))
            let passed = try await cluster[0].rpc(method, [:], key: key, id: "mine")
            // A level is kept by the gate, with the session that wants it.
            let code = method == "logging/setLevel" ? -32602 : -32601
            #expect(passed.outcome == .failed(code: code) && passed.json["id"] == "mine", "\(passed.text)")
            let balance = try await cluster[1].balance(key)
            #expect(balance.credits == 5 && balance.calls == 0)
            try await cluster[0].order("/keys/suspend", ["key": .string(key)])
            #expect(try await cluster[1].rpc(method, [:], key: key).outcome == .denied("key_suspended"))
        }
    }
}
