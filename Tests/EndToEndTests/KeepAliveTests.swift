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
}
