// What the values of settings look like, and the kinds that are one value.

import Foundation
import MCPWire

/// What a setting's values look like: how text becomes the file's shape, and how that shape becomes a checked value.
///
/// Flags and variables are text. `parse` only brings them into the shape that the configuration file has, so that every
/// rule about a value stands once, in `read`, and values of all sources merge before they are read.
struct SettingKind<Value: Sendable & Equatable>: Sendable {
    /// Checks a value; nil after a refusal.
    typealias Read = @Sendable (JSONValue, SettingPlace, inout SettingsDiagnostics) -> Value?

    let form: SettingForm
    let parse: Setting.Parse
    let read: Read
    /// A default in the help text; nil where there is nothing to say.
    let show: @Sendable (Value) -> String?

    init(
        _ form: SettingForm,
        parse: @escaping Setting.Parse = { texts, _, _ in texts.last.map(JSONValue.string) },
        read: @escaping Read,
        show: @escaping @Sendable (Value) -> String? = { _ in nil }
    ) {
        self.form = form
        self.parse = parse
        self.read = read
        self.show = show
    }

    /// The same values, or none at all.
    var optional: SettingKind<Value?> {
        SettingKind<Value?>(
            form,
            parse: parse,
            read: { [read] document, place, diagnostics in read(document, place, &diagnostics).map(Optional.some) },
            show: { [show] in $0.flatMap(show) }
        )
    }
}

extension SettingKind where Value == Int {
    /// A whole number; a fraction is floored (F-PRICE-02), anything out of range refused.
    static func number(_ placeholder: String, _ range: ClosedRange<Int> = 0...Setting.largestNumber) -> Self {
        Self(
            .value(placeholder: placeholder),
            parse: { texts, _, _ in
                let text = (texts.last ?? "").trimmingCharacters(in: .whitespaces)
                return JSONValue(number: text) ?? .string(text)
            },
            read: { document, place, diagnostics in
                place.wholeNumber(document, in: range, &diagnostics)
            },
            show: { "\($0)" }
        )
    }
}

extension SettingKind where Value == Bool {
    /// true/1/yes/on and false/0/no/off in variables; `--flag` and `--no-flag`; true and false in the file.
    static var toggle: Self {
        Self(
            .toggle,
            parse: { texts, _, _ in
                switch texts.last?.lowercased() {
                case "true", "1", "yes", "on": .bool(true)
                case "false", "0", "no", "off": .bool(false)
                default: texts.last.map(JSONValue.string)
                }
            },
            read: { document, place, diagnostics in
                if case .bool(let flag) = document { return flag }
                diagnostics.refuse(place, showing: document.shown, "Must be true or false.")
                return nil
            }
        )
    }
}

extension SettingKind where Value: RawRepresentable<String> & CaseIterable {
    /// One of a few words; a word that is known but not served yet is refused with its own sentence.
    static func choice(notYet: [String: String] = [:]) -> Self {
        let words = Value.allCases.map(\.rawValue)
        return Self(
            .value(placeholder: words.joined(separator: "|"), choices: words),
            read: { document, place, diagnostics in
                guard case .string(let word) = document, let value = Value(rawValue: word) else {
                    var sentence = "Must be one of \(words.joined(separator: ", "))."
                    if case .string(let word) = document, let reason = notYet[word] { sentence = reason }
                    diagnostics.refuse(place, showing: document.shown, sentence)
                    return nil
                }
                return value
            },
            show: { $0.rawValue }
        )
    }
}

extension SettingKind where Value == String {
    /// Text that is not empty and keeps a rule. The value of a secret is never repeated in a sentence.
    static func text(
        _ placeholder: String,
        isSecret: Bool = false,
        rule: String = "Must be text that is not empty.",
        _ isValid: @escaping @Sendable (String) -> Bool = { !$0.isEmpty }
    ) -> Self {
        Self(
            .value(placeholder: placeholder),
            read: { document, place, diagnostics in
                if case .string(let text) = document, isValid(text) { return text }
                diagnostics.refuse(place, showing: isSecret ? nil : document.shown, rule)
                return nil
            },
            show: { $0 }
        )
    }

    /// A path; a leading `~/` is the home directory, as no shell expands it in a file or a variable.
    static var path: Self {
        Self(
            .value(placeholder: "path", isPath: true),
            read: { document, place, diagnostics in
                guard case .string(let path) = document, !path.isEmpty else {
                    diagnostics.refuse(place, showing: document.shown, "Must be a path.")
                    return nil
                }
                let home = FileManager.default.homeDirectoryForCurrentUser.path
                return path.hasPrefix("~/") ? home + path.dropFirst(1) : path
            }
        )
    }

    /// A URL of one of the schemes. It may carry a password, so that sentences repeat its scheme alone.
    static func url(_ schemes: [String]) -> Self {
        Self(
            .value(placeholder: "url"),
            read: { document, place, diagnostics in
                guard case .string(let text) = document else {
                    diagnostics.refuse(place, showing: document.shown, "Must be a URL.")
                    return nil
                }
                return checkedURL(text, schemes, place, &diagnostics)
            }
        )
    }
}

private func checkedURL(
    _ text: String, _ schemes: [String], _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics
) -> String? {
    let components = URLComponents(string: text)
    guard let scheme = components?.scheme?.lowercased(), schemes.contains(scheme) else {
        let given = components?.scheme.map { " protocol \"\($0):\"" } ?? ""
        let expected = schemes.map { "\"\($0)://\"" }
        let list = expected.dropLast().joined(separator: ", ") + " or " + expected[expected.count - 1]
        diagnostics.error(place.field, "Invalid \(place.field)\(given)\(place.source.phrase). Expected \(list).")
        return nil
    }
    let names = scheme == "unix" ? components?.path : components?.host
    guard let names, !names.isEmpty, (components?.port ?? 1) <= 65_535 else {
        diagnostics.refuse(place, scheme == "unix" ? "Must name a socket, as unix:///run/redis.sock." : "Must name a host.")
        return nil
    }
    return text
}
