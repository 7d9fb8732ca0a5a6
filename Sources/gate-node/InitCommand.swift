// `gate-node init`: the first configuration file.

import ArgumentParser
import Foundation
import GateDomain
import GateSettings

/// Writes a config file, asking for its values on a terminal (F-CLI-11).
struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a config file, asking for what it needs.",
        discussion: """
            On a terminal it asks; otherwise it takes the default answers.

            EXAMPLES
              gate-node init
              gate-node init --output /etc/paygate/config.json --force
            """
    )

    @Option(help: "The file to write.", completion: .file(extensions: ["json"]))
    var output = "paygate.json"

    @Flag(help: "Write over an existing file.")
    var force = false

    func run() throws {
        guard force || !FileManager.default.fileExists(atPath: output) else {
            throw StartupFailure("\(output) exists already; --force writes over it.", status: .invalidConfiguration).reported
        }
        let configuration = try configuration()
        do {
            // The file may hold an admin key and a Redis password.
            let text = Data(configuration.utf8)
            try text.write(to: URL(filePath: output), options: .atomic)
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: output)
        } catch {
            throw StartupFailure("\(output) cannot be written.", status: .invalidConfiguration).reported
        }
        print("Wrote \(output). Next: gate-node wrap --config \(ShellWords.join([output]))")
    }

    private func configuration() throws -> String {
        guard isatty(FileHandle.standardInput.fileDescriptor) == 1 else { return InitQuestions.defaultFile }
        let answers = InitQuestions.file { question in
            FileHandle.standardOutput.write(Data("\(question): ".utf8))
            return readLine()
        } reject: { sentence in
            print("  \(sentence)")
        }
        guard let answers else {
            throw StartupFailure("The answers ended early; nothing was written.", status: .invalidConfiguration).reported
        }
        return answers
    }
}
