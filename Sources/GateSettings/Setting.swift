// One row of the table of settings.

import MCPWire

/// One row of the table of settings: everything there is to know about a setting, declared once (docs/architecture.md, rule 7).
///
/// The command line, the variables, the configuration file, the help text and a reload all read these rows.
package struct Setting: Sendable {
    /// Turns what a flag (once or repeated) or a variable said into the file's shape; nil after a refusal.
    typealias Parse = @Sendable ([String], SettingPlace, inout SettingsDiagnostics) -> JSONValue?

    /// Path in the configuration file, for example `cors.origin`.
    package let name: String
    /// Synonyms without dashes; empty when the command line does not know the setting.
    package let flags: [String]
    /// Synonyms; the first one that is set wins.
    package let variables: [String]
    /// One sentence for the help text.
    package let help: String
    /// How it is written on the command line.
    package let form: SettingForm
    /// Takes effect on a reload, without a restart (F-CFG-03).
    package let isReloadable: Bool
    /// Whether the configuration file may hold it.
    package let isInFile: Bool
    /// The default in the help text, if there is something to say.
    package let defaultText: String?

    /// The setting whose value this one reads from a file.
    var target: String?

    let parse: Parse
    let apply: @Sendable (JSONValue, SettingPlace, inout Settings, inout SettingsDiagnostics) -> Void
    /// Takes the value from the second settings if it differs; says whether it did.
    let copy: @Sendable (inout Settings, Settings) -> Bool
}

extension Setting {
    static let unknown = "Unknown field; it has no effect."
    static let notServed = "Accepted, but it has no effect in this version."

    /// A served setting, bound to its place in `Settings`.
    init<Value>(
        _ name: String,
        _ path: any WritableKeyPath<Settings, Value> & Sendable,
        _ kind: SettingKind<Value>,
        flags: [String] = [],
        variables: [String] = [],
        reloadable: Bool = false,
        inFile: Bool = true,
        _ help: String
    ) {
        self.name = name
        self.flags = flags
        self.variables = variables
        self.help = help
        self.form = kind.form
        self.isReloadable = reloadable
        self.isInFile = inFile
        self.defaultText = kind.show(Settings()[keyPath: path])
        self.parse = { texts, place, diagnostics in
            kind.parse(texts, place, &diagnostics).map { JSONValue($0, at: name) }
        }
        self.apply = { document, place, settings, diagnostics in
            if let value = diagnostics.value(of: document, kind.values, place) { settings[keyPath: path] = value }
        }
        self.copy = { settings, other in
            guard settings[keyPath: path] != other[keyPath: path] else { return false }
            settings[keyPath: path] = other[keyPath: path]
            return true
        }
    }

    /// A served setting that may be left out altogether.
    init<Value>(
        _ name: String,
        _ path: any WritableKeyPath<Settings, Value?> & Sendable,
        _ kind: SettingKind<Value>,
        flags: [String] = [],
        variables: [String] = [],
        inFile: Bool = true,
        _ help: String
    ) {
        self.init(name, path, kind.optional, flags: flags, variables: variables, inFile: inFile, help)
    }

    /// The command of the stdio server: in the file the program alone, as text a whole command line.
    ///
    /// Text sets `serverArgs` too, so that arguments of the file never follow a program of the command line.
    static func serverCommand(flags: [String], variables: [String], _ help: String) -> Setting {
        Setting("serverCommand", \.serverCommand, .text("command"), flags: flags, variables: variables, help)
            .parsing { texts, place, diagnostics in
                guard let words = texts.last.flatMap(ShellWords.split), let program = words.first else {
                    diagnostics.refuse(place, "Must be a command; check its quotes.")
                    return nil
                }
                let arguments = words.dropFirst().map(JSONValue.string)
                return .object(["serverCommand": .string(program), "serverArgs": .array(arguments)])
            }
    }

    /// Reads a secret from a file, as container secrets are given: the flag with `-file`, the variables with `_FILE`.
    static func inFile(_ secret: Setting) -> Setting {
        var isList = false
        if case .list = secret.form { isList = true }
        return Setting(
            name: secret.name + "File", flags: secret.flags.map { $0 + "-file" }, variables: secret.variables.map { $0 + "_FILE" },
            help: isList ? "A file with lines of it." : "A file with it, which no process list shows.",
            form: .value(placeholder: "path", isPath: true), isReloadable: false, isInFile: false, defaultText: nil, target: secret.name,
            parse: { [isList] texts, place, diagnostics in
                let place = SettingPlace(field: secret.name, source: place.source)
                do throws(SecretFile.Fault) {
                    let text = try SecretFile.read(texts.last ?? "")
                    return secret.parse(isList ? text.split(whereSeparator: \.isNewline).map(String.init) : [text], place, &diagnostics)
                } catch {
                    diagnostics.refuse(place, error.sentence)
                    return nil
                }
            },
            apply: { _, _, _, _ in }, copy: { _, _ in false })
    }

    /// A documented setting that this version takes without using it.
    static func later(
        _ name: String, _ form: SettingForm = .value(placeholder: "value"),
        flags: [String] = [], variables: [String] = [], reloadable: Bool = false, _ help: String = ""
    ) -> Setting {
        Setting(
            name: name, flags: flags, variables: variables, help: help, form: form,
            isReloadable: reloadable, isInFile: true, defaultText: nil,
            parse: { texts, _, _ in JSONValue(.array(texts.map(JSONValue.string)), at: name) },
            apply: { _, place, _, diagnostics in diagnostics.warn(place.field, notServed) },
            copy: { _, _ in false }
        )
    }

    private func parsing(_ parse: @escaping Parse) -> Setting {
        Setting(
            name: name, flags: flags, variables: variables, help: help, form: form, isReloadable: isReloadable,
            isInFile: isInFile, defaultText: defaultText, parse: parse, apply: apply, copy: copy
        )
    }
}

/// How a setting is written on the command line.
package enum SettingForm: Sendable, Equatable {
    /// `--flag` and `--no-flag`.
    case toggle
    /// One value; the words that it may be, if they are few, and whether it names a file.
    case value(placeholder: String, choices: [String] = [], isPath: Bool = false)
    /// A comma list, and the flag may be repeated.
    case list(placeholder: String)
}
