// Streams of calls that break, under attack: with many credentials, at the same moment, when nodes stop or die, behind many events.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Streams of calls that break, under attack")
    struct ResumptionFaultTests {
        /// A call of `slow`, whose progress is numbered.
        private static func slow(_ steps: Int, seconds: Double, kilobytes: Int = 0) -> String {
            #"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"slow","arguments":{"seconds":\#(seconds),"steps":\#(steps),"kilobytes":\#(kilobytes)},"_meta":{"progressToken":"t"}}}"#
        }

        /// Makes a call whose connection breaks after its first event. - Returns: the id of that.
        private static func broken(_ body: String, on node: ClusterNode, session: String, key: String) async throws -> String {
            let call = try await OpenCall(on: node, body, session: session, key: key)
            try await eventually("an event", within: .seconds(90)) { !call.events.isEmpty }
            await call.close()
            return try #require(call.events.first?.id)
        }

        @Test(
            "F-MCP-19: what a key may leave in the store it may leave once, with all of its tokens and with each of its secrets; and each session stays its own credential's"
        )
        func shares() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let tokens = try await concurrently(2) { _ in
                    try #require(try await cluster[0].order("/tokens", ["key": .string(key), "ttl": 600])["token"]?.string)
                }
                func outcome(_ credential: String) async throws -> String {
                    let session = try await cluster[0].openSession(key: credential)
                    let id = try await Self.broken(Self.slow(2, seconds: 1), on: cluster.nodes[0], session: session, key: credential)
                    return try await LiveStream.resumed(on: cluster.nodes[1], session: session, key: credential, after: id)
                }
                for credential in [key] + tokens { #expect(try await outcome(credential).contains("slow")) }
                let names = try await cluster.redis.command("KEYS", "*:mail:share:*").split(whereSeparator: \.isNewline)
                let shares = names.filter { !$0.contains(":all:") }.map { $0.split(separator: ":").suffix(3).dropLast() }
                #expect(Set(shares.map { $0.last }).count == 1 && Set(shares.map { $0.first }).count == 2, "\(names)")
                // All of it is used up, by any of them.
                for name in names where name.contains(":left:") && !name.contains(":all:") {
                    let colon = try #require(name.lastIndex(of: ":"))
                    let period = try #require(Int(name[name.index(after: colon)...]))
                    for next in 0...1 {
                        try await cluster.redis.command("HINCRBY", "\(name[...colon])\(period + next)", "bytes", "\(64 << 20)")
                    }
                }
                let newer = try #require(try await cluster[0].order("/keys/rotate", ["key": .string(key)])["newKey"]?.string)
                for credential in tokens + [newer] { #expect(try await outcome(credential).contains("no room to keep")) }
                let other = try await cluster[0].createKey(credits: 100)
                #expect(try await outcome(other).contains("slow"))
                let session = try await cluster[0].openSession(key: tokens[0])
                let stream = try await LiveStream(on: cluster.nodes[1], session: session, key: newer)
                try await eventually("there is no such session", within: .seconds(90)) { stream.text.hasPrefix("HTTP/1.1 404 ") }
                await stream.close()
            }
        }

        @Test(
            "F-MCP-19: of requests that resume a stream at the same moment on two nodes one is answered, the others are 409; a later one takes it over"
        )
        func sameMoment() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(key: key)
                let id = try await Self.broken(Self.slow(3, seconds: 1), on: cluster.nodes[0], session: session, key: key)
                try await eventually("it is paid", within: .seconds(90)) { try await cluster[1].balance(key).spent == 1 }
                // First its node has the answer, then the store.
                for turn in 0..<3 {
                    let streams = try await concurrently(10) { index in
                        let stream = try await LiveStream(on: cluster.nodes[index % 2], session: session, key: key, after: id)
                        try await eventually("an answer", within: .seconds(90)) { stream.isAnswered }
                        await stream.close()
                        return stream.text
                    }
                    let served = streams.filter { $0.hasPrefix("HTTP/1.1 200 ") }
                    let refused = streams.filter { $0.hasPrefix("HTTP/1.1 409 ") && $0.lowercased().contains("retry-after: 1\r\n") }
                    #expect(served.count == 1 && refused.count == 9, "turn \(turn): \(streams)")
                    #expect(served.allSatisfy { StreamedEvent.all(in: $0).last?.message["result"] != nil })
                    try await Task.sleep(for: .milliseconds(1100))
                }
                // A connection of which nobody knows that it is dead keeps its client from nothing.
                let first = try await Self.broken(Self.slow(30, seconds: 6), on: cluster.nodes[0], session: session, key: key)
                let before = try await LiveStream(on: cluster.nodes[0], session: session, key: key, after: first)
                try await eventually("it is read", within: .seconds(90)) { before.events.count >= 8 }
                let after = try await LiveStream.taken(on: cluster.nodes[1], session: session, key: key, after: first)
                try await eventually("the first has ended, the second has all", within: .seconds(90)) { before.isEnded && after.isEnded }
                #expect(after.events.compactMap(\.step) == Array(2...30) && after.events.last?.message["result"] != nil, "\(after.text)")
                #expect(before.events.last?.message["result"] == nil && before.text.hasSuffix("0\r\n\r\n"), "\(before.text)")
                // Who shows that he has got more is its client, also at the same moment.
                let steps = after.events
                for index in [3, 9, 15] {
                    let text = try await LiveStream.resumed(
                        on: cluster.nodes[index % 2], session: session, key: key, after: steps[index].id)
                    #expect(StreamedEvent.all(in: text).map(\.id) == steps[(index + 1)...].map(\.id))
                }
                #expect(try await cluster[1].balance(key).spent == 2)
            }
        }

        @Test("F-MCP-19: a question that is open is not pushed out of the store by the events after it")
        func openQuestion() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(asking: key)
                let steps = 600
                let body =
                    #"{"jsonrpc":"2.0","id":"mine","method":"tools/call","params":{"name":"chatter","arguments":{"text":"who","steps":\#(steps)},"_meta":{"progressToken":"t"}}}"#
                let id = try await Self.broken(body, on: cluster.nodes[0], session: session, key: key)
                func question(_ stream: LiveStream) -> String? {
                    stream.events.lazy.compactMap { $0.message["id"]?.string }.first { $0.hasPrefix("ask_") }
                }
                let first = try await LiveStream(on: cluster.nodes[1], session: session, key: key, after: id)
                try await eventually("the question goes through the store", within: .seconds(90)) { question(first) != nil }
                await first.close()
                try server.letGo()
                let mail = try await cluster.redis.command("KEYS", "*:mail:post_*")
                try await eventually("all that follows it, too", within: .seconds(90)) {
                    try await cluster.redis.command("XREVRANGE", mail, "+", "-", "COUNT", "1").contains("\"progress\":\(steps)")
                }
                #expect(try await Int(cluster.redis.command("XLEN", mail)) == 256, "as many as are kept")
                let second = try await LiveStream.taken(on: cluster.nodes[1], session: session, key: key, after: id)
                try await eventually("it is asked again", within: .seconds(90)) { question(second) != nil || second.isAnswered }
                let asked = try #require(question(second), "\(second.text.prefix(600))")
                let answer = #"{"jsonrpc":"2.0","id":"\#(asked)","result":{"action":"accept","content":{"name":"ada"}}}"#
                #expect(try await cluster[0].reply(answer, session: session, key: key) == 202)
                try await eventually("the answer", within: .seconds(90)) { second.isEnded }
                #expect(second.text.contains("user: ada"))
                #expect(second.events.compactMap(\.step).last == steps)
            }
        }

        @Test("F-MCP-19: of an answer that its node died over nothing is told; who asks for it, then and later, is told that it is gone")
        func diedWhileLeaving() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream, proxied: [0]) { cluster in
                let key = try await cluster[1].createKey(credits: 10)
                let session = try await cluster[1].openSession(key: key)
                // The fifth piece of the answer never reaches the store.
                try await cluster.proxy(0).set(.requests, .heldFrom("\r\n3-4\r\n"))
                let id = try await Self.broken(Self.slow(2, seconds: 1, kilobytes: 2000), on: cluster.nodes[0], session: session, key: key)
                let first = try await LiveStream(on: cluster.nodes[1], session: session, key: key, after: id)
                try await eventually("the node is at it", within: .seconds(90)) { try await cluster.proxy(0).holds("\r\n3-4\r\n") }
                let mail = try await cluster.redis.command("KEYS", "*:mail:post_*")
                let pieces = try await Int(cluster.redis.command("XLEN", mail))
                #expect(pieces == 6, "two steps, and four pieces of the answer")
                try await cluster.nodes[0].kill9()
                try await eventually("what was whole", within: .seconds(90)) { first.events.compactMap(\.step) == [2] }
                let last = first.events.last?.id
                for after in [last, id] {
                    let text = try await LiveStream.resumed(on: cluster.nodes[1], session: session, key: key, after: after)
                    // The event before it is told, where that is missing; then the stream ends, and is 410 when it is resumed.
                    let isGone = text.hasPrefix("HTTP/1.1 410 ")
                    #expect(after == last ? isGone : text.hasSuffix("0\r\n\r\n") && !text.contains("~"), "\(text.prefix(600))")
                }
                #expect(first.isEnded && first.text.hasSuffix("0\r\n\r\n") && !first.text.contains("~"), "\(first.text.prefix(600))")
            }
        }

        @Test("F-MCP-19: a node that stops leaves a large answer in the store to its end, however slow that is, within the drain time")
        func slowStore() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, ["--drain-seconds", "90"], upstream: server.upstream, proxied: [0]) { cluster in
                let key = try await cluster[1].createKey(credits: 10)
                let session = try await cluster[1].openSession(key: key)
                let size = 4500
                let id = try await Self.broken(
                    Self.slow(2, seconds: 1, kilobytes: size), on: cluster.nodes[0], session: session, key: key)
                try await eventually("it is paid", within: .seconds(90)) { try await cluster[1].balance(key).spent == 1 }
                try await cluster.proxy(0).set(.requests, .delayed(.milliseconds(150)))
                #expect(try await cluster.nodes[0].terminate(within: .seconds(90)) == 0)
                let text = try await LiveStream.resumed(on: cluster.nodes[1], session: session, key: key, after: id)
                let copies = text.contains("structuredContent") ? 2 : 1
                #expect(text.utf8.count { $0 == UInt8(ascii: "~") } == copies * size << 10, "\(text.prefix(600))")
                #expect(text.hasSuffix("\r\n\n\n\r\n0\r\n\r\n"))
            }
        }

        @Test("An answer that its client takes slowly while the node stops is written to its end, within the drain time")
        func slowReader() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            let flags = ["--drain-seconds", "240", "--max-response-bytes", "\(64 << 20)"]
            try await GateCluster.run(nodes: 1, flags, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let body = Self.slow(1, seconds: 0.1, kilobytes: 10_000)
                let connection = try await RawConnection(port: cluster.nodes[0].port, readsLate: true)
                await connection.send(
                    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nContent-Type: application/json\r\nX-API-Key: \(key)\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
                try await eventually("it is paid", within: .seconds(90)) { try await cluster[0].balance(key).spent == 1 }
                connection.readOnce()
                try await eventually("the answer has begun", within: .seconds(90)) { connection.count > 0 }
                async let status = cluster.nodes[0].terminate(within: .seconds(60))
                let (start, pace) = (ContinuousClock.now, Duration.milliseconds(4))
                var (isSlow, count) = (true, 0)
                while !connection.isEnded, ContinuousClock.now - start < .seconds(60).patiently {
                    connection.readOnce()
                    try await Task.sleep(for: isSlow ? pace : .microseconds(100))
                    // Slower than the node waits for who takes nothing.
                    isSlow = ContinuousClock.now - start < .seconds(12)
                    count = connection.count
                }
                #expect(try await status == 0)
                let head = String(decoding: connection.bytes.prefix(2000), as: UTF8.self)
                let length = try #require(head.firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) }, "\(head)")
                let headLength = try #require(head.firstRange(of: "\r\n\r\n").map { head[..<$0.upperBound].utf8.count })
                #expect(count == headLength + length && length > 20_000_000, "\(count) of \(headLength + length)")
            }
        }
    }
}
