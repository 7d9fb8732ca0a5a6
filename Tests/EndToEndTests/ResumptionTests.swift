// A call's stream whose connection breaks: its client comes back on any node, and has lost nothing and pays once.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Streams of calls that break")
    struct ResumptionTests {
        /// A call of `slow`, whose progress is numbered.
        private static func slow(_ steps: Int, seconds: Double, kilobytes: Int = 0) -> String {
            #"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"slow","arguments":{"seconds":\#(seconds),"steps":\#(steps),"kilobytes":\#(kilobytes)},"_meta":{"progressToken":"t"}}}"#
        }

        @Test(
            "F-MCP-19: a call goes on when its connection breaks; its client resumes on any node, again and again, gets each step and the answer once, and pays once",
            arguments: ["stdio", "http"])
        func progress(_ transport: String) async throws {
            let server = try await AskingServer(.handshakeEra(), over: transport)
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(key: key)
                let steps = 30
                let call = try await OpenCall(on: cluster.nodes[0], Self.slow(steps, seconds: 3), session: session, key: key)
                try await eventually("the first steps", within: .seconds(90)) { call.events.count >= 3 }
                await call.close()
                var (heard, turn) = (call.events, 0)
                while heard.last?.message["result"] == nil, turn < 20 {
                    turn += 1
                    let next = try await EndToEndTests.LiveStream(
                        on: cluster.nodes[turn % 2], session: session, key: key, after: heard.last?.id)
                    // The third one stays to the end.
                    try await eventually("more of them", within: .seconds(90)) { next.isEnded || turn < 3 && next.events.count >= 3 }
                    await next.close()
                    heard += next.events
                }
                #expect(heard.compactMap(\.step) == Array(1...steps), "\(heard.map(\.message.text))")
                #expect(heard.allSatisfy { $0.message["params"].map { $0["progressToken"] == "t" } ?? true })
                #expect(heard.count == steps + 1 && Set(heard.compactMap(\.id)).count == heard.count)
                #expect(heard.last?.message["id"] == "mine" && heard.last?.message["result"]?["content"]?[0]?["text"] == "slow")
                #expect(try await cluster[1].balance(key).spent == 1)
                // What is over can be asked for again while it is kept, from wherever its client stood.
                let again = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: session, key: key, after: heard[steps - 2].id)
                try await eventually("the end once more", within: .seconds(90)) { again.isEnded }
                #expect(again.events.map(\.id) == heard.suffix(2).map(\.id), "\(again.text)")
                #expect(try await cluster[1].balance(key).spent == 1)
            }
        }

        @Test(
            "A large answer goes through the store in pieces, and is resumed whole and again; what one key reads, and leaves there, is bounded over all nodes"
        )
        func large() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(key: key)
                func broken(_ kilobytes: Int, _ key: String, in session: String) async throws -> String {
                    let call = try await OpenCall(
                        on: cluster.nodes[0], Self.slow(2, seconds: 1, kilobytes: kilobytes), session: session, key: key)
                    try await eventually("a step", within: .seconds(90)) { !call.events.isEmpty }
                    await call.close()
                    return try #require(call.events.first?.id)
                }
                func resumed(_ id: String, _ key: String, in session: String) async throws -> String {
                    try await EndToEndTests.LiveStream.resumed(on: cluster.nodes[1], session: session, key: key, after: id)
                }
                let id = try await broken(3000, key, in: session)
                for _ in 0..<2 {
                    let text = try await resumed(id, key, in: session)
                    let copies = text.contains("structuredContent") ? 2 : 1
                    #expect(text.utf8.count { $0 == UInt8(ascii: "~") } == copies * 3000 << 10)
                    #expect(text.hasSuffix("\r\n\n\n\r\n0\r\n\r\n"), "\(text.suffix(60))")
                }
                let mail = try await cluster.redis.command("KEYS", "*:mail:post_*")
                #expect(try await (Int(cluster.redis.command("XLEN", mail)) ?? 0) > 10)
                // The share of this period and of the next is used up: the key's, or that of all.
                func useUp(_ way: String, ofAll: Bool = false, _ bytes: Int = 64 << 20) async throws {
                    let name = try #require(
                        try await cluster.redis.command("KEYS", "*:mail:share:\(way):*").split(whereSeparator: \.isNewline)
                            .first { $0.contains(":all:") == ofAll })
                    let colon = try #require(name.lastIndex(of: ":"))
                    let period = try #require(Int(name[name.index(after: colon)...]))
                    for next in 0...2 {
                        try await cluster.redis.command("HINCRBY", "\(name[...colon])\(period + next)", "bytes", "\(bytes)")
                    }
                }
                try await useUp("left")
                let small = try await broken(0, key, in: session)
                let refused = try await resumed(small, key, in: session)
                #expect(refused.contains("no room to keep") && !refused.contains("slow"), "\(refused)")
                try await useUp("read")
                let tooMuch = try await resumed(small, key, in: session)
                #expect(tooMuch.hasPrefix("HTTP/1.1 429 ") && tooMuch.lowercased().contains("retry-after: "), "\(tooMuch.prefix(400))")
                #expect(try await cluster[1].balance(key).spent == 2)
                // What others have left takes the room for small answers from nobody.
                try await useUp("left", ofAll: true, 1 << 30)
                let other = try await cluster[0].createKey(credits: 10)
                let own = try await cluster[0].openSession(key: other)
                #expect(try await resumed(broken(0, other, in: own), other, in: own).contains("slow"))
                #expect(try await resumed(broken(300, other, in: own), other, in: own).contains("no room to keep"))
            }
        }

        @Test("A key that is suspended resumes nothing, on any node; when it may act again its stream is still there")
        func suspended() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(key: key)
                let call = try await OpenCall(on: cluster.nodes[0], Self.slow(4, seconds: 2), session: session, key: key)
                try await eventually("a step", within: .seconds(90)) { !call.events.isEmpty }
                await call.close()
                let id = try #require(call.events.first?.id)
                try await cluster[0].order("/keys/suspend", ["key": .string(key)])
                for node in cluster.nodes {
                    let stream = try await EndToEndTests.LiveStream(on: node, session: session, key: key, after: id)
                    try await eventually("a refusal", within: .seconds(90)) { stream.text.contains("requestId") }
                    #expect(stream.text.hasPrefix("HTTP/1.1 403 ") && stream.events.isEmpty, "\(stream.text)")
                    await stream.close()
                }
                try await cluster[0].order("/keys/resume", ["key": .string(key)])
                let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key, after: id)
                try await eventually("the answer", within: .seconds(90)) { stream.isEnded }
                #expect(stream.events.last?.message["result"] != nil, "\(stream.text)")
            }
        }

        @Test("A question that its client was not there for is asked when it comes back on another node, once, and answered from there")
        func questions() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(asking: key)
                let body =
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"elicit","arguments":{"text":"who","times":2}}}"#
                let call = try await OpenCall(on: cluster.nodes[0], body, session: session, key: key)
                let first = try await call.question()
                await call.close()
                func answer(_ id: String, _ name: String) async throws {
                    let message = #"{"jsonrpc":"2.0","id":"\#(id)","result":{"action":"accept","content":{"name":"\#(name)"}}}"#
                    #expect(try await cluster[1].reply(message, session: session, key: key) == 202)
                }
                try await answer(first, "ada")
                let rest = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key, after: call.events.last?.id)
                try await eventually("the second question", within: .seconds(90)) { rest.events.count == 1 }
                let second = try #require(rest.events.first?.message["id"]?.string)
                #expect(second != first)
                try await answer(second, "bob")
                try await eventually("the answer", within: .seconds(90)) { rest.isEnded }
                #expect(rest.events.count == 2 && rest.text.contains("user: ada bob"), "\(rest.text)")
                #expect(try await cluster[0].balance(key).spent == 1)
            }
        }

        @Test(
            "The id of a stream is of no use with another key, in another session, or changed; and it does not end the stream of its owner")
        func strangers() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10) }
                let mine = try await cluster[0].openSession(key: keys[0])
                let call = try await OpenCall(on: cluster.nodes[0], Self.slow(10, seconds: 4), session: mine, key: keys[0])
                try await eventually("a step", within: .seconds(90)) { !call.events.isEmpty }
                let id = try #require(call.events.first?.id)
                let others = [
                    (try await cluster[0].openSession(key: keys[1]), keys[1]), (try await cluster[0].openSession(key: keys[0]), keys[0]),
                ]
                for (session, key) in others {
                    let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key, after: id)
                    try await eventually("a stream of its own", within: .seconds(90)) { !stream.events.isEmpty }
                    #expect(
                        stream.events.count == 1 && stream.events.first?.message["params"]?["sessionId"] == .string(session),
                        "\(stream.text)")
                    await stream.close()
                }
                let stolen = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: mine, key: keys[1], after: id)
                try await eventually("there is no such session", within: .seconds(90)) { stolen.text.hasPrefix("HTTP/1.1 404 ") }
                await stolen.close()
                let words = id.split(separator: ".").map(String.init)
                for place in [2, 3] {
                    var forged = words
                    forged[place] = String(forged[place].dropLast()) + (forged[place].hasSuffix("1") ? "2" : "1")
                    let stream = try await EndToEndTests.LiveStream(
                        on: cluster.nodes[1], session: mine, key: keys[0], after: forged.joined(separator: "."))
                    try await eventually("a stream of its own", within: .seconds(90)) { !stream.events.isEmpty }
                    #expect(stream.events.count == 1 && stream.events.first?.step == nil, "\(forged): \(stream.text)")
                    await stream.close()
                }
                try await eventually("its own client has all of it", within: .seconds(90)) { call.events.last?.message["result"] != nil }
                #expect(call.events.compactMap(\.step) == Array(1...10))
                await call.close()
            }
        }

        @Test(
            "What a client has not had of a call is there after its node has stopped; of a node that has died nothing is, and the client is told so"
        )
        func stoppedNode() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 3, ["--drain-seconds", "20"], upstream: server.upstream) { cluster in
                let key = try await cluster[2].createKey(credits: 10)
                let session = try await cluster[2].openSession(key: key)
                let wait = #"{"jsonrpc":"2.0","id":"late","method":"tools/call","params":{"name":"wait","arguments":{"seconds":19}}}"#
                let silent = try await OpenCall(
                    on: cluster.nodes[2], wait, session: session, key: key, more: "MCP-Protocol-Version: 2025-11-25\r\n")
                var ids: [String] = []
                for node in cluster.nodes.prefix(2) {
                    let call = try await OpenCall(on: node, Self.slow(10, seconds: 2), session: session, key: key)
                    try await eventually("a step", within: .seconds(90)) { !call.events.isEmpty }
                    await call.close()
                    ids.append(try #require(call.events.last?.id))
                }
                async let status = cluster.nodes[0].terminate(within: .seconds(90))
                try await cluster.nodes[1].kill9()
                #expect(try await status == 0)
                let first = try await EndToEndTests.LiveStream(on: cluster.nodes[2], session: session, key: key, after: ids[0])
                try await eventually("the rest of the call", within: .seconds(90)) { first.isEnded }
                #expect(first.events.last?.message["result"] != nil && first.events.last?.message["id"] == "mine", "\(first.text)")
                let second = try await EndToEndTests.LiveStream(on: cluster.nodes[2], session: session, key: key, after: ids[1])
                try await eventually("the client is told", within: .seconds(90)) { second.text.contains("HTTP/1.1 410") }
                await second.close()
                // Of a call that says nothing for long the client gets an id to come back with.
                try await eventually("an id", within: .seconds(90)) { silent.text.contains("id: post_") }
                let primed = try #require(silent.text.split(whereSeparator: \.isNewline).first { $0.hasPrefix("id: ") })
                await silent.close()
                let late = try await EndToEndTests.LiveStream(
                    on: cluster.nodes[2], session: session, key: key, after: String(primed.dropFirst(4)))
                try await eventually("its answer", within: .seconds(90)) { late.isEnded }
                #expect(
                    late.events.count == 1 && late.events.first?.message["id"] == "late" && late.text.contains("waited"), "\(late.text)")
                for node in cluster.nodes.prefix(2) { try await node.restart() }
            }
        }

        @Test(
            "The official client, of both lines, goes on with broken streams by itself, over two nodes: progress, questions and answers, and each call is charged once"
        )
        func official() async throws {
            let lines = [try await PythonEnvironment.handshakeEra(), try await .current()]
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                _ = try await concurrently(2) { line in
                    try await lines[line].expectAll("Clients/test_resuming.py", [key] + cluster.clients.map(\.address), count: 2)
                }
                #expect(try await cluster[1].balance(key).spent == 4)
            }
        }
    }
}

