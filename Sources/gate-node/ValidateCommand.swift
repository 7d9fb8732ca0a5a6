// `gate-node validate`: what is wrong with a configuration file.

import ArgumentParser
import Foundation
import GateDomain
import GateNode
import GateSettings

/// Checks a configuration file without starting anything (F-CLI-07).
struct ValidateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check a config file; the status is 0 when it is valid and 1 when it is not.",
        discussion: """
            EXAMPLES
              gate-node validate --config paygate.json
              gate-node validate --config paygate.json --json
            """
    )

    @Option(help: "The file to check.", completion: .file(extensions: ["json"]))
    var config: String

    @Flag(help: "Print {valid, diagnostics, errors, warnings}.")
    var json = false

    func run() throws {
        let diagnostics = SettingsResolution(flags: ["config": [config]]).checkedByTheGate.diagnostics
        print(json ? diagnostics.jsonLine : report(diagnostics))
        if !diagnostics.isValid { throw ExitCode(ExitStatus.invalidConfiguration.rawValue) }
    }

    private func report(_ diagnostics: SettingsDiagnostics) -> String {
        let errors = diagnostics.errors
        let warnings = diagnostics.warnings
        var lines: [String] = []
        if !errors.isEmpty { lines += ["✗ \(errors.count) error(s):"] + errors.map(\.description) }
        if !warnings.isEmpty { lines += ["⚠ \(warnings.count) warning(s):"] + warnings.map(\.description) }
        if errors.isEmpty { lines.append("✓ \(config) is valid.") }
        return lines.joined(separator: "\n")
    }
}
