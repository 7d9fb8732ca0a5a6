// Several messages in one POST, from clients of 2025-03-26.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Arrays of messages", .cluster(nodes: 2))
    struct MessageArrayTests {
        private static func session(_ key: String, _ revision: JSON = "2025-03-26", on client: GateClient) async throws
            -> GateClient.Headers
        {
            [("Mcp-Session-Id", try #require(try await client.initialize(revision, key: key).header("Mcp-Session-Id")))]
        }

        private static func call(_ id: JSON, _ tool: String, _ arguments: JSON, _ meta: JSON = [:]) -> JSON {
            ["jsonrpc": "2.0", "id": id, "method": "tools/call", "params": ["name": .string(tool), "arguments": arguments, "_meta": meta]]
        }

        private static func echo(_ id: JSON) -> JSON { call(id, "echo", ["text": .string("\(id)")]) }

        @Test(
            "F-MCP-20: on any node each message of an array is judged and charged as if it had come alone; answers come in the array's order, and what is no message gets an error while the others go on"
        )
        func mixed() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            let session = try await Self.session(key, on: cluster[0])
            let initialized: JSON = ["jsonrpc": "2.0", "method": "notifications/initialized"]
            let array: JSON = [
                Self.call("first", "slow", ["seconds": 0.2]), initialized, Self.call(2, "add", ["a": 1, "b": 2]),
                ["jsonrpc": "2.0", "id": 3, "method": "ping"], ["jsonrpc": "1.0", "id": 4, "method": "ping"], 17, [Self.echo(1)],
                Self.call(5, "no_such_tool", [:]), ["jsonrpc": "2.0", "id": 6, "method": "initialize", "params": [:]],
                ["jsonrpc": "2.0", "id": "none of yours", "result": [:]], ["jsonrpc": "2.0", "id": 7, "method": "tools/list"],
                ["jsonrpc": "2.0", "id": 8, "method": "notifications/cancelled", "params": ["requestId": "first"]],
            ]
            for (turn, client) in cluster.clients.enumerated() {
                let response = try await client.post(array.bytes, key: key, headers: session)
                let answers = try #require(response.json.array, "\(response.status) \(response.text)")
                #expect(response.status == 200 && response.header("Content-Type") == "application/json")
                #expect(answers.map { $0["id"] } == ["first", 2, 3, 4, .null, .null, 5, 6, 7, 8], "\(response.text)")
                #expect(answers[0]["result"]?["content"] != nil && answers[1]["result"]?["content"]?[0]?["text"] == "3")
                #expect(answers[2]["result"] == [:] && answers[8]["result"]?["tools"] != nil)
                let codes = answers.map { $0["error"]?["code"]?.int }
                #expect(codes == [nil, nil, nil, -32600, -32600, -32600, -32602, -32600, nil, -32601], "\(response.text)")
                #expect(response.integer("X-Credits-Remaining") == 100 - 2 * (turn + 1))
                #expect(try await cluster[0].balance(key).spent == 2 * (turn + 1))
            }
            #expect(try await cluster[1].usage(of: key).map(\.credits).sorted() == [1, 1, 1, 1], "one event a call")
        }

        @Test("F-MCP-20: notifications and responses alone are 202; an empty array, one too long, or no JSON is refused and costs nothing")
        func edges() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1000)
            let session = try await Self.session(key, on: cluster[0])
            let told: JSON = [
                ["jsonrpc": "2.0", "method": "notifications/initialized"], ["jsonrpc": "2.0", "id": "x", "result": [:]],
            ]
            let taken = try await cluster[1].post(told.bytes, key: key, headers: session)
            #expect(taken.status == 202 && taken.text.isEmpty)
            let call = Self.echo(1).text
            let long = "[" + Array(repeating: call, count: 101).joined(separator: ",") + "]"
            for (text, code) in [
                ("[]", -32600), (" [ ] ", -32600), (long, -32600), ("[\(call),]", -32700), ("[\(call)", -32700), ("[\(call)]]", -32700),
            ] {
                let response = try await cluster[1].post(Array(text.utf8), key: key, headers: session)
                #expect(response.status == 400 && response.json["error"]?["code"]?.int == code, "\(response.text)")
                #expect(response.json["id"] == nil)
            }
            let none = try await cluster[1].post(Array("[1, {}]".utf8), key: key, headers: session)
            #expect(none.status == 400 && none.json.array?.map { $0["error"]?["code"] } == [-32600, -32600], "\(none.text)")
            #expect(try await cluster[0].balance(key).spent == 0)
            let most = "[" + Array(repeating: call, count: 100).joined(separator: ",\n") + "]"
            let answers = try await cluster[1].post(Array(most.utf8), key: key, headers: session).json.array
            #expect(answers?.count == 100 && answers?.allSatisfy { $0["result"] != nil } ?? false)
            #expect(try await cluster[0].balance(key).spent == 100)
        }

        @Test("F-MCP-20: whoever has not agreed on 2025-03-26 in a session of its own is refused with 400, and nothing is charged")
        func others() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 10), other = try await cluster[0].createKey()
            let session = try await Self.session(key, on: cluster[0])
            let body = ([Self.echo(1)] as JSON).bytes
            var cases: [(headers: GateClient.Headers, status: Int)] = [
                ([], 400), ([("MCP-Protocol-Version", "2025-03-26")], 400), (session + [("MCP-Protocol-Version", "2025-06-18")], 400),
                (session + [("MCP-Protocol-Version", "2026-07-28")], 400), ([("Mcp-Session-Id", "mcp_sess_unheard")], 404),
            ]
            for revision in ["2024-11-05", "2025-06-18", "2025-11-25"] as [JSON] {
                cases.append((try await Self.session(key, revision, on: cluster[0]), 400))
            }
            for (headers, status) in cases {
                let response = try await cluster[1].post(body, key: key, headers: headers)
                #expect(response.status == status && response.json["error"] != nil, "\(headers): \(response.text)")
            }
            #expect(try await cluster[1].post(body, key: other, headers: session).status == 404, "a session is its key's")
            #expect(try await cluster[0].balance(key).spent == 0)
            let named = session + [("MCP-Protocol-Version", "2025-03-26")]
            #expect(try await cluster[1].post(body, key: key, headers: named).json[0]?["result"] != nil)
        }

        @Test(
            "F-MCP-20: requests of an array that a key cannot pay, or has no room for, are refused one by one; eight are under way at once")
        func shares() async throws {
            try await GateCluster.run(nodes: 2, ["--max-concurrent-per-key", "2"]) { cluster in
                let key = try await cluster[0].createKey(credits: 3)
                let session = try await Self.session(key, on: cluster[0])
                let crowd = JSON.array((0..<8).map { Self.call(.int($0), "slow", ["seconds": 1]) })
                let crowded = try await cluster[1].post(crowd.bytes, key: key, headers: session)
                #expect(crowded.json.array?.count { $0["result"] != nil } == 2, "\(crowded.text)")
                #expect(try await cluster[0].balance(key).spent == 2)
            }
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 3)
            let session = try await Self.session(key, on: cluster[0])
            let echoes = try await cluster[1].post(JSON.array((0..<5).map { Self.echo(.int($0)) }).bytes, key: key, headers: session)
            #expect(echoes.json.array?.count { $0["result"] != nil } == 3, "\(echoes.text)")
            #expect(echoes.json.array?.count { $0["error"]?["code"] == -32402 } == 2, "\(echoes.text)")
            let balance = try await cluster[0].balance(key)
            #expect(balance.credits == 0 && balance.spent == 3)
            let rich = try await cluster[0].createKey()
            let slow = JSON.array((0..<9).map { Self.call(.int($0), "slow", ["seconds": 0.6]) })
            let taken = try await cluster[0].post(slow.bytes, key: rich, headers: try await Self.session(rich, on: cluster[1]))
            #expect(taken.json.array?.count == 9 && taken.elapsed > .seconds(1.2), "\(taken.elapsed)")
        }

        @Test("F-MCP-20: an array that is sent again with its idempotency key, on another node, is charged once and answered the same")
        func repeated() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            let session = try await Self.session(key, on: cluster[0]) + [("X-Idempotency-Key", "the-array")]
            let array: JSON = [Self.echo("a"), Self.call(2, "add", ["a": 1, "b": 2]), Self.echo("c")]
            let first = try await cluster[0].post(array.bytes, key: key, headers: session)
            let second = try await cluster[1].post(array.bytes, key: key, headers: session)
            #expect(first.json.array?.count == 3 && first.json == second.json, "\(first.text) \(second.text)")
            #expect(try await cluster[1].balance(key).spent == 3)
        }

        @Test(
            "F-MCP-20: once the answers of an array are large no further request is begun; whatever is charged is answered, and nothing else"
        )
        func room() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let session = try await Self.session(key, on: cluster[0])
            let array = JSON.array((0..<40).map { Self.call(.int($0), "big", ["kilobytes": 2000]) })
            let answers = try #require(try await cluster[1].post(array.bytes, key: key, headers: session).json.array)
            let served = answers.count { $0["result"] != nil }
            #expect(answers.map { $0["id"]?.int } == Array(0..<40) && (6...14).contains(served), "\(served)")
            #expect(answers.count { $0["error"]?["message"]?.string?.contains("nothing was charged") ?? false } == 40 - served)
            #expect(try await cluster[0].balance(key).spent == served)
        }

        @Test("F-MCP-20: an array whose client has gone begins no further request")
        func left() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1000)
            let session = try await Self.session(key, on: cluster[0])[0].value
            let array = JSON.array((0..<100).map { Self.call(.int($0), "slow", ["seconds": 0.5]) }).text
            let connection = try await RawConnection(port: cluster.nodes[0].port)
            await connection.send(HostileClient.post(array, headers: "X-API-Key: \(key)\r\nMcp-Session-Id: \(session)\r\n"))
            try await eventually("the first calls are charged", within: .seconds(10)) { try await cluster[1].balance(key).spent > 0 }
            try await connection.reset()
            try await Task.sleep(for: .seconds(1.5))
            let spent = try await cluster[1].balance(key).spent
            #expect(spent <= 24, "\(spent)")
            try await Task.sleep(for: .seconds(1.5))
            #expect(try await cluster[1].balance(key).spent == spent)
        }

        @Test("F-MCP-20: requests of an array that are given up before their turn are not begun and cost nothing")
        func cancelled() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            let session = try await Self.session(key, on: cluster[0])
            let calls = (0..<12).map { Self.call(.int($0), "slow", ["seconds": 0.5]) }
            let cancellations = (8..<12).map { id -> JSON in
                ["jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": .int(id)]]
            }
            let answers = try #require(
                try await cluster[1].post(JSON.array(calls + cancellations).bytes, key: key, headers: session).json.array)
            #expect(answers.map { $0["id"]?.int } == Array(0..<12))
            #expect(answers.map { $0["result"] != nil } == (0..<12).map { $0 < 8 }, "\(answers)")
            #expect(try await cluster[0].balance(key).spent == 8)
        }

        @Test(
            "F-MCP-20: once its session has ended, nothing more is begun of an array whose client has gone, however it was to be answered")
        func ended() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await Self.session(key, on: cluster[0])[0].value
                let array = JSON.array(
                    (0..<40).map { Self.call(.int($0), "slow", ["seconds": 1, "steps": 4], ["progressToken": .int($0)]) })
                let call = try await OpenCall(on: cluster.nodes[0], array.text, session: session, key: key)
                try await eventually("a step", within: .seconds(60)) { !call.events.isEmpty }
                await call.close()
                #expect(try await cluster[1].endSession(session, key: key).status == 200)
                try await eventually("what was begun is charged", within: .seconds(30)) {
                    try await cluster[0].get("/health").json["inflight"] == 0
                }
                #expect(try await cluster[0].balance(key).spent <= 16)
            }
        }

        @Test(
            "F-MCP-20: of an array's answers that are together too large to keep the largest are told as errors when it is resumed, and the others, and what was told before, as they are"
        )
        func tooLargeToKeep() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            let session = try await Self.session(key, on: cluster[0])[0].value
            let large = (0..<7).map { Self.call(.string("\($0)"), "big", ["kilobytes": 2400]) }
            let array = JSON.array(
                [Self.call("slow", "slow", ["seconds": 2, "steps": 4], ["progressToken": "t"])] + large + [Self.echo("last")])
            let broken = try await OpenCall(on: cluster.nodes[0], array.text, session: session, key: key)
            try await eventually("a step", within: .seconds(60)) { !broken.events.isEmpty }
            await broken.close()
            try await eventually("all is charged", within: .seconds(60)) { try await cluster[1].balance(key).spent == 9 }
            let rest = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key, after: broken.events.last?.id)
            try await eventually("the rest", within: .seconds(120)) { rest.isEnded }
            let events = broken.events + rest.events
            #expect(events.compactMap(\.step) == [1, 2, 3, 4], "\(rest.text.prefix(400))")
            #expect(broken.events.count + rest.ids.count == 4 + 9 && rest.text.utf8.count > 6 * 2400 << 10)
            // What comes in several pieces is no event that the test reads: these are the small ones.
            let answers = events.map(\.message).filter { $0["id"] != nil }
            #expect(answers.map { $0["result"] != nil } == [true, false, true], "\(answers.map(\.text))")
            #expect(answers.first?["id"] == "slow" && answers.last?["id"] == "last")
            #expect(answers.dropFirst().first?["error"]?["message"]?.string?.contains("no room to keep") ?? false)
            await rest.close()
        }

        @Test("F-MCP-20: what is told before the answers makes a stream of them, one event each, which is resumed on another node")
        func stream() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await Self.session(key, on: cluster[0])[0].value
                let array: JSON = [
                    Self.echo("quick"), Self.call("slow", "slow", ["seconds": 2, "steps": 4], ["progressToken": "t"]), Self.echo("last"),
                ]
                func isWhole(_ events: [StreamedEvent]) -> Bool {
                    events.compactMap(\.step) == [1, 2, 3, 4] && events.compactMap { $0.message["id"] } == ["quick", "slow", "last"]
                        && events.suffix(3).allSatisfy { $0.message["result"] != nil } && Set(events.compactMap(\.id)).count == 7
                }
                let whole = try await OpenCall(on: cluster.nodes[0], array.text, session: session, key: key)
                try await eventually("the answers", within: .seconds(60)) { whole.events.count == 7 }
                #expect(isWhole(whole.events), "\(whole.text)")
                await whole.close()
                let broken = try await OpenCall(on: cluster.nodes[0], array.text, session: session, key: key)
                try await eventually("a step", within: .seconds(60)) { !broken.events.isEmpty }
                await broken.close()
                let rest = try await EndToEndTests.LiveStream(
                    on: cluster.nodes[1], session: session, key: key, after: broken.events.last?.id)
                try await eventually("the rest", within: .seconds(60)) { rest.isEnded }
                #expect(isWhole(broken.events + rest.events), "\(rest.text)")
                #expect(try await cluster[1].balance(key).spent == 6)
            }
        }
    }
}
