// Servers of the revision 2026-07-28 behind the gate, over HTTP and over standard streams, and clients of both eras in front of it.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Servers of 2026-07-28")
    struct ModernServerTests {
        @Test(
            "F-MCP-17: the official client of 2026-07-28 has all of a server of 2026-07-28 through any of two nodes: each call is charged once, however many rounds, and one that it gives up is cancelled there",
            arguments: ["stdio", "http"])
        func sameEra(_ transport: String) async throws {
            let server = try await AskingServer.modern(over: transport)
            let python = try await PythonEnvironment.current()
            try await GateCluster.run(nodes: 2, ["--rate-limit", "0"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                try await python.expectAll("Clients/test_modern.py", [key] + cluster.clients.map(\.address), count: 9)
                try await eventually("the call that was given up is cancelled", within: .seconds(10)) { server.cancelled == ["slow"] }
                // 50 at once; three mirrored, three described, three with words; nine that ask; one that may not; three with a stream; the one given up.
                try await eventually("each call is charged once", within: .seconds(10)) {
                    try await cluster[1].balance(key).spent == 50 + 3 + 3 + 3 + 9 + 1 + 3 + 1
                }
            }
        }

        @Test(
            "F-MCP-17: the official client of 2025 has all of a server of 2026-07-28 through any of two nodes, questions and changes among it, and each call is charged once",
            arguments: ["stdio", "http"])
        func otherEra(_ transport: String) async throws {
            let server = try await AskingServer.modern(over: transport)
            let python = try await PythonEnvironment.handshakeEra()
            try await GateCluster.run(nodes: 2, ["--rate-limit", "0"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 1000) }
                try await python.expectAll("Clients/test_bridged.py", [keys[0], transport] + cluster.clients.map(\.address), count: 7)
                // Two that pass; six with words; two that ask; two refused; one without end; three with a stream.
                #expect(try await cluster[1].balance(keys[0]).spent == 2 + 6 + 2 + 2 + 1 + 3)
                guard transport == "http" else { return }
                try await python.expectAll("Clients/test_asking.py", [keys[1]] + cluster.clients.map(\.address), count: 4)
                #expect(try await cluster[0].balance(keys[1]).spent == 2 + 8 + 24 + 2)
            }
        }

        @Test("F-MCP-17: the requestState of a server's question is good for its key and its request, for one round, on any node")
        func states() async throws {
            let server = try await AskingServer.modern(over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10) }
                let call = AskedCall("elicit", ["text": "who", "times": 2], key: keys[0])
                let first = try await call.begin(on: cluster[0])
                #expect(first.json["result"]?["inputRequests"]?["who-0"]?["method"] == "elicitation/create", "\(first.text)")
                let answers = try AskedCall.answers(to: first)
                func round(_ node: Int, _ more: [String: JSON], key: String, arguments: JSON? = nil) async throws -> GateResponse {
                    var params = call.params.merging(more) { $1 }
                    if let arguments { params["arguments"] = arguments }
                    return try await cluster[node].stateless("tools/call", params, meta: AskedCall.meta, key: key)
                }
                for node in 0..<2 {
                    for stolen in [
                        try await round(node, answers, key: keys[1]),
                        try await round(node, answers, key: keys[0], arguments: ["text": "who", "times": 1]),
                        try await round(node, answers.merging(["requestState": "call_x.0.1.0.1.0"]) { $1 }, key: keys[0]),
                    ] {
                        #expect(stolen.status == 400 && stolen.json["error"]?["code"] == -32602, "\(stolen.text)")
                    }
                }
                let again = try await round(1, ["requestState": try #require(answers["requestState"])], key: keys[0])
                #expect(again.json["result"]?["inputRequests"]?["who-0"] != nil, "what was not answered is asked again: \(again.text)")
                let second = try await round(1, try AskedCall.answers(to: again), key: keys[0])
                #expect(second.json["result"]?["inputRequests"]?["who-1"] != nil, "\(second.text)")
                let used = try await round(0, answers, key: keys[0])
                #expect(used.status == 400 && used.json["error"]?["code"] == -32602, "\(used.text)")
                let last = try await round(0, try AskedCall.answers(to: second), key: keys[0])
                #expect(last.outcome.text == "user: ada ada", "\(last.text)")
                #expect(server.calls == ["elicit who"])
                #expect(try await cluster[1].balance(keys[0]).spent == 1)
                #expect(try await cluster[1].balance(keys[1]).spent == 0)
            }
        }

        @Test("F-MCP-17: a call that fails after its questions is refunded where that is on, and one that is denied asks nothing")
        func refunds() async throws {
            let server = try await AskingServer.modern(over: "http")
            try await GateCluster.run(nodes: 2, ["--refund-on-failure"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1)
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"greedy","arguments":{}}}"#
                let session = try await cluster[0].openSession(key: key)
                let refused = try await cluster[1].post(Array(body.utf8), key: key, headers: [("Mcp-Session-Id", session)])
                #expect(refused.json["error"]?["code"] == -32603, "\(refused.text)")
                #expect(try await cluster[0].balance(key).credits == 1)
                let answered = try await cluster[1].call("echo", ["text": "x"], key: key)
                #expect(answered.outcome.text == "x")
                let denied = try await AskedCall("elicit", ["text": "who"], key: key).begin(on: cluster[1])
                #expect(denied.json["error"]?["code"] == -32402 && server.calls.last == "echo x", "\(denied.text)")
            }
        }

        @Test(
            "F-MCP-17: every request names the revision, its method and its name in the head, and nothing of a client's secrets; arguments are repeated for clients of both eras; a timeout closes the stream"
        )
        func heads() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 2, ["--tool-timeout", "700"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let session = try await cluster[0].openSession(key: key)
                let given: GateClient.Headers = [("Mcp-Session-Id", session), ("Cookie", "a=b"), ("Last-Event-ID", "1")]
                let region = try await cluster[0].call("region", ["text": "x", "region": " ö"], key: key, headers: given)
                #expect(region.outcome.text == "x", "\(region.text)")
                let same = try await cluster[1].stateless(
                    "tools/call", ["name": "region", "arguments": ["text": "y", "region": "us"]], key: key,
                    headers: ["Mcp-Param-Region": "us", "Mcp-Param-Unheard": "of"])
                #expect(same.outcome.text == "y", "\(same.text)")
                let slow = try await cluster[0].call("slow", [:], key: key)
                #expect(slow.outcome == .failed(code: -32004), "\(slow.text)")
                try await eventually("the stream is closed", within: .seconds(10)) {
                    server.requests.contains { $0["closed"] == "slow" }
                }
                let posts = server.requests.filter { $0["verb"] == "POST" }
                for post in posts {
                    let (head, message) = (post["headers"], post["message"])
                    #expect(head?["mcp-protocol-version"] == "2026-07-28" && head?["mcp-method"] == message?["method"], "\(post.text)")
                    #expect(message?["params"]?["_meta"]?["io.modelcontextprotocol/protocolVersion"] == "2026-07-28", "\(post.text)")
                    #expect(message?["params"]?["_meta"]?["io.modelcontextprotocol/clientCapabilities"] != nil, "\(post.text)")
                    #expect(head?["mcp-name"] == message?["params"]?["name"], "\(post.text)")
                    #expect(
                        !post.text.contains(key) && !post.text.contains(session) && head?["cookie"] == nil && head?["mcp-session-id"] == nil
                    )
                    #expect(message?["id"] != nil, "nothing is said outside of requests: \(post.text)")
                }
                let calls = posts.filter { $0["message"]?["params"]?["name"] == "region" }
                #expect(calls.map { $0["headers"]?["mcp-param-region"] } == ["=?base64?IMO2?=", "us"], "\(calls.map(\.text))")
                #expect(calls.map { $0["headers"]?["mcp-param-unheard"] } == [nil, "of"])
                #expect(!server.requests.contains { $0["verb"] == "GET" })
            }
        }

        @Test(
            "F-MCP-17: what a server says that is not for a call does not reach its client; a demand that nobody can answer is an error; codes of the revision reach clients of the revision alone"
        )
        func hostile() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let session = try await cluster[0].openSession(asking: key)
                let body = { (tool: String) in
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(tool)","arguments":{"text":"x"},"_meta":{"progressToken":5}}}"#
                }
                let headers: GateClient.Headers = [("Mcp-Session-Id", session), ("Accept", "application/json, text/event-stream")]
                let chatty = try await cluster[0].post(Array(body("chatty").utf8), key: key, headers: headers)
                #expect(chatty.text.contains(#""text": "x""#) || chatty.text.contains(#""text":"x""#), "\(chatty.text)")
                for word in ["list_changed", "resources/updated", "another", "createMessage"] {
                    #expect(!chatty.text.contains(word), "\(chatty.text)")
                }
                let garbled = try await cluster[0].call("garbled", ["text": "x"], key: key)
                #expect(garbled.outcome == .failed(code: -32603), "\(garbled.text)")
                let old = try await cluster[0].call("needs", ["text": "x"], key: key)
                #expect(old.outcome == .failed(code: -32603), "\(old.text)")
                let new = try await cluster[0].stateless("tools/call", ["name": "needs", "arguments": [:]], key: key)
                #expect(new.status == 400 && new.json["error"]?["code"] == -32021, "\(new.text)")
                #expect(new.json["error"]?["data"]?["requiredCapabilities"]?["sampling"] != nil, "\(new.text)")
                for (tool, size, isAsked) in [("hoards", 60_000, true), ("hoards", 70_000, false), ("floods", 200, false)] {
                    let reply = try await AskedCall(tool, ["text": .string("\(size)")], key: key).begin(on: cluster[0])
                    #expect((reply.json["result"]?["inputRequests"]?["a"] != nil) == isAsked, "\(reply.text)")
                    guard !isAsked else { continue }
                    let sentence = reply.json["error"]?["message"]?.string ?? ""
                    #expect(reply.json["error"]?["code"] == -32603, "\(reply.text)")
                    #expect(sentence.contains(tool == "hoards" ? "too large to be kept" : "asks for more input than"), "\(reply.text)")
                }
                let level: JSON = ["jsonrpc": "2.0", "id": 2, "method": "logging/setLevel", "params": ["level": "loudest"]]
                let refused = try await cluster[0].post(level.bytes, key: key, headers: [("Mcp-Session-Id", session)])
                #expect(refused.json["error"]?["code"] == -32602, "\(refused.text)")
            }
        }

        @Test("F-MCP-17: what a client of either era says of rounds does not reach the server, however its names are written")
        func foreignRounds() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let session = try await cluster[0].openSession(key: key)
                for name in ["requestState", #"request\u0053tate"#] {
                    let call = { (meta: String) in
                        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"\#(name)":"stolen","name":"json","input\u0052esponses":{"a":{"stolen":1}},"arguments":{"text":"x","requestState":"kept"}\#(meta)}}"#
                    }
                    let old = try await cluster[0].post(Array(call("").utf8), key: key, headers: [("Mcp-Session-Id", session)])
                    #expect(old.outcome.text == "x", "\(old.text)")
                    let new = try await cluster[0].send(
                        "POST", "/mcp",
                        headers: [
                            ("Content-Type", "application/json"), ("Accept", "application/json"), ("MCP-Protocol-Version", "2026-07-28"),
                            ("Mcp-Method", "tools/call"), ("Mcp-Name", "json"), ("X-API-Key", key),
                        ], body: Array(call(#","_meta":\#(AskedCall.meta.text)"#).utf8))
                    #expect(new.status == 400 && new.json["error"]?["code"] == -32602, "\(new.text)")
                }
                let calls = server.requests.filter { $0["message"]?["method"] == "tools/call" }
                #expect(calls.count == 2 && calls.allSatisfy { $0["message"]?["params"]?["arguments"]?["requestState"] == "kept" })
                #expect(!calls.contains { $0.text.contains("stolen") }, "\(calls.map(\.text))")
            }
        }

        @Test("F-MCP-17: one key cannot take all resources that a server can be asked to tell of")
        func wishes() async throws {
            let server = try await AskingServer.modern(over: "http")
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                func subscribe(_ key: String, _ session: String, _ uri: String) async throws -> Bool {
                    let message: JSON = ["jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": ["uri": .string(uri)]]
                    return try await cluster[0].post(message.bytes, key: key, headers: [("Mcp-Session-Id", session)]).json["result"] != nil
                }
                let long = "test://item/" + String(repeating: "x", count: 1_900)
                // A session has room for some of them alone.
                let greedy = try await concurrently(5) { _ in try await cluster[0].openSession(key: keys[0]) }
                var taken = 0
                for number in 0..<80 where try await subscribe(keys[0], greedy[number / 16], "\(long)\(number)") { taken += 1 }
                #expect((60..<70).contains(taken), "\(taken)")
                #expect(try await subscribe(keys[1], cluster[0].openSession(key: keys[1]), long + "y"))
            }
        }

        @Test("F-MCP-17: a server that comes back of the other era is met anew, in both directions, and calls go on")
        func otherServer() async throws {
            var server = try await HTTPUpstreamServer(.handshakeEra())
            let port = server.port
            try await GateCluster.run(nodes: 2, upstream: .remote(server.url)) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                for python in [PythonEnvironment.current, PythonEnvironment.handshakeEra] {
                    for node in cluster.clients { #expect(try await node.call("echo", ["text": "x"], key: key).outcome.text == "x") }
                    try await server.kill9()
                    server = try await HTTPUpstreamServer(python(), port: port)
                    for node in cluster.clients {
                        try await eventually("calls are served again", within: .seconds(20)) {
                            let session = try await node.call("echo", ["text": "x"], key: key)
                            let stateless = try await node.stateless("tools/call", ["name": "echo", "arguments": ["text": "y"]], key: key)
                            return session.outcome.text == "x" && stateless.outcome.text == "y"
                        }
                    }
                }
            }
            try await server.kill9()
        }

        @Test("F-MCP-17: a server of each era behind one endpoint, for clients of both: tools, prompts, resources and questions of each")
        func mixed() async throws {
            let modern = try await AskingServer.modern(over: "http")
            guard case .remote(let url) = modern.upstream else { return }
            let old = try await PythonEnvironment.handshakeEra().interpreter
            let config: JSON = [
                "servers": [
                    ["prefix": "new", "remoteUrl": .string(url)],
                    [
                        "prefix": "old", "serverCommand": .string(old),
                        "serverArgs": [.string(Repository.server("asking_server.py")), "stdio"],
                    ],
                ]
            ]
            try await GateCluster.run(nodes: 2, ["--tool-separator", "."], upstream: .configured, config: config) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await cluster[0].openSession(asking: key)
                for (turn, prefix) in ["new", "old"].enumerated() {
                    let call = AskedCall("\(prefix).elicit", ["text": "who"], key: key)
                    let first = try await call.begin(on: cluster[turn])
                    let last = try await cluster[1 - turn].stateless(
                        "tools/call", call.params.merging(try AskedCall.answers(to: first)) { $1 }, meta: AskedCall.meta, key: key)
                    #expect(last.outcome.text == "user: ada", "\(prefix): \(last.text)")
                    let body =
                        #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"\#(prefix).elicit","arguments":{"text":"who"}}}"#
                    let open = try await OpenCall(on: cluster.nodes[turn], body, session: session, key: key)
                    let answer =
                        #"{"jsonrpc":"2.0","id":"\#(try await open.question())","result":{"action":"accept","content":{"name":"bob"}}}"#
                    #expect(try await cluster[1 - turn].reply(answer, session: session, key: key) == 202)
                    try await eventually("the call is answered", within: .seconds(20)) { open.text.contains("user: bob") }
                    await open.close()
                    let prompt = try await cluster[turn].stateless(
                        "prompts/get", ["name": .string("\(prefix).greet"), "arguments": ["name": "ada"]], key: key)
                    #expect(prompt.text.contains("Greet ada"), "\(prompt.text)")
                }
                let tools = try await cluster[0].stateless("tools/list", key: key).json["result"]?["tools"]?.array?.compactMap {
                    $0["name"]?.string
                }
                #expect(Set(tools ?? []).isSuperset(of: ["new.region", "new.elicit", "old.elicit"]), "\(tools ?? [])")
                let resource = try await cluster[1].rpc("resources/read", ["uri": "test://item/x"], key: key)
                #expect(resource.text.contains("item x"), "\(resource.text)")
                #expect(try await cluster[0].balance(key).spent == 4)
            }
        }

        @Test(
            "F-MCP-18: a task is charged when it is made, asking about it costs nothing on any node, and what it has cost comes back once when it has failed or was cancelled; it is its key's alone, also after a restart"
        )
        func tasks() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            let config: JSON = ["toolPricing": ["task": ["creditsPerCall": 3]]]
            try await GateCluster.run(nodes: 2, upstream: server.upstream, config: config) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                @Sendable func ask(_ node: Int, _ method: String, _ task: String, key: String) async throws -> GateResponse {
                    try await cluster[node].stateless(
                        method, ["taskId": .string(task)], meta: Self.taskMeta, key: key, headers: ["Mcp-Name": task])
                }
                for task in ["failed-1", "cancelled-1", "completed-1", "working-1"] {
                    let made = try await cluster[0].stateless(
                        "tools/call", ["name": "task", "arguments": ["text": .string(task)]], meta: Self.taskMeta, key: keys[0])
                    #expect(made.json["result"]?["resultType"] == "task" && made.json["result"]?["taskId"] == .string(task), "\(made.text)")
                }
                #expect(try await cluster[1].balance(keys[0]).credits == 88)
                for node in 0..<2 {
                    for task in ["completed-1", "working-1"] {
                        let told = try await ask(node, "tasks/get", task, key: keys[0])
                        #expect(told.json["result"]?["taskId"] == .string(task), "\(told.text)")
                        #expect(try await ask(node, "tasks/update", task, key: keys[0]).json["result"] != nil)
                    }
                    let others = try await ask(node, "tasks/get", "failed-1", key: keys[1])
                    #expect(others.status == 400 && others.json["error"]?["code"] == -32602, "\(others.text)")
                }
                #expect(try await cluster[1].balance(keys[0]).credits == 88)
                #expect(try await cluster[1].balance(keys[1]).credits == 100)
                let told = try await concurrently(6) { turn in try await ask(turn % 2, "tasks/get", "failed-1", key: keys[0]) }
                #expect(told.allSatisfy { $0.json["result"]?["status"] == "failed" && $0.json["result"]?["error"]?["code"] == -32000 })
                #expect(try await cluster[0].balance(keys[0]).credits == 91, "it comes back once")
                #expect(try await ask(1, "tasks/cancel", "cancelled-1", key: keys[0]).json["result"] != nil)
                try await eventually("what is cancelled comes back", within: .seconds(10)) {
                    try await cluster[0].balance(keys[0]).credits == 94
                }
                try await cluster.nodes[1].kill9()
                try await cluster.nodes[1].restart()
                for task in ["failed-1", "cancelled-1", "working-1"] {
                    #expect(try await ask(1, "tasks/get", task, key: keys[0]).json["result"]?["taskId"] == .string(task))
                    #expect(try await ask(1, "tasks/get", task, key: keys[1]).json["error"] != nil)
                }
                #expect(try await cluster[1].balance(keys[0]).credits == 94)
                let undeclared = try await cluster[0].stateless("tools/call", ["name": "task", "arguments": ["text": "x"]], key: keys[1])
                #expect(undeclared.status == 400 && undeclared.json["error"]?["code"] == -32021, "\(undeclared.text)")
            }
        }

        @Test(
            "F-MCP-18: a task's id that its server gives again is the task of the last key alone; where several calls were answered with one id, each charge comes back once"
        )
        func taskNames() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            let config: JSON = ["toolPricing": ["task": ["creditsPerCall": 3]]]
            try await GateCluster.run(nodes: 2, upstream: server.upstream, config: config) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                @Sendable func make(_ node: Int, _ task: String, key: String) async throws {
                    let made = try await cluster[node].stateless(
                        "tools/call", ["name": "task", "arguments": ["text": .string(task)]], meta: Self.taskMeta, key: key)
                    #expect(made.json["result"]?["taskId"] == .string(task), "\(made.text)")
                }
                @Sendable func get(_ node: Int, _ task: String, key: String) async throws -> GateResponse {
                    try await cluster[node].stateless(
                        "tasks/get", ["taskId": .string(task)], meta: Self.taskMeta, key: key, headers: ["Mcp-Name": task])
                }
                try await make(0, "failed-1", key: keys[0])
                try await make(1, "failed-1", key: keys[1])
                for node in 0..<2 {
                    let told = try await get(node, "failed-1", key: keys[0])
                    #expect(told.status == 400 && told.json["error"]?["code"] == -32602, "\(told.text)")
                }
                #expect(try await cluster[0].balance(keys[0]).credits == 97, "what was another's task is not paid back")
                #expect(try await get(0, "failed-1", key: keys[1]).json["result"]?["status"] == "failed")
                #expect(try await cluster[1].balance(keys[1]).credits == 100)
                for turn in 0..<3 { try await make(turn % 2, "failed-2", key: keys[1]) }
                #expect(try await cluster[0].balance(keys[1]).credits == 91)
                let told = try await concurrently(4) { turn in try await get(turn % 2, "failed-2", key: keys[1]) }
                #expect(told.allSatisfy { $0.json["result"]?["status"] == "failed" })
                #expect(try await cluster[0].balance(keys[1]).credits == 100, "each charge comes back once")
            }
        }

        private static let taskMeta: JSON = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": ["extensions": ["io.modelcontextprotocol/tasks": [:]]],
        ]
    }
}
