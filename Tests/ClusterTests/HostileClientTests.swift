// Clients that nobody knows, and that want to harm the gate: a paying client beside them notices nothing. Classes in docs/security.md.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Hostile clients")
    struct HostileClientTests {
        // MARK: Sizes and counts

        @Test(
            "X34: texts that cost the square of their length, in every place that a client can name, hold nobody up",
            arguments: UnicodeBomb.all)
        func unicode(_ bomb: UnicodeBomb) async throws {
            try await GateCluster.run(nodes: 1, ["--threads", "1", "--trusted-proxies", "127.0.0.1"]) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                #expect(await node.client.echo(key: key).isServed)
                let clock = ContinuousClock()
                async let bombs = concurrently(4) { _ in
                    let start = clock.now
                    let answer = try await RawConnection.exchange(bomb.bytes, port: node.port, within: .seconds(20))
                    return (isAnswered: answer.isAnswered, statuses: answer.statuses, took: clock.now - start)
                }
                var slowest = Duration.zero
                for _ in 0..<10 {
                    let response = try await node.client.call("echo", ["text": "hello"], key: key)
                    #expect(response.outcome.isServed)
                    slowest = max(slowest, response.elapsed)
                }
                #expect(slowest < .seconds(1), "a paying client beside it waited \(slowest)")
                for answer in try await bombs {
                    #expect(answer.isAnswered && answer.took < .seconds(3), "answered after \(answer.took)")
                    #expect(answer.statuses.allSatisfy { (200..<500).contains($0) && $0 != 413 }, "\(answer.statuses)")
                }
            }
        }

        @Test("X34: what is sent behind a stream, or behind answers that are not read, is not taken in", arguments: Pipelined.all)
        func pipelines(_ pipelined: Pipelined) async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                for _ in 0..<20 { #expect(await node.client.echo(key: key).isServed) }
                let memory = node.program.residentKilobytes
                let good = try await underLoad(workers: 1, pause: .milliseconds(20), { _ in await node.client.echo(key: key) }) {
                    let taken = try await concurrently(4) { _ in
                        let connection = try await RawConnection(port: node.port, readsLate: true)
                        let taken = await HostileClient.pipeline(pipelined.first, then: pipelined.rest, upTo: 100 << 20, on: connection)
                        await connection.close()
                        return taken
                    }
                    let isHeld = taken.allSatisfy { $0 < 24 << 20 }
                    #expect(isHeld || pipelined.isDropped, "taken: \(taken.map { $0 >> 20 }) MB, most of it by the kernel")
                }
                let grown = node.program.residentKilobytes - memory
                #expect(grown < 64 << 10, "\(grown >> 10) MB")
                #expect(Tally(good).served == good.count, "\(Tally(good))")
            }
        }

        @Test(
            "X34: 500 bodies of a megabyte that never end stay below 128 MB; a paying client beside them is served",
            arguments: ["/mcp", "/keys"])
        func heldBodies(_ path: String) async throws {
            DescriptorLimit.raise()
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                for _ in 0..<20 { #expect(await node.client.echo(key: key).isServed) }
                let memory = node.program.residentKilobytes
                let good = try await underLoad(workers: 2, pause: .milliseconds(20), { _ in await node.client.echo(key: key) }) {
                    let held = try await HostileClient.holdBodies(500, of: 1 << 20, path: path, port: node.port)
                    let grown = node.program.residentKilobytes - memory
                    #expect(grown < 128 << 10, "\(grown >> 10) MB")
                    let statuses = Set(held.flatMap(\.statuses))
                    #expect(statuses.isSubset(of: path == "/mcp" ? [503] : [401, 503]), "\(statuses)")
                    for connection in held { await connection.close() }
                }
                #expect(Tally(good).served == good.count, "\(Tally(good))")
                let large = try await node.client.call("echo", ["text": .string(String(repeating: "x", count: 1_000_000))], key: key)
                #expect(large.outcome.isServed, "a large body of a key that is known: \(large.status)")
            }
        }

        @Test("X34: answers that are not read stay within a bound; whoever reads gets his whole")
        func unreadAnswers() async throws {
            try await GateCluster.run(nodes: 1, ["--threads", "1"]) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                let body = HostileClient.request("tools/call", ["name": "big", "arguments": ["kilobytes": 8000]])
                #expect(await node.client.attempt("big", ["kilobytes": 8000], key: key).isServed)
                let memory = node.program.residentKilobytes
                // The kernel takes some megabytes for each; the rest would be the gate's.
                let deaf = try await concurrently(24, workers: 4) { _ in
                    let connection = try await RawConnection(port: node.port, readsLate: true)
                    await connection.send(HostileClient.post(body, headers: "X-API-Key: \(key)\r\n"))
                    return connection
                }
                try await eventually("all are charged", within: .seconds(90)) { try await node.client.balance(key).spent == 25 }
                let grown = node.program.residentKilobytes - memory
                #expect(grown < 160 << 10, "\(grown >> 10) MB of 192 that were answered")
                let whole = try await node.client.call("big", ["kilobytes": 8000], key: key)
                #expect(whole.outcome.text?.utf8.count == 8000 << 10)
                for connection in deaf { await connection.close() }
            }
        }

        // MARK: Shares

        @Test("F-SEC-16: above --max-connections a new one is told 503 and closed, and idle ones make room for it")
        func tooManyConnections() async throws {
            try await GateCluster.run(nodes: 1, ["--threads", "1", "--max-connections", "20"]) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                let descriptors = node.program.descriptors
                // One is the client's of the kit.
                let streams = try await concurrently(19) { _ in
                    let stream = try await RawConnection(port: node.port)
                    await stream.send(HostileClient.get("/mcp", headers: "Accept: text/event-stream\r\nX-API-Key: \(key)\r\n"))
                    try await stream.waitForAnswer()
                    return stream
                }
                let busy = streams.count { $0.statuses == [200] }
                #expect(busy >= 5, "a quarter of them may be streams of callers without a session of a key")
                var idle = streams.filter { $0.statuses != [200] }
                try await Task.sleep(for: .milliseconds(1200))
                let late = try await concurrently(30, workers: 30) { _ in
                    let connection = try await RawConnection(port: node.port)
                    await connection.send(HostileClient.get("/livez"))
                    try await connection.waitForAnswer()
                    return connection
                }
                #expect(late.allSatisfy { [[200], [503]].contains($0.statuses) }, "\(Set(late.map(\.statuses)))")
                for refused in late where refused.statuses == [503] {
                    #expect(refused.text.lowercased().contains("retry-after: 1"))
                    try await eventually("it is closed") { refused.isEnded }
                }
                idle += late
                for connection in idle { await connection.close() }
                try await eventually("nothing is left of them", within: .seconds(8)) { node.program.descriptors <= descriptors + busy + 1 }
                try await Task.sleep(for: .milliseconds(1200))
                #expect(await node.client.echo(key: key).isServed)
                for stream in streams { await stream.close() }
            }
        }

        @Test(
            "F-SEC-16: one address has so many connections on all loops of a node, others have theirs, and a place that was left can be taken"
        )
        func tooManyOfOneAddress() async throws {
            try await GateCluster.run(nodes: 1, ["--max-connections-per-address", "5"]) { cluster in
                let node = cluster.nodes[0]
                let open = { @Sendable (source: String) in
                    let connection = try await RawConnection(port: node.port, from: source)
                    await connection.send(HostileClient.get("/livez"))
                    try await connection.waitForAnswer()
                    return connection
                }
                let own = try await concurrently(5) { _ in try await open("127.0.0.2") }
                #expect(own.allSatisfy { $0.statuses == [200] })
                let sixth = try await open("127.0.0.2")
                #expect(sixth.statuses == [429] && sixth.text.contains("etry-"), "\(sixth.text)")
                #expect(try await open("127.0.0.3").statuses == [200])
                await own[0].close()
                try await eventually("there is room again") { try await open("127.0.0.2").statuses == [200] }
                for connection in own { await connection.close() }
            }
        }

        @Test("F-MCP-03: a key that opens a thousand sessions ends none of another key's")
        func oneKeyWithAllSessions() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let greedy = try await cluster[0].createKey(), modest = try await cluster[0].createKey()
                let id = try #require(try await cluster[0].openSession(key: modest))
                _ = try await concurrently(1000) { turn in try await cluster[turn].openSession(key: greedy) }
                try await Task.sleep(for: .milliseconds(1100))
                for node in cluster.clients {
                    #expect(try await node.rpc("ping", [:], key: modest, headers: [("Mcp-Session-Id", id)]).status == 200)
                }
            }
        }

        @Test("X-13: a session that a key has opened, its streams with it, is nobody else's who has heard of its id")
        func foreignSession() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let owner = try await cluster[0].createKey(), other = try await cluster[0].createKey()
                let id = try #require(try await cluster[0].openSession(key: owner))
                let session: GateClient.Headers = [("Mcp-Session-Id", id)]
                for node in cluster.nodes {
                    for proof in ["", "X-API-Key: \(other)\r\n", "X-API-Key: \(owner)0\r\n"] {
                        let stream = try await RawConnection(port: node.port)
                        await stream.send(
                            HostileClient.get("/mcp", headers: "Accept: text/event-stream\r\nMcp-Session-Id: \(id)\r\n\(proof)"))
                        try await stream.waitForAnswer()
                        #expect(stream.statuses == [404], "\(stream.text)")
                        await stream.close()
                    }
                    for key in [nil, other] {
                        let proof: GateClient.Headers = key.map { [("X-API-Key", $0)] } ?? []
                        #expect(try await node.client.send("DELETE", "/mcp", headers: session + proof).status == 404)
                    }
                    let own = try await RawConnection(port: node.port)
                    await own.send(
                        HostileClient.get("/mcp", headers: "Accept: text/event-stream\r\nMcp-Session-Id: \(id)\r\nX-API-Key: \(owner)\r\n"))
                    try await own.waitForAnswer()
                    #expect(own.statuses == [200])
                    #expect(try await node.client.rpc("ping", [:], key: owner, headers: session).status == 200)
                    await own.close()
                }
            }
        }

        // MARK: Names and logs

        @Test("F-ACL-01: a name that the server has not listed is refused and costs nothing, however much it looks like one that it has")
        func variants() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let key = try await cluster[0].createKey(credits: 10, ["deniedTools": ["echo"]])
                let names = [
                    "Echo", "ECHO", "echo ", " echo", "echo\u{0}", "echo\u{200b}", "\u{ff45}cho", "echo\u{301}", "./echo", "echo\n",
                    "no_such",
                ]
                for (turn, name) in names.enumerated() {
                    let response = try await cluster[turn].call(name, ["text": "x"], key: key)
                    #expect(response.outcome == .failed(code: -32602), "\(name.debugDescription): \(response.text)")
                }
                #expect(await cluster[0].echo(key: key).word == "tool_denied")
                #expect(try await cluster[1].balance(key).credits == 10)
                #expect(try await cluster[0].usage(of: key).allSatisfy { $0.credits == 0 })
            }
        }

        @Test("F-LOG-04: nobody without a key makes the gate write a line a request, however it is asked")
        func floodOfLines() async throws {
            try await GateCluster.run(nodes: 1, ["--threads", "1", "--log-level", "info", "--shadow"]) { cluster in
                let node = cluster.nodes[0]
                let before = node.log.split(separator: "\n").count
                let start = ContinuousClock.now
                _ = try await concurrently(600, workers: 32) { turn in
                    let id: GateClient.Headers = [("X-Request-Id", String(repeating: "r", count: 128))]
                    if turn % 2 == 0 { return try await node.client.call("echo", ["text": "x"], key: nil, headers: id).status }
                    return try await node.client.call("echo", ["text": "x"], key: "pg_made_up_\(turn)", headers: id).status
                }
                let seconds = Int((ContinuousClock.now - start) / .seconds(1)) + 2
                try await Task.sleep(for: .milliseconds(1200))
                let lines = node.log.split(separator: "\n").count - before
                #expect(lines <= 10 * seconds + 5, "\(lines) lines in \(seconds) s")
            }
        }
    }
}

