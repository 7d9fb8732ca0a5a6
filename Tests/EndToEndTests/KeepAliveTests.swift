// What only shows after half a minute.

import GateTesting
import Testing

/// Beside the others, because it only waits.
@Suite("Keep alive", .logsOnFailure, .watched)
struct KeepAliveTests {
    @Test("F-MCP-04: an open stream gets a comment every 30 s")
    func keepAlive() async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: nil)
            #expect(try await stream.firstEvent() != nil)
            let waited = try await eventually("the comment", within: .seconds(35), every: .milliseconds(250)) {
                stream.text.replacing("\r\n", with: "\n").split(separator: "\n").contains { $0.hasPrefix(":") }
            }
            #expect(waited > .seconds(25))
            #expect(!stream.isEnded)
            await stream.close()
        }
    }

    @Test(
        "F-MCP-15: a listening stream and the stream of a long call get a comment every 15 s, and a listening stream ends with a result when its key is revoked on another node"
    )
    func stateless() async throws {
        try await GateCluster.run(nodes: 2) { cluster in
            let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10) }
            let filter = #"{"toolsListChanged":true}"#
            let kept = try await EndToEndTests.OpenListening(on: cluster.nodes[0], filter, id: "1", key: keys[0])
            let ended = try await EndToEndTests.OpenListening(on: cluster.nodes[0], filter, id: "2", key: keys[1])
            let body =
                #"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"slow","arguments":{"seconds":300},"_meta":\#(GateClient.statelessMeta.text)}}"#
            let call = try await RawConnection(port: cluster.nodes[1].port)
            await call.send(
                "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
                    + "X-API-Key: \(keys[0])\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: slow\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            try await eventually("both listen", within: .seconds(10)) { kept.messages.count == 1 && ended.messages.count == 1 }
            try await cluster[1].order("/keys/revoke", ["key": .string(keys[1])])
            let waited = try await eventually("comments and the end have come", within: .seconds(25), every: .milliseconds(100)) {
                [kept.text, call.text].allSatisfy(Self.hasComment) && ended.isEnded
            }
            #expect(waited > .seconds(5) && !kept.isEnded && !call.isEnded)
            #expect(kept.messages.count == 1, "\(kept.text)")
            #expect(ended.messages.count == 2 && ended.messages.last?["id"] == 2, "\(ended.text)")
            #expect(ended.messages.last?["result"]?["resultType"] == "complete", "\(ended.text)")
            await call.close()
            await kept.close()
        }
    }

    private static func hasComment(_ stream: String) -> Bool {
        stream.replacing("\r\n", with: "\n").split(separator: "\n").contains { $0.hasPrefix(":") }
    }
}
