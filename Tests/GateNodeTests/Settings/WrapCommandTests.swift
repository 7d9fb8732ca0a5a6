import ArgumentParser
@testable import GateNode
@testable import GateSettings
@testable import gate_node
import Testing

/// The options of `gate-node wrap` are the table of settings and nothing else.
@Suite struct WrapCommandTests {
    @Test("Every flag of the table is an option of the command", arguments: Setting.all.filter { !$0.flags.isEmpty })
    func everyFlagIsAnOption(_ setting: Setting) throws {
        for flag in setting.flags {
            let arguments = setting.form == .toggle ? ["--\(flag)"] : ["--\(flag)", "some text"]
            let expected = setting.form == .toggle ? ["true"] : ["some text"]
            let command = try WrapCommand.parse(arguments)
            #expect(command.flags == [setting.name: expected])
        }
    }

    @Test("Every option of the command is a flag of the table")
    func everyOptionIsAFlag() {
        let options = WrapCommand.helpMessage(includeHidden: true).matches(of: /--([a-z][a-z-]*)/).map { String($0.output.1) }
        let known = Setting.all.flatMap { setting in
            setting.form == .toggle ? setting.flags + setting.flags.map { "no-" + $0 } : setting.flags
        }
        #expect(Set(options) == Set(known).union(["help"]))
    }

    @Test("A toggle has a --no- form, a list may be repeated")
    func togglesAndLists() throws {
        #expect(try WrapCommand.parse(["--no-shadow"]).flags == ["shadowMode": ["false"]])
        let prices = try WrapCommand.parse(["--tool-price", "a:1", "--tool-price", "b:2,c=3"]).flags
        #expect(prices == ["toolPricing": ["a:1", "b:2,c=3"]])
    }

    @Test("Everything after -- is the server's command, word for word (F-CLI-13)")
    func terminator() throws {
        let flags = try WrapCommand.parse(["--port", "1", "--", "node", "my server.js", "--port", "2", ""]).flags
        let settings = SettingsResolution(flags: flags).settings
        #expect(settings.port == 1)
        #expect(settings.serverCommand == "node")
        #expect(settings.serverArgs == ["my server.js", "--port", "2", ""])
        #expect(throws: (any Error).self) { try WrapCommand.parse(["--server", "x", "--", "y"]) }
    }

    @Test("wrap is the default command")
    func defaultCommand() throws {
        #expect(try GateNodeCommand.parseAsRoot(["--price", "3", "--", "x"]) is WrapCommand)
    }
}
