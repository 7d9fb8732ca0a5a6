import Foundation

// The kinds of settings that are lists of words.

extension SettingKind where Value == [String] {
    /// Words that keep a rule: an array in the file, or text with commas.
    static func list(
        _ placeholder: String, rule: String = "Must be a list of texts.",
        _ isValid: @escaping @Sendable (String) -> Bool = { !$0.isEmpty }
    ) -> Self {
        Self(
            .list(placeholder: placeholder),
            parse: { texts, _, _ in .array(texts.flatMap(\.commaSeparatedParts).map(JSONDocument.string)) },
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
            parse: { texts, _, _ in .array(texts.flatMap(\.commaSeparatedParts).map(JSONDocument.string)) },
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
