// `gate-node wrap`: the gate itself.

import ArgumentParser
import Foundation
import GateDomain
import GateNode
import GateSettings

/// Runs the gate in front of one MCP server or several.
struct WrapCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wrap",
        abstract: "Run the gate in front of an MCP server.",
        discussion: """
            Flags win over variables, variables over the config file, the file over the defaults. --tool-price, --import-key \
            and --header add to the file's entries. Everything after -- is the server's command.

            EXAMPLES
              gate-node wrap --server "node server.js" --price 2 --tool-price report:20
              gate-node wrap --port 8080 -- python3 server.py -v
              gate-node wrap --remote-url https://example.com/mcp --redis-url redis://db
              gate-node wrap --config paygate.json --dry-run
              gate-node wrap -- gate-node demo-server
            """
    )

    @OptionGroup(title: SettingSection.backend.title) var backend: SettingOptions<Backend>
    @OptionGroup(title: SettingSection.pricing.title) var pricing: SettingOptions<Pricing>
    @OptionGroup(title: SettingSection.access.title) var access: SettingOptions<Access>
    @OptionGroup(title: SettingSection.state.title) var state: SettingOptions<State>
    @OptionGroup(title: SettingSection.webhooks.title) var webhooks: SettingOptions<Webhooks>
    @OptionGroup(title: SettingSection.http.title) var http: SettingOptions<HTTP>
    @OptionGroup(title: SettingSection.process.title) var process: SettingOptions<Process>
    @OptionGroup(visibility: .hidden) var later: SettingOptions<Later>

    @Argument(parsing: .postTerminator, help: ArgumentHelp("The stdio MCP server to wrap.", valueName: "command"))
    var command: [String] = []

    mutating func validate() throws {
        if !command.isEmpty, backend.given["serverCommand"] != nil {
            throw ValidationError("Give the server's command with --server or after --, not both.")
        }
    }

    func run() async throws {
        let flags = flags
        let resolve = { @Sendable in SettingsResolution(flags: flags, environment: ProcessInfo.processInfo.environment).checkedByTheGate }
        let resolution = resolve()
        for diagnostic in resolution.diagnostics.entries {
            StandardError.print("\(diagnostic)")
        }
        let errors = resolution.diagnostics.errors.count
        guard errors == 0 else {
            throw StartupFailure(
                "The configuration has \(errors == 1 ? "an error" : "\(errors) errors"); see gate-node wrap --help.",
                status: .invalidConfiguration
            ).reported
        }
        do throws(StartupFailure) {
            try await GateNodeMain.run(resolution.settings, resolve: resolve)
        } catch {
            throw error.reported
        }
    }

    /// What all flags said, by the setting's name.
    var flags: [String: [String]] {
        let groups = [
            backend.given, pricing.given, access.given, state.given, webhooks.given, http.given, process.given, later.given,
            command.isEmpty ? [:] : ["serverCommand": [ShellWords.join(command)]],
        ]
        return groups.reduce(into: [:]) { all, group in all.merge(group) { $1 } }
    }
}

extension WrapCommand {
    enum Backend: SettingChapter { static let section = SettingSection.backend }
    enum Pricing: SettingChapter { static let section = SettingSection.pricing }
    enum Access: SettingChapter { static let section = SettingSection.access }
    enum State: SettingChapter { static let section = SettingSection.state }
    enum Webhooks: SettingChapter { static let section = SettingSection.webhooks }
    enum HTTP: SettingChapter { static let section = SettingSection.http }
    enum Process: SettingChapter { static let section = SettingSection.process }
    enum Later: SettingChapter { static let section = SettingSection.later }
}
