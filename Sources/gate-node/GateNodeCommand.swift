// The program and what it says of itself.

import GateDomain
import ArgumentParser
import Foundation
import GateNode

/// The program: its commands, of which `wrap` is the default.
@main
struct GateNodeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gate-node",
        abstract: "A gate in front of MCP servers: API keys, credits and limits for every tool call.",
        discussion: """
            EXAMPLES
              gate-node init
              gate-node wrap --server "npx @modelcontextprotocol/server-everything"
              gate-node wrap --remote-url https://mcp.example.com/mcp --price 5
              gate-node validate --config paygate.json
              gate-node store check redis://db

            EXIT STATUS
            \(ExitStatus.table)
            """,
        version: ProductVersion.current,
        subcommands: [
            WrapCommand.self, InitCommand.self, ValidateCommand.self, CompletionsCommand.self, VersionCommand.self,
            StoreCommand.self, DemoServerCommand.self, GuardCommand.self,
        ],
        defaultSubcommand: WrapCommand.self
    )
}

extension GateNodeCommand {
    static func main() async { await main(arguments) }

    /// What the process was started with, as the kernel has it.
    ///
    /// `CommandLine` finds the arguments on Linux by walking back from `environ`. A library that is loaded before the program and sets a
    /// variable (libfaketime does) has moved `environ` by then, and there are no arguments where it looks.
    static var arguments: [String] {
        guard let bytes = FileManager.default.contents(atPath: "/proc/self/cmdline"), bytes.last == 0 else {
            return Array(CommandLine.arguments.dropFirst())
        }
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).dropFirst().map {
            String(decoding: $0, as: UTF8.self)
        }
    }
}

extension ExitStatus {
    fileprivate static var table: String {
        allCases.map { "  \($0.rawValue)\($0.rawValue < 10 ? "   " : "  ")\($0.meaning)" }.joined(separator: "\n")
    }
}
