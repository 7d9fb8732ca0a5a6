// What browsers, balancers and old clients meet at the door: RFC 9110 and 9112, and what MCP says of origins and hosts.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Front door", .cluster(nodes: 2, ["--request-timeout", "2500"]))
    struct FrontDoorTests {
        private static let ping = HostileClient.request("ping")

        /// What comes back for these bytes on a connection of their own, after a moment of silence.
        private func answer(_ bytes: [UInt8], on index: Int = 0) async throws -> (statuses: [Int], text: String, isAnswered: Bool) {
            try await RawConnection.exchange(bytes, port: try SharedCluster.cluster.nodes[index].port)
        }

        @Test("RFC 9110 9.3.2: HEAD has no body, on /mcp too, and the next answer begins where its head ends", arguments: [0, 1])
        func head(_ node: Int) async throws {
            for path in ["/mcp", "/health", "/no/such/path", "/keys"] {
                let head = "HEAD \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n"
                let answer = try await answer(Array(head.utf8) + HostileClient.get("/livez"), on: node)
                #expect(answer.statuses.count == 2 && answer.statuses.last == 200, "\(path): \(answer.text)")
                let parts = answer.text.split(separator: "\r\n\r\n", maxSplits: 1)
                #expect(parts.count == 2 && parts[1].hasPrefix("HTTP/1.1 200"), "\(path): \(answer.text)")
            }
        }

        @Test(
            "RFC 9110 15.5.6: 405 names the methods that will do",
            arguments: ["PUT /mcp", "HEAD /mcp", "PATCH /mcp", "GET /mcp", "DELETE /health"])
        func methods(_ start: String) async throws {
            let answer = try await answer(Array("\(start) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".utf8))
            #expect(answer.statuses == [405] && answer.text.lowercased().contains("\r\nallow: "), "\(answer.text)")
        }

        @Test(
            "one path is one route: another spelling of it is 404, for whoever judges by the path before the gate",
            arguments: ["//keys", "/keys/", "//metrics", "/metrics/", "/./keys", "/keys//", "/%6beys", "//mcp", "/mcp/", "/MCP", "//"])
        func aliases(_ path: String) async throws {
            let bytes = HostileClient.get(path, headers: "X-Admin-Key: \(GateClient.adminKey)\r\n")
            #expect(try await answer(bytes).statuses == [404])
        }

        @Test("RFC 9112 7.1: no answer to HTTP/1.0 is chunked, streams included")
        func oldVersion() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let call = HostileClient.request(
                "tools/call", ["name": "slow", "arguments": ["seconds": 0.1, "steps": 2], "_meta": ["progressToken": 1]])
            for accept in ["application/json", "text/event-stream", "application/json, text/event-stream"] {
                let headers = "Accept: \(accept)\r\nX-API-Key: \(key)\r\n"
                let connection = try await RawConnection(port: cluster.nodes[1].port)
                await connection.send(HostileClient.post(call, headers: headers, version: "1.0"))
                try await eventually("the whole answer") { connection.isEnded }
                let text = connection.text.lowercased()
                #expect(connection.statuses == [200] && !text.contains("transfer-encoding") && text.contains("content-length: "), "\(text)")
                #expect(text.contains(accept == "text/event-stream" ? "event: message\ndata: {" : "\r\n\r\n{\"jsonrpc\""), "\(text)")
                await connection.close()
            }
            let page = try await answer(Array("GET /health HTTP/1.0\r\n\r\n".utf8))
            #expect(page.statuses == [200] && !page.text.lowercased().contains("transfer-encoding"))
            let stream = Array("GET /mcp HTTP/1.0\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".utf8)
            #expect(try await answer(stream).statuses == [505])
        }

        @Test(
            "RFC 9110 10.1.1: whoever waits for 100 Continue with a body that is too large hears 413 at once", arguments: ["/mcp", "/keys"])
        func expectations(_ path: String) async throws {
            let fields =
                "Host: localhost\r\nContent-Type: application/json\r\nExpect: 100-continue\r\nX-Admin-Key: \(GateClient.adminKey)\r\n"
            let large = try await answer(Array("POST \(path) HTTP/1.1\r\n\(fields)Content-Length: 2000000\r\n\r\n".utf8))
            #expect(large.statuses == [413], "\(large.text)")
            let fitting = try await answer(Array("POST \(path) HTTP/1.1\r\n\(fields)Content-Length: 20\r\n\r\n".utf8))
            #expect(fitting.statuses == [100], "\(fitting.text)")
        }

        @Test("F-HTTP-03: who sends too much can read the 413 before the connection ends", arguments: ["/mcp", "/keys"])
        func tooLarge(_ path: String) async throws {
            let cluster = try SharedCluster.cluster
            for framing in ["Content-Length: 8388608", "Transfer-Encoding: chunked"] {
                let connection = try await RawConnection(port: cluster.nodes[0].port)
                let fields =
                    "Host: localhost\r\nContent-Type: application/json\r\nX-Admin-Key: \(GateClient.adminKey)\r\n\(framing)\r\n\r\n"
                await connection.send("POST \(path) HTTP/1.1\r\n\(fields)")
                let block = [UInt8](repeating: 32, count: 65_536)
                let chunk = framing.hasPrefix("C") ? block : Array("10000\r\n".utf8) + block + Array("\r\n".utf8)
                for _ in 0..<128 where !connection.isEnded { await connection.offer(chunk, for: .milliseconds(200)) }
                try await connection.waitForAnswer()
                #expect(connection.statuses == [413], "\(path), \(framing): \(connection.text)")
                await connection.close()
            }
        }

        @Test("F-SEC-16: a bad chunk is 400 and a body that stalls 408 on every path", arguments: ["/mcp", "/keys"])
        func brokenBodies(_ path: String) async throws {
            let port = try SharedCluster.cluster.nodes[0].port
            let fields = "Host: localhost\r\nContent-Type: application/json\r\nX-Admin-Key: \(GateClient.adminKey)\r\n"
            let bad = try await answer(Array("POST \(path) HTTP/1.1\r\n\(fields)Transfer-Encoding: chunked\r\n\r\nzz\r\n".utf8))
            #expect(bad.statuses == [400], "\(bad.text)")
            let slow = try await RawConnection(port: port)
            await slow.send("POST \(path) HTTP/1.1\r\n\(fields)Content-Length: 100\r\n\r\n{")
            try await slow.waitForAnswer(within: .seconds(6))
            #expect(slow.statuses == [408], "\(slow.text)")
            try await eventually("it is closed") { slow.isEnded }
        }

        @Test("MCP 2025-11-25 Transports: no page of any origin may call where the operator has listed none; public pages stay public")
        func origins() async throws {
            let client = try SharedCluster.cluster[1]
            for origin in ["https://evil.example", "http://localhost:3000", "null"] {
                let call = try await client.rpc("tools/list", [:], headers: [("Origin", origin)])
                #expect(call.status == 403, "\(call.text)")
                let page = try await client.get("/health", headers: [("Origin", origin)])
                #expect(page.status == 200 && page.header("Access-Control-Allow-Origin") == "*")
            }
        }

        @Test("MCP 2025-11-25 Transports: a foreign name of a loopback address is refused on /mcp", arguments: ["GET", "POST", "DELETE"])
        func hosts(_ method: String) async throws {
            let request = { (host: String) in
                Array(
                    "\(method) /mcp HTTP/1.1\r\nHost: \(host)\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\nContent-Length: \(Self.ping.utf8.count)\r\n\r\n\(Self.ping)"
                        .utf8)
            }
            for foreign in [
                "evil.example", "evil.example:3402", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "127.0.0.1x",
                "[::1].evil.example", "127.0.0.1:80.evil.example", "127.0.0.1%25.evil.example",
            ] {
                #expect(try await answer(request(foreign)).statuses == [403], "\(foreign)")
            }
            for own in ["localhost", "LOCALHOST:3402", "127.0.0.1:80", "[::1]:3402", "127.1.2.3", "gate.localhost"] {
                // DELETE names no session.
                #expect(try await answer(request(own)).statuses == [method == "DELETE" ? 400 : 200], "\(own)")
                #expect(try await answer(request(own + ".evil.example")).statuses == [403], "after \(own)")
            }
        }
    }

    @Suite("Open doors", .cluster(["--cors-origin", "*", "--trusted-proxies", "127.0.0.1"]))
    struct OpenDoorTests {
        @Test("F-HDR-17: where * was written down every page may call; a proxy that is trusted may bring any host")
        func everybody() async throws {
            let cluster = try SharedCluster.cluster
            let call = try await cluster[0].rpc("ping", [:], headers: [("Origin", "https://any.example")])
            #expect(call.status == 200 && call.header("Access-Control-Allow-Origin") == "*")
            let body = HostileClient.request("ping")
            let bytes = Array(
                "POST /mcp HTTP/1.1\r\nHost: gate.example\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                    .utf8)
            #expect(try await RawConnection.exchange(bytes, port: cluster.nodes[0].port).statuses == [200])
        }
    }
}
