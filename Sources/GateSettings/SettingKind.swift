// How the values of settings are written on the command line, in variables and in the help text; what they may be says `ValueKind`.

import Foundation
import GateDomain
import GateValues
import MCPWire

/// A kind of value as a setting takes it: how text becomes the file's shape, and what the help text says.
///
/// Flags and variables are text. `parse` only brings them into the shape that the configuration file has, so that every
/// rule about a value stands once, in its `ValueKind`, and values of all sources merge before they are read.
struct SettingKind<Value: Sendable & Equatable>: Sendable {
    /// What the file's shape may be.
    let values: ValueKind<Value>
    let form: SettingForm
    let parse: Setting.Parse
    /// A default in the help text; nil where there is nothing to say.
    let show: @Sendable (Value) -> String?

    init(
        _ values: ValueKind<Value>, _ form: SettingForm,
        parse: @escaping Setting.Parse = { texts, _, _ in texts.last.map(JSONValue.string) },
        show: @escaping @Sendable (Value) -> String? = { _ in nil }
    ) {
        self.values = values
        self.form = form
        self.parse = parse
        self.show = show
    }

    /// The same values, or none at all.
    var optional: SettingKind<Value?> {
        SettingKind<Value?>(
            ValueKind<Value?>(values.schema, reading: { [values] json, findings in values.read(json, &findings).map(Optional.some) }),
            form, parse: parse, show: { [show] in $0.flatMap(show) })
    }
}

extension SettingKind where Value == Int {
    /// A whole number; a fraction is floored (F-PRICE-02), anything out of range refused.
    static func number(_ placeholder: String, _ range: ClosedRange<Int> = 0...Int.largestSetting) -> Self {
        Self(
            .amount(range), .value(placeholder: placeholder),
            parse: { texts, _, _ in
                let text = (texts.last ?? "").trimmingCharacters(in: .whitespaces)
                return JSONValue(number: text) ?? .string(text)
            },
            show: { "\($0)" })
    }
}

extension SettingKind where Value == Bool {
    /// true/1/yes/on and false/0/no/off in variables; `--flag` and `--no-flag`; true and false in the file.
    static var toggle: Self {
        Self(
            .flag, .toggle,
            parse: { texts, _, _ in
                switch texts.last?.lowercased() {
                case "true", "1", "yes", "on": .bool(true)
                case "false", "0", "no", "off": .bool(false)
                default: texts.last.map(JSONValue.string)
                }
            })
    }
}

extension SettingKind where Value: RawRepresentable<String> & CaseIterable {
    /// One of a few words; a word that is known but not served yet is refused with its own sentence.
    static func choice(notYet: [String: String] = [:]) -> Self {
        let words = Value.allCases.map(\.rawValue)
        return Self(.choice(notYet: notYet), .value(placeholder: words.joined(separator: "|"), choices: words), show: { $0.rawValue })
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
        Self(.word(.string, isSecret: isSecret, rule: rule, isValid), .value(placeholder: placeholder), show: { $0 })
    }

    /// A path; a leading `~/` is the home directory, as no shell expands it in a file or a variable.
    static var path: Self { Self(.path, .value(placeholder: "path", isPath: true)) }

    /// A URL of one of the schemes. It may carry a password, so that sentences repeat its scheme alone.
    static func url(_ schemes: [String]) -> Self { Self(.url(schemes), .value(placeholder: "url")) }

    /// Where the store is. It may carry a password, so that sentences repeat its scheme alone.
    static var redisURL: Self { Self(.redisURL, .value(placeholder: "url")) }
}

extension SettingKind where Value == [String] {
    /// Words that keep a rule: an array in the file, or text with commas.
    static func list(
        _ placeholder: String, rule: String = "Must be a list of texts.",
        _ isValid: @escaping @Sendable (String) -> Bool = { !$0.isEmpty }
    ) -> Self {
        Self(.words(rule: rule, isValid), .list(placeholder: placeholder), parse: commaList)
    }
}

extension SettingKind where Value == CORSSettings.Origins {
    /// `*`, or origins.
    static var origins: Self { Self(.origins, .list(placeholder: "origin"), parse: commaList, show: { $0 == .any ? "*" : nil }) }
}

extension SettingKind where Value == [String: ToolPrice] {
    /// `tool:credits` or `tool=credits`; in the file an object for each tool. A flag changes its tools' creditsPerCall
    /// and nothing else.
    static var toolPrices: Self {
        Self(
            .map(of: .toolPrice), .list(placeholder: "tool:credits"),
            parse: { texts, place, diagnostics in
                let amounts = namedAmounts(texts, separators: ":=", expecting: "tool:credits", place, &diagnostics)
                return amounts.map { JSONValue(members: $0.map { ($0, .object(["creditsPerCall": $1])) }) }
            })
    }
}

extension SettingKind where Value == [String: Int] {
    /// `key:credits` (F-CLI-02); in the file an object of numbers. Sentences do not repeat the keys.
    static var importedKeys: Self {
        Self(
            .importedKeys, .list(placeholder: "key:credits"),
            parse: { texts, place, diagnostics in
                namedAmounts(texts, separators: ":", expecting: "key:credits", place, &diagnostics)
                    .map { JSONValue(members: $0) }
            })
    }
}

private let commaList: Setting.Parse = { texts, _, _ in .array(texts.flatMap(\.commaSeparatedParts).map(JSONValue.string)) }

/// Splits `name:amount` texts and comma lists of them at the last separator, for names may hold it; a later amount of one name counts.
private func namedAmounts(
    _ texts: [String], separators: String, expecting shape: String,
    _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics
) -> [(name: String, amount: JSONValue)]? {
    var amounts: [(name: String, amount: JSONValue)] = []
    for entry in texts.flatMap(\.commaSeparatedParts) {
        guard let separator = entry.lastIndex(where: { separators.contains($0) }), separator > entry.startIndex else {
            diagnostics.refuse(place, "Expected \(shape), separated by commas.")
            return nil
        }
        let amount = entry[entry.index(after: separator)...].drop(while: \.isWhitespace)
        amounts.append((String(entry[..<separator]), JSONValue(number: String(amount)) ?? .string(String(amount))))
    }
    return amounts
}

// How texts become JSON.
extension JSONValue {
    /// The number that a text is, whole where it fits; nil when it is none.
    init?(number text: String) {
        guard let number = Int64(text).map(JSONValue.int) ?? Double(text).map(JSONValue.double) else { return nil }
        self = number
    }

    /// An object; a later member replaces an earlier one of its name.
    init(members: some Sequence<(String, JSONValue)>) {
        self = .object(JSONObject(members))
    }
}
