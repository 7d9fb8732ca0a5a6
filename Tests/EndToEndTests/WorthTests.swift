// What was it worth: servers that fail after the work, and clients that would like it free of charge.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("What a call was worth")
    struct WorthTests {
        @Test(
            "A 5xx after the work, a result under a 5xx and an answer that cannot be used are failures: charged, and given back where failures are",
            arguments: ["fail_500", "result_500", "garbled", "huge", "other"])
        func failures(_ tool: String) async throws {
            let server = try await HostileServer.http()
            for (flags, spent) in [([], 5), (["--refund-on-failure"], 0)] {
                try await GateCluster.run(
                    nodes: 1, ["--price", "5", "--max-response-bytes", "200000"] + flags, upstream: server.upstream
                ) { cluster in
                    let key = try await cluster[0].createKey(credits: 10)
                    let answer = try await cluster[0].call(tool, ["text": "x"], key: key)
                    #expect(answer.outcome == .failed(code: -32603), "\(answer.text)")
                    #expect(try await cluster[0].balance(key).spent == spent, "\(tool) \(flags)")
                    #expect(try await cluster[0].usage(of: key).map(\.credits) == [spent])
                }
            }
            #expect(server.calls.count == 2, "none was sent twice")
        }

        @Test(
            "A server that ends without an answer leaves a call of which nobody knows: it is recorded so and follows --unknown-calls",
            arguments: ["close", "partial", "stream_cut"])
        func unknown(_ tool: String) async throws {
            let server = try await HostileServer.http()
            for (flags, spent) in [([], 0), (["--unknown-calls", "keep"], 5), (["--unknown-calls", "keep", "--refund-on-failure"], 0)] {
                try await GateCluster.run(nodes: 1, ["--price", "5"] + flags, upstream: server.upstream) { cluster in
                    let key = try await cluster[0].createKey(credits: 10)
                    #expect(try await cluster[0].call(tool, ["text": "x"], key: key).outcome == .failed(code: -32603))
                    #expect(try await cluster[0].balance(key).spent == spent, "\(flags)")
                    let events = try await cluster[0].usage(of: key)
                    #expect(events.map(\.credits) == [spent] && events.allSatisfy(\.isUnknown), "\(events.map(\.json.text))")
                }
            }
            #expect(server.calls.count == 3, "none was sent twice")
        }

        @Test("A client that cancels after the work pays for it, with --refund-on-failure too; so does one that leaves")
        func leaving() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, ["--price", "50", "--refund-on-failure"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                let session = try await cluster[0].openSession(key: key)
                let own: GateClient.Headers = [("Mcp-Session-Id", session), ("X-API-Key", key)]
                for turn in 0..<5 {
                    async let call = cluster[0].call("echo", ["text": "work", "seconds": 20], key: key, id: .int(turn), headers: [own[0]])
                    try await eventually("it runs", within: .seconds(10)) { server.calls.count == turn + 1 }
                    _ = try await cluster[0].notify("notifications/cancelled", ["requestId": .int(turn)], headers: own)
                    #expect(try await !call.outcome.isServed)
                }
                #expect(try await cluster[0].balance(key).spent == 250)
                let connection = try await RawConnection(port: cluster.nodes[0].port)
                let body =
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"left","seconds":0.3}}}"#
                await connection.send(
                    "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-API-Key: \(key)\r\nContent-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
                try await eventually("it runs", within: .seconds(10)) { server.calls.contains("echo left") }
                await connection.close()
                try await eventually("it is charged", within: .seconds(10)) { try await cluster[0].balance(key).spent == 300 }
            }
        }

        @Test(
            "A server's words make no call run twice: 400 with talk of sessions ends it, and is charged; a 404 renews the session and is sent again once",
            arguments: ["Bad Request: No valid session ID provided", "session", "Session not found"])
        func words(_ text: String) async throws {
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let answer = try await cluster[0].call("echo_400", ["text": .string(text)], key: key)
                #expect(answer.outcome == .failed(code: -32603), "\(answer.text)")
                #expect(server.calls == ["echo_400 \(text)"])
                #expect(try await cluster[0].balance(key).spent == 1)
                #expect(try await cluster[0].call("lost_404", [:], key: key).outcome == .failed(code: -32603))
                #expect(try await cluster[0].call("echo", ["text": "x"], key: key).outcome.text == "x")
                #expect(server.methods.filter { $0 == "POST tools/call" }.count <= 5, "each of the last two once more")
            }
        }

        @Test(
            "A server that closes unused connections without a word: every call is served once or not at all, and charged as often as it is served"
        )
        func closedConnections() async throws {
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10_000)
                let outcomes = await concurrently(400, workers: 4) { turn in
                    await cluster[0].attempt(
                        "close_idle", ["text": .string("\(turn)"), "seconds": .double(Double.random(in: 0...0.003))], key: key)
                }
                let served = outcomes.filter(\.isServed).count
                #expect(Set(server.calls).count == server.calls.count, "none ran twice")
                #expect(server.calls.count >= served && served > 100, "\(Tally(outcomes))")
                #expect(try await cluster[0].balance(key).spent == served, "what is in doubt is given back by default")
            }
        }

        // MARK: Bytes

        @Test(
            "What passes stays bytes: numbers that no double holds, seventy levels and repeated members come through single calls and batches",
            arguments: ["stdio", "http"])
        func bytes(_ kind: String) async throws {
            let server = kind == "http" ? try await HostileServer.http() : try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let deep = String(repeating: "[", count: 70) + String(repeating: "]", count: 70)
                for value in [
                    #"{"a":12345678901234567890,"b":1e400,"c":-0,"d":1.10}"#, #"{"deep":\#(deep)}"#, #"{"a":1,"a":2, "é" : "\u0041"}"#,
                ] {
                    let single = try await cluster[0].call("raw", ["text": .string(value)], key: key)
                    #expect(single.text.contains("\"result\":" + value), "\(single.text)")
                    let batch = try await cluster[0].batch([("raw", ["text": .string(value)])], key: key)
                    #expect(batch.text.contains("\"result\":" + value), "\(batch.text)")
                }
                #expect(try await cluster[0].balance(key).spent == 6)
            }
        }

        @Test("tools/list keeps the bytes of its schemas")
        func schemas() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let list = try await cluster[0].rpc("tools/list", [:])
                #expect(list.text.contains(#""maximum":12345678901234567890,"minimum":-1e400,"x":[[[["#), "\(list.text)")
                #expect(list.text.contains(#","_pricing":{"#), "\(list.text)")
            }
        }

        @Test(
            "An answer that nobody can be given ends its call at once: text that is no UTF-8, a thousand levels",
            arguments: ["garbled", "deep"])
        func unusable(_ tool: String) async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let answer = try await cluster[0].call(tool, [:], key: key, within: .seconds(20))
                #expect(answer.outcome == .failed(code: -32603) && answer.elapsed < .seconds(10).patiently, "\(answer.text)")
            }
        }
    }
}
