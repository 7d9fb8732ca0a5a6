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
            let offered = try await cluster[1].rpc("ping", [:], headers: from("192.0.2.1"))
            #expect(offered.status == 200, "a request without a session is only offered one")
            let own = try #require(offered.header("Mcp-Session-Id"))
            #expect(
                try await cluster[0].rpc("ping", [:], headers: from("192.0.2.1") + [("Mcp-Session-Id", own)]).status == 429,
                "its use opens it")
            #expect(
                try await cluster[0].get("/mcp", headers: from("192.0.2.1") + [("Accept", "text/event-stream")]).status == 429,
                "a stream without a session opens one")
            #expect(try await cluster[1].rpc("ping", [:], headers: from("192.0.2.1") + [("Mcp-Session-Id", id)]).status == 200)
            #expect(try await cluster[1].initialize(headers: from("192.0.2.2")).status == 200, "another address is not concerned")
        }

        @Test("F-RATE-05: a client that sends no session header calls as often as it likes; nothing is written for it but its calls")
        func withoutSessions() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let from: GateClient.Headers = [("X-Forwarded-For", "192.0.2.3")]
            for turn in 0..<40 { #expect(await cluster[turn].echo(key: key, headers: from).isServed, "call \(turn)") }
            let kept = try await cluster.redis.command("EVAL", "return #redis.call('KEYS', '*visits:session:192.0.2.3*')", "0")
            #expect(kept == "0")
            #expect(try await cluster[0].initialize(headers: from).status == 200)
        }

        @Test("F-RATE-05: an id that was offered opens one session by its use, on however many nodes, and is used as often as one likes")
        func offered() async throws {
            let cluster = try SharedCluster.cluster
            let from: GateClient.Headers = [("X-Forwarded-For", "192.0.2.4")]
            let id = try #require(try await cluster[0].rpc("ping", [:], headers: from).header("Mcp-Session-Id"))
            for turn in 0..<12 {
                #expect(try await cluster[turn].rpc("ping", [:], headers: from + [("Mcp-Session-Id", id)]).status == 200, "turn \(turn)")
            }
            var statuses: [Int] = []
            for _ in 0..<6 { statuses.append(try await cluster[0].initialize(headers: from).status) }
            #expect(statuses == [200, 200, 200, 200, 200, 429])
        }
    }
}
