// One gate of a cluster: the real binary as a process.

import Glibc
import Synchronization

/// Keeps its port over restarts.
package final class ClusterNode: Sendable {
    package let name: String
    package let port: Int
    private let flags: [String]
    private let environment: [String: String]
    private let running: Mutex<Program>

    /// Starts it; returns once it listens.
    package init(_ name: String, flags: [String], environment: [String: String] = [:]) async throws {
        self.name = name
        self.environment = environment
        port = FreePort.take()
        self.flags = flags + ["--port", "\(port)"]
        running = Mutex(try Self.launch(name, self.flags, environment))
        try await waitUntilItListens()
    }

    package var program: Program { running.withLock { $0 } }
    package var log: String { program.log }
    package var address: String { "http://127.0.0.1:\(port)" }
    package var client: GateClient { GateClient(address) }

    package func kill9() async throws { try await program.kill9() }

    /// Stands still, with all its connections, until `wake`.
    package func pause() { program.signal(SIGSTOP) }
    package func wake() { program.signal(SIGCONT) }

    /// SIGTERM; the exit status, nil if it still runs after the limit.
    package func terminate(within limit: Duration = .seconds(35)) async throws -> Int32? {
        program.signal(SIGTERM)
        return try await program.waitForExit(within: limit)
    }

    /// Starts it again on its port, after it has ended.
    package func restart() async throws {
        let next = try Self.launch(name, flags, environment)
        running.withLock { $0 = next }
        try await waitUntilItListens()
    }

    deinit { program.signal(SIGKILL) }

    private static func launch(_ name: String, _ flags: [String], _ environment: [String: String]) throws -> Program {
        try Program(name, [Repository.binary, "wrap"] + flags, environment: environment)
    }

    private func waitUntilItListens() async throws {
        try await program.waitForOutput("Listening on port \(port)")
    }
}
