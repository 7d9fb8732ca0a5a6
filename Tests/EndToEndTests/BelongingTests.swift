// Whose is it: clients that share a server, and a server that mixes them up.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("What belongs to whom")
    struct BelongingTests {
        // MARK: Answers

        @Test(
            "F33: over HTTP an answer is known by its id: what answers something else reaches nobody and ends its connection",
            arguments: ["twice", "twice_later", "other", "stream_other"])
        func foreignAnswer(_ tool: String) async throws {
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, ["--price", "5", "--threads", "1"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10_000) }
                for turn in 0..<20 {
                    let mine = try await cluster[0].call(tool, ["text": .string("of A, \(turn)"), "seconds": 0.002], key: keys[0])
                    if tool.hasPrefix("twice") {
                        #expect(mine.outcome.text == "of A, \(turn)", "\(mine.text)")
                    } else {
                        #expect(mine.outcome == .failed(code: -32603) && !mine.text.contains("of A"), "\(mine.text)")
                    }
                    let other = try await cluster[0].call("echo", ["text": .string("of B, \(turn)")], key: keys[1])
                    #expect(!other.text.contains("of A"), "\(other.text)")
                    #expect(other.outcome.text == "of B, \(turn)" || other.outcome == .failed(code: -32603), "\(other.text)")
                }
            }
        }

        @Test("F33: over stdio an answer under another's id, or a second one, reaches nobody but its own")
        func foreignAnswerOnStdio() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                for turn in 0..<10 {
                    #expect(try await cluster[0].call("twice", ["text": "A"], key: keys[0]).outcome.text == "first A")
                    let other = try await cluster[0].call("echo", ["text": .string("B \(turn)")], key: keys[1])
                    #expect(other.outcome.text == "B \(turn)", "\(other.text)")
                }
            }
        }

        @Test("An error for nobody is no answer to anybody where several keys share a stdio server, and none is charged for it")
        func errorForNobody() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, ["--tool-timeout", "700"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                async let given = cluster[0].call("silent", ["text": "the secret of A"], key: keys[0])
                try await eventually("A's call runs", within: .seconds(10)) { server.calls.count == 1 }
                // A's time is over while B's call runs: the server's late error must not end it.
                try await Task.sleep(for: .milliseconds(300))
                let other = try await cluster[0].call("echo", ["text": "B", "seconds": 0.6], key: keys[1])
                #expect(other.outcome.text == "B", "\(other.text)")
                #expect(try await given.outcome == .failed(code: -32004))
            }
        }

        // MARK: Notifications

        @Test("A log message of a shared stdio server goes to nobody; of one that has worked for one key alone, to that key's call")
        func logs() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                let streaming: GateClient.Headers = [("Accept", "text/event-stream")]
                func late(_ text: String, key: String) async throws -> String {
                    _ = try await cluster[0].call("late_log", ["text": .string(text), "seconds": 0.1], key: keys[0])
                    return try await cluster[0].call("echo", ["text": "x", "seconds": 0.4], key: key, headers: streaming).text
                }
                #expect(try await late("for A alone", key: keys[0]).contains("for A alone"))
                #expect(try await !late("the secret of A", key: keys[1]).contains("the secret of A"))
                #expect(try await !late("not even for A", key: keys[0]).contains("not even for A"))
            }
        }

        @Test("Progress under a token that the gate has not given to this request reaches nobody", arguments: ["stdio", "http"])
        func progress(_ kind: String) async throws {
            let server = kind == "http" ? try await HostileServer.http() : try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, ["--threads", "1"], upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                let listening = JSON.object(["name": "echo", "arguments": ["text": "B", "seconds": 0.4], "_meta": ["progressToken": 7]])
                async let other = cluster[0].rpc("tools/call", listening, key: keys[1], headers: [("Accept", "text/event-stream")])
                try await eventually("B's call runs", within: .seconds(10)) { server.calls.count == 1 }
                let tool = kind == "http" ? "stream_progress" : "late_progress"
                _ = try await cluster[0].call(tool, ["text": "the secret of A"], key: keys[0])
                let heard = try await other.text
                #expect(heard.contains("\"B\""), "\(heard)")
                if kind == "http" { #expect(!heard.contains("the secret of A"), "\(heard)") }
            }
        }

        @Test(
            "News of a resource goes to the sessions that have asked for it, with the credential that asked; ending one subscription ends no other"
        )
        func subscriptions() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                let mine = try await cluster[0].openSession(key: keys[0])
                let other = try await cluster[0].openSession(key: keys[1])
                let stranger = try await cluster[0].openSession()
                let own = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: mine, key: keys[0])
                let others = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: other, key: keys[1])
                let strangers = try await EndToEndTests.LiveStream(on: cluster.nodes[0], session: stranger)
                for stream in [own, others, strangers] { _ = try await stream.firstEvent() }
                func ask(_ method: String, _ uri: String, _ key: String, _ session: String) async throws {
                    let answer = try await cluster[0].rpc(
                        method, ["uri": .string(uri)], key: key, headers: [("Mcp-Session-Id", session)])
                    #expect(answer.json["result"] != nil, "\(answer.text)")
                }
                try await ask("resources/subscribe", "file:///a", keys[0], mine)
                try await ask("resources/subscribe", "file:///b", keys[1], other)
                try await ask("resources/subscribe", "file:///a", keys[1], other)
                try await ask("resources/unsubscribe", "file:///a", keys[1], other)
                #expect(!server.resources.contains("resources/unsubscribe file:///a"), "A still wants to hear of it")
                _ = try await cluster[0].call("touch", ["text": "file:///a"], key: keys[0])
                _ = try await cluster[0].call("touch", ["text": "file:///b"], key: keys[0])
                try await eventually("both are told", within: .seconds(10)) {
                    own.text.contains("file:///a") && others.text.contains("file:///b")
                }
                #expect(!own.text.contains("file:///b") && !others.text.contains("file:///a"))
                #expect(!strangers.text.contains("file:///"), "\(strangers.text)")
                try await ask("resources/unsubscribe", "file:///a", keys[0], mine)
                #expect(server.resources.last == "resources/unsubscribe file:///a")
            }
        }

        // MARK: Tasks

        @Test("A task of a server is listed, read and cancelled by the key that made it, on every node, and by nobody else")
        func tasks() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey() }
                var made: [String] = []
                for key in keys {
                    let answer = try await cluster[0].call("task", ["text": "the secret"], key: key)
                    made.append(try #require(answer.json["result"]?["task"]?["taskId"]?.string, "\(answer.text)"))
                }
                func ids(_ key: String?) async throws -> [String]? {
                    let answer = try await cluster[0].rpc("tasks/list", [:], key: key)
                    return answer.json["result"]?["tasks"]?.array?.compactMap { $0["taskId"]?.string }
                }
                #expect(try await ids(keys[0]) == [made[0]])
                #expect(try await ids(keys[1]) == [made[1]])
                #expect(try await ids(nil) == nil)
                for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
                    let own = try await cluster[0].rpc(method, ["taskId": .string(made[0])], key: keys[0])
                    #expect(own.json["result"] != nil, "\(own.text)")
                    for key in [keys[1], nil] {
                        let other = try await cluster[0].rpc(method, ["taskId": .string(made[0])], key: key)
                        #expect(other.json["result"] == nil && !other.text.contains("secret"), "\(method): \(other.text)")
                    }
                    // A name that is only spelt otherwise is the same name.
                    let escaped = method.replacing("/", with: "\\u002f")
                    let body = #"{"jsonrpc":"2.0","id":1,"method":"\#(escaped)","params":{"taskId":"\#(made[0])"}}"#
                    #expect(try await !cluster[0].post(Array(body.utf8), key: keys[1]).text.contains("\"result\""))
                }
                // The other node has a server of its own, which does not know the task; but the gate there knows whose it is.
                #expect(
                    try await cluster[1].rpc("tasks/get", ["taskId": .string(made[0])], key: keys[0]).text.contains(
                        "The server knows no such"))
                #expect(try await cluster[1].rpc("tasks/get", ["taskId": .string(made[0])], key: keys[1]).text.contains("Task not found"))
                #expect(server.tasks.filter { $0.hasSuffix(made[0]) }.count == 2, "\(server.tasks)")
            }
        }

        // MARK: Cancellations

        @Test("A cancellation reaches the calls of its own key alone, whoever knows the session; an id longer than any goes nowhere")
        func cancellations() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10) }
                let session = try await cluster[0].openSession(key: keys[0])
                let header: GateClient.Headers = [("Mcp-Session-Id", session)]
                async let call = cluster[0].call("echo", ["text": "A", "seconds": 1], key: keys[0], id: 77, headers: header)
                try await eventually("it runs", within: .seconds(10)) { server.calls.count == 1 }
                for node in cluster.clients {
                    _ = try await node.notify("notifications/cancelled", ["requestId": 77], headers: header)
                    _ = try await node.notify("notifications/cancelled", ["requestId": 77], headers: header + [("X-API-Key", keys[1])])
                    let long = JSON.string(String(repeating: "7", count: 500_000))
                    _ = try await node.notify("notifications/cancelled", ["requestId": long], headers: header + [("X-API-Key", keys[1])])
                }
                #expect(try await call.outcome.text == "A")
            }
        }
    }
}
