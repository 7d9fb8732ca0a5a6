// Servers that harm the gate and the clients that share them, on demand, and the notes of what they have really done.

import Foundation
import Glibc

/// `Servers/hostile_stdio_server.py` or `Servers/hostile_http_server.py`; what their tools do stands at their heads.
package final class HostileServer: Sendable {
    private let directory: TemporaryDirectory
    private let program: Program?
    /// What a gate is told to wrap.
    package let upstream: Upstream

    /// One that a gate starts itself. The server may write its notes whatever user it runs as.
    package static func stdio() throws -> HostileServer {
        let directory = try TemporaryDirectory()
        chmod(directory.path, 0o777)
        // One that every user may run.
        let python = FileManager.default.isExecutableFile(atPath: "/usr/bin/python3") ? "/usr/bin/python3" : "python3"
        let command = "\(python) \(Repository.server("hostile_stdio_server.py")) \(directory.path)"
        return HostileServer(directory, nil, .command(command))
    }

    /// One over HTTP, on a free port; it listens when this returns.
    package static func http() async throws -> HostileServer {
        let directory = try TemporaryDirectory()
        let port = FreePort.take()
        let program = try Program("hostile server", ["python3", Repository.server("hostile_http_server.py"), "\(port)", directory.path])
        try await program.waitForOutput("ready")
        return HostileServer(directory, program, .remote("http://127.0.0.1:\(port)/mcp"))
    }

    private init(_ directory: TemporaryDirectory, _ program: Program?, _ upstream: Upstream) {
        (self.directory, self.program, self.upstream) = (directory, program, upstream)
    }

    /// The calls that were executed: the tool and its text.
    package var calls: [String] { lines("calls") }
    /// The HTTP verb and the method of every request to the server over HTTP.
    package var methods: [String] { lines("methods") }
    /// What was asked of tasks and of resources on standard input.
    package var tasks: [String] { lines("tasks") }
    package var resources: [String] { lines("resources") }
    /// What was said to the questions of the server on standard input.
    package var answers: [JSON] { lines("answers").compactMap { JSON($0.utf8) } }
    /// Which pages of an endless list of tools were asked for.
    package var pages: [String] { lines("pages") }
    /// The processes of the server on standard input that were started, by their ids.
    package var processes: [Int32] { lines("starts").compactMap { Int32($0) } }
    /// How often it was started.
    package var starts: Int { processes.count }

    package enum Trouble: String, Sendable {
        /// Every new process ends at once.
        case broken
        /// Every new process says nothing until this ends.
        case mute
        /// Its list of tools breaks off before its end.
        case incomplete
        /// Its list of tools has no end.
        case endless
        /// Its list of tools has names that are costly to compare.
        case costly
    }

    /// Makes the server on standard input go wrong, or right again.
    package func set(_ trouble: Trouble, _ wanted: Bool) throws {
        if wanted { try directory.write("", to: trouble.rawValue) } else { directory.remove(trouble.rawValue) }
    }

    private func lines(_ name: String) -> [String] {
        Program.text(ofFile: directory.file(name)).split(separator: "\n").map(String.init)
    }

    deinit { program?.signal(SIGKILL) }
}
