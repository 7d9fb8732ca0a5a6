// Rounds of a call: whose name for a call is good for what, and until when.

import GateTesting
import Testing

extension EndToEndTests {
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
}
