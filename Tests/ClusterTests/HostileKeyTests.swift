// Clients with a key that there is, and that want to harm the others: each has a share, and its words cost no more than they are long.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Hostile keys")
    struct HostileKeyTests {
        // MARK: Sizes and counts

        @Test("X34: texts that cost the square of their length, in every place that a key opens, hold nobody up")
        func unicode() async throws {
            let demo = JSON.string(Repository.binary)
            let servers: JSON = [
                "servers": [
                    ["prefix": "one", "serverCommand": demo, "serverArgs": ["demo-server"]],
                    ["prefix": "two", "serverCommand": demo, "serverArgs": ["demo-server"]],
                ], "toolPricing": ["one:echo": ["creditsPerCall": 1, "creditsPerKbInput": 1, "rateLimitPerMin": 1_000_000]],
            ]
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: .configured, config: servers) { cluster in
                let node = cluster.nodes[0]
                let keys = try await concurrently(2) { _ in try await node.client.createKey(["deniedTools": ["one:big"]]) }
                let session = try #require(try await node.client.openSession(key: keys[0]))
                for (name, bytes) in Self.bombs(key: keys[0], session: session) {
                    let clock = ContinuousClock()
                    async let answers = concurrently(4) { _ in
                        let start = clock.now
                        let answer = try await RawConnection.exchange(bytes, port: node.port, within: .seconds(20))
                        return (isAnswered: answer.isAnswered, statuses: answer.statuses, took: clock.now - start)
                    }
                    for _ in 0..<3 {
                        let response = try await node.client.call("one:echo", ["text": "hello"], key: keys[1], within: .seconds(20))
                        #expect(response.outcome.isServed && response.elapsed < .seconds(4).patiently, "\(name): \(response.elapsed)")
                    }
                    for answer in try await answers {
                        #expect(answer.isAnswered && answer.took < .seconds(6).patiently, "\(name): answered after \(answer.took)")
                        #expect(
                            answer.statuses.allSatisfy { (200..<500).contains($0) && ![413, 431].contains($0) },
                            "\(name): \(answer.statuses)")
                    }
                }
            }
        }

        /// Each place by its name, with the bytes of a request.
        private static func bombs(key: String, session: String) -> [(String, [UInt8])] {
            let (large, name, field) = (bomb(900_000), bomb(1000), bomb(30_000))
            let own = "X-API-Key: \(key)\r\n", inSession = own + "Mcp-Session-Id: \(session)\r\n"
            var all: [(String, [UInt8])] = []
            for (method, params) in [
                ("tools/call", ["name": .string("one:echo" + name), "arguments": ["text": .string(large)]]),
                ("tools/call", ["name": "one:echo", "arguments": ["text": .string(large)]]),
                ("prompts/get", ["name": .string("one:" + large)]), ("resources/read", ["uri": .string("one:" + large)]),
                ("completion/complete", ["ref": ["type": "ref/prompt", "name": .string("one:" + large)], "argument": [:]]),
                ("completion/complete", ["ref": ["type": "ref/resource", "uri": .string(large)], "argument": [:]]),
                ("resources/subscribe", ["uri": .string(large)]), ("resources/unsubscribe", ["uri": .string(large)]),
                ("tasks/get", ["taskId": .string(large)]), ("logging/setLevel", ["level": .string("info" + large)]),
                ("tools/list", ["cursor": .string("pages-" + large)]), ("tasks/list" + large, [:]),
            ] as [(String, JSON)] {
                all.append(("\(method.prefix(20))", HostileClient.post(HostileClient.request(method, params), headers: inSession)))
            }
            let id = HostileClient.request("ping", id: .string(large))
            all.append(("an array", HostileClient.post("[\(id)]", headers: inSession)))
            let response = #"{"jsonrpc":"2.0","id":"ask_\#(name)","result":{}}"#
            all.append(("a response", HostileClient.post(response, headers: inSession)))
            let stream = inSession + "Accept: text/event-stream\r\nLast-Event-ID: "
            all.append(("id of an event", HostileClient.get("/mcp", headers: stream + "post_\(field)\r\n")))
            all.append(("id of a short event", HostileClient.get("/mcp", headers: stream + "post_\(bomb(100))\r\n")))
            let stateless = own + "MCP-Protocol-Version: 2026-07-28\r\nAccept: application/json, text/event-stream\r\nMcp-Method: "
            // As text: a dictionary of ours would take as long over it as one of theirs.
            let meta = #""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#
            let filter = #"{"notifications":{"\#(bomb(120_000))":true,"resourceSubscriptions":["one:\#(name)","\#(bomb(1900))"]},\#(meta)}"#
            let listen = #"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":\#(filter)}"#
            all.append(("what a stream tells", HostileClient.post(listen, headers: stateless + "subscriptions/listen\r\n")))
            let call =
                #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"one:echo","arguments":{"text":"x","\#(large)":1},\#(meta)}}"#
            all.append(("an argument", HostileClient.post(call, headers: stateless + "tools/call\r\nMcp-Name: one:echo\r\n")))
            return all
        }

        private static func bomb(_ bytes: Int) -> String { HostileClient.unicodeBomb(bytes: bytes) }

        @Test("X34: a listening stream names 32 KB of resources, as a session does; more is refused with a sentence")
        func resources() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                let headers =
                    "X-API-Key: \(key)\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\nAccept: text/event-stream\r\n"
                let meta: JSON = [
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:],
                ]
                for (count, status) in [(16, 200), (17, 400), (100, 400)] {
                    let uris = JSON.array((0..<count).map { .string("test://\(1000 + $0)/" + String(repeating: "r", count: 1988)) })
                    let body = HostileClient.request(
                        "subscriptions/listen", ["notifications": ["resourceSubscriptions": uris], "_meta": meta])
                    let answer = try await RawConnection.exchange(HostileClient.post(body, headers: headers), port: node.port)
                    #expect(answer.statuses == [status], "\(count): \(answer.text.prefix(300))")
                    #expect(status == 200 || answer.text.contains("32768 bytes"), "\(answer.text)")
                }
            }
        }

        // MARK: Shares

        @Test(
            "F-SEC-16: one key's large requests under way, their clients there or not, leave room for another key's; what is beyond is refused and not carried out"
        )
        func largeRequests() async throws {
            DescriptorLimit.raise()
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let node = cluster.nodes[0]
                let keys = try await concurrently(2) { _ in try await node.client.createKey() }
                for key in keys { #expect(await node.client.echo(key: key).isServed) }
                let pad = JSON.string(String(repeating: "x", count: 1_000_000))
                let body = HostileClient.request("tools/call", ["name": "slow", "arguments": ["seconds": 12, "pad": pad]])
                let large = HostileClient.post(body, headers: "X-API-Key: \(keys[0])\r\n")
                func crowd() async throws -> [RawConnection] {
                    try await concurrently(150, workers: 25) { _ in
                        let connection = try await RawConnection(port: node.port)
                        await connection.offer(large, for: .seconds(20))
                        return connection
                    }
                }
                func expectRoom() async throws {
                    let response = try await node.client.call("echo", ["text": "x", "pad": pad], key: keys[1])
                    #expect(response.outcome.isServed, "\(response.status) \(response.text.prefix(200))")
                }
                let first = try await crowd()
                try await eventually("the share is used up", within: .seconds(20)) { first.count { $0.statuses == [503] } >= 40 }
                let open = first.count { $0.statuses.isEmpty }
                #expect((80...110).contains(open), "\(open) of 128 MB")
                try await expectRoom()
                for connection in first { try await connection.reset() }
                let second = try await crowd()
                try await eventually("what is left of the first counts", within: .seconds(20)) {
                    second.count { $0.statuses == [503] } >= 140
                }
                try await expectRoom()
                try await eventually("all is settled", within: .seconds(40), every: .milliseconds(200)) {
                    try await node.client.get("/health").json["inflight"] == 0
                }
                let executed = server.calls.count { $0.hasPrefix("slow") }
                #expect(try await node.client.balance(keys[0]).spent == executed + 1, "what was refused was not carried out")
                #expect(executed <= open + 10)
                for connection in second { await connection.close() }
                try await expectRoom()
            }
        }

        @Test(
            "F-SEC-16: one key's calls to a server, however many and slow, leave connections and places to wait to others; what is beyond is refused at once and costs nothing"
        )
        func slots() async throws {
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let node = cluster.nodes[0]
                let keys = try await concurrently(2) { _ in try await node.client.createKey() }
                let calls: [(tool: String, arguments: JSON)] = Array(repeating: ("slow", ["seconds": 4]), count: 100)
                async let greedy = concurrently(14) { _ in try await node.client.batch(calls, key: keys[0]) }
                try await eventually("it has its share", within: .seconds(20)) { server.calls.count >= 192 }
                for turn in 0..<20 {
                    let response = try await node.client.call("echo", ["text": .string("\(turn)")], key: keys[1], within: .seconds(20))
                    #expect(response.outcome.isServed && response.elapsed < .seconds(3).patiently, "\(response.text) \(response.elapsed)")
                }
                let results = try await greedy.flatMap { $0.json["result"]?["results"]?.array ?? [] }
                let served = results.count { $0["result"] != nil }
                #expect(results.count == 1400 && (700...1200).contains(served), "\(served) of \(results.count)")
                #expect(try await node.client.balance(keys[0]).spent == served)
                #expect(server.calls.count { $0.hasPrefix("slow") } == served)
            }
        }

        @Test(
            "X34: what arrays of messages keep of their answers while a slow one is missing stays within a bound, and whoever has no key takes no more than half of it"
        )
        func arrays() async throws {
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                let params: JSON = ["protocolVersion": "2025-03-26", "capabilities": [:], "clientInfo": ["name": "test", "version": "1"]]
                func session(_ key: String?) async throws -> GateClient.Headers {
                    let answer = try await node.client.rpc("initialize", params, key: key)
                    return [("Mcp-Session-Id", try #require(answer.header("Mcp-Session-Id")))]
                }
                let (nobodys, own) = (try await session(nil), try await session(key))
                let lists = (1...99).map { HostileClient.request("resources/templates/list", id: .int($0)) }.joined(separator: ",")
                let array = Array("[\(HostileClient.request("prompts/list", id: 0)),\(lists)]".utf8)
                let size = try await node.client.post(array, headers: nobodys).body.count
                #expect(size > 2_900_000, "\(size)")
                let memory = node.program.residentKilobytes
                try node.program.forgetPeak()
                async let strangers = concurrently(80, workers: 80) { _ in
                    try await node.client.post(array, headers: nobodys).json.array ?? []
                }
                try await eventually("they wait") { server.methods.count { $0 == "POST prompts/list" } > 1 }
                let answers = try await node.client.post(array, key: key, headers: own).json.array ?? []
                #expect(answers.count { $0["result"]?["resourceTemplates"] != nil } == 99, "a key has room")
                let all = try await strangers
                #expect(all.count == 80 && all.allSatisfy { $0.count == 100 }, "each request is answered")
                let refused = all.reduce(0) { $0 + $1.count { $0["error"]?["message"]?.string?.contains("no more room") ?? false } }
                #expect(refused > 1000, "\(refused)")
                let grown = node.program.peakKilobytes - memory
                #expect(grown < 130 << 10, "\(grown >> 10) MB; \(size * 80 >> 20) were asked for at once, \(refused) refused")
            }
        }
    }
}
