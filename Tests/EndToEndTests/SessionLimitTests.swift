// How many sessions an address may open.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Session limits", .cluster(nodes: 2, ["--session-rate-limit", "6", "--trusted-proxies", "127.0.0.1"]))
    struct SessionLimitTests {
        @Test(
            "F-RATE-05: an address opens so many sessions a minute over all nodes, then it is 429 with Retry-After; requests in a session go on"
        )
        func perAddress() async throws {
            let cluster = try SharedCluster.cluster
            let from: (String) -> GateClient.Headers = { [("X-Forwarded-For", $0)] }
            let id = try #require(try await cluster[0].initialize(headers: from("192.0.2.1")).header("Mcp-Session-Id"))
            var statuses: [Int] = []
            for turn in 0..<9 {
                let response = try await cluster[turn].initialize(headers: from("192.0.2.1"))
                statuses.append(response.status)
                guard response.status == 429 else { continue }
                #expect((1...60).contains(response.integer("Retry-After") ?? 0))
                #expect(response.json["error"]?.string != nil && response.json["requestId"]?.string == response.header("X-Request-Id"))
            }
            #expect(statuses == Array(repeating: 200, count: 5) + Array(repeating: 429, count: 4))
            #expect(
                try await cluster[1].rpc("ping", [:], headers: from("192.0.2.1")).status == 429, "a request without a session opens one")
            #expect(try await cluster[1].rpc("ping", [:], headers: from("192.0.2.1") + [("Mcp-Session-Id", id)]).status == 200)
            #expect(try await cluster[1].initialize(headers: from("192.0.2.2")).status == 200, "another address is not concerned")
        }
    }
}
