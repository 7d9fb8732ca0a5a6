// Handshakes, sessions that are lost, and servers that are away (MCP 2025-11-25; MCP notes 3; F32, F-MCP-08, F-MCP-12).

import GateDomain
@testable import GateNode
import GateTesting
@testable import MCPUpstream
import MCPWire
import NIOCore
import Synchronization
import Testing

@Suite("A session with an HTTP server")
struct HTTPUpstreamSessionTests {
    @Test("is opened once, named on every request, and deleted at the end (F-MCP-08)")
    func life() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result("[1]"))] }
        let upstream = try HTTPUpstream.make(server.url + "?a=b")
        #expect(!upstream.isConnected)
        try await upstream.start()
        #expect(upstream.isConnected)
        #expect(upstream.serverInfo.map { String(buffer: $0.bytes) }?.hasPrefix(#"{"protocolVersion":"2025-11-25""#) == true)
        #expect(try await upstream.call("echo").answer?.contains("[1]") == true)
        #expect(try await upstream.call("echo", on: HTTPLoops.away).answer?.contains("[1]") == true)
        await upstream.stop()
        #expect(!upstream.isConnected)

        #expect(server.methods == ["initialize", "notifications/initialized", "tools/call", "tools/call", "DELETE"])
        let requests = server.requests
        #expect(requests[0].fields["mcp-session-id"] == nil)
        #expect(requests[0].fields["mcp-protocol-version"] == nil)
        #expect(requests[0].message?["params"]?["protocolVersion"]?.stringValue == "2025-11-25")
        for request in requests {
            #expect(request.target == "/mcp?a=b")
            #expect(request.fields["host"] == "127.0.0.1:\(server.port)")
            #expect(request.fields["authorization"] == nil)
            if request.verb == "POST" { #expect(request.fields["accept"] == "application/json, text/event-stream") }
        }
        for request in requests.dropFirst() {
            #expect(request.fields["mcp-session-id"] == "s1")
            #expect(request.fields["mcp-protocol-version"] == "2025-11-25")
        }
        try await eventually { server.openConnections == 0 }
        #expect(try await upstream.call("echo").failure == .unavailable)
    }

    @Test("carries user and password of the URL as Basic authorization, and shows them to nobody")
    func credentials() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result())] }
        let url = "http://us%40er:se%3Acret@127.0.0.1:\(server.port)/mcp?key=hidden"
        let upstream = try HTTPUpstream.make(url)
        try await upstream.start()
        await upstream.stop()
        for request in server.requests { #expect(request.fields["authorization"] == "Basic dXNAZXI6c2U6Y3JldA==") }
        await server.stop()
        let away = try HTTPUpstream.make(url)
        let failure = await #expect(throws: StartupFailure.self) { try await away.start() }
        #expect(failure?.sentence == "The MCP server at http://127.0.0.1:\(server.port)/mcp cannot be reached: connection refused.")
        #expect(failure?.status == .backendUnavailable)
        await away.stop()
    }

    @Test(
        "speaks the revision of the server, and none that it does not know",
        arguments: [
            ("2024-11-05", "2024-11-05"), ("2025-06-18", "2025-06-18"), ("2031-01-01", nil),
        ])
    func versions(offered: String, used: String?) async throws {
        let server = try await ScriptedServer { $0.usual(version: offered) ?? [.json($0.result())] }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        _ = try await upstream.call("echo")
        #expect(server.requests.last?.fields["mcp-protocol-version"] == used)
        await upstream.stop()
    }

    static let refusals: [ScriptedServer.Step] = [
        .json("not found", status: 404), .json("", status: 405),
        .json(#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method not found"}}"#),
        .json(#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#, status: 400),
    ]

    @Test("is not needed: a server that refuses 'initialize' is used without one", arguments: refusals.indices)
    func stateless(index: Int) async throws {
        let server = try await ScriptedServer { request in
            request.method == "initialize" ? [Self.refusals[index]] : [.json(request.result("true"))]
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        #expect(upstream.isConnected && upstream.serverInfo == nil)
        #expect(try await upstream.call("echo").answer?.contains("true") == true)
        #expect(server.requests.last?.fields["mcp-session-id"] == nil)
        await upstream.stop()
        #expect(server.methods == ["initialize", "tools/call"])
    }

    @Test("with a static responder, which always says the same, is none: an answer is known by its id (F33)")
    func staticResponder() async throws {
        let body = #"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#
        let server = try await ScriptedServer { _ in [.json(body)] }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        #expect(upstream.isConnected)
        for _ in 0..<3 { #expect(try await upstream.call("echo").failure == .unusable) }
        await upstream.stop()
    }

    @Test(
        "is opened again once when the server has forgotten it, and every call is sent again and answered",
        arguments: [
            ScriptedServer.Step.json("gone", status: 404),
            .json(
                #"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#, status: 400),
        ])
    func forgotten(refusal: ScriptedServer.Step) async throws {
        let present = Mutex(1)
        let server = try await ScriptedServer { request in
            let number = present.withLock { $0 }
            if request.method == "initialize" { return [.wait(.milliseconds(50))] + (request.usual(session: "s\(number)") ?? []) }
            guard request.fields["mcp-session-id"] == "s\(number)" else { return [refusal] }
            return request.usual() ?? [.json(request.result())]
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        present.withLock { $0 = 2 }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                let loop = index.isMultiple(of: 2) ? HTTPLoops.home : HTTPLoops.away
                group.addTask {
                    let record = try await upstream.call("echo", on: loop)
                    #expect(record.answer != nil)
                }
            }
            try await group.waitForAll()
        }
        #expect(server.methods.filter { $0 == "initialize" }.count == 2)
        #expect(upstream.isConnected)
        await upstream.stop()
    }

    @Test("that is refused twice is lost, and says so")
    func lost() async throws {
        let server = try await ScriptedServer { request in
            request.method == "tools/call" ? [.json("gone", status: 404)] : request.usual() ?? []
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        #expect(try await upstream.call("echo").failure == .sessionLost)
        #expect(server.methods.filter { $0 == "tools/call" }.count == 2)
        await upstream.stop()
    }

    @Test(
        "fails to open against what is no MCP server, with the reason",
        arguments: [
            (ScriptedServer.Step.json("oops", status: 503), "refused 'initialize' with status 503."),
            (.json("<html>"), "did not answer 'initialize' with a JSON-RPC message."),
            (.say("SSH-2.0-OpenSSH\r\n"), "did not answer 'initialize' with a JSON-RPC message."),
            (.wait(.milliseconds(1)), "did not answer 'initialize' in time."),
        ])
    func noServer(step: ScriptedServer.Step, reason: String) async throws {
        let server = try await ScriptedServer { _ in [step] }
        let upstream = try HTTPUpstream.make(server.url) { $0.handshakeLimit = .seconds(1) }
        let failure = await #expect(throws: StartupFailure.self) { try await upstream.start() }
        #expect(failure?.sentence == "The MCP server at \(server.url) \(reason)")
        #expect(!upstream.isConnected)
        #expect(try await upstream.call("echo").failure == .unavailable)
        await upstream.stop()
    }

    @Test("comes back by itself when the server does, and calls fail at once until then (F32, F-MCP-12)")
    func recovery() async throws {
        let server = try await ScriptedServer { $0.usual() ?? [.json($0.result())] }
        await server.stop()
        let upstream = try HTTPUpstream.make(server.url)
        await #expect(throws: StartupFailure.self) { try await upstream.start() }
        try await server.listen()
        try await eventually(within: .seconds(3)) { upstream.isConnected }
        #expect(try await upstream.call("echo").answer != nil)

        await server.stop()
        try await eventually(within: .seconds(2)) { !upstream.isConnected }
        let start = ContinuousClock.now
        #expect(try await upstream.call("echo").failure == .unavailable)
        #expect(ContinuousClock.now - start < .milliseconds(100).patiently)
        try await server.listen()
        try await eventually(within: .seconds(7)) { upstream.isConnected }
        #expect(try await upstream.call("echo", on: HTTPLoops.away).answer != nil)
        await upstream.stop()
    }
}