/// One event of a stream as a client has got it.
struct StreamedEvent {
    let id: String?
    let message: JSON

    /// The number of a notice of progress.
    var step: Int? { message["params"]?["progress"]?.int }

    /// The whole events of a chunked answer in which each event is a chunk of its own.
    static func all(in text: String) -> [StreamedEvent] {
        guard let body = text.firstRange(of: "\r\n\r\n").map({ text[$0.upperBound...] }), let end = body.ranges(of: "\n\n").last?.upperBound
        else {
            return []
        }
        var (events, id): ([StreamedEvent], String?) = ([], nil)
        for line in body[..<end].split(whereSeparator: \.isNewline) {
            if line.hasPrefix("id: ") { id = String(line.dropFirst(4)) }
            guard line.hasPrefix("data: "), let message = JSON(line.dropFirst(6).utf8) else { continue }
            events.append(StreamedEvent(id: id, message: message))
            id = nil
        }
        return events
    }
}

extension EndToEndTests.OpenCall {
    var events: [StreamedEvent] { StreamedEvent.all(in: text) }
}

extension EndToEndTests.LiveStream {
    var events: [StreamedEvent] { StreamedEvent.all(in: text) }

    /// Whether all has come that comes: the end of a stream, or a refusal.
    var isAnswered: Bool { isEnded || text.contains("requestId") }

    /// A call's stream after an event, as soon as nobody else has it at the same moment.
    static func taken(on node: ClusterNode, session: String, key: String, after: String?) async throws -> Self {
        while true {
            let stream = try await Self(on: node, session: session, key: key, after: after)
            try await eventually("a status", within: .seconds(90)) { stream.text.contains("\r\n") }
            guard stream.text.hasPrefix("HTTP/1.1 409 ") else { return stream }
            await stream.close()
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// All that it has to say, or why it has nothing to say.
    static func resumed(on node: ClusterNode, session: String, key: String, after: String?) async throws -> String {
        let stream = try await taken(on: node, session: session, key: key, after: after)
        try await eventually("its end, or a refusal", within: .seconds(90)) { stream.isAnswered }
        await stream.close()
        return stream.text
    }
}
