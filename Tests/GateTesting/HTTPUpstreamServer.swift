// The Streamable HTTP server of the tests.

import Glibc

/// `Servers/http_server.py` on a free port.
package final class HTTPUpstreamServer: Sendable {
    package let port: Int
    private let program: Program

    /// Starts it and waits until it listens.
    /// - Parameter port: where another one has listened before; nil for a free one.
    package init(_ python: PythonEnvironment, isStateless: Bool = false, port: Int? = nil) async throws {
        self.port = port ?? FreePort.take()
        let command = [python.interpreter, Repository.server("http_server.py"), "\(self.port)"] + (isStateless ? ["stateless"] : [])
        program = try Program("http_server.py", command)
        try await program.waitForOutput("Uvicorn running on")
    }

    package var url: String { "http://127.0.0.1:\(port)/mcp" }

    package func kill9() async throws { try await program.kill9() }

    deinit { program.signal(SIGKILL) }
}
