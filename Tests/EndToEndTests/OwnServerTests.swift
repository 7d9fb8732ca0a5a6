// Lists and levels that are one client's own, servers that say nothing, resources that move.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("A client's own servers, and several that differ")
    struct OwnServerTests {
        private static let script = Repository.server("changing_server.py")

        /// Every page of the list of tools, from one node: a process is its node's.
        private static func tools(_ node: GateClient, key: String?, headers: GateClient.Headers = []) async throws -> [String] {
            var (names, params): ([String], JSON) = ([], [:])
            for _ in 0..<5 {
                let answer = try await node.rpc("tools/list", params, key: key, headers: headers)
                let result = try #require(answer.json["result"], "\(answer.text)")
                names += result["tools"]?.array?.compactMap { $0["name"]?.string } ?? []
                guard let cursor = result["nextCursor"]?.string else { break }
                params = ["cursor": .string(cursor)]
            }
            return names
        }

        @Test(
            "A client that can be asked sees and calls the tools of its own process, page by page, on each of two nodes; others see and call those of the shared one; a name that no list has reaches no server"
        )
        func ownLists() async throws {
            let directory = try TemporaryDirectory()
            let command = Upstream.command("python3 \(Self.script) stdio \(directory.path)")
            try await GateCluster.run(nodes: 2, upstream: command) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let own: GateClient.Headers = [("Mcp-Session-Id", try await cluster[0].openSession(asking: key))]
                let plain: GateClient.Headers = [("Mcp-Session-Id", try await cluster[1].openSession(key: key))]
                for node in cluster.clients {
                    #expect(try await Self.tools(node, key: key, headers: own) == ["who", "log", "draft", "last"])
                    #expect(try await Self.tools(node, key: key, headers: plain) == ["who", "log", "last"])
                    #expect(try await Self.tools(node, key: nil) == ["who", "log", "last"])
                    #expect(try await node.call("draft", key: key, headers: own).outcome.text == "draft")
                    let batch = try await node.batch([("who", [:]), ("draft", [:])], key: key, headers: own)
                    #expect(batch.json["result"]?["results"]?[1]?["result"]?["content"]?[0]?["text"] == "draft", "\(batch.text)")
                }
                #expect(try await cluster[0].balance(key).spent == 6)
                for node in cluster.clients {
                    for (tool, session) in [("draft", plain), ("WHO", own), ("nobody's", own), ("draft", [])] {
                        #expect(try await node.call(tool, key: key, headers: session).outcome == .failed(code: -32602), "\(tool)")
                    }
                    #expect(try await node.call("draft", key: nil, headers: own).outcome == .failed(code: -32602))
                }
                #expect(try await cluster[1].balance(key).spent == 6)
                try await cluster[0].order("/keys/suspend", ["key": .string(key)])
                for node in cluster.clients { #expect(try await !Self.tools(node, key: key, headers: own).contains("draft")) }
            }
        }

        @Test(
            "Of several servers, one that does not answer is waited for once and for seconds, and not again; a resource that moves to another server is that one's"
        )
        func severalServers() async throws {
            let directory = try TemporaryDirectory()
            func server(_ name: String) -> JSON {
                [
                    "prefix": .string(name), "serverCommand": "python3",
                    "serverArgs": [.string(Self.script), "stdio", .string(directory.path), .string(name)],
                ]
            }
            try directory.write("res://moved\nres://a", to: "a.resources")
            try directory.write("res://b", to: "b.resources")
            try await GateCluster.run(nodes: 2, upstream: .configured, config: ["servers": [server("a"), server("b")]]) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                func listed(_ node: GateClient) async throws -> Set<String> {
                    let list = try await node.rpc("resources/list", [:], key: key).json["result"]?["resources"]?.array ?? []
                    return Set(list.compactMap { $0["uri"]?.string })
                }
                func read(_ node: GateClient) async throws -> String? {
                    try await node.rpc("resources/read", ["uri": "res://moved"], key: key).json["result"]?["contents"]?[0]?["text"]?.string
                }
                for node in cluster.clients { #expect(try await read(node) == "a") }
                try directory.write("res://a", to: "a.resources")
                try directory.write("res://b\nres://moved", to: "b.resources")
                for node in cluster.clients {
                    try await eventually("the list is the new one", within: .seconds(10)) {
                        try await listed(node) == ["res://a", "res://b", "res://moved"]
                    }
                    #expect(try await read(node) == "b")
                }

                try directory.write("", to: "b.silent")
                for node in cluster.clients {
                    // A copy of each event loop is a second old at most; then each of them waits once.
                    try await eventually("the silent one is left out", within: .seconds(30)) {
                        let list = try await node.rpc("tools/list", [:], key: key).json["result"]?["tools"]?.array ?? []
                        return !list.isEmpty && list.allSatisfy { $0["name"]?.string?.hasPrefix("a:") == true }
                    }
                    #expect(try await node.call("b:who", key: key).outcome.text == "who", "it works all the same")
                }
                directory.remove("b.silent")
                try await eventually("it is back", within: .seconds(60)) {
                    let list = try await cluster[0].rpc("tools/list", [:], key: key).json["result"]?["tools"]?.array ?? []
                    return list.contains { $0["name"] == "b:who" }
                }
            }
        }

        @Test(
            "F-MCP-05: logging/setLevel is its session's on every node, and takes no message from another one; the audit log tells of sessions that keys open and end"
        )
        func levels() async throws {
            let directory = try TemporaryDirectory()
            let port = FreePort.take()
            let server = try Program("changing server", ["python3", Self.script, "\(port)", directory.path])
            try await server.waitForOutput("ready")
            try await GateCluster.run(nodes: 2, upstream: .remote("http://127.0.0.1:\(port)/mcp")) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                let sessions = [try await cluster[0].openSession(key: keys[0]), try await cluster[1].openSession(key: keys[1])]
                func heard(_ who: Int, on node: Int) async throws -> [String] {
                    let headers: GateClient.Headers = [
                        ("Mcp-Session-Id", sessions[who]), ("Accept", "application/json, text/event-stream"),
                    ]
                    let text = try await cluster[node].call("log", key: keys[who], headers: headers).text
                    return text.split(separator: "said ").dropFirst().map { String($0.prefix { $0.isLetter }) }
                }
                func set(_ level: String, _ who: Int, on node: Int) async throws -> Bool {
                    let headers: GateClient.Headers = [("Mcp-Session-Id", sessions[who])]
                    return try await cluster[node].rpc("logging/setLevel", ["level": .string(level)], key: keys[who], headers: headers)
                        .json["result"] != nil
                }
                let usual = ["info", "notice", "warning", "error", "critical", "alert", "emergency"]
                for node in 0..<2 { #expect(try await heard(1, on: node) == usual) }
                #expect(try await set("emergency", 0, on: 0))
                for node in 0..<2 {
                    try await eventually("the first hears its own level on \(node)", within: .seconds(10)) {
                        try await heard(0, on: node) == ["emergency"]
                    }
                    #expect(try await heard(1, on: node) == usual, "another session's level is no concern of this one")
                }
                #expect(try await set("debug", 0, on: 1))
                for node in 0..<2 {
                    try await eventually("it hears all", within: .seconds(10)) { try await heard(0, on: node) == ["debug"] + usual }
                    #expect(try await heard(1, on: node) == usual)
                }
                #expect(try await set("nonsense", 0, on: 0) == false)
                try await cluster.nodes[1].kill9()
                try await cluster.nodes[1].restart()
                #expect(try await heard(0, on: 1) == ["debug"] + usual, "after a restart")

                #expect(try await cluster[1].endSession(sessions[0], key: keys[0]).status == 200)
                _ = try await cluster[1].openSession()
                try await eventually("the audit log has it", within: .seconds(10)) {
                    let events = try await cluster[0].admin("/audit?types=session.created,session.destroyed").json["events"]?.array ?? []
                    let made = events.filter { $0["type"] == "session.created" }
                    let ended = events.filter { $0["type"] == "session.destroyed" }
                    return made.count == 2 && ended.count == 1 && ended[0]["metadata"]?["requestId"] != nil
                        && ended[0]["metadata"]?["sessionId"]?.string.map(sessions[0].hasPrefix) == true
                        && !events.contains { $0.text.contains(sessions[0]) }
                }
            }
            try await server.kill9()
        }
    }
}
