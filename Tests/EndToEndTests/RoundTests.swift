// What happens to a call of a stateless client between its rounds: given up, told of, bounded.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Between the rounds of a call")
    struct BetweenRoundsTests {
        @Test(
            "F-MCP-16: closing a later round, on whichever node, gives the call up: the server is told, it is charged once, and no round goes on with it"
        )
        func givingUp() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                for node in 0..<2 {
                    let call = AskedCall("ponder", ["text": "who", "seconds": 300], key: key)
                    let first = try await call.begin(on: cluster[0])
                    let round = try await call.open(on: cluster.nodes[node], try AskedCall.answers(to: first))
                    try await eventually("the server works on it", within: .seconds(20)) { server.calls.count == node + 1 }
                    await round.close()
                    try await eventually("the server is told", within: .seconds(20)) { server.cancelled.count == node + 1 }
                    try await eventually("it is charged once", within: .seconds(20)) {
                        try await cluster[1].balance(key).spent == node + 1
                    }
                    let late = try await cluster[1 - node].stateless(
                        "tools/call", call.params.merging(try AskedCall.answers(to: first)) { $1 }, meta: AskedCall.meta, key: key)
                    #expect(late.status == 400 && late.json["error"]?["code"] == -32602, "\(late.text)")
                }
            }
        }

        @Test("F-MCP-16: a later round hears of progress under its own token and of logs from its own level on, on whichever node it is")
        func words() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                for (node, level) in [(0, "info"), (1, "info"), (1, "error")] {
                    let call = AskedCall("ponder", ["text": "who", "seconds": 0.6, "steps": 3], key: key)
                    var meta = try #require(AskedCall.meta.object)
                    (meta["progressToken"], meta["io.modelcontextprotocol/logLevel"]) = ("later", .string(level))
                    let round = try await call.open(
                        on: cluster.nodes[node], try AskedCall.answers(to: try await call.begin(on: cluster[0])), meta: .object(meta))
                    try await eventually("the call ends", within: .seconds(20)) { round.text.contains("pondered") }
                    let messages = round.text.split(whereSeparator: \.isNewline).filter { $0.hasPrefix("data:") }
                        .compactMap { JSON($0.dropFirst(5).utf8) }
                    let progress = messages.filter { $0["method"] == "notifications/progress" }
                    #expect(progress.map { $0["params"]?["progress"] } == [1, 2, 3], "\(round.text)")
                    #expect(progress.allSatisfy { $0["params"]?["progressToken"] == "later" })
                    let logs = messages.filter { $0["method"] == "notifications/message" }
                    #expect(logs.map { $0["params"]?["data"] } == (level == "info" ? ["step 1", "step 2", "step 3"] : []), "\(round.text)")
                    #expect(messages.last?["id"] == 2 && messages.last?["result"]?["resultType"] == "complete")
                    await round.close()
                }
                #expect(try await cluster[0].balance(key).spent == 3)
            }
        }

        @Test(
            "F-MCP-16: a server that asks during prompts/get and resources/read asks in rounds, on any node, and what cost nothing costs nothing",
            arguments: ["stdio", "http"])
        func requests(_ transport: String) async throws {
            let server = try await AskingServer(.handshakeEra(), over: transport)
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let requests: [(method: String, params: [String: JSON], other: [String: JSON], text: String)] = [
                    (
                        "prompts/get", ["name": "inquire", "arguments": ["name": "eve"]],
                        ["name": "inquire", "arguments": ["name": "bob"]],
                        "Inquire ada"
                    ),
                    ("resources/read", ["uri": "test://asked"], ["uri": "test://one"], "for ada"),
                ]
                for (turn, (method, params, other, text)) in requests.enumerated() {
                    let first = try await cluster[0].stateless(method, params, meta: AskedCall.meta, key: key)
                    #expect(first.json["result"]?["resultType"] == "input_required", "\(first.text)")
                    let answers = try AskedCall.answers(to: first)
                    for node in 0..<2 {
                        let refused = try await cluster[node].stateless(
                            method, other.merging(answers) { $1 }, meta: AskedCall.meta, key: key)
                        #expect(refused.status == 400 && refused.json["error"]?["code"] == -32602, "\(refused.text)")
                    }
                    let last = try await cluster[1 - turn].stateless(
                        method, params.merging(answers) { $1 }, meta: AskedCall.meta, key: key)
                    #expect(last.status == 200 && last.text.contains(text), "\(last.text)")
                    #expect(last.json["result"]?["resultType"] == "complete", "\(last.text)")
                }
                // Who has not said that it can be asked is not, and what does not ask is answered at once.
                let silent = try await cluster[1].stateless("resources/read", ["uri": "test://asked"], key: key)
                #expect(silent.json["error"] != nil, "\(silent.text)")
                let plain = try await cluster[1].stateless("resources/read", ["uri": "test://one"], meta: AskedCall.meta, key: key)
                #expect(plain.text.contains("the one resource") && plain.json["result"]?["ttlMs"] == 0, "\(plain.text)")
                #expect(server.calls.count == 3)
                #expect(try await cluster[0].balance(key).spent == 0)
            }
        }

        @Test(
            "F-MCP-16: the calls of one key that wait for answers are bounded in bytes: one more is refused its question, another key's is not, and there is room again when they end"
        )
        func bytes() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                let text = JSON.string(String(repeating: "x", count: 900_000))
                let large = AskedCall("elicit", ["text": text], key: keys[0])
                var asked: [GateResponse] = []
                // Request and question are 1.8 MB together, and 16 MB is what a key has on an event loop.
                while asked.count < 20 {
                    let response = try await large.begin(on: cluster[0])
                    guard response.json["result"]?["resultType"] == "input_required" else {
                        #expect(response.json["result"]?["isError"] == true, "\(response.text.prefix(500))")
                        break
                    }
                    asked.append(response)
                }
                #expect((8...10).contains(asked.count))
                let others = try await AskedCall("elicit", ["text": text], key: keys[1]).begin(on: cluster[0])
                #expect(others.json["result"]?["resultType"] == "input_required", "\(others.text.prefix(500))")
                for response in asked {
                    let last = try await cluster[0].stateless(
                        "tools/call", large.params.merging(try AskedCall.answers(to: response)) { $1 }, meta: AskedCall.meta, key: keys[0])
                    #expect(last.outcome.text == "user: ada", "\(last.text.prefix(500))")
                }
                let again = try await large.begin(on: cluster[0])
                #expect(again.json["result"]?["resultType"] == "input_required", "\(again.text.prefix(500))")
            }
        }
    }

    /// A call of a tool that asks something first.
    struct AskedCall {
        let params: [String: JSON]
        private let tool: String
        private let key: String

        init(_ tool: String, _ arguments: JSON, key: String) {
            (self.tool, self.key) = (tool, key)
            params = ["name": .string(tool), "arguments": arguments]
        }

        static let meta: JSON = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": ["elicitation": [:]],
            "io.modelcontextprotocol/logLevel": "info", "progressToken": "mine",
        ]

        func begin(on client: GateClient) async throws -> GateResponse {
            try await client.stateless("tools/call", params, meta: Self.meta, key: key)
        }

        /// What the next round says to the questions of the last one.
        static func answers(to response: GateResponse, saying name: String = "ada") throws -> [String: JSON] {
            let result = response.json["result"]
            let (state, questions) = (try #require(result?["requestState"]), try #require(result?["inputRequests"]?.object))
            let answer: JSON = ["action": "accept", "content": ["name": .string(name)]]
            return ["requestState": state, "inputResponses": .object(questions.mapValues { _ in answer })]
        }

        /// The next round, on a connection of its own, whose answer is read as a stream.
        func open(on node: ClusterNode, _ answers: [String: JSON], meta: JSON = meta) async throws -> RawConnection {
            let params = JSON.object(params.merging(answers) { $1 }.merging(["_meta": meta]) { $1 })
            let body = (["jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params] as JSON).text
            let connection = try await RawConnection(port: node.port)
            await connection.send(
                "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
                    + "X-API-Key: \(key)\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: \(tool)\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            return connection
        }
    }
}
