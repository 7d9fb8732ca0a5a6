// The command that stands between a node and a server process, so that nothing of the server outlives the node.

import ArgumentParser
import GateNode

/// Runs a server process for a node and ends everything that comes of it; nodes start it themselves.
struct GuardCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "guard", abstract: "Keep watch over a server process (used by wrap).", shouldDisplay: false)

    @Argument(help: "The process of the node.")
    var owner: Int32

    @Argument(help: "The program.")
    var path: String

    @Argument(parsing: .captureForPassthrough, help: "Its arguments, its own name first.")
    var arguments: [String] = []

    func run() throws {
        throw ExitCode(GateNodeMain.guardChild(of: owner, path: path, arguments))
    }
}
