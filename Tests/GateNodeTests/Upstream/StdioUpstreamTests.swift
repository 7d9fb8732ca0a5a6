// A real process behind the gate, and everything that it can do to its callers (F32, F-MCP-10, F-MCP-12, MCP notes 3).

@testable import ChildProcesses
import ClusterState
import Foundation
import GateDomain
@testable import GateNode
import GateTesting
import Logging
@testable import MCPUpstream
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("A stdio server")
struct StdioUpstreamTests {
    private let server: PythonServer
    private let home = MultiThreadedEventLoopGroup.singleton.next()
    private let away = MultiThreadedEventLoopGroup.singleton.next()

    init() throws { server = try PythonServer() }

    private func upstream(
        onNotification: @escaping @Sendable (String) -> Void = { _ in },
        change: (inout StdioUpstreamSettings) -> Void = { _ in }
    ) -> StdioUpstream {
        var settings = StdioUpstreamSettings(command: ChildCommand("python3", ["-u", server.path]))
        settings.drainLimit = .milliseconds(100)
        change(&settings)
        return StdioUpstream(
            settings: settings, eventLoop: home, logger: Logger(label: "stdio", factory: { _ in SwiftLogNoOpLogHandler() }),
            onNotification: { message, _ in onNotification(String(buffer: message)) })
    }

