// `gate-node version`: what runs.

import GateDomain
import ArgumentParser

/// Prints the version (F-CLI-08).
struct VersionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "version",
        abstract: "Print the version.",
        discussion: """
            EXAMPLES
              gate-node version
              gate-node version --json
            """
    )

    @Flag(help: "Print {version}.")
    var json = false

    func run() {
        print(json ? #"{"version":"\#(ProductVersion.current)"}"# : ProductVersion.current)
    }
}
