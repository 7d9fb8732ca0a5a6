@testable import GateNode
@testable import GateSettings
import MCPWire
import Testing

/// The questions of `gate-node init` (F-CLI-11).
@Suite struct InitQuestionsTests {
    @Test("The default answers make a valid file")
    func defaults() {
        let resolution = SettingsResolution(flags: ["config": ["f"]]) { _ throws(ConfigFile.Fault) in InitQuestions.defaults }
        #expect(resolution.diagnostics.entries.isEmpty)
        #expect(resolution.settings.serverArgs == ["demo-server"])
    }

    @Test("The file is written to be read by people and by the gate")
    func file() throws {
        #expect(try ConfigFile.document(in: Array(InitQuestions.defaultFile.utf8), of: "f") == InitQuestions.defaults)
        #expect(InitQuestions.defaultFile.hasPrefix("{\n  \"serverCommand\": \"gate-node\",\n"))
    }

    @Test("A refused answer is asked for again, with its reason")
    func askedAgain() {
        var answers = ["https://h/mcp", "", "99999", "8080", "", "", "", "", ""]
        var reasons: [String] = []
        let file = InitQuestions.hold(ask: { _ in answers.isEmpty ? nil : answers.removeFirst() }, reject: { reasons.append($0) })
        #expect(file?[path: "remoteUrl"] == .string("https://h/mcp"))
        #expect(file?[path: "port"] == 8080)
        #expect(reasons == ["Invalid port 99999. Must be 0–65535."])
    }

    @Test("Answers that end early make no file")
    func endsEarly() {
        #expect(InitQuestions.hold(ask: { _ in nil }, reject: { _ in }) == nil)
    }
}
