// Python packages that tests talk to: the official MCP client and servers, installed once into a cache outside the repository.

import Foundation

/// A virtual environment with a fixed list of packages from PyPI.
package struct PythonEnvironment: Sendable {
    package let interpreter: String

    /// The newest official package, with the server that it calls a reference (`mcp-server-time`).
    package static func current() async throws -> PythonEnvironment { try await currentOnce.value }
    /// The installed base: the last line of the package that speaks only the 2025 revisions, and has `FastMCP`.
    package static func handshakeEra() async throws -> PythonEnvironment { try await handshakeEraOnce.value }

    /// The reference servers that PyPI carries: git, fetch, sqlite, time; and the client that they are compared with.
    package static func reference() async throws -> PythonEnvironment { try await referenceOnce.value }

    private static let currentOnce = Task { try await PythonEnvironment("current", packages: ["mcp", "mcp-server-time"]) }
    private static let handshakeEraOnce = Task {
        try await PythonEnvironment("handshake-era", packages: ["mcp<2", "mcp-server-time<2026.6"])
    }

    private static let referenceOnce = Task {
        try await PythonEnvironment(
            "reference", packages: ["mcp<2", "mcp-server-git", "mcp-server-fetch", "mcp-server-sqlite", "mcp-server-time<2026.6"])
    }

    /// A program that a package has brought along.
    package func program(_ name: String) -> String { String(interpreter.dropLast("python".count)) + name }

    /// - Throws: `KitFailure` when pip cannot install.
    private init(_ name: String, packages: [String]) async throws {
        let folder = Self.cache + "/" + name
        interpreter = folder + "/bin/python"
        guard !FileManager.default.fileExists(atPath: folder + "/.complete") else { return }
        try FileManager.default.createDirectory(atPath: Self.cache, withIntermediateDirectories: true)
        let steps = """
            [ -e "$0/.complete" ] && exit 0
            python3 -m venv --clear "$0" && "$0/bin/pip" install --quiet --disable-pip-version-check "$@" && touch "$0/.complete"
            """
        let install = try Program("pip", ["flock", folder + ".lock", "sh", "-c", steps, folder] + packages)
        guard try await install.waitForExit(within: .seconds(300)) == 0 else { throw KitFailure("pip install \(packages): \(install.log)") }
    }

    /// Runs a script of `Tests/EndToEndTests` to its end.
    package func run(_ script: String, _ arguments: [String] = [], within limit: Duration = .seconds(120)) async throws -> (
        status: Int32, output: String
    ) {
        let program = try Program(script, [interpreter, Repository.file("Tests/EndToEndTests/\(script)")] + arguments)
        guard let status = try await program.waitForExit(within: limit) else {
            let output = program.log
            try await program.kill9()
            throw KitFailure("\(script) did not end within \(limit):\n\(output)")
        }
        return (status, program.log)
    }

    private static let cache: String = {
        let environment = ProcessInfo.processInfo.environment
        if let folder = environment["GATE_TEST_CACHE"] { return folder }
        let home = environment["XDG_CACHE_HOME"] ?? (environment["HOME"].map { $0 + "/.cache" }) ?? NSTemporaryDirectory()
        return home + "/gate-node-tests"
    }()
}
