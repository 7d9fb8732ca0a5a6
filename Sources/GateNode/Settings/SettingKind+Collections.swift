// The kinds of settings that are lists of words, or give each of several names a value.

import Foundation
import GateDomain
import MCPWire

extension SettingKind where Value == [String] {
    /// Words that keep a rule: an array in the file, or text with commas.
    static func list(
        _ placeholder: String, rule: String = "Must be a list of texts.",
        _ isValid: @escaping @Sendable (String) -> Bool = { !$0.isEmpty }
    ) -> Self {
        Self(
            .list(placeholder: placeholder),
            parse: { texts, _, _ in .array(texts.flatMap(\.commaSeparatedParts).map(JSONValue.string)) },
            read: { document, place, diagnostics in
                place.words(document, rule: rule, where: isValid, &diagnostics)
            }
        )
    }
}

extension SettingKind where Value == CORSSettings.Origins {
    /// `*`, or origins.
    static var origins: Self {
        Self(
            .list(placeholder: "origin"),
            parse: { texts, _, _ in .array(texts.flatMap(\.commaSeparatedParts).map(JSONValue.string)) },
            read: { document, place, diagnostics in
                let rule = "Must be * or a list of origins such as https://app.example.com, without a path."
                let origins = place.words(document, rule: rule, where: { $0 == "*" || isOrigin($0) }, &diagnostics)
                return origins.map { $0.contains("*") ? .any : .listed($0) }
            },
            show: { $0 == .any ? "*" : nil }
        )
    }
}

/// Whether a text is `scheme://host[:port]` and nothing more (RFC 6454, section 6.1).
private func isOrigin(_ text: String) -> Bool {
    guard let parts = URLComponents(string: text), parts.scheme != nil, let host = parts.host, !host.isEmpty else {
        return false
    }
    return parts.path.isEmpty && parts.query == nil && parts.fragment == nil && parts.user == nil
}

extension SettingKind where Value == [String: ToolPrice] {
    /// `tool:credits` or `tool=credits`; in the file an object for each tool. A flag changes its tools' creditsPerCall
    /// and nothing else.
    static var toolPrices: Self {
        Self(
            .list(placeholder: "tool:credits"),
            parse: { texts, place, diagnostics in
                let amounts = namedAmounts(texts, separators: ":=", expecting: "tool:credits", place, &diagnostics)
                return amounts.map { JSONValue(members: $0.map { ($0, .object(["creditsPerCall": $1])) }) }
            },
            read: { document, place, diagnostics in
                guard let tools = place.members(document, &diagnostics) else { return nil }
                return tools.reduce(into: [:]) { prices, tool in
                    prices[tool.name] = ToolPrice(tool.value, place.member(tool.name), &diagnostics)
                }
            }
        )
    }
}

extension SettingKind where Value == [String: Int] {
    /// `key:credits` (F-CLI-02); in the file an object of numbers. Sentences do not repeat the keys.
    static var importedKeys: Self {
        Self(
            .list(placeholder: "key:credits"),
            parse: { texts, place, diagnostics in
                namedAmounts(texts, separators: ":", expecting: "key:credits", place, &diagnostics)
                    .map { JSONValue(members: $0) }
            },
            read: { document, place, diagnostics in
                guard let keys = place.members(document, &diagnostics) else { return nil }
                return keys.reduce(into: [:]) { credits, key in
                    credits[key.name] = place.wholeNumber(key.value, &diagnostics)
                }
            }
        )
    }
}

extension ToolPrice {
    /// Reads one tool's entry of the file; zeros stay zeros.
    fileprivate init?(_ document: JSONValue, _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics) {
        guard let fields = place.members(document, &diagnostics) else { return nil }
        self.init()
        for member in fields where !member.value.isNull {
            let (field, value) = (place.member(member.name), member.value)
            switch member.name {
            case "creditsPerCall": creditsPerCall = field.wholeNumber(value, &diagnostics)
            case "creditsPerKbInput": creditsPerKbInput = field.wholeNumber(value, &diagnostics) ?? 0
            case "creditsPerKbOutput": creditsPerKbOutput = field.wholeNumber(value, &diagnostics) ?? 0
            case "rateLimitPerMin": rateLimitPerMin = field.wholeNumber(value, &diagnostics)
            case "timeoutMs": timeoutMs = field.wholeNumber(value, &diagnostics)
            case "cacheTtlSeconds": diagnostics.warn(field.field, Setting.notServed)
            default: diagnostics.warn(field.field, Setting.unknown)
            }
        }
    }
}

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
