// Pages in browsers, where the operator has said which may call.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Origins", .cluster(["--cors-origin", "https://a.example,https://b.example", "--cors-credentials", "--cors-max-age", "60"]))
    struct OriginTests {
        @Test("F-HDR-17, F-HDR-18: a listed origin is allowed by name and with credentials; answers vary by origin")
        func listed() async throws {
            let client = try SharedCluster.cluster[0]
            for origin in ["https://a.example", "https://b.example"] {
                for response in [
                    try await client.rpc("ping", [:], headers: [("Origin", origin)]),
                    try await client.get("/health", headers: [("Origin", origin)]),
                ] {
                    #expect(response.status == 200 && response.header("Access-Control-Allow-Origin") == origin)
                    #expect(response.header("Access-Control-Allow-Credentials") == "true" && response.header("Vary") == "Origin")
                }
            }
            let preflight = try await client.send(
                "OPTIONS", "/mcp", headers: [("Origin", "https://a.example"), ("Access-Control-Request-Method", "POST")])
            #expect(
                preflight.header("Access-Control-Allow-Origin") == "https://a.example" && preflight.header("Access-Control-Max-Age") == "60"
            )
        }

        @Test(
            "MCP 2025-11-25 Transports: an origin that is not listed is 403 on /mcp and gets no Access-Control-Allow-Origin",
            arguments: [
                "https://evil.example", "https://a.example.evil.example", "http://a.example", "null",
            ])
        func foreign(_ origin: String) async throws {
            let client = try SharedCluster.cluster[0]
            let call = try await client.rpc("ping", [:], headers: [("Origin", origin)])
            #expect(call.status == 403 && call.header("Access-Control-Allow-Origin") == nil && call.header("Vary") == "Origin")
            let page = try await client.get("/health", headers: [("Origin", origin)])
            #expect(page.status == 200 && page.header("Access-Control-Allow-Origin") == nil && page.header("Vary") == "Origin")
        }

        @Test("a client that is no browser sends no Origin and is served")
        func none() async throws {
            let response = try await SharedCluster.cluster[0].rpc("ping", [:])
            #expect(response.status == 200 && response.header("Access-Control-Allow-Origin") == nil)
        }
    }
}
