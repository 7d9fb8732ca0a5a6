// What surrounds every request: names, headers, windows, addresses, faults.

import ClusterState
import GateDomain
@testable import GateNode
@testable import GateSettings
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("The edge of the router")
struct EdgeTests {
    private static let paths = ["/health", "/keys", "/nothing", "/balance"]

    @Test("F-HDR-01, F-HDR-02: passes a harmless request id on, makes one otherwise, and says the same in the body")
    func requestIDs() async throws {
        try await AdminBench.run { bench in
            for path in Self.paths {
                let given = try await bench.send(.get, path, ["X-Request-Id": "abc-1_2.3:4"])
                #expect(given.header("X-Request-Id") == "abc-1_2.3:4")
                for bad in ["", "a b", "a<b", String(repeating: "x", count: 129)] {
                    let made = try await bench.send(.get, path, ["X-Request-Id": bad])
                    let id = try #require(made.header("X-Request-Id"))
                    #expect(id.hasPrefix("req_") && id.count == 20)
                    #expect(made.error == nil || made.json["requestId"]?.stringValue == id)
                }
            }
        }
    }

    @Test("F-HDR-06, F-HDR-12, F-HDR-13: puts the version and the security headers on every answer")
    func security() async throws {
        try await AdminBench.run { bench in
            for path in Self.paths {
                let answer = try await bench.send(.get, path)
                #expect(answer.header("X-PayGate-Version") == ProductVersion.current)
                #expect(answer.header("X-Content-Type-Options") == "nosniff" && answer.header("X-Frame-Options") == "DENY")
                #expect(answer.header("Cache-Control") == "no-store" && answer.header("X-XSS-Protection") == "0")
                #expect(answer.header("Content-Security-Policy") == "default-src 'none'; frame-ancestors 'none'")
                #expect(answer.header("Access-Control-Allow-Origin") == "*" && answer.header("Vary") == nil)
            }
            #expect(try await bench.send(.get, "/openapi.json").header("Cache-Control") == "public, max-age=3600")
        }
    }

    @Test("F-HDR-14: adds custom headers everywhere, and lets none take the place of a built-in one")
    func custom() async throws {
        let adjust: @Sendable (inout Settings) -> Void = { settings in
            settings.customHeaders = [
                CustomHeader(name: "X-Custom", value: "mine"), CustomHeader(name: "X-Frame-Options", value: "ALLOWALL"),
                CustomHeader(name: "Access-Control-Allow-Origin", value: "https://evil.example"),
                CustomHeader(name: "X-Request-ID", value: "fixed"),
            ]
        }
        try await AdminBench.run(adjusting: adjust) { bench in
            for path in Self.paths {
                let answer = try await bench.send(.get, path)
                #expect(answer.header("X-Custom") == "mine" && answer.header("X-Frame-Options") == "DENY")
                #expect(answer.header("Access-Control-Allow-Origin") == "*" && answer.header("X-Request-Id") != "fixed")
            }
        }
    }

    @Test("F-HDR-17, F-HDR-18: lets the listed origins alone read answers, and says so to a preflight")
    func origins() async throws {
        let adjust: @Sendable (inout Settings) -> Void = { settings in
            settings.cors.origin = .listed(["https://good.example"])
            settings.cors.credentials = true
            settings.cors.maxAge = 600
        }
        try await AdminBench.run(adjusting: adjust) { bench in
            let good = try await bench.send(.options, "/keys", ["Origin": "https://good.example", "Access-Control-Request-Method": "POST"])
            #expect(good.status == 204 && good.text.isEmpty)
            #expect(
                good.header("Access-Control-Allow-Origin") == "https://good.example"
                    && good.header("Access-Control-Allow-Credentials") == "true")
            #expect(
                good.header("Access-Control-Max-Age") == "600"
                    && good.header("Access-Control-Allow-Headers")?.contains("X-Request-Id") == true)
            #expect(
                try await bench.send(.options, "/mcp", ["Origin": "https://good.example"]).header("Allow") == "POST, GET, DELETE, OPTIONS")
            for origin in [nil, "https://evil.example", "null", "https://good.example.evil.example"] {
                let answer = try await bench.send(.get, "/health", origin.map { ["Origin": $0] } ?? [:])
                #expect(answer.header("Access-Control-Allow-Origin") == nil && answer.header("Vary") == "Origin")
            }
        }
    }

    @Test("F-RATE-04, F-RATE-06, F-HTTP-06: counts requests by address, with Retry-After, and never turns a probe away")
    func windows() async throws {
        let adjust: @Sendable (inout Settings) -> Void = { ($0.adminRateLimit, $0.publicRateLimit) = (3, 2) }
        try await AdminBench.run(adjusting: adjust) { bench in
            for _ in 0..<3 { #expect(try await bench.get("/keys").status == 200) }
            for path in ["/keys", "/usage"] {
                let refused = try await bench.get(path)
                #expect(refused.status == 429 && (1...60).contains(Int(refused.header("Retry-After") ?? "") ?? 0))
            }
            for _ in 0..<2 { #expect(try await bench.get("/info").status == 200) }
            #expect(try await bench.get("/pricing").status == 429)
            for _ in 0..<10 { #expect(try await bench.get("/livez").status == 200) }
        }
    }

    @Test("F-RATE-11: believes X-Forwarded-For of a trusted proxy alone", arguments: [true, false])
    func addresses(_ isTrusted: Bool) async throws {
        let adjust: @Sendable (inout Settings) -> Void = { settings in
            settings.publicRateLimit = 1
            if isTrusted { settings.trustedProxies = ["127.0.0.1"] }
        }
        try await AdminBench.run(adjusting: adjust) { bench in
            let statuses = try await ["1.1.1.1", "2.2.2.2", "9.9.9.9, 1.1.1.1"].asyncMap { address in
                try await bench.send(.get, "/health", ["X-Forwarded-For": address]).status
            }
            #expect(statuses == (isTrusted ? [200, 200, 429] : [200, 429, 429]))
        }
    }

    @Test("F25: answers at once with 503 and Retry-After while the store is away, and is well itself")
    func withoutStore() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey()
            try await bench.redis.kill9()
            for path in ["/keys", "/usage"] {
                let answer = try await bench.get(path)
                #expect(answer.status == 503 && answer.header("Retry-After") == "1", "\(path): \(answer.status)")
            }
            #expect(try await bench.post("/topup", ["key": .string(key.id), "credits": 1]).status == 503)
            #expect(try await bench.balance(key.secret).status == 503)
            #expect(try await bench.send(.get, "/health").status == 200)
            let ready = try await bench.send(.get, "/ready")
            #expect(ready.status == 503 && ready.json["checks"]?["storeConnected"] == false)
        }
    }

    @Test("F-MET-05: counts what it answers by route, and puts neither keys nor unknown paths into labels")
    func counts() async throws {
        try await AdminBench.run { bench in
            _ = try await bench.get("/keys?limit=1")
            _ = try await bench.get("/secret/path")
            #expect(try await bench.send(HTTPRequest.Method("PURGE") ?? .trace, "/keys").status == 405)
            let text = try await bench.send(.get, "/metrics").text
            #expect(text.contains(#"paygate_http_requests_total{method="GET",path="/keys",status="200"} 1"#))
            #expect(text.contains(#"paygate_http_requests_total{method="GET",path="none",status="404"} 1"#))
            #expect(!text.contains("secret") && !text.contains("PURGE"))
        }
    }
}

extension Array where Element: Sendable {
    fileprivate func asyncMap<Result>(_ transform: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