/// A text that is costly to compare, in one place of a request.
struct UnicodeBomb: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let bytes: [UInt8]

    /// In the body, where there is room for a megabyte.
    /// - Parameter places: how often the body has the text.
    private init(_ description: String, places: Int = 1, body: (String) -> String) {
        let body = body(HostileClient.unicodeBomb(bytes: 1_000_000 / places))
        precondition(body.utf8.count < 1 << 20, "a body that is too large is refused unread, and attacks nothing")
        (testDescription, bytes) = (description, HostileClient.post(body))
    }

    /// In a field of the head, where there are 30 kilobytes.
    private init(_ description: String, field: String, body: String = HostileClient.request("ping")) {
        let bomb = HostileClient.unicodeBomb(bytes: 30_000)
        (testDescription, bytes) = (description, HostileClient.post(body, headers: "\(field)\(bomb)\r\n"))
    }

    private static let call = HostileClient.request("tools/call", ["name": "echo", "arguments": ["text": "x"]])

    static let all = [
        UnicodeBomb("tool name") { HostileClient.request("tools/call", ["name": .string($0)]) },
        UnicodeBomb("tool name in a batch", places: 2) {
            HostileClient.request("tools/call_batch", ["calls": [["name": .string($0)], ["name": .string($0 + "x")]]])
        },
        UnicodeBomb("method") { HostileClient.request($0) },
        UnicodeBomb("id") { HostileClient.request("ping", id: .string($0)) },
        UnicodeBomb("version of a handshake") { HostileClient.request("initialize", ["protocolVersion": .string($0)]) },
        UnicodeBomb("declared version") {
            HostileClient.request("tools/list", ["_meta": ["io.modelcontextprotocol/protocolVersion": .string($0)]])
        },
        UnicodeBomb("progress token") { HostileClient.request("tools/list", ["_meta": ["progressToken": .string($0)]]) },
        UnicodeBomb("cancelled request") { HostileClient.request("notifications/cancelled", ["requestId": .string($0)]) },
        // As text: a dictionary of ours would take as long over it as one of theirs.
        UnicodeBomb("name of a member") { #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"\#($0)":1}}"# },
        UnicodeBomb("names of two members", places: 2) {
            #"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"\#($0)":1,"\#($0)x":2}}"#
        },
        UnicodeBomb("cursor") { HostileClient.request("tools/list", ["cursor": .string($0)]) },
        UnicodeBomb("arguments") { #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"\#($0)":1}}}"# },
        UnicodeBomb("uri") { HostileClient.request("resources/read", ["uri": .string($0)]) },
        UnicodeBomb("API key", field: "X-API-Key: ", body: call), UnicodeBomb("bearer token", field: "Authorization: Bearer ", body: call),
        UnicodeBomb("session id", field: "Mcp-Session-Id: "), UnicodeBomb("session id with our prefix", field: "Mcp-Session-Id: mcp_sess_"),
        UnicodeBomb("origin", field: "Origin: https://"), UnicodeBomb("revision", field: "MCP-Protocol-Version: "),
        UnicodeBomb("idempotency key", field: "X-Idempotency-Key: ", body: call), UnicodeBomb("request id", field: "X-Request-Id: "),
        UnicodeBomb("forwarded address", field: "X-Forwarded-For: "), UnicodeBomb("media type", field: "Accept: "),
        UnicodeBomb("a field that nobody knows", field: "X-Unheard: "),
        page("admin key", "/keys", "X-Admin-Key: "), page("key of a page", "/balance", "X-API-Key: "),
        page("origin of a page", "/health", "Origin: "),
        page("cookies", "/health", "Cookie: "),
    ]

    private static func page(_ description: String, _ path: String, _ field: String) -> UnicodeBomb {
        UnicodeBomb(
            testDescription: description, bytes: HostileClient.get(path, headers: "\(field)\(HostileClient.unicodeBomb(bytes: 30_000))\r\n")
        )
    }

    private init(testDescription: String, bytes: [UInt8]) {
        (self.testDescription, self.bytes) = (testDescription, bytes)
    }
}

/// What is sent first, and what behind it without end.
struct Pipelined: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let first: [UInt8]
    let rest: [UInt8]
    /// It is no request, and is read and dropped for a while, so that its refusal can be read.
    var isDropped = false

    private static let ping = HostileClient.post(HostileClient.request("ping"))
    private static let list = HostileClient.post(HostileClient.request("tools/list"))

    static let all = [
        Pipelined(
            testDescription: "behind a stream", first: HostileClient.get("/mcp", headers: "Accept: text/event-stream\r\n"), rest: ping),
        Pipelined(
            testDescription: "behind unread pages", first: HostileClient.get("/openapi.json"), rest: HostileClient.get("/openapi.json")),
        Pipelined(testDescription: "behind unread pings", first: ping, rest: ping),
        Pipelined(testDescription: "behind unread lists", first: list, rest: list),
        Pipelined(
            testDescription: "behind a page, no request at all", first: HostileClient.get("/openapi.json"),
            rest: [UInt8](repeating: 65, count: 65_536), isDropped: true),
    ]
}
