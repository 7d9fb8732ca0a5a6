// What servers say to a session outside of its requests: on any node, once, and again for a stream that broke.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Mail of sessions")
    struct MailTests {
        @Test(
            "issue 14: news of a resource reach the session's stream on another node, once; a stream that broke goes on after its last event, on any node, without loss or duplicates",
            arguments: ["stdio", "http"])
        func news(_ transport: String) async throws {
            let asking = transport == "http" ? try await AskingServer(.handshakeEra(), over: "http") : nil
            let hostile = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: asking?.upstream ?? hostile.upstream) { cluster in
                let key = try await cluster[0].createKey()
                let session = try await cluster[0].openSession(key: key)
                let headers: GateClient.Headers = [("Mcp-Session-Id", session)]
                let uri = "test://one"
                func touch() async throws {
                    #expect(
                        try await cluster[0].call("touch", ["text": .string(uri), "uri": .string(uri)], key: key, headers: headers).outcome
                            .isServed)
                }
                let first = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key)
                #expect(try await first.firstEvent() == session)
                let answer = try await cluster[0].rpc("resources/subscribe", ["uri": .string(uri)], key: key, headers: headers)
                #expect(answer.json["result"] != nil, "\(answer.text)")
                for count in 1...2 {
                    try await touch()
                    try await eventually("the other node's stream hears it", within: .seconds(10)) { first.updates(of: uri) == count }
                }
                let ids = first.ids
                #expect(ids.count == 3 && Set(ids).count == 3, "\(first.text)")
                await first.close()
                // What is said while nobody listens waits for the next stream.
                try await touch()
                try await touch()
                let second = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: session, key: key, after: ids.last)
                try await eventually("what was missed", within: .seconds(10)) { second.updates(of: uri) == 2 }
                #expect(!second.text.contains("notifications/initialized") && Set(second.ids).isDisjoint(with: ids))
                try await touch()
                try await eventually("and what follows", within: .seconds(10)) { second.updates(of: uri) == 3 }
                await second.close()
                // A client that has lost more than the gate knows of asks from where it was.
                let third = try await EndToEndTests.LiveStream(on: cluster.nodes[1], session: session, key: key, after: ids[0])
                try await eventually("all of it", within: .seconds(10)) { third.updates(of: uri) == 5 }
                await third.close()
                // What is no id of ours begins a stream, and brings nothing again.
                let fourth = try await EndToEndTests.LiveStream(
                    on: cluster.nodes[1], session: session, key: key, after: "99999999999999999999-1.x")
                #expect(try await fourth.firstEvent() == session)
                #expect(fourth.updates(of: uri) == 0, "\(fourth.text)")
                await fourth.close()
            }
        }

        @Test("A session's mail is given to nobody with another key, and Redis keeps it for a while and no more than a hundred of it")
        func bounds() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 1000) }
                let session = try await cluster[0].openSession(key: keys[0])
                let headers: GateClient.Headers = [("Mcp-Session-Id", session)]
                #expect(
                    try await cluster[0].rpc("resources/subscribe", ["uri": "test://one"], key: keys[0], headers: headers).json["result"]
                        != nil)
                for _ in 0..<120 { _ = try await cluster[0].call("touch", ["text": "test://one"], key: keys[0]) }
                let other = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: session, key: keys[1])
                #expect(try await other.firstEvent() == nil)
                await other.close()
                let own = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: session, key: keys[0])
                #expect(try await own.firstEvent() == session)
                try await eventually("the last hundred", within: .seconds(10)) { own.updates(of: "test://one") == 100 }
                await own.close()
            }
        }
    }
}
