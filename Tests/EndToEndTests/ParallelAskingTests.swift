// Questions to clients where there are many: of one key at once, without an end, and while nobody tells of their answers.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Questions among many")
    struct ParallelAskingTests {
        @Test(
            "issue 14: calls of one key at once over standard streams are each asked their own server's questions, in every round, on any node, and each is charged once"
        )
        func oneKey() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let names = ["ada", "bob"]
                let calls = names.map { AskedCall("elicit", ["text": .string("for \($0)"), "times": 2], key: key) }
                var asked: [GateResponse] = []
                for call in calls { asked.append(try await call.begin(on: cluster[0])) }
                for round in 0..<2 {
                    // The one that began first is the first to go on: what its server asks next must not go to the other.
                    for index in calls.indices {
                        let question = try #require(asked[index].json["result"]?["inputRequests"]?.object?.values.first)
                        #expect(question["params"]?["message"] == .string("for \(names[index]) \(round)"), "\(asked[index].text)")
                        let answers = try AskedCall.answers(to: asked[index], saying: names[index])
                        asked[index] = try await cluster[round].stateless(
                            "tools/call", calls[index].params.merging(answers) { $1 }, meta: AskedCall.meta, key: key)
                    }
                }
                #expect(asked.map(\.outcome.text) == ["user: ada ada", "user: bob bob"])
                #expect(try await cluster[1].balance(key).spent == 2)
            }
        }

        @Test(
            "issue 14: a call has 32 rounds: a server that asks on is refused, a client that leaves out its answers gets the end, and each call is charged once",
            arguments: [true, false])
        func rounds(_ answers: Bool) async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let call = AskedCall("elicit", ["text": "who", "times": 50], key: key)
                var last = try await call.begin(on: cluster[0])
                var count = 0
                while last.json["result"]?["resultType"] == "input_required", count < 60 {
                    count += 1
                    var more = try AskedCall.answers(to: last)
                    if !answers { more["inputResponses"] = [:] }
                    last = try await cluster[0].stateless("tools/call", call.params.merging(more) { $1 }, meta: AskedCall.meta, key: key)
                }
                #expect(count == 32 && last.json["result"]?["isError"] == true, "\(count): \(last.text)")
                #expect(try await cluster[0].balance(key).spent == 1)
            }
        }

        @Test("issue 14: an answer that comes over another node reaches the server although the feed tells nobody of it")
        func silence() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let session = try await cluster[0].openSession(asking: key)
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"elicit","arguments":{"text":"who"}}}"#
                let call = try await OpenCall(on: cluster.nodes[0], body, session: session, key: key)
                let id = try await call.question()
                try await cluster.redis.cutChangeFeed()
                let answer = #"{"jsonrpc":"2.0","id":"\#(id)","result":{"action":"accept","content":{"name":"ada"}}}"#
                #expect(try await cluster[1].reply(answer, session: session, key: key) == 202)
                try await eventually("it is looked for", within: .seconds(30)) { call.text.contains("user: ada") }
                await call.close()
                try await cluster.redis.restoreChangeFeed()
            }
        }
    }
}
