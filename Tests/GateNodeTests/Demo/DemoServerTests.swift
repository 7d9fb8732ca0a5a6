import GateNode
import MCPWire
import Synchronization
import Testing

/// The demo server, line in, message out.
@Suite struct DemoServerTests {
    @Test("A slow call holds nobody up, and its progress comes before its answer", .timeLimit(.minutes(1)))
    func slowCall() async throws {
        let sent = Mutex<[JSONValue]>([])
        let server = DemoServer { message in sent.withLock { $0.append(message) } }
        server.receive(
            #"{"id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {"seconds": 0.05, "steps": 2}, "_meta": {"progressToken": "t"}}}"#
        )
        server.receive(#"{"id": 2, "method": "tools/call", "params": {"name": "echo", "arguments": {"text": "hi"}}}"#)
        while sent.withLock({ $0.count }) < 4 { try await Task.sleep(for: .milliseconds(5)) }
        let messages = sent.withLock { $0 }
        #expect(messages.map { $0[path: "id"] } == [2, nil, nil, 1])
        #expect(messages[1][path: "params.progressToken"] == .string("t"))
    }

    @Test("A cancelled call is not answered")
    func cancelled() async throws {
        let sent = Mutex<[JSONValue]>([])
        let server = DemoServer { message in sent.withLock { $0.append(message) } }
        server.receive(#"{"id": 1, "method": "tools/call", "params": {"name": "slow", "arguments": {"seconds": 0.05}}}"#)
        server.receive(#"{"method": "notifications/cancelled", "params": {"requestId": 1}}"#)
        try await Task.sleep(for: .milliseconds(120))
        #expect(sent.withLock { $0.isEmpty })
    }

    @Test(
        "The client's protocol version is answered when it is known, else the newest",
        arguments: [
            ("2025-06-18", "2025-06-18"), ("2026-07-28", "2025-11-25"),
        ])
    func version(_ asked: String, _ answered: String) {
        let sent = Mutex<[JSONValue]>([])
        let server = DemoServer { message in sent.withLock { $0.append(message) } }
        server.receive(#"{"id": 1, "method": "initialize", "params": {"protocolVersion": "\#(asked)"}}"#)
        #expect(sent.withLock { $0.first?[path: "result.protocolVersion"] } == .string(answered))
    }

    @Test("Failures come as a JSON-RPC error or as isError, as asked")
    func failures() {
        let sent = Mutex<[JSONValue]>([])
        let server = DemoServer { message in sent.withLock { $0.append(message) } }
        for kind in ["error", "isError"] {
            server.receive(#"{"id": 1, "method": "tools/call", "params": {"name": "fail", "arguments": {"kind": "\#(kind)"}}}"#)
        }
        server.receive("not json")
        let messages = sent.withLock { $0 }
        #expect(messages.map { $0[path: "error.code"] } == [-32603, nil, -32700])
        #expect(messages[1][path: "result.isError"] == .bool(true))
    }
}
