// Rounds of a call that go wrong: states that come twice, answers of the wrong shape, a node that is told to stop.

import GateTesting
import Glibc
import Testing

extension EndToEndTests {
    @Suite("Rounds of a call that go wrong")
    struct RoundFaultTests {
        private static let meta: JSON = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": ["elicitation": [:]],
        ]
        private static let call: [String: JSON] = ["name": "elicit", "arguments": ["text": "who"]]

        /// Begins a call on a node; the state of its first round and the name of its question.
        private func begin(_ node: GateClient, key: String) async throws -> (state: JSON, question: String) {
            let answer = try await node.stateless("tools/call", Self.call, meta: Self.meta, key: key)
            let result = try #require(answer.json["result"], "\(answer.text)")
            return (try #require(result["requestState"]), try #require(result["inputRequests"]?.object?.keys.first))
        }

        private func go(_ node: GateClient, key: String, _ state: JSON, _ responses: JSON) async throws -> GateResponse {
            let more: [String: JSON] = ["requestState": state, "inputResponses": responses]
            return try await node.stateless("tools/call", Self.call.merging(more) { $1 }, meta: Self.meta, key: key)
        }

        private static let ada: JSON = ["action": "accept", "content": ["name": "ada"]]

        @Test(
            "F-MCP-16: of requests with one and the same state at once, on a node that has not the call, one goes on and each other is refused at once"
        )
        func duplicates() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let (state, question) = try await begin(cluster[0], key: key)
                let answers = try await concurrently(4) { _ in try await go(cluster[1], key: key, state, [question: Self.ada]) }
                #expect(answers.count { $0.outcome.text == "user: ada" } == 1, "\(answers.map(\.text))")
                #expect(answers.count { $0.json["error"]?["code"] == -32602 } == 3, "\(answers.map(\.text))")
                try await eventually("it is charged once") { try await cluster[0].balance(key).spent == 1 }
                #expect(server.calls.count == 1)
            }
        }

        @Test("F-MCP-16: answers that are no objects are refused with 400 and change nothing: the round can still be answered")
        func shapes() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let (state, question) = try await begin(cluster[0], key: key)
                for (node, bad) in zip([0, 1, 0, 1], [[question: "ada"], [question: .null], "x", [1]] as [JSON]) {
                    let answer = try await go(cluster[node], key: key, state, bad)
                    #expect(answer.status == 400 && answer.text.contains("inputResponses must be an object"), "\(answer.text)")
                }
                #expect(try await go(cluster[1], key: key, state, [question: Self.ada]).outcome.text == "user: ada")
            }
        }

        @Test(
            "X34: an answer to a question that nobody has asked, under a name that is costly to compare, holds nobody up",
            arguments: [0, 1])
        func costlyNames(_ node: Int) async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, ["--threads", "1"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let (state, question) = try await begin(cluster[0], key: key)
                // As text: a dictionary of ours would take as long over it as one of theirs.
                let costly = #""\#(question)\#(HostileClient.unicodeBomb(bytes: 600_000))":{}"#
                let answers = #"{\#(costly),"\#(question)":\#(Self.ada.text)}"#
                let params =
                    #"{"name":"elicit","arguments":{"text":"who"},"requestState":\#(state.text),"inputResponses":\#(answers),"_meta":\#(Self.meta.text)}"#
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":\#(params)}"#
                let headers: GateClient.Headers = [
                    ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", "tools/call"), ("Mcp-Name", "elicit"),
                ]
                let answer = try await cluster[node].post(Array(body.utf8), key: key, headers: headers, within: .seconds(30))
                #expect(
                    answer.outcome.text == "user: ada" && answer.elapsed < .seconds(6).patiently,
                    "\(answer.text.prefix(300)) \(answer.elapsed)")
                #expect(try await cluster[0].balance(key).spent == 1)
            }
        }

        @Test("F-MCP-16: a node that stops gives clients that are asked something half of its time, then ends their calls and settles them")
        func drain() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, ["--drain-seconds", "4"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let (early, question) = try await begin(cluster[0], key: key)
                _ = try await begin(cluster[0], key: key)
                cluster.nodes[0].program.signal(SIGTERM)
                #expect(try await go(cluster[1], key: key, early, [question: Self.ada]).outcome.text == "user: ada")
                let status = try await cluster.nodes[0].program.waitForExit(within: .seconds(30))
                #expect(status == 0)
                // Both were settled by the node itself: nobody has to take it for dead first.
                let balance = try await cluster[1].balance(key)
                #expect(balance.credits == 8 && balance.spent == 2, "\(balance)")
                #expect(try await cluster[1].metrics().sum("paygate_reaped_calls_total") == 0)
            }
        }
    }
}
