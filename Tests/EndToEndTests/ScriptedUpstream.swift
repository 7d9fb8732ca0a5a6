// A server over HTTP that misbehaves on demand and remembers what it was asked.

import Foundation
import GateTesting
import Glibc
import Synchronization

/// `Servers/scripted_http_server.py`, or the same of the revision 2026-07-28.
final class ScriptedUpstream: Sendable {
    let port: Int
    private let script: String
    private let flags: [String]
    private let directory: TemporaryDirectory
    private let program: Mutex<Program>

    init(_ script: String = "scripted_http_server.py", flags: [String] = []) async throws {
        (self.script, self.flags) = (script, flags)
        directory = try TemporaryDirectory()
        try directory.write("", to: "requests")
        port = FreePort.take()
        program = Mutex(try Self.launch(script, port, directory, flags))
        try await waitUntilItListens()
    }

    var upstream: Upstream { .remote("http://127.0.0.1:\(port)/mcp") }

    /// Every request so far: verb, headers by their lower-case names, method and tool.
    var requests: [JSON] {
        let lines = FileManager.default.contents(atPath: directory.file("requests")) ?? Data()
        return lines.split(separator: UInt8(ascii: "\n")).compactMap { JSON($0) }
    }

    func kill9() async throws { try await program.withLock { $0 }.kill9() }

    func restart() async throws {
        let next = try Self.launch(script, port, directory, flags)
        program.withLock { $0 = next }
        try await waitUntilItListens()
    }

    private static func launch(_ script: String, _ port: Int, _ directory: TemporaryDirectory, _ flags: [String]) throws -> Program {
        try Program("scripted server", ["python3", Repository.server(script), "\(port)", directory.file("requests")] + flags)
    }

    private func waitUntilItListens() async throws {
        try await program.withLock { $0 }.waitForOutput("ready")
    }

    deinit { program.withLock { $0 }.signal(SIGKILL) }
}
