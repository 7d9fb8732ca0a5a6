// The headers of every answer.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Headers")
    struct HeaderTests {
        /// Answers of /mcp of every kind.
        private static func answers(_ headers: GateClient.Headers = []) async throws -> [(what: String, response: GateResponse)] {
            let client = try SharedCluster.cluster[0]
            let key = try await client.createKey()
            let types: GateClient.Headers = [("Content-Type", "application/json")]
            return [
                ("a call", try await client.call("echo", ["text": "x"], key: key, headers: headers)),
                ("a denial", try await client.call("echo", ["text": "x"], key: nil, headers: headers)),
                ("a parse error", try await client.post(Array("{".utf8), headers: headers)),
                ("a notification", try await client.notify("notifications/initialized", headers: headers)),
                ("405", try await client.send("PUT", "/mcp", headers: headers)),
                ("415", try await client.send("POST", "/mcp", headers: headers + [("Content-Type", "text/plain")], body: Array("{}".utf8))),
                ("404", try await client.rpc("ping", [:], headers: headers + [("Mcp-Session-Id", "x")])),
                ("413", try await client.post([UInt8](repeating: 32, count: 1_048_577), headers: headers)),
                (
                    "a stream",
                    try await client.send(
                        "POST", "/mcp", headers: headers + types + [("Accept", "text/event-stream")],
                        body: Array(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#.utf8))
                ),
                ("/health", try await client.get("/health", headers: headers)),
                ("an unknown path", try await client.get("/no/such/path", headers: headers)),
            ]
        }

        @Test("F-HDR-12, F-HDR-13, F-HDR-06: security headers and the version are on every answer")
        func security() async throws {
            let expected = [
                "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "X-XSS-Protection": "0",
                "Referrer-Policy": "strict-origin-when-cross-origin",
                "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
                "Cache-Control": "no-store",
            ]
            for (what, response) in try await Self.answers() {
                for (name, value) in expected { #expect(response.header(name) == value, "\(what): \(name)") }
                #expect(response.header("X-PayGate-Version") != nil, "\(what)")
                #expect(response.header("X-Powered-By") == nil && response.header("Server") == nil, "\(what)")
            }
        }

        @Test("F-HDR-01, F-HDR-02: a request id is propagated to every answer and into errors, or made: req_ and 16 hex digits")
        func requestIDs() async throws {
            for (what, response) in try await Self.answers([("X-Request-Id", "my.id:42_x-y")]) where what != "413" {
                #expect(response.header("X-Request-Id") == "my.id:42_x-y", "\(what)")
                if let id = response.json["requestId"] { #expect(id == "my.id:42_x-y", "\(what)") }
            }
            for (what, response) in try await Self.answers() {
                let id = try #require(response.header("X-Request-Id"), "\(what)")
                #expect(try id.wholeMatch(of: Regex("req_[0-9a-f]{16}")) != nil, "\(what): \(id)")
                if let repeated = response.json["requestId"]?.string { #expect(repeated == id, "\(what)") }
            }
        }

        @Test("F-HDR-14: an operator's headers are on every answer and never take the place of the gate's own")
        func customHeaders() async throws {
            for (what, response) in try await Self.answers() {
                #expect(response.header("X-Operator") == "Acme, Inc.", "\(what)")
                #expect(response.header("X-Frame-Options") == "DENY", "\(what)")
                #expect(response.header("X-Request-Id") != "fixed", "\(what)")
            }
        }

        @Test("F-HDR-17, F-HDR-11: by default any origin may read answers, and the gate's headers with them")
        func anyOrigin() async throws {
            for (what, response) in try await Self.answers([("Origin", "https://app.example.com")]) {
                #expect(response.header("Access-Control-Allow-Origin") == "*", "\(what)")
                let exposed = response.header("Access-Control-Expose-Headers")?.lowercased() ?? ""
                for name in ["mcp-session-id", "x-request-id", "x-credits-remaining", "x-ratelimit-remaining", "x-paygate-version"] {
                    #expect(exposed.contains(name), "\(what): \(name)")
                }
            }
            let preflight = try await SharedCluster.cluster[0].send(
                "OPTIONS", "/mcp",
                headers: [
                    ("Origin", "https://app.example.com"), ("Access-Control-Request-Method", "POST"),
                    ("Access-Control-Request-Headers", "x-api-key"),
                ])
            #expect((200...204).contains(preflight.status) && preflight.body.isEmpty)
            #expect(preflight.header("Access-Control-Allow-Methods")?.contains("DELETE") == true)
            #expect(preflight.header("Access-Control-Allow-Headers")?.lowercased().contains("x-api-key") == true)
            #expect(preflight.header("Access-Control-Allow-Headers")?.lowercased().contains("x-request-id") == true)
            #expect(preflight.header("Access-Control-Max-Age") == "86400")
        }
    }
}
