// What the official conformance suite asks of servers, and servers that others have written: through the gate they answer as they do themselves.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Conformance")
    struct ConformanceTests {
        /// A revision with the scenarios that the suite requires of its servers (docs/mcp.md names each).
        enum Revision: String, CaseIterable, CustomTestStringConvertible {
            case sessions = "2025-11-25"
            case stateless = "2026-07-28"

            var testDescription: String { rawValue }
            var scenarios: Int { self == .sessions ? 30 : 37 }

            func environment() async throws -> PythonEnvironment {
                switch self {
                case .sessions: try await .handshakeEra()
                case .stateless: try await .current()
                }
            }
        }

        @Test(
            "issue 14: each scenario that the official conformance suite requires of a server is answered through any of two nodes as by the server itself, and as it has to be",
            arguments: Revision.allCases)
        func scenarios(_ revision: Revision) async throws {
            let python = try await revision.environment()
            let port = FreePort.take()
            let server = try Program("conformance server", [python.interpreter, Repository.server("conformance_server.py"), "\(port)"])
            try await server.waitForOutput("Uvicorn running on")
            let url = "http://127.0.0.1:\(port)/mcp"
            try await GateCluster.run(nodes: 2, upstream: .remote(url)) { cluster in
                let key = try await cluster[0].createKey()
                try await python.expectAll(
                    "Clients/test_conformance.py", [revision.rawValue, url, key] + cluster.clients.map(\.address), count: revision.scenarios
                )
            }
            try await server.kill9()
        }

        @Test(
            "issue 14: the reference servers git, fetch, sqlite and time answer the official client through the gate as on their own standard streams",
            arguments: ["git", "fetch", "sqlite", "time"])
        func reference(_ name: String) async throws {
            let python = try await PythonEnvironment.reference()
            let directory = try TemporaryDirectory()
            let steps = """
                cd "$0" && git init -q repository && cd repository && echo hello > a.txt && git add a.txt &&
                git -c user.name=ada -c user.email=ada@example.com commit -q -m first && echo more >> a.txt
                """
            let preparation = try Program("git", ["sh", "-c", steps, directory.path])
            #expect(try await preparation.waitForExit(within: .seconds(20)) == 0, "\(preparation.log)")
            let arguments = ["git": " --repository \(directory.path)/repository", "sqlite": " --db-path \(directory.path)/gate.db"]
            let command = python.program("mcp-server-\(name)") + (arguments[name] ?? "")
            try await GateCluster.run(nodes: 1, upstream: .command(command)) { cluster in
                let key = try await cluster[0].createKey()
                try await python.expectAll(
                    "Clients/test_reference.py", [name, directory.path, key] + cluster.clients.map(\.address), count: 2)
            }
        }
    }
}
