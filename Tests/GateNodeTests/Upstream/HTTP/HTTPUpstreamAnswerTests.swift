// Everything that an HTTP server may answer to a call (MCP 2025-11-25, Transports; F33, F-MCP-08, F-MCP-11, X34).

@testable import GateNode
import GateTesting
@testable import MCPUpstream
import MCPWire
import NIOCore
import Synchronization
import Testing

@Suite("An HTTP server's answer")
struct HTTPUpstreamAnswerTests {
    /// An upstream whose server does the usual, and these steps for a tool call.
    private func started(
        onNotification: @escaping @Sendable (String) -> Void = { _ in }, change: (inout HTTPUpstreamSettings) -> Void = { _ in },
        _ script: @escaping ScriptedServer.Script
    ) async throws -> (HTTPUpstream, ScriptedServer) {
        let server = try await ScriptedServer { $0.usual() ?? script($0) }
        let upstream = try HTTPUpstream.make(server.url, change: change, onNotification: onNotification)
        try await upstream.start()
        return (upstream, server)
    }

    @Test("belongs to its request, whatever 200 callers of two event loops ask at once (F33)")
    func isolation() async throws {
        let (upstream, server) = try await started(change: { $0.maxConnections = 8 }) { request in
            let arguments = request.body.split(separator: #""arguments":"#).last?.dropLast(2) ?? ""
            return [.wait(.milliseconds(.random(in: 0...3))), .json(request.result(String(arguments)))]
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for round in 0..<200 {
                group.addTask {
                    let number = upstream.nextNumber()
                    let loop = round.isMultiple(of: 2) ? HTTPLoops.home : HTTPLoops.away
                    let record = try await upstream.call("echo", arguments: #"{"id":1,"n":\#(round)}"#, number: number, on: loop)
                    #expect(record.answer == #"{"jsonrpc":"2.0","id":\#(number),"result":{"id":1,"n":\#(round)}}"#)
                }
            }
            try await group.waitForAll()
        }
        #expect(server.mostOpen <= 16)
        let (open, idle, waiting) = try await upstream.connections()
        #expect(open <= 8 && open == idle && waiting == 0)
        await upstream.stop()
        try await eventually { server.openConnections == 0 }
    }

    @Test(
        "may come in pieces, chunked, or end with the connection",
        arguments: [
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\ncontent-type: application/json\r\n\r\n",
        ])
    func pieces(head: String) async throws {
        let (upstream, _) = try await started { request in
            let body = request.result(#"{"text":"äöü"}"#)
            let framed = head.contains("chunked") ? String(body.utf8.count, radix: 16) + "\r\n" + body + "\r\n0\r\n\r\n" : body
            let text = head.replacing("%", with: "\(body.utf8.count)") + framed
            let steps = text.map { [ScriptedServer.Step.say(String($0)), .wait(.microseconds(200))] }.flatMap(\.self)
            return steps + (head.contains("1.0") ? [.close] : [])
        }
        for _ in 0..<2 { #expect(try await upstream.call("echo").answer?.contains("äöü") == true) }
        await upstream.stop()
    }

    @Test("may be a stream in odd pieces: notifications in order, then the one answer that is ours")
    func stream() async throws {
        let news = Mutex<[String]>([])
        let (upstream, server) = try await started(onNotification: { text in news.withLock { $0.append(text) } }) { request in
            let id = request.id
            let text =
                "\u{FEFF}: hello\r\nid: 1\r\ndata:\r\n\r\nretry: 10\r\n"
                + #"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":\#(id),"progress":1}}"# + "\n\n"
                + #"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":77777,"progress":9}}"# + "\n\n"
                + #"data: {"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"# + "\n\n"
                + "event: message\r" + #"data: {"jsonrpc":"2.0","method":"notifications/message","# + "\r"
                + #"data: "params":{"data":"ü"}}"# + "\r\r"
                + "event: other\ndata: \(request.result())\n\n" + "data: no message\n\n"
                + #"data: {"jsonrpc":"2.0","id":"q1","method":"ping"}"# + "\n\n"
                + #"data: {"jsonrpc":"2.0","id":7,"method":"roots/list"}"# + "\n\n"
                + "data: \(request.result("42"))\n\n" + "data: \(request.result("43"))\n\n"
            var rest = Substring(text)
            var steps = [ScriptedServer.Step.streamHead]
            while !rest.isEmpty {
                let piece = rest.prefix(.random(in: 1...40))
                rest = rest.dropFirst(piece.count)
                steps += [.chunk(String(piece)), .wait(.microseconds(100))]
            }
            return steps + [.streamEnd]
        }
        let record = try await upstream.call("echo")
        #expect(record.answer?.hasSuffix(#""result":42}"#) == true)
        #expect(record.notifications.count == 2)
        #expect(record.notifications.first?.contains(#""progress":1"#) == true)
        #expect(record.notifications.last?.contains("ü") == true)
        #expect(news.withLock { $0 }.count == 1)
        try await eventually { server.requests.count == 5 }
        let answers = server.requests.suffix(2).map(\.body)
        #expect(answers.contains(#"{"jsonrpc":"2.0","id":"q1","result":{}}"#))
        #expect(answers.contains(#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"Method not found"}}"#))
        // The stream's connection carries the next request.
        try await eventually { try await upstream.connections().idle == upstream.connections().open }
        await upstream.stop()
    }

    @Test("that is a stream without an end is over with its answer, and its connection is not kept")
    func endlessStream() async throws {
        let (upstream, server) = try await started(change: { $0.idleLimit = .milliseconds(100) }) {
            [.streamHead, .chunk("data: \($0.result())\n\n")]
        }
        #expect(try await upstream.call("echo").answer != nil)
        try await eventually { server.openConnections == 0 }
        await upstream.stop()
    }

    @Test("that breaks off is a death; from an event's id it is resumed once")
    func resumption() async throws {
        let number = Mutex<Int64>(0)
        let server = try await ScriptedServer { request in
            if request.verb == "GET" {
                guard request.fields["last-event-id"] == "e1" else { return [.json("", status: 400)] }
                let id = number.withLock { $0 }
                return [.streamHead, .chunk("data: {\"jsonrpc\":\"2.0\",\"id\":\(id),\"result\":\"late\"}\n\n"), .streamEnd]
            }
            if let steps = request.usual() { return steps }
            number.withLock { $0 = request.id }
            switch request.tool {
            case "end": return [.streamHead, .chunk("retry: 20\nid: e1\ndata:\n\n"), .streamEnd]
            case "cut": return [.streamHead, .chunk("id: e1\ndata:\n\n"), .close]
            case "again": return [.streamHead, .chunk("id: e2\ndata:\n\n"), .close]
            default: return [.streamHead, .chunk("data:\n\n"), .close]
            }
        }
        let upstream = try HTTPUpstream.make(server.url)
        try await upstream.start()
        #expect(try await upstream.call("end").answer?.contains("late") == true)
        #expect(try await upstream.call("cut").answer?.contains("late") == true)
        #expect(try await upstream.call("again").failure == .died)
        #expect(try await upstream.call("none").failure == .died)
        #expect(server.requests.filter { $0.verb == "GET" }.count == 3)
        #expect(server.requests.filter { $0.verb == "GET" }.allSatisfy { $0.fields["mcp-session-id"] == "s1" })
        await upstream.stop()
    }

    @Test("that is no answer says what became of the call")
    func oddAnswers() async throws {
        let (upstream, _) = try await started { request in
            let error = #"{"jsonrpc":"2.0","id":\#(request.id),"error":{"code":-32603,"message":"no"}}"#
            switch request.tool {
            case "error": return [.json(error)]
            case "error500": return [.json(error, status: 500)]
            case "html": return [.json("<html>", status: 502)]
            case "redirect": return [.say("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")]
            case "unauthorized": return [.json("", status: 401)]
            case "garbage": return [.json("garbage")]
            case "request": return [.json(#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#)]
            case "foreign": return [.json(#"{"jsonrpc":"2.0","id":\#(request.id + 1),"result":{}}"#)]
            case "nobody's": return [.json(#"{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"no"}}"#)]
            case "garbled":
                return [.json(request.result("{\"deep\":\(String(repeating: "[", count: 200))\(String(repeating: "]", count: 200))}"))]
            case "accepted": return [.accepted]
            case "binary": return [.say("\u{0}\u{1}\u{2}\r\n\r\n")]
            case "short": return [.say("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"), .close]
            case "twice": return [.json(request.result()), .json(request.result())]
            default: return [.reset]
            }
        }
        for tool in ["error", "error500"] {
            #expect(try await upstream.call(tool).answer?.contains("jsonrpc") == true, "\(tool)")
        }
        for (tool, status) in [("html", 502), ("redirect", 302), ("unauthorized", 401)] {
            #expect(try await upstream.call(tool).failure == .refused(status: status), "\(tool)")
        }
        for tool in ["accepted", "binary", "short", "reset"] {
            #expect(try await upstream.call(tool).failure == .died, "\(tool)")
        }
        for tool in ["garbage", "request", "foreign", "nobody's", "garbled"] {
            #expect(try await upstream.call(tool).failure == .unusable, "\(tool)")
        }
        // Last, because its surplus may end the connection under a call that follows.
        #expect(try await upstream.call("twice").answer?.contains("jsonrpc") == true)
        #expect(upstream.isConnected)
        await upstream.stop()
    }

    @Test(
        "above the limit is not kept, whichever way it comes; without a limit it is (F-MCP-11)",
        arguments: [
            "length", "chunked", "event", "close",
        ])
    func huge(kind: String) async throws {
        let script: ScriptedServer.Script = { request in
            let body = request.result("\"" + String(repeating: "x", count: 300_000) + "\"")
            switch kind {
            case "length": return [.json(body)]
            case "chunked":
                return [.say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), .chunk(body), .streamEnd]
            case "event": return [.streamHead, .chunk("data: \(body)\n\n"), .streamEnd]
            default: return [.say("HTTP/1.1 200 OK\r\n\r\n" + body), .close]
            }
        }
        let (limited, _) = try await started(change: { $0.maxResponseBytes = 100_000 }, script)
        #expect(try await limited.call("big").failure == .answerTooLarge)
        await limited.stop()
        let (unlimited, _) = try await started(change: { $0.maxResponseBytes = 0 }, script)
        #expect(try await unlimited.call("big").answer?.utf8.count ?? 0 > 300_000)
        await unlimited.stop()
    }

    @Test("that does not come in time ends the call: the server is told, and the connection is closed")
    func deadline() async throws {
        let (upstream, server) = try await started { $0.tool == "echo" ? [.json($0.result())] : [] }
        let number = upstream.nextNumber()
        async let long = upstream.call("hang", within: .seconds(5), number: number)
        let start = ContinuousClock.now
        #expect(try await upstream.call("hang", within: .milliseconds(100)).failure == .timedOut)
        #expect(ContinuousClock.now - start < .milliseconds(600).patiently)
        try await eventually { server.methods.contains("notifications/cancelled") }
        #expect(try await upstream.call("echo").answer != nil)
        HTTPLoops.home.execute { upstream.cancel(number, on: HTTPLoops.home) }
        #expect(try await long.failure == .cancelled)
        try await eventually { server.requests.last?.message?["params"]?["requestId"]?.intValue == Int64(number) }
        try await eventually { try await upstream.connections().idle == server.openConnections }
        HTTPLoops.home.execute { upstream.cancel(number, on: HTTPLoops.home) }
        await upstream.stop()
    }

    @Test("may be given up by the one who hears of its progress")
    func cancelWithin() async throws {
        let (upstream, _) = try await started {
            let progress = #"data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":\#($0.id),"progress":1}}"#
            return [.streamHead, .chunk(progress + "\n\n" + progress + "\n\ndata: \($0.result())\n\n"), .streamEnd]
        }
        let record = try await upstream.call("echo", cancelling: true)
        #expect(record.failure == .cancelled)
        #expect(record.notifications.count == 1)
        await upstream.stop()
    }
}
