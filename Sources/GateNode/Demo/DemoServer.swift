// A small MCP server to try the gate with.

import GateDomain
import Dispatch
import Foundation
package import MCPWire
import Synchronization

/// A small MCP server on standard input and output, to try the gate with and to test it against.
///
/// It speaks the revisions of MCP that have sessions over newline-delimited JSON (mcp-notes 1 and 3). A slow call waits on a timer, so that
/// calls never hold each other up. At the end of its input it returns at once and drops what is still waiting.
package final class DemoServer: Sendable {
    /// Ids of the slow calls that run; taking one out is the right to answer it.
    private let waiting = Mutex<[JSONValue]>([])
    private let send: @Sendable (JSONValue) -> Void

    /// - Parameter send: Takes one message; called from any thread.
    package init(send: @escaping @Sendable (JSONValue) -> Void) {
        self.send = send
    }

    /// Serves standard input until its end.
    package static func run() {
        let server = DemoServer(send: Self.write)
        while let line = readLine() {
            server.receive(line)
        }
    }

    /// Takes one line of input.
    package func receive(_ line: String) {
        guard let message = try? JSONValue.parse(line) else {
            return refuse(Self.identifier(in: line), -32700, "Parse error")
        }
        guard case .string(let method) = message[path: "method"] else { return }
        guard let id = message[path: "id"] else { return noteNotification(method, message) }
        switch method {
        case "initialize": answer(id, initialized(message[path: "params.protocolVersion"]))
        case "ping": answer(id, .object([:]))
        case "tools/list": answer(id, .object(["tools": .array(DemoTool.allCases.map(\.listing))]))
        case "tools/call": call(id, message)
        default: refuse(id, -32601, "Method not found: \(method)")
        }
    }

    /// The id of a message that cannot be read as a whole, for example because a number is too large.
    private static func identifier(in line: String) -> JSONValue {
        let bytes = Array(line.utf8)
        guard let range = bytes.withUnsafeBytes({ try? Envelope.scan($0).id }) else { return .null }
        return (try? JSONValue.parse(Array(bytes[range]))) ?? .null
    }

    private func call(_ id: JSONValue, _ message: JSONValue) {
        guard case .string(let name) = message[path: "params.name"], let tool = DemoTool(rawValue: name) else {
            return refuse(id, -32602, "Unknown tool")
        }
        let arguments = message[path: "params.arguments"] ?? .object([:])
        switch tool.outcome(arguments) {
        case .text(let text): answer(id, content(text))
        case .failure(let text): answer(id, content(text, isError: true))
        case .refusal(let code, let text): refuse(id, code, text)
        case .exit: exit(3)
        case .wait(let seconds, let steps):
            waiting.withLock { $0.append(id) }
            wait(id, seconds, steps: steps, progressToken: message[path: "params._meta.progressToken"])
        }
    }

    /// Sends `steps` notices of progress, evenly spread, then the answer.
    private func wait(_ id: JSONValue, _ seconds: Double, steps: Int, progressToken: JSONValue?) {
        let start = DispatchTime.now()
        for step in 1...max(steps, 1) {
            DispatchQueue.global().asyncAfter(deadline: start + seconds * Double(step) / Double(max(steps, 1))) { [self] in
                guard waiting.withLock({ $0.contains(id) }) else { return }
                if let progressToken, steps > 0 {
                    let progress: JSONValue = .object([
                        "progressToken": progressToken, "progress": .int(Int64(step)), "total": .int(Int64(steps)),
                    ])
                    send(envelope(["method": .string("notifications/progress"), "params": progress]))
                }
                if step == max(steps, 1), forget(id) { answer(id, content("Waited \(seconds) s")) }
            }
        }
    }

    private func noteNotification(_ method: String, _ message: JSONValue) {
        guard method == "notifications/cancelled", let id = message[path: "params.requestId"] else { return }
        _ = forget(id)
    }

    private func forget(_ id: JSONValue) -> Bool {
        waiting.withLock { ids in
            guard let index = ids.firstIndex(of: id) else { return false }
            ids.remove(at: index)
            return true
        }
    }

    private func initialized(_ requested: JSONValue?) -> JSONValue {
        return .object([
            "protocolVersion": .string(ProtocolRevision.agreed(on: requested?.stringValue).rawValue),
            "capabilities": .object(["tools": .object([:])]),
            "serverInfo": .object(["name": .string("gate-node-demo"), "version": .string(ProductVersion.current)]),
        ])
    }

    private func content(_ text: String, isError: Bool = false) -> JSONValue {
        .object([
            "content": .array([.object(["type": .string("text"), "text": .string(text)])]), "isError": .bool(isError),
        ])
    }

    private func answer(_ id: JSONValue, _ result: JSONValue) {
        send(envelope(["id": id, "result": result]))
    }

    private func refuse(_ id: JSONValue, _ code: Int, _ text: String) {
        send(envelope(["id": id, "error": .object(["code": .int(Int64(code)), "message": .string(text)])]))
    }

    private func envelope(_ members: JSONObject) -> JSONValue {
        JSONValue.object(["jsonrpc": "2.0"]).overlaid(by: .object(members))
    }

    private static let output = Mutex(FileHandle.standardOutput.fileDescriptor)

    /// Writes one line; the lock keeps lines whole.
    private static func write(_ message: JSONValue) {
        var line = message.bytes
        line.append(UInt8(ascii: "\n"))
        output.withLock { descriptor in
            try? FileHandle(fileDescriptor: descriptor, closeOnDealloc: false).write(contentsOf: line)
        }
    }
}