    @Test("shakes hands once, and answers callers of every event loop by number (F-MCP-10)")
    func handshakeAndCalls() async throws {
        let upstream = upstream()
        #expect(!upstream.isConnected)
        try await upstream.start()
        #expect(upstream.isConnected)
        #expect(upstream.serverInfo.map { String(buffer: $0.bytes).contains(#""name": "py""#) } == true)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<200 {
                let loop = round.isMultiple(of: 2) ? home : away
                group.addTask {
                    let number = upstream.nextNumber()
                    let record = try await upstream.call("echo", arguments: "[\(round)]", number: number, on: loop)
                    #expect(record.answer == #"{"jsonrpc": "2.0", "id": \#(number), "result": {"echo": [\#(round)]}}"#)
                }
            }
            try await group.waitForAll()
        }
        await upstream.stop()
        #expect(!upstream.isConnected)
        let lines = server.transcript.split(separator: "\n")
        #expect(
            lines[0].contains(
                #""method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"gate-node""#))
        #expect(lines[1] == #"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
        #expect(lines.count == 202)
    }

    @Test("gets a pretty-printed message as one line, and a client's notification")
    func oneLine() async throws {
        let upstream = upstream()
        try await upstream.start()
        let text = "{\"jsonrpc\":\"2.0\",\r\n \"id\":77,\n\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}\n"
        #expect(try await upstream.exchange(text, number: 77, on: away).answer != nil)
        upstream.notify(ByteBuffer(string: #"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#))
        try await eventually { server.transcript.contains("roots/list_changed") }
        await upstream.stop()
    }

    @Test("that dies fails every open call within 200 ms, and is back within 3 s (F32)")
    func death() async throws {
        let upstream = upstream()
        try await upstream.start()
        async let first = upstream.call("silent", on: home)
        async let second = upstream.call("silent", on: away)
        try await eventually { await upstream.openRequests == 2 }
        let start = ContinuousClock.now
        #expect(try await upstream.call("die", on: away).failure == .died)
        #expect(try await first.failure == .died)
        #expect(try await second.failure == .died)
        #expect(ContinuousClock.now - start < .milliseconds(200).patiently)
        #expect(!upstream.isConnected)
        #expect(try await upstream.call("echo", on: home).failure == .unavailable)
        try await eventually(within: .seconds(3)) { upstream.isConnected }
        #expect(try await upstream.call("echo", on: home).answer != nil)
        #expect(await upstream.counts.starts == 2)
        await upstream.stop()
    }

    @Test("that is killed, or closes its output, is as dead as one that exits")
    func otherDeaths() async throws {
        let upstream = upstream()
        try await upstream.start()
        async let open = upstream.call("silent", on: away)
        try await eventually { await upstream.openRequests == 1 }
        kill(try #require(await upstream.processIdentifier), SIGKILL)
        #expect(try await open.failure == .died)
        try await eventually { upstream.isConnected }
        #expect(try await upstream.call("mute", on: away).failure == .died)
        try await eventually { upstream.isConnected }
        await upstream.stop()
    }

    @Test("in a crash loop is started at most 5 times a second, answers fast errors, and recovers by itself (F32)")
    func crashLoop() async throws {
        try server.breaks(true)
        let upstream = upstream()
        let failure = await #expect(throws: StartupFailure.self) { try await upstream.start() }
        #expect(failure?.sentence == "The MCP server ended with exit code 4. it is broken")
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(1) {
            let asked = ContinuousClock.now
            let failure = try await upstream.call("echo", on: away).failure
            #expect(failure == .unavailable)
            #expect(ContinuousClock.now - asked < .seconds(1).patiently)
        }
        #expect(await upstream.counts.starts <= 5)
        try server.breaks(false)
        try await eventually(within: .seconds(12)) { upstream.isConnected }
        #expect(try await upstream.call("echo", on: away).answer != nil)
        await upstream.stop()
    }

    @Test("that cannot be found says so at once")
    func notFound() async throws {
        let upstream = upstream(change: { $0.command = ChildCommand("no-such-server") })
        await #expect(
            throws: StartupFailure("The command 'no-such-server' was not found on the PATH.", status: .backendUnavailable)
        ) { try await upstream.start() }
        await upstream.stop()
    }

    @Test("that does not answer the handshake is ended; requests wait for it only so long")
    func deafServer() async throws {
        let upstream = upstream(change: {
            $0.command = ChildCommand("sleep", ["1000"])
            $0.handshakeLimit = .milliseconds(400)
            $0.longestWait = .milliseconds(100)
        })
        let start = Task { try await upstream.start() }
        try await eventually { await upstream.processIdentifier != nil }
        let asked = ContinuousClock.now
        #expect(try await upstream.call("echo", on: away).failure == .unavailable)
        #expect(ContinuousClock.now - asked < .milliseconds(300).patiently)
        await #expect(throws: StartupFailure.self) { try await start.value }
        await upstream.stop()
    }

    @Test("may write what is no message: it is counted and ignored (F32)")
    func garbage() async throws {
        let upstream = upstream()
        try await upstream.start()
        #expect(try await upstream.call("garbage", on: away).answer != nil)
        #expect(try await upstream.call("late", on: away).answer != nil)
        #expect(try await upstream.call("fail", on: away).answer?.contains("-32602") == true)
        let counts = await upstream.counts
        #expect(counts.garbageLines == 2)
        #expect(counts.lateAnswers == 1)
        await upstream.stop()
    }

    @Test("is told when a call is too late or cancelled, and its late answer is ignored")
    func timeoutAndCancellation() async throws {
        let upstream = upstream()
        try await upstream.start()
        let late = upstream.nextNumber()
        #expect(try await upstream.call("slow", number: late, within: .milliseconds(50), on: away).failure == .timedOut)
        let cancelled = upstream.nextNumber()
        async let outcome = upstream.call("silent", number: cancelled, on: away)
        try await eventually { await upstream.openRequests == 1 }
        upstream.cancel(cancelled, on: away)
        #expect(try await outcome.failure == .cancelled)
        for number in [late, cancelled] {
            try await eventually {
                server.transcript.contains(
                    #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":\#(number)}}"#)
            }
        }
        try await eventually { await upstream.counts.lateAnswers == 1 }
        await upstream.stop()
    }

    @Test("reports progress and logs to the call that they belong to, and to no other caller")
    func notifications() async throws {
        let upstream = upstream()
        try await upstream.start()
        let alone = try await upstream.call("progress", on: away)
        #expect(alone.notifications.count == 2)

        async let neighbour = upstream.call("silent", within: .seconds(1), on: home)
        try await eventually { await upstream.openRequests == 1 }
        let accompanied = try await upstream.call("progress", on: away)
        #expect(accompanied.notifications.count == 1)
        #expect(accompanied.notifications.first?.contains("notifications/progress") == true)
        #expect(try await neighbour.notifications == [])
        #expect(await upstream.counts.droppedNotifications == 1)
        await upstream.stop()
    }

    @Test("says that its lists have changed to the node, and gets an answer to whatever it asks")
    func serverRequests() async throws {
        let changes = Mutex<[String]>([])
        let upstream = upstream(onNotification: { change in changes.withLock { $0.append(change) } })
        try await upstream.start()
        #expect(try await upstream.call("changed", on: away).notifications == [])
        #expect(changes.withLock { $0 } == [#"{"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}"#])
        _ = try await upstream.call("ask", on: away)
        try await eventually {
            server.transcript.contains(#"{"jsonrpc":"2.0","id":"q1","result":{}}"#)
                && server.transcript.contains(#"{"jsonrpc":"2.0","id":"q2","error":{"code":-32601,"message":"Method not found"}}"#)
        }
        await upstream.stop()
    }

    @Test("cannot make the node hold an endless line: the call whose answer it was is told", arguments: ["long-head", "long-tail"])
    func overlong(tool: String) async throws {
        let upstream = upstream(change: { $0.maxResponseBytes = 100_000 })
        try await upstream.start()
        async let neighbour = upstream.call("silent", within: .seconds(1), on: home)
        try await eventually { await upstream.openRequests == 1 }
        #expect(try await upstream.call(tool, on: away).failure == .answerTooLarge)
        #expect(try await upstream.call("echo", on: away).answer != nil)
        #expect(try await neighbour.failure == .timedOut)
        await upstream.stop()
    }

    @Test("that stops lets open calls finish, refuses new ones, and leaves no process")
    func stopping() async throws {
        let upstream = upstream(change: { $0.drainLimit = .seconds(5) })
        try await upstream.start()
        let process = try #require(await upstream.processIdentifier)
        async let open = upstream.call("slow", on: away)
        try await eventually { await upstream.openRequests == 1 }
        async let stop: Void = upstream.stop()
        try await eventually { await upstream.isDraining }
        #expect(try await upstream.call("echo", on: away).failure == .unavailable)
        #expect(try await open.answer != nil)
        await stop
        #expect(kill(process, 0) == -1)
    }
}
