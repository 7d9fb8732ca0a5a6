// `gate-node demo-server`: a server to try the gate with.

import ArgumentParser
import GateNode

/// Serves a few tools on standard input and output, to try the gate with.
struct DemoServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo-server",
        abstract: "Serve a few MCP tools on standard input and output, to try the gate with.",
        discussion: """
            The tools are echo, add, slow, fail and big.

            EXAMPLES
              gate-node wrap -- gate-node demo-server
              gate-node wrap --tool-price slow:5 -- gate-node demo-server
            """
    )

    func run() {
        DemoServer.run()
    }
}
