// Servers that ask their clients: sampling, elicitation, roots in the 2025 revisions, through any node, to the right client alone.

import Foundation
import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Servers that ask")
    struct AskingTests {
        @Test(
            "issue 14: sampling, elicitation and roots pass through any of two nodes to the client of the call alone, and each call is charged once",
            arguments: ["stdio", "http"])
        func official(_ transport: String) async throws {
            let python = try await PythonEnvironment.handshakeEra()
            let server = try await AskingServer(python, over: transport)
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                try await python.expectAll("Clients/test_asking.py", [key] + cluster.clients.map(\.address), count: 4)
                // declared twice; two rounds of four; three clients with eight each; two that are not asked.
                #expect(try await cluster[1].balance(key).spent == 2 + 8 + 24 + 2)
            }
        }

        @Test("Nobody else answers a question: not with another key, another session, a made-up id, or twice; and the call goes on")
        func strangers() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "stdio")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 10) }
                let mine = try await cluster[0].openSession(asking: keys[0])
                let others = try await cluster[0].openSession(asking: keys[1])
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"elicit","arguments":{"text":"who"}}}"#
                let call = try await OpenCall(on: cluster.nodes[0], body, session: mine, key: keys[0])
                let id = try await call.question()
                let evil = #"{"jsonrpc":"2.0","id":"\#(id)","result":{"action":"accept","content":{"name":"evil"}}}"#
                let forged = evil.replacing(id, with: String(id.dropLast()) + (id.hasSuffix("0") ? "1" : "0"))
                for node in cluster.clients {
                    #expect(try await node.reply(evil, session: mine, key: keys[1]) == 404, "a session is its key's")
                    #expect(try await node.reply(evil, session: others, key: keys[1]) == 202)
                    #expect(try await node.reply(evil, session: mine, key: nil) == 202)
                    #expect(try await node.reply(forged, session: mine, key: keys[0]) == 202)
                }
                let good = evil.replacing("evil", with: "ada")
                #expect(try await cluster[1].reply(good, session: mine, key: keys[0]) == 202)
                #expect(try await cluster[1].reply(evil, session: mine, key: keys[0]) == 202)
                try await eventually("the call is answered", within: .seconds(10)) { call.text.contains("user: ") }
                #expect(call.text.contains("user: ada"), "\(call.text)")
                await call.close()
                #expect(try await cluster[1].balance(keys[0]).spent == 1)
            }
        }

        @Test("A call that its client gives up is cancelled at an HTTP server, in the session of all and in one of its own")
        func cancellation() async throws {
            let server = try await AskingServer(.handshakeEra(), over: "http")
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                for (turn, session) in [try await cluster[0].openSession(key: key), try await cluster[0].openSession(asking: key)]
                    .enumerated()
                {
                    let header: GateClient.Headers = [("Mcp-Session-Id", session)]
                    async let call = cluster[0].call("wait", ["seconds": 30], key: key, id: 7, headers: header)
                    try await eventually("it runs", within: .seconds(20)) { server.calls.count == turn + 1 }
                    _ = try await cluster[1].notify("notifications/cancelled", ["requestId": 7], headers: header + [("X-API-Key", key)])
                    #expect(try await call.outcome == .failed(code: -32603))
                    try await eventually("the server has heard it", within: .seconds(10)) { server.cancelled.count == turn + 1 }
                }
            }
        }

        @Test("What is a request reaches no server without an id, also none that acts by the name alone: it would cost nothing")
        func withoutID() async throws {
            let server = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 1)
                let session = try await cluster[0].openSession(asking: key)
                let headers: GateClient.Headers = [("Mcp-Session-Id", session)]
                let first = try await cluster[1].call("echo", ["text": "paid"], key: key, headers: headers)
                #expect(first.outcome.text == "paid")
                let call: JSON = ["jsonrpc": "2.0", "method": "tools/call", "params": ["name": "echo", "arguments": ["text": "stolen"]]]
                let cancel: JSON = ["jsonrpc": "2.0", "method": "tasks/cancel", "params": ["taskId": "task-0"]]
                let subscribe: JSON = ["jsonrpc": "2.0", "method": "resources/subscribe", "params": ["uri": "file:///a"]]
                for client in cluster.clients {
                    for message in [call, cancel, subscribe] {
                        let answer = try await client.post(message.bytes, key: key, headers: headers)
                        #expect(answer.status == 400 && answer.json["error"]?["code"] == -32600, "\(answer.status) \(answer.text)")
                    }
                    let notice: JSON = ["jsonrpc": "2.0", "method": "notifications/roots/list_changed"]
                    #expect(try await client.post(notice.bytes, key: key, headers: headers).status == 202)
                }
                // Its process takes one line after the other.
                #expect(try await cluster[1].rpc("prompts/list", [:], key: key, headers: headers).json["result"] != nil)
                #expect(server.calls == ["echo paid"] && server.tasks.isEmpty && server.resources.isEmpty)
            }
        }

        @Test("--isolation session: each session has a process of its own, which ends with it; shared: nobody has")
        func isolation() async throws {
            for (mode, processes) in [("session", 3), ("shared", 1), ("auto", 2)] {
                let server = try HostileServer.stdio()
                try await GateCluster.run(nodes: 1, ["--isolation", mode], upstream: server.upstream) { cluster in
                    let key = try await cluster[0].createKey(credits: 10)
                    let sessions = [try await cluster[0].openSession(key: key), try await cluster[0].openSession(asking: key)]
                    for session in sessions {
                        let answer = try await cluster[0].call("echo", ["text": "x"], key: key, headers: [("Mcp-Session-Id", session)])
                        #expect(answer.outcome.text == "x", "\(mode): \(answer.text)")
                    }
                    #expect(server.processes.count == processes, "\(mode)")
                    for session in sessions { #expect(try await cluster[0].endSession(session, key: key).status == 200) }
                    try await eventually("the shared one alone is left", within: .seconds(15)) {
                        server.processes.count { Program.isAlive($0) } == 1
                    }
                }
            }
        }
    }

    /// `Servers/asking_server.py`, or another one with its tools, and its notes.
    final class AskingServer: Sendable {
        private let directory: TemporaryDirectory
        private let program: Program?
        let upstream: Upstream

        init(_ python: PythonEnvironment, over transport: String, script: String = "asking_server.py") async throws {
            directory = try TemporaryDirectory()
            let script = [python.interpreter, Repository.server(script)]
            guard transport == "http" else {
                program = nil
                upstream = .command((script + ["stdio", directory.path]).joined(separator: " "))
                return
            }
            let port = FreePort.take()
            program = try Program("asking server", script + ["\(port)", directory.path])
            upstream = .remote("http://127.0.0.1:\(port)/mcp")
            try await program?.waitForOutput("Uvicorn running on")
        }

        /// Of the revision 2026-07-28.
        static func modern(over transport: String) async throws -> AskingServer {
            try await AskingServer(.current(), over: transport, script: "modern_server.py")
        }

        var calls: [String] { lines("calls") }
        var cancelled: [String] { lines("cancelled") }
        /// Lets `chatter` go on.
        func letGo() throws { try directory.write("", to: "go") }

        private func lines(_ name: String) -> [String] {
            let text = FileManager.default.contents(atPath: directory.file(name)) ?? Data()
            return String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init)
        }

        deinit { program?.signal(9) }
    }

    /// A POST whose stream is read while it goes on.
    struct OpenCall {
        private let connection: RawConnection

        init(on node: ClusterNode, _ body: String, session: String, key: String, more: String = "") async throws {
            connection = try await RawConnection(port: node.port)
            await connection.send(
                "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
                    + "Mcp-Session-Id: \(session)\r\nX-API-Key: \(key)\r\n\(more)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
        }

        var text: String { connection.text }
        func close() async { await connection.close() }

        /// The id of what the client is asked.
        func question() async throws -> String {
            try await eventually("the client is asked", within: .seconds(20)) { text.contains("ask_") && text.hasSuffix("\n\r\n") }
            let line = try #require(text.split(separator: "\n").first { $0.hasPrefix("data:") && $0.contains("ask_") })
            return try #require(JSON(line.dropFirst(5).utf8)?["id"]?.string)
        }
    }
}

extension GateClient {
    /// A session whose client can be asked everything.
    func openSession(asking key: String) async throws -> String {
        let capabilities: JSON = ["sampling": [:], "elicitation": [:], "roots": [:]]
        let params: JSON = ["protocolVersion": "2025-06-18", "capabilities": capabilities, "clientInfo": ["name": "test", "version": "1"]]
        return try #require(try await rpc("initialize", params, key: key, id: 0).header("Mcp-Session-Id"))
    }

    /// Posts an answer to a question; returns the status.
    func reply(_ message: String, session: String, key: String?) async throws -> Int {
        try await post(Array(message.utf8), key: key, headers: [("Mcp-Session-Id", session)]).status
    }
}
