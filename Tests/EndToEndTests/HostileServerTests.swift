// Servers that choose their words so that they cost the square of their length: nobody waits for that.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Hostile servers")
    struct HostileServerTests {
        private static let large: JSON = ["text": "600000"]

        /// Calls that last as long as they should while something is done on the one event loop that there is.
        private func expectCalm(
            _ client: GateClient, _ key: String, tool: String = "echo", while body: () async throws -> Void
        ) async throws {
            try await body()
            for _ in 0..<5 {
                let response = try await client.call(tool, ["text": "hello"], key: key, within: .seconds(20))
                #expect(response.outcome.isServed && response.elapsed < .seconds(4).patiently, "\(response.text) \(response.elapsed)")
            }
        }

        @Test(
            "X34: names in a list of tools that are costly to compare hold nobody up; one that is too long to be called is not shown",
            arguments: [[], ["--discovery", "dynamic"]])
        func names(_ flags: [String]) async throws {
            let server = try HostileServer.stdio()
            try server.set(.costly, true)
            let prices: JSON = ["toolPricing": ["echo": ["creditsPerCall": 2, "rateLimitPerMin": 100]]]
            try await GateCluster.run(nodes: 1, ["--threads", "1"] + flags, upstream: server.upstream, config: prices) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["deniedTools": ["echo", "deep"]]),
                    other = try await cluster[0].createKey()
                try await eventually("its tools are known", within: .seconds(10)) {
                    try await cluster[0].get("/pricing").text.contains("\"schema\"")
                }
                try await expectCalm(cluster[0], other) {
                    for key in [nil, key, other] {
                        let list =
                            flags.isEmpty
                            ? try await cluster[0].rpc("tools/list", [:], key: key, within: .seconds(20))
                            : try await cluster[0].call("paygate_list_tools", [:], key: key, within: .seconds(20))
                        #expect(list.status == 200 && list.elapsed < .seconds(4).patiently, "\(list.elapsed)")
                        #expect(list.body.firstRange(of: Array("leave".utf8)) != nil)
                        #expect(list.body.firstRange(of: Array("\"name\":\"echo\u{301}".utf8)) == nil)
                        #expect(list.body.firstRange(of: Array("\"name\": \"echo\u{301}".utf8)) == nil)
                    }
                }
            }
        }

        @Test(
            "X34: what a server says with words that are costly to compare holds nobody up: notifications, questions, tasks, streams, errors"
        )
        func words() async throws {
            let stdio = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: stdio.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                let session = try await cluster[0].openSession(asking: keys[0])
                try await expectCalm(cluster[0], keys[1]) {
                    for headers in [[], [("Mcp-Session-Id", session)]] as [GateClient.Headers] {
                        let answer = try await cluster[0].call("costly", Self.large, key: keys[0], headers: headers, within: .seconds(30))
                        #expect(answer.status == 200 && answer.elapsed < .seconds(6).patiently, "\(answer.elapsed)")
                    }
                }
            }
            let http = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: http.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                try await expectCalm(cluster[0], keys[1]) {
                    let stream = try await cluster[0].call("costly", Self.large, key: keys[0], within: .seconds(30))
                    #expect(stream.outcome.text == "600000" && stream.elapsed < .seconds(6).patiently, "\(stream.elapsed)")
                    let error = try await cluster[0].call("costly_400", Self.large, key: keys[0], within: .seconds(30))
                    #expect(error.outcome == .failed(code: -32603) && error.elapsed < .seconds(6).patiently, "\(error.elapsed)")
                }
                #expect(http.calls.count { $0.hasPrefix("costly_400") } == 1)
            }
        }

        @Test("X34: nor do the words of a server of 2026-07-28, in its questions and on the stream of its news")
        func newsAndQuestions() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                try await eventually("its news are listened to", within: .seconds(10)) {
                    server.requests.contains { $0["message"]?["method"] == "subscriptions/listen" }
                }
                let meta: JSON = [
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": ["elicitation": [:]],
                ]
                try await expectCalm(cluster[0], keys[1], tool: "json") {
                    let answer = try await cluster[0].stateless(
                        "tools/call", ["name": "costly", "arguments": [:]], meta: meta, key: keys[0])
                    #expect(answer.json["error"] != nil && answer.elapsed < .seconds(6).patiently, "\(answer.elapsed)")
                }
            }
        }
    }
}
