// Servers that come late, and lists that everybody asks for.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Servers that are away")
    struct LateServerTests {
        @Test(
            "A stdio server that ends or says nothing while the node starts does not end the node: /ready says why, /mcp that it may be tried again, and it is served when it comes",
            arguments: [HostileServer.Trouble.broken, .mute])
        func late(_ trouble: HostileServer.Trouble) async throws {
            let server = try HostileServer.stdio()
            try server.set(trouble, true)
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 5)
                let ready = try await cluster[0].get("/ready")
                #expect(ready.status == 503 && ready.json["checks"]?["backendConnected"] == false)
                #expect(ready.json["reason"]?.string?.contains("The MCP server") == true, "\(ready.text)")
                let refused = try await cluster[0].call("echo", ["text": "x"], key: key)
                #expect(refused.outcome == .failed(code: -32603) && refused.header("Retry-After") == "1", "\(refused.text)")
                #expect(try await cluster[0].balance(key).spent == 0)
                try server.set(trouble, false)
                try await eventually("it is served", within: .seconds(20)) { await cluster[0].echo(key: key).isServed }
                #expect(try await cluster[0].get("/ready").status == 200)
                try await eventually("its tools are known", within: .seconds(5)) {
                    try await cluster[0].get("/pricing").text.contains("\"echo\"")
                }
            }
        }

        @Test("A command that does not exist ends the start; with --dry-run so does a server that ends")
        func ends() async throws {
            for flags in [["--server", "no-such-command"], ["--server", "false", "--dry-run"]] {
                let failure = try await StandaloneNode.failure(["--port", "0"] + flags)
                #expect(failure.status == 68, "\(failure.log)")
            }
        }

        @Test(
            "X34: of a server whose list of tools never ends 10,000 names are kept, none that is too long to call, and its tools are served"
        )
        func endlessList() async throws {
            let server = try HostileServer.stdio()
            try server.set(.endless, true)
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                try await eventually("the list is known", within: .seconds(30)) {
                    try await cluster[0].get("/pricing").text.contains("endless_5_")
                }
                let prices = try await cluster[0].get("/pricing")
                #expect(prices.json["tools"]?.array?.count == 10_000 && !prices.text.contains("nnnnn"), "\(prices.text.prefix(300))")
                #expect(Set(server.pages).count == 6, "\(server.pages.prefix(20))")
                #expect(await cluster[0].echo(key: key).isServed)
                #expect(
                    try await cluster[0].call("beyond_the_end", ["text": "x"], key: key).outcome.text == "x", "it may be one of the rest")
            }
        }

        @Test("Lists that need no key are asked of a server once for all, and strangers' requests leave its connections to those who pay")
        func lists() async throws {
            let server = try await HostileServer.http()
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey()
                async let strangers = concurrently(700, workers: 350) { turn in
                    let cursor: JSON = turn % 2 == 0 ? [:] : ["cursor": .string("c\(turn)")]
                    return try await cluster[0].rpc("prompts/list", cursor, within: .seconds(30)).status
                }
                try await Task.sleep(for: .milliseconds(300))
                for turn in 0..<10 {
                    let answer = try await cluster[0].call("echo", ["text": .string("\(turn)")], key: key)
                    #expect(answer.outcome.isServed && answer.elapsed < .seconds(2).patiently, "\(answer.text) \(answer.elapsed)")
                }
                let statuses = try await strangers
                #expect(statuses.allSatisfy { $0 == 200 || $0 == 503 } && statuses.contains(200))
                #expect(server.methods.filter { $0 == "POST prompts/list" }.count < 250, "\(server.methods.count)")
            }
        }
    }
}
