// What `gate-node init` asks.

import MCPWire

/// The questions of `gate-node init` and the configuration file that their answers make (F-CLI-11).
///
/// An answer is checked by the same row of the table that checks a flag.
package enum InitQuestions {
    private struct Question {
        let text: String
        /// What an empty answer means; empty to leave the setting out.
        let fallback: String
        /// The setting that an answer fills.
        let setting: @Sendable (String) -> String
    }

    private static let questions = [
        Question(text: "MCP server, a command or an http(s) URL", fallback: "gate-node demo-server") { answer in
            answer.hasPrefix("http://") || answer.hasPrefix("https://") ? "remoteUrl" : "serverCommand"
        },
        Question(text: "Name of the gate", fallback: "gate-node") { _ in "name" },
        Question(text: "Port", fallback: "3402") { _ in "port" },
        Question(text: "Credits for a tool call", fallback: "1") { _ in "defaultCreditsPerCall" },
        Question(text: "Calls a minute for each key, 0 for no limit", fallback: "60") { _ in "globalRateLimitPerMin" },
        Question(text: "Give the credits of failed calls back, yes or no", fallback: "no") { _ in "refundOnFailure" },
        Question(text: "Admin key, empty to have one made", fallback: "") { _ in "adminKey" },
        Question(text: "Redis URL, empty for a Redis of its own", fallback: "") { _ in "redisUrl" },
    ]

    /// The text of the file that empty answers make.
    package static var defaultFile: String { defaults.indentedText }

    /// Asks everything, a refused answer again.
    ///
    /// - Parameters:
    ///   - ask: Shows a question and gives the answer; nil when there are no more answers.
    ///   - reject: Shows why an answer is refused.
    /// - Returns: The text of the configuration file, or nil when the answers ended early.
    package static func file(ask: (String) -> String?, reject: (String) -> Void) -> String? {
        hold(ask: ask, reject: reject)?.indentedText
    }

    static var defaults: JSONValue {
        hold(ask: { _ in "" }, reject: { _ in }) ?? .object([:])
    }

    static func hold(ask: (String) -> String?, reject: (String) -> Void) -> JSONValue? {
        var file = JSONValue.object([:])
        for question in questions {
            var accepted: JSONValue?
            while accepted == nil {
                let hint = question.fallback.isEmpty ? "" : " [\(question.fallback)]"
                guard let answer = ask(question.text + hint) else { return nil }
                accepted = read(answer, to: question, reject)
            }
            file = accepted.map(file.overlaid) ?? file
        }
        return file
    }

    private static func read(_ answer: String, to question: Question, _ reject: (String) -> Void) -> JSONValue? {
        let text = answer.allSatisfy(\.isWhitespace) ? question.fallback : answer
        guard !text.isEmpty else { return .object([:]) }
        let name = question.setting(text)
        var diagnostics = SettingsDiagnostics()
        let document = Setting.all.first { $0.name == name }?.checked(text, &diagnostics)
        diagnostics.errors.first.map { reject($0.message) }
        return document
    }
}

extension Setting {
    /// What a text makes in the file, or nil with a sentence when a rule refuses it.
    fileprivate func checked(_ text: String, _ diagnostics: inout SettingsDiagnostics) -> JSONValue? {
        let place = SettingPlace(field: name, source: .file)
        guard let document = parse([text], place, &diagnostics) else { return nil }
        var scratch = Settings()
        if let value = document[path: name] { apply(value, place, &scratch, &diagnostics) }
        // Not a conditional expression: its nil would be JSON's null.
        guard diagnostics.isValid else { return nil }
        return document
    }
}
