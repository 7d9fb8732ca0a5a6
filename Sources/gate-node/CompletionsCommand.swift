// `gate-node completions`: help for shells.

import ArgumentParser

/// Prints a completion script for a shell.
struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print a completion script for a shell.",
        discussion: """
            EXAMPLES
              gate-node completions bash > ~/.local/share/bash-completion/completions/gate-node
              gate-node completions zsh > ~/.zfunc/_gate-node
              gate-node completions fish > ~/.config/fish/completions/gate-node.fish
            """
    )

    enum Shell: String, CaseIterable, ExpressibleByArgument {
        case bash, zsh, fish

        var script: CompletionShell {
            switch self {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        }
    }

    @Argument(help: "The shell.")
    var shell: Shell

    func run() {
        print(GateNodeCommand.completionScript(for: shell.script))
    }
}
