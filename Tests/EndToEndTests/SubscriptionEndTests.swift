// What sessions have subscribed to is given up at the server when they end, however they end.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("The end of subscriptions")
    struct SubscriptionEndTests {
        private func subscribe(_ uri: String, _ node: GateClient, key: String, session: String) async throws {
            let answer = try await node.rpc("resources/subscribe", ["uri": .string(uri)], key: key, headers: [("Mcp-Session-Id", session)])
            #expect(answer.json["result"] != nil, "\(answer.text)")
        }

        @Test(
            "issue 14: what a session has subscribed to is given up at the server when the session is ended on another node, also while no feed tells of it, when it is over for not being used, and when its key is revoked; what another session wants stays"
        )
        func sessions() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                @Sendable func isGivenUp(_ uri: String) -> Bool { server.resources.contains("resources/unsubscribe \(uri)") }
                func session(wanting uris: [String], key: String) async throws -> String {
                    let session = try await cluster[0].openSession(key: key)
                    for uri in uris { try await subscribe(uri, cluster[0], key: key, session: session) }
                    return session
                }
                _ = try await session(wanting: ["file:///shared"], key: keys[1])

                let ended = try await session(wanting: ["file:///shared", "file:///ended"], key: keys[0])
                #expect(try await cluster[1].endSession(ended, key: keys[0]).status == 200)
                try await eventually("it was ended on the other node", within: .seconds(20)) { isGivenUp("file:///ended") }

                let unheard = try await session(wanting: ["file:///unheard"], key: keys[0])
                let expired = try await session(wanting: ["file:///expired"], key: keys[0])
                let stream = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: unheard, key: keys[0])
                #expect(try await stream.firstEvent() == unheard)
                try await cluster.redis.cutChangeFeed()
                #expect(try await cluster[1].endSession(unheard, key: keys[0]).status == 200)
                try await cluster.redis.alter("zset", containing: "sessions", "redis.call('ZADD', key, 'XX', 1, '\(expired)')")
                try await cluster.redis.restoreChangeFeed()
                try await eventually("nobody has told of it", within: .seconds(30)) {
                    isGivenUp("file:///unheard") && isGivenUp("file:///expired") && stream.isEnded
                }

                let revoked = try await session(wanting: ["file:///shared", "file:///revoked"], key: keys[0])
                try await cluster[1].order("/keys/revoke", ["key": .string(keys[0])])
                try await eventually("its key is gone", within: .seconds(20)) { isGivenUp("file:///revoked") }
                let late = try await cluster[1].endSession(revoked, key: keys[0])
                #expect(late.status == 200 || late.status == 404)
                #expect(!isGivenUp("file:///shared"), "\(server.resources)")
            }
        }

        @Test(
            "issue 14: a server of 2026-07-28 is listened to for what sessions still want, and is left by a node that is killed"
        )
        func listening() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let sessions = try await concurrently(2) { _ in try await cluster[0].openSession(key: key) }
                for (session, uri) in zip(sessions, ["test://a", "test://b"]) {
                    try await subscribe(uri, cluster[0], key: key, session: session)
                }
                @Sendable func listens() -> [JSON] { server.requests.filter { $0["message"]?["method"] == "subscriptions/listen" } }
                @Sendable func isLastAskedFor(_ uris: JSON) -> Bool {
                    let wanted = listens().compactMap { $0["message"]?["params"]?["notifications"]?["resourceSubscriptions"] }
                    return wanted.last == uris
                }
                #expect(try await cluster[1].endSession(sessions[0], key: key).status == 200)
                try await eventually("the server is asked for the rest", within: .seconds(20)) { isLastAskedFor(["test://b"]) }
                try await cluster.nodes[0].kill9()
                try await eventually("all streams but the other node's are closed", within: .seconds(20)) {
                    server.requests.count { $0["closed"] == "listening" } == listens().count - 1
                }
            }
        }
    }
}
