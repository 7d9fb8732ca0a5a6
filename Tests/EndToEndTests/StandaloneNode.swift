// A node as an operator starts it: by its command line, its variables and its file, and nothing else.

import Glibc
import GateTesting
import Testing

/// `gate-node wrap` with a free port; no flag of the test kit is added.
struct StandaloneNode {
    let program: Program
    let port: Int

    /// Starts it and waits until it listens.
    init(_ flags: [String], environment: [String: String] = [:], in directory: TemporaryDirectory? = nil) async throws {
        program = try Self.launch(flags, environment: environment, in: directory)
        try await program.waitForOutput("Listening on port ")
        port = try #require(program.log.split(separator: "Listening on port ").last.flatMap { Int($0.prefix { $0.isNumber }) })
    }

    var client: GateClient { GateClient("http://127.0.0.1:\(port)") }

    /// SIGTERM; the exit status.
    func terminate() async throws -> Int32? {
        program.signal(SIGTERM)
        return try await program.waitForExit(within: .seconds(15))
    }

    /// A start that is not expected to succeed: its exit status and all that it printed.
    static func failure(_ flags: [String], environment: [String: String] = [:], in directory: TemporaryDirectory? = nil) async throws -> (
        status: Int32?, log: String
    ) {
        let program = try launch(flags, environment: environment, in: directory)
        let status = try await program.waitForExit(within: .seconds(15))
        try await program.kill9()
        return (status, program.log)
    }

    /// The demo server, as the value of `--server`.
    static let demo = "\(Repository.binary) demo-server"

    private static func launch(_ flags: [String], environment: [String: String], in directory: TemporaryDirectory?) throws -> Program {
        try Program("standalone node", [Repository.binary, "wrap"] + flags, environment: environment, in: directory?.path)
    }
}
