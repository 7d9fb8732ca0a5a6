// What a node holds at servers for others when it is gone: another one goes on with it, or ends it.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("What a node leaves behind")
    struct TakeoverTests {
        private static let uri = "file:///one"

        /// A server that notes what is subscribed to, over each transport.
        private enum Server {
            case stdio(HostileServer)
            case http(ScriptedUpstream)

            init(over transport: String) async throws {
                self =
                    transport == "http" ? .http(try await ScriptedUpstream("subscribed_http_server.py")) : .stdio(try HostileServer.stdio())
            }

            var upstream: Upstream {
                switch self {
                case .stdio(let server): server.upstream
                case .http(let server): server.upstream
                }
            }

            /// How often it was asked this of a resource.
            func heard(_ method: String, _ uri: String) -> Int {
                switch self {
                case .stdio(let server): server.resources.count { $0 == "\(method) \(uri)" }
                case .http(let server): server.requests.count { $0["method"]?.string == method && $0["uri"]?.string == uri }
                }
            }
        }

        private func ask(_ method: String, _ uri: String, _ node: GateClient, key: String, session: String) async throws {
            let answer = try await node.rpc(method, ["uri": .string(uri)], key: key, headers: [("Mcp-Session-Id", session)])
            #expect(answer.json["result"] != nil, "\(answer.text)")
        }

        private func touch(_ uri: String, _ node: GateClient, key: String, session: String? = nil) async throws {
            let headers: GateClient.Headers = session.map { [("Mcp-Session-Id", $0)] } ?? []
            let answer = try await node.call("touch", ["text": .string(uri)], key: key, headers: headers)
            #expect(answer.outcome.isServed, "\(answer.text)")
        }

        @Test(
            "F-MCP-22: what a session has subscribed to goes on when the node that held it is killed: the session hears of it on the other node, once because something may have been missed, and then of each change; and so again when that one is killed and the first is back",
            arguments: ["stdio", "http"], [false, true])
        func killed(_ transport: String, canBeAsked: Bool) async throws {
            let server = try await Server(over: transport)
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session =
                    canBeAsked ? try await cluster[0].openSession(asking: key) : try await cluster[0].openSession(key: key)
                try await ask("resources/subscribe", Self.uri, cluster[0], key: key, session: session)
                let first = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key)
                #expect(try await first.firstEvent() == session)
                try await touch(Self.uri, cluster[0], key: key, session: session)
                try await eventually("it hears of it over the other node", within: .seconds(10)) { first.updates(of: Self.uri) == 1 }
                try await cluster.nodes[0].kill9()
                try await eventually("another node has taken it over", within: .seconds(20)) { first.updates(of: Self.uri) == 2 }
                #expect(server.heard("resources/subscribe", Self.uri) >= 2)
                try await touch(Self.uri, cluster[1], key: key, session: session)
                try await eventually("and tells of changes", within: .seconds(10)) { first.updates(of: Self.uri) == 3 }

                try await cluster.nodes[0].restart()
                try await cluster.nodes[1].kill9()
                let second = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: session, key: key, after: first.ids.last)
                try await eventually("the first has it again", within: .seconds(20)) { second.updates(of: Self.uri) == 1 }
                try await touch(Self.uri, cluster[0], key: key, session: session)
                try await eventually("and tells of changes, too", within: .seconds(10)) { second.updates(of: Self.uri) == 2 }
                await first.close()
                await second.close()
            }
        }

        @Test(
            "F-MCP-22: a lone node that is stopped and started again goes on with what sessions have subscribed to",
            arguments: [true, false])
        func restarted(_ isOrderly: Bool) async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await cluster[0].openSession(key: key)
                try await ask("resources/subscribe", Self.uri, cluster[0], key: key, session: session)
                if isOrderly {
                    #expect(try await cluster.nodes[0].terminate() == 0)
                } else {
                    try await cluster.nodes[0].kill9()
                }
                try await cluster.nodes[0].restart()
                let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: session, key: key)
                try await eventually("it is held again", within: .seconds(20)) { stream.updates(of: Self.uri) == 1 }
                try await touch(Self.uri, cluster[0], key: key)
                try await eventually("and told of", within: .seconds(10)) { stream.updates(of: Self.uri) == 2 }
                await stream.close()
            }
        }

        @Test(
            "F-MCP-22: a node that was taken for dead and lives gives up what another one has taken over, and works on",
            arguments: ["stdio", "http"])
        func paused(_ transport: String) async throws {
            let server = try await Server(over: transport)
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await cluster[0].openSession(key: key)
                try await ask("resources/subscribe", Self.uri, cluster[0], key: key, session: session)
                let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key)
                #expect(try await stream.firstEvent() == session)
                cluster.nodes[0].pause()
                try await eventually("the other node has it", within: .seconds(20)) { stream.updates(of: Self.uri) == 1 }
                cluster.nodes[0].wake()
                try await eventually("the first has given it up", within: .seconds(20)) {
                    server.heard("resources/unsubscribe", Self.uri) >= 1
                }
                try await eventually("and serves calls", within: .seconds(20)) {
                    try await cluster[0].call("echo", ["text": "x"], key: key).outcome.isServed
                }
                try await touch(Self.uri, cluster[0], key: key)
                try await touch(Self.uri, cluster[1], key: key)
                // A process tells its own node of it, and a server over HTTP whoever listens to it.
                let expected = transport == "http" ? 3 : 2
                try await eventually("it is told of changes by one node", within: .seconds(10)) { stream.updates(of: Self.uri) >= expected }
                try await ask("resources/unsubscribe", Self.uri, cluster[0], key: key, session: session)
                #expect(stream.updates(of: Self.uri) == expected, "\(stream.text)")
                await stream.close()
            }
        }

        @Test("F-MCP-22: nobody goes on with what a key had subscribed to that was revoked meanwhile, or a session that was ended")
        func revoked() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                let wanted = [("file:///kept", keys[0]), ("file:///revoked", keys[1]), ("file:///ended", keys[0])]
                var sessions: [String] = []
                for (uri, key) in wanted {
                    sessions.append(try await cluster[0].openSession(key: key))
                    try await ask("resources/subscribe", uri, cluster[0], key: key, session: sessions[sessions.count - 1])
                }
                try await cluster.nodes[0].kill9()
                try await cluster[1].order("/keys/revoke", ["key": .string(keys[1])])
                #expect(try await cluster[1].endSession(sessions[2], key: keys[0]).status == 200)
                try await eventually("one is held again", within: .seconds(20)) {
                    server.resources.count { $0 == "resources/subscribe file:///kept" } == 2
                }
                for (uri, _) in wanted.dropFirst() {
                    #expect(server.resources.count { $0 == "resources/subscribe \(uri)" } == 1, "\(server.resources)")
                }
            }
        }

        @Test(
            "F-MCP-22: resources/unsubscribe over another node ends it where it is held, also while no feed tells of it; who subscribes over another node is told from there, once",
            arguments: ["stdio", "http"])
        func elsewhere(_ transport: String) async throws {
            let server = try await Server(over: transport)
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await cluster[0].openSession(key: key)
                let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key)
                #expect(try await stream.firstEvent() == session)
                for uri in ["file:///ended", "file:///unheard", "file:///moved"] {
                    try await ask("resources/subscribe", uri, cluster[0], key: key, session: session)
                }
                try await ask("resources/unsubscribe", "file:///ended", cluster[1], key: key, session: session)
                try await ask("resources/unsubscribe", "file:///ended", cluster[1], key: key, session: session)
                try await eventually("the server has heard it", within: .seconds(10)) {
                    server.heard("resources/unsubscribe", "file:///ended") == 1
                }
                try await ask("resources/subscribe", "file:///moved", cluster[1], key: key, session: session)
                try await eventually("the first node has given it up", within: .seconds(10)) {
                    server.heard("resources/unsubscribe", "file:///moved") == 1
                }
                try await cluster.redis.cutChangeFeed()
                try await ask("resources/unsubscribe", "file:///unheard", cluster[1], key: key, session: session)
                try await cluster.redis.restoreChangeFeed()
                try await eventually("nobody has told of it", within: .seconds(20)) {
                    server.heard("resources/unsubscribe", "file:///unheard") == 1
                }
                for uri in ["file:///ended", "file:///unheard"] { try await touch(uri, cluster[0], key: key) }
                try await touch("file:///moved", cluster[1], key: key)
                try await eventually("it is told from there", within: .seconds(10)) { stream.updates(of: "file:///moved") == 1 }
                #expect(stream.updates(of: "file:///ended") == 0 && stream.updates(of: "file:///unheard") == 0, "\(stream.text)")
                await stream.close()
            }
        }

        @Test(
            "A session has a hundred subscriptions; one more is refused with a sentence, over any node, and there is room again after an end"
        )
        func many() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await cluster[0].openSession(key: key)
                let long = JSON.string("file:///" + String(repeating: "x", count: 2048))
                for (uri, headers) in [("file:///lost", []), (long, [("Mcp-Session-Id", session)])] as [(JSON, GateClient.Headers)] {
                    let unheard = try await cluster[0].rpc("resources/subscribe", ["uri": uri], key: key, headers: headers)
                    #expect(unheard.json["error"]?["code"] == -32602 && unheard.text.contains("Mcp-Session-Id"), "\(unheard.text)")
                }
                #expect(server.resources.isEmpty, "nobody could be told of it")
                for number in 0..<100 {
                    try await ask("resources/subscribe", "file:///\(number)", cluster[number], key: key, session: session)
                }
                for node in cluster.clients {
                    let more = try await node.rpc(
                        "resources/subscribe", ["uri": "file:///more"], key: key, headers: [("Mcp-Session-Id", session)])
                    #expect(more.json["error"]?["code"] == -32602 && more.text.contains("unsubscribe"), "\(more.text)")
                }
                try await eventually("the server need not tell of it", within: .seconds(10)) {
                    server.resources.count { $0 == "resources/unsubscribe file:///more" } == 2
                }
                try await ask("resources/unsubscribe", "file:///7", cluster[0], key: key, session: session)
                try await ask("resources/subscribe", "file:///more", cluster[1], key: key, session: session)
            }
        }

        @Test("Of two servers with one URI each session hears of that which it has subscribed to, under the name that it has for it")
        func sameURI() async throws {
            let directories = [try TemporaryDirectory(), try TemporaryDirectory()]
            let servers = zip(["a", "b"], directories).map { name, directory -> JSON in
                [
                    "prefix": .string(name), "serverCommand": "python3",
                    "serverArgs": [.string(Repository.server("hostile_stdio_server.py")), .string(directory.path)],
                ]
            }
            try await GateCluster.run(nodes: 2, upstream: .configured, config: ["servers": .array(servers)]) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                var streams: [EndToEndTests.LiveStream] = []
                for name in ["a:file:///x", "b:file:///x", "file:///x"] {
                    let session = try await cluster[0].openSession(key: key)
                    streams.append(try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key))
                    #expect(try await streams[streams.count - 1].firstEvent() == session)
                    try await ask("resources/subscribe", name, cluster[0], key: key, session: session)
                }
                // The third one has named no server: the first that knows it tells of it.
                for (server, expected) in [("a", [1, 0, 1]), ("b", [1, 1, 1]), ("a", [2, 1, 2])] {
                    #expect(try await cluster[0].call("\(server):touch", ["text": "file:///x"], key: key).outcome.isServed)
                    try await eventually("\(server) is heard", within: .seconds(10)) {
                        [streams[0].updates(of: "a:file:///x"), streams[1].updates(of: "b:file:///x"), streams[2].updates(of: "file:///x")]
                            == expected
                    }
                }
                #expect(streams[0].updates(of: "file:///x") == 0 && streams[1].updates(of: "file:///x") == 0)
                for stream in streams { await stream.close() }
            }
        }

        @Test("The sessions that a node had at a server over HTTP are ended, once, when it was killed; those of another node stay")
        func serverSessions() async throws {
            let server = try await ScriptedUpstream("subscribed_http_server.py")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let session = try await cluster[0].openSession(asking: key)
                for node in cluster.clients {
                    #expect(try await node.call("echo", ["text": "x"], key: key, headers: [("Mcp-Session-Id", session)]).outcome.isServed)
                }
                @Sendable func sessions(_ chosen: (JSON) -> Bool) -> [String] {
                    server.requests.filter(chosen).compactMap { $0["session"]?.string }
                }
                let given = Set(sessions { $0["method"] == "initialize" })
                #expect(given.count == 4, "each node has one for all, and one for the client")
                try await cluster.nodes[0].kill9()
                @Sendable func ended() -> [String] { sessions { $0["verb"] == "DELETE" } }
                try await eventually("those of the killed node are ended", within: .seconds(20)) { ended().count == 2 }
                #expect(Set(ended()).count == 2 && Set(ended()).isSubset(of: given))
                for headers in [[("Mcp-Session-Id", session)], []] as [GateClient.Headers] {
                    #expect(try await cluster[1].call("echo", ["text": "x"], key: key, headers: headers).outcome.isServed)
                }
                #expect(sessions { $0["method"] == "initialize" }.count == 4 && ended().count == 2, "the other node's are what they were")
                #expect(try await cluster.nodes[1].terminate() == 0)
                #expect(Set(ended()) == given && ended().count == 4, "it ends its own")
            }
        }
    }
}
