// What is for a session goes to one of its streams, and a stream that broke gets what is its own.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Several streams of a session")
    struct StreamTurnTests {
        private static let listChanged = "tools/list_changed"

        @Test(
            "F-MCP-21: of a session's streams on two nodes one gets each message; one that is resumed gets what was given to it, and nothing that another one has got"
        )
        func turns() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let session = try await cluster[0].openSession(key: key)
                let uris = (0..<12).map { "test://\($0)." }
                for uri in uris {
                    let answer = try await cluster[0].rpc(
                        "resources/subscribe", ["uri": .string(uri)], key: key, headers: [("Mcp-Session-Id", session)])
                    #expect(answer.json["result"] != nil, "\(answer.text)")
                }
                func touch(_ range: Range<Int>) async throws {
                    for uri in uris[range] { _ = try await cluster[0].call("touch", ["text": .string(uri)], key: key) }
                }
                func open(_ node: Int, after: String? = nil) async throws -> LiveStream {
                    try await LiveStream(on: cluster.nodes[node], session: session, key: key, after: after)
                }
                func heard(_ stream: LiveStream) -> [String] { uris.flatMap { Array(repeating: $0, count: stream.updates(of: $0)) } }
                let first = try await open(0)
                #expect(try await first.firstEvent() == session)
                try await touch(0..<2)
                try await eventually("the first stream has them", within: .seconds(20)) { heard(first) == Array(uris[0..<2]) }
                await first.close()
                let second = try await open(1)
                #expect(try await second.firstEvent() == session)
                try await touch(2..<4)
                try await eventually("the second stream has them", within: .seconds(20)) { heard(second) == Array(uris[2..<4]) }
                let resumed = try await open(1, after: first.ids[0])
                try await eventually("what was its own", within: .seconds(20)) { heard(resumed).count >= 2 }
                #expect(heard(resumed) == Array(uris[0..<2]) && resumed.ids == Array(first.ids.dropFirst()), "\(resumed.text)")
                let third = try await open(0)
                #expect(try await third.firstEvent() == session)
                try await touch(4..<12)
                try await eventually("each of them", within: .seconds(20)) {
                    heard(second).count + heard(resumed).count + heard(third).count >= 2 + 2 + 8
                }
                try await Task.sleep(for: .milliseconds(500))
                #expect((heard(second) + heard(resumed) + heard(third)).sorted() == uris.sorted())
                // All places of the session are taken; one who comes back has his.
                let streams = [second, third, resumed]
                for (turn, stream) in streams.enumerated() {
                    let ids = stream.ids
                    let last = try #require(ids.last)
                    let next = try await open(turn % 2, after: last)
                    try await eventually("the connection before has ended", within: .seconds(20)) {
                        stream.isEnded && next.text.hasPrefix("HTTP/1.1 200 ")
                    }
                    #expect(next.ids.isEmpty, "\(next.text)")
                    let again = try await open(1 - turn % 2, after: ids[0])
                    try await eventually("all of it again", within: .seconds(20)) { again.ids.count == ids.count - 1 && next.isEnded }
                    #expect(again.ids == Array(ids.dropFirst()))
                    await again.close()
                }
            }
        }

        @Test(
            "F-MCP-21: that a list has changed is told on one stream of each session, however many nodes hear it; a stream that was broken then is told when it is resumed, once, on any node"
        )
        func news() async throws {
            let server = try await ScriptedUpstream(flags: ["sessionless"])
            try await GateCluster.run(nodes: 2, ["--threads", "2"], upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let sessions = [try await cluster[0].openSession(key: key), try await cluster[1].openSession(key: key)]
                let guest = try await cluster[0].openSession()
                func open(_ node: Int, _ session: String, after: String? = nil) async throws -> LiveStream {
                    try await LiveStream(on: cluster.nodes[node], session: session, key: session == guest ? nil : key, after: after)
                }
                func count(_ streams: [LiveStream]) -> Int {
                    streams.map { $0.text.components(separatedBy: Self.listChanged).count - 1 }.reduce(0, +)
                }
                func change() async throws { _ = try await cluster[0].call("change", key: key) }
                try await eventually("both nodes listen to the server", within: .seconds(20)) {
                    server.requests.count { $0["verb"] == "GET" } >= 2
                }
                var streams: [[LiveStream]] = []
                for session in sessions + [guest] {
                    var own: [LiveStream] = []
                    for node in [0, 1, 1] {
                        let stream = try await open(node, session)
                        #expect(try await stream.firstEvent() == session)
                        own.append(stream)
                    }
                    streams.append(own)
                }
                for turn in 1...3 {
                    try await change()
                    try await eventually("each session is told", within: .seconds(20)) { streams.allSatisfy { count($0) >= turn } }
                    try await Task.sleep(for: .milliseconds(1300))
                    #expect(streams.map(count) == [turn, turn, turn])
                }
                // A server that says it without end is told of now and then.
                let start = ContinuousClock.now
                for _ in 0..<40 { try await change() }
                try await Task.sleep(for: .milliseconds(600))
                let most = 3 + 2 * (2 + Int((ContinuousClock.now - start) / .milliseconds(250)))
                #expect(streams.map(count).allSatisfy { (4...min(most, 43)).contains($0) }, "\(streams.map(count)), \(most)")
                try await Task.sleep(for: .milliseconds(1300))
                for stream in streams.joined() { await stream.close() }
                // One stream of a session that breaks, and is resumed on both nodes.
                let only = try await open(0, sessions[0])
                #expect(try await only.firstEvent() == sessions[0])
                let place = try #require(only.ids.last)
                await only.close()
                for _ in 0..<2 {
                    try await change()
                    try await Task.sleep(for: .milliseconds(600))
                }
                let resumed = try await open(1, sessions[0], after: place)
                try await eventually("what it has missed", within: .seconds(20)) { count([resumed]) == 1 }
                let next = try #require(resumed.ids.last)
                #expect(next != place && !resumed.text.contains("notifications/initialized"), "\(resumed.text)")
                await resumed.close()
                for node in 0...1 {
                    let again = try await open(node, sessions[0], after: next)
                    let before = try await open(1 - node, sessions[0])
                    #expect(try await before.firstEvent() == sessions[0])
                    try await Task.sleep(for: .milliseconds(300))
                    #expect(count([again, before]) == 0, "\(again.text) \(before.text)")
                    for stream in [again, before] { await stream.close() }
                }
                // What has been lost on the way is told again to whoever has not seen it.
                let lost = try await open(0, sessions[0], after: place)
                try await eventually("again", within: .seconds(20)) { count([lost]) == 1 }
                await lost.close()
                let told = try await cluster.redis.command("KEYS", "*:mail:told:*").split(whereSeparator: \.isNewline)
                #expect(told.count == 3, "nothing is kept of a session that did not listen: \(told)")
            }
        }

        @Test("F-MCP-21: each change of a list reaches sessions on every node, in whatever order the nodes hear of it, and of other lists")
        func order() async throws {
            let server = try await ScriptedUpstream(flags: ["sessionless"])
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                try await eventually("both nodes listen to the server", within: .seconds(20)) {
                    server.requests.count { $0["verb"] == "GET" } >= 2
                }
                /// Streams of sessions of their own, one a node.
                func open() async throws -> [LiveStream] {
                    var streams: [LiveStream] = []
                    for node in 0...1 {
                        let session = try await cluster[node].openSession(key: key)
                        streams.append(try await LiveStream(on: cluster.nodes[node], session: session, key: key))
                        #expect(try await streams[node].firstEvent() == session)
                    }
                    return streams
                }
                /// Has the server say it on one of the nodes' streams alone, some milliseconds after what it has said before.
                func change(_ list: String, on stream: Int, after milliseconds: Int = 60) async throws {
                    try await Task.sleep(for: .milliseconds(milliseconds))
                    _ = try await cluster[0].call("change", ["list": .string(list), "stream": .int(stream)], key: key)
                }
                func count(_ list: String, _ stream: LiveStream) -> Int {
                    stream.text.components(separatedBy: "notifications/\(list)/list_changed").count - 1
                }
                for first in 0...1 {
                    let streams = try await open()
                    try await change("tools", on: first, after: 1300)
                    try await change("tools", on: 1 - first)
                    try await eventually("both hear of the first change", within: .seconds(20)) {
                        streams.allSatisfy { count("tools", $0) == 1 }
                    }
                    try await change("tools", on: 1 - first, after: 400)
                    try await change("tools", on: first)
                    try await eventually("both hear of the second change", within: .seconds(20)) {
                        streams.allSatisfy { count("tools", $0) >= 2 }
                    }
                    for stream in streams { await stream.close() }
                }
                let streams = try await open()
                for (turn, (list, node)) in [("tools", 0), ("prompts", 1), ("tools", 1), ("prompts", 0)].enumerated() {
                    try await change(list, on: node, after: turn == 0 ? 1300 : 60)
                }
                try await eventually("both hear of both", within: .seconds(20)) {
                    streams.allSatisfy { count("tools", $0) >= 1 && count("prompts", $0) >= 1 }
                }
                for stream in streams { await stream.close() }
            }
        }
    }
}
