// How often a key may come with further rounds, and questions that nobody is there to answer.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Rounds and questions out of time")
    struct RoundRateTests {
        @Test(
            "F-MCP-16: a key's further rounds have a bound a minute over all nodes, as wide as its rate of calls and all rounds of a call; beyond it they are rate_limited with Retry-After, and neither its calls nor another key's rounds are"
        )
        func rate() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, ["--rate-limit", "5"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10) }
                func round(_ call: AskedCall, _ answers: [String: JSON], key: String, on node: Int) async throws -> GateResponse {
                    try await cluster[node].stateless("tools/call", call.params.merging(answers) { $1 }, meta: AskedCall.meta, key: key)
                }
                let call = AskedCall("elicit", ["text": "who"], key: keys[0])
                let answers = try AskedCall.answers(to: try await call.begin(on: cluster[0]))
                for turn in 0..<32 {
                    let response = try await round(call, answers, key: keys[0], on: turn)
                    #expect(turn == 0 ? response.text.contains("user: ada") : response.json["error"]?["code"] == -32602, "\(response.text)")
                }
                for node in 0..<2 {
                    let late = try await round(call, answers, key: keys[0], on: node)
                    #expect(late.json["error"]?["data"]?["reason"] == "rate_limited", "\(late.text)")
                    #expect(late.header("Retry-After").flatMap { Int($0) }.map { (1...60).contains($0) } == true)
                }
                #expect(try await cluster[1].call("echo", ["text": "x"], key: keys[0]).outcome.isServed)
                let other = AskedCall("elicit", ["text": "who"], key: keys[1])
                let last = try await round(other, AskedCall.answers(to: try await other.begin(on: cluster[1])), key: keys[1], on: 0)
                #expect(last.text.contains("user: ada"), "\(last.text)")
                #expect(try await cluster[0].balance(keys[0]).spent == 2)
            }
        }

        @Test(
            "A question that a process asks when its call has ended is answered with an error at once, in the process of a session, of a key, and of all"
        )
        func late() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(asking: key)
                func arguments(_ text: String) -> JSON { ["text": .string(text), "seconds": 0.3] }
                let own = try await cluster[0].call(
                    "late_question", arguments("session"), key: key, headers: [("Mcp-Session-Id", session)])
                let meta: JSON = [
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": ["sampling": [:]],
                ]
                let keys = try await cluster[1].stateless(
                    "tools/call", ["name": "late_question", "arguments": arguments("key")], meta: meta, key: key)
                let shared = try await cluster[1].call("late_question", arguments("all"), key: key)
                #expect(own.outcome.isServed && keys.status == 200 && shared.outcome.isServed, "\(keys.text)")
                try await eventually("each is refused", within: .seconds(5)) { server.answers.count == 3 }
                #expect(server.answers.allSatisfy { $0["error"]?["code"] != nil && $0["result"] == nil }, "\(server.answers)")
                #expect(Set(server.answers.compactMap { $0["id"]?.string }) == ["late session", "late key", "late all"])
            }
        }
    }
}
