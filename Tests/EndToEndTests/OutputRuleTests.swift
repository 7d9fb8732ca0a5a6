// Rules of what tools say, wherever they say it: later, once more, or on the way.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Rules of what tools say")
    struct OutputRuleTests {
        private static let secret = "AKIAIOSFODNN7EXAMPLE"
        private static let upstream = Upstream.command("python3 \(Repository.server("telling_server.py"))")

        /// A rule that finds the secret in what some tools say.
        private func rule(_ action: String, _ tools: [JSON] = [], on node: GateClient) async throws {
            let rule: JSON = [
                "id": "secret_aws_key", "name": "AWS access keys", "pattern": "aws_access_key", "action": .string(action),
                "scope": "output",
                "tools": .array(tools),
            ]
            try await node.order("/admin/guardrails", ["rule": rule])
            try await node.order("/admin/guardrails", ["enabled": true])
        }

        private func make(_ node: GateClient, _ key: String) async throws -> JSON {
            let made = try await node.rpc("tools/call", ["name": "task", "arguments": [:], "task": ["ttl": 60_000]], key: key)
            return try #require(made.json["result"]?["task"]?["taskId"], "\(made.text)")
        }

        @Test(
            "F-GUARD-02: what a task says of itself, alone or in a list, and what it comes to is judged as the answer of the tool that has made it, for those tools alone"
        )
        func tasks() async throws {
            try await GateCluster.run(nodes: 1, upstream: Self.upstream) { cluster in
                let node = cluster[0]
                let key = try await node.createKey(credits: 100)
                let task = try await make(node, key)
                func told(_ method: String) async throws -> String {
                    try await node.rpc(method, method == "tasks/list" ? [:] : ["taskId": task], key: key).text
                }
                let methods = ["tasks/get", "tasks/result", "tasks/list"]
                for method in methods { #expect(try await told(method).contains(Self.secret), "\(method) without a rule") }
                try await rule("block", ["tell"], on: node)
                for method in methods { #expect(try await told(method).contains(Self.secret), "\(method), a rule for another tool") }
                for tools in [["task"], []] as [[JSON]] {
                    try await rule("block", tools, on: node)
                    for method in methods {
                        let text = try await told(method)
                        #expect(!text.contains(Self.secret), "\(method): \(text)")
                        #expect(text.contains(method == "tasks/list" ? #""tasks": []"# : "-32406"), "\(method): \(text)")
                    }
                }
                try await rule("redact", ["task"], on: node)
                for method in methods {
                    let text = try await told(method)
                    #expect(!text.contains(Self.secret) && text.contains("[REDACTED]"), "\(method): \(text)")
                }
                try await eventually("it is noted", within: .seconds(10)) {
                    let found = try await node.admin("/admin/guardrails/violations?ruleId=secret_aws_key").json
                    return found["total"]?.int ?? 0 >= 6
                }
                #expect(try await node.balance(key).spent == 1)
            }
        }

        @Test(
            "F-GUARD-02: an answer that was kept for repetitions is judged by the rules of when it is told again; it is not charged again")
        func repetitions() async throws {
            try await GateCluster.run(nodes: 2, upstream: Self.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let header: GateClient.Headers = [("X-Idempotency-Key", "one")]
                func one(_ turn: Int) async throws -> String { try await cluster[turn].call("tell", key: key, headers: header).text }
                func several(_ turn: Int) async throws -> String {
                    try await cluster[turn].batch([("quiet", [:]), ("tell", [:])], key: key, headers: [("X-Idempotency-Key", "two")]).text
                }
                for turn in 0...1 {
                    #expect(try await one(turn).contains(Self.secret))
                    #expect(try await several(turn).contains(Self.secret))
                }
                #expect(try await cluster[0].balance(key).spent == 3)
                try await rule("block", ["tell"], on: cluster[0])
                for turn in 0...1 {
                    for text in [try await one(turn), try await several(turn)] {
                        #expect(!text.contains(Self.secret) && text.contains("-32406"), "\(text)")
                    }
                }
                try await rule("block", ["quiet"], on: cluster[0])
                for turn in 0...1 {
                    for text in [try await one(turn), try await several(turn)] {
                        #expect(text.contains(Self.secret), "a rule for another tool: \(text)")
                    }
                }
                try await rule("redact", on: cluster[0])
                for turn in 0...1 {
                    for text in [try await one(turn), try await several(turn)] {
                        #expect(!text.contains(Self.secret) && text.contains("the key is [REDACTED]"), "\(text)")
                    }
                }
                #expect(try await cluster[0].balance(key).spent == 3)
            }
        }

        @Test(
            "F-GUARD-02: what a server asks within a call is judged as what it tells: kept back and refused, or shown without what was found"
        )
        func questions() async throws {
            try await GateCluster.run(nodes: 1, upstream: Self.upstream) { cluster in
                let node = cluster[0]
                let key = try await node.createKey(credits: 100)
                let session = try await node.openSession(asking: key)
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ask","arguments":{}}}"#
                try await rule("block", on: node)
                let kept = try await OpenCall(on: cluster.nodes[0], body, session: session, key: key)
                try await eventually("the call is answered", within: .seconds(20)) { kept.text.contains("refused: A rule of the gate") }
                #expect(!kept.text.contains(Self.secret) && !kept.text.contains("elicitation/create"), "\(kept.text)")
                await kept.close()

                try await rule("redact", on: node)
                let shown = try await OpenCall(on: cluster.nodes[0], body, session: session, key: key)
                let id = try await shown.question()
                #expect(!shown.text.contains(Self.secret) && shown.text.contains("use [REDACTED]"), "\(shown.text)")
                let answer = #"{"jsonrpc":"2.0","id":"\#(id)","result":{"action":"accept","content":{"name":"ada"}}}"#
                #expect(try await node.reply(answer, session: session, key: key) == 202)
                try await eventually("the call is answered", within: .seconds(20)) { shown.text.contains("answered") }
                await shown.close()
            }
        }

        @Test(
            "F-GUARD-02: where rules look at answers, nothing of a message passes that JSON-RPC has no place for, and no name of a method with it",
            arguments: ["member", "meta", "params", "twice", "error"])
        func looseMessages(_ form: String) async throws {
            try await GateCluster.run(nodes: 1, upstream: Self.upstream) { cluster in
                let node = cluster[0]
                let key = try await node.createKey(credits: 100)
                let session = try await node.openSession(asking: key)
                let body =
                    #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"loose","arguments":{"form":"\#(form)"}}}"#
                func told() async throws -> String {
                    let call = try await OpenCall(on: cluster.nodes[0], body, session: session, key: key)
                    try await eventually("the call is answered", within: .seconds(20)) { call.text.contains("fine") }
                    defer { Task { await call.close() } }
                    return call.text
                }
                #expect(try await told().contains(Self.secret), "without a rule")
                for action in ["block", "redact"] {
                    try await rule(action, on: node)
                    let text = try await told()
                    #expect(!text.contains(Self.secret) && text.contains("first"), "\(action): \(text)")
                }
            }
        }
    }
}
