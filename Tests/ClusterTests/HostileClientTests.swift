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
                async let bombs = concurrently(bomb.atOnce) { _ in
                    let start = clock.now
                    let answer = try await RawConnection.exchange(bomb.bytes, port: node.port, within: .seconds(20))
                    return (isAnswered: answer.isAnswered, statuses: answer.statuses, took: clock.now - start)
                }
                var slowest = Duration.zero, served = 0
                for _ in 0..<10 {
                    let response = try await node.client.call("echo", ["text": "hello"], key: key)
                    served += response.outcome.isServed ? 1 : 0
                    slowest = max(slowest, response.elapsed)
                }
                // On a machine that others use, seconds may pass in which Redis is not asked.
                #expect(served >= (Duration.patience == 1 ? 8 : 5), "a paying client beside it was served \(served) times of 10")
                #expect(slowest < .seconds(4).patiently, "a paying client beside it waited \(slowest)")
                for answer in try await bombs {
                    #expect(answer.isAnswered && answer.took < .seconds(6).patiently, "answered after \(answer.took)")
                    #expect(answer.statuses.allSatisfy { (200..<500).contains($0) && ![413, 431].contains($0) }, "\(answer.statuses)")
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
                #expect(Tally(good).wereServed, "\(Tally(good))")
            }
        }

        @Test(
            "X34: 500 bodies of a megabyte that never end stay below 128 MB; a paying client beside them is served",
            arguments: [("/mcp", ""), ("/keys", ""), ("/mcp", "X-API-Key: pg_made_up\r\n")])
        func heldBodies(_ path: String, _ headers: String) async throws {
            DescriptorLimit.raise()
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                for _ in 0..<20 { #expect(await node.client.echo(key: key).isServed) }
                let memory = node.program.residentKilobytes
                let good = try await underLoad(workers: 2, pause: .milliseconds(20), { _ in await node.client.echo(key: key) }) {
                    let held = try await HostileClient.holdBodies(500, of: 1 << 20, path: path, headers: headers, port: node.port)
                    let grown = node.program.residentKilobytes - memory
                    #expect(grown < 128 << 10, "\(grown >> 10) MB")
                    let statuses = Set(held.flatMap(\.statuses))
                    #expect(statuses.isSubset(of: path == "/mcp" ? [503] : [401, 503]), "\(statuses)")
                    for connection in held { await connection.close() }
                }
                #expect(Tally(good).wereServed, "\(Tally(good))")
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
                // What is held for a call counts as spent from its beginning; its event is there when it has been settled.
                try await eventually("all are charged", within: .seconds(90), every: .milliseconds(100)) {
                    try await node.client.usage(of: key).count == 25
                }
                let grown = node.program.residentKilobytes - memory
                #expect(grown < 160 << 10, "\(grown >> 10) MB of 192 that were answered")
                let whole = try await node.client.call("big", ["kilobytes": 8000], key: key)
                #expect(whole.outcome.text?.utf8.count == 8000 << 10)
                for connection in deaf { await connection.close() }
            }
        }

        // MARK: Shares

        @Test(
            "F-SEC-16: who names no number of connections an address keeps no program on its own machine out; who does, does",
            .enabled(if: DescriptorLimit.most >= 6000, "there are not enough descriptors"))
        func numberOfThisMachine() async throws {
            DescriptorLimit.raise()
            for (flags, refused) in [([], 0), (["--max-connections-per-address", "2500"], 40)] {
                try await GateCluster.run(nodes: 1, flags) { cluster in
                    let node = cluster.nodes[0]
                    let all = try await concurrently(2540, workers: 20) { _ in try await RawConnection(port: node.port, from: "127.0.0.2") }
                    try await eventually("those above are told so", within: .seconds(60)) {
                        all.count { $0.statuses == [429] } == refused
                    }
                    let more = try await RawConnection(port: node.port, from: "127.0.0.2")
                    await more.send(HostileClient.get("/livez"))
                    #expect(try await more.waitForAnswer(within: .seconds(60)) && more.statuses == [refused == 0 ? 200 : 429])
                    #expect(all.count { $0.statuses == [429] } == refused)
                    for connection in all + [more] { await connection.close() }
                }
            }
        }

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
                // What is refused lingers for a moment.
                try await eventually("no more are open than may be", within: .seconds(8)) { node.program.descriptors <= descriptors + 19 }
                #expect(late.contains { $0.statuses == [200] }, "idle ones make room")
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

        @Test("X-13: while the store does not answer a session's stream is nobody's, and its end is not told as what it is not")
        func sessionOfSilentStore() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let owner = try await cluster[0].createKey(), other = try await cluster[0].createKey()
                let id = try #require(try await cluster[0].openSession(key: owner))
                let session: GateClient.Headers = [("Mcp-Session-Id", id)]
                func listen(_ key: String, on node: ClusterNode) async throws -> [Int] {
                    let stream = try await RawConnection(port: node.port)
                    await stream.send(
                        HostileClient.get("/mcp", headers: "Accept: text/event-stream\r\nMcp-Session-Id: \(id)\r\nX-API-Key: \(key)\r\n"))
                    try await stream.waitForAnswer()
                    let statuses = stream.statuses
                    await stream.close()
                    return statuses
                }
                cluster.redis.pause()
                for node in cluster.nodes {
                    #expect(try await listen(other, on: node) == [503])
                    let end = try await node.client.send("DELETE", "/mcp", headers: session + [("X-API-Key", owner)])
                    #expect(end.status == 503, "\(end.status)")
                }
                cluster.redis.resume()
                try await eventually { try await listen(owner, on: cluster.nodes[1]) == [200] }
                #expect(try await listen(other, on: cluster.nodes[0]) == [404])
                try await eventually {
                    try await cluster[0].send("DELETE", "/mcp", headers: session + [("X-API-Key", owner)]).status != 503
                }
                #expect(try await cluster[1].send("DELETE", "/mcp", headers: session + [("X-API-Key", owner)]).status == 404)
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
