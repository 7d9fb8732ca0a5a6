import GateDomain

// The kinds of settings that give each of several names a value.

extension SettingKind where Value == [String: ToolPrice] {
    /// `tool:credits` or `tool=credits`; in the file an object for each tool. A flag changes its tools' creditsPerCall
    /// and nothing else.
    static var toolPrices: Self {
        Self(
            .list(placeholder: "tool:credits"),
            parse: { texts, place, diagnostics in
                let amounts = namedAmounts(texts, separators: ":=", expecting: "tool:credits", place, &diagnostics)
                return amounts.map { .object($0.mapValues { .object(["creditsPerCall": $0]) }) }
            },
            read: { document, place, diagnostics in
                guard let tools = place.members(document, &diagnostics) else { return nil }
                return tools.reduce(into: [:]) { prices, tool in
                    prices[tool.key] = ToolPrice(tool.value, place.member(tool.key), &diagnostics)
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
                    .map(JSONDocument.object)
            },
            read: { document, place, diagnostics in
                guard let keys = place.members(document, &diagnostics) else { return nil }
                return keys.reduce(into: [:]) { credits, key in
                    credits[key.key] = place.wholeNumber(key.value, &diagnostics)
                }
            }
        )
    }
}

extension ToolPrice {
    /// Reads one tool's entry of the file; zeros stay zeros.
    fileprivate init?(_ document: JSONDocument, _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics) {
        guard let fields = place.members(document, &diagnostics) else { return nil }
        self.init()
        for (name, value) in fields where value != .null {
            let field = place.member(name)
            switch name {
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

/// Splits `name:amount` texts and comma lists of them at the last separator, for names may hold it.
private func namedAmounts(
    _ texts: [String], separators: String, expecting shape: String,
    _ place: SettingPlace, _ diagnostics: inout SettingsDiagnostics
) -> [String: JSONDocument]? {
    var amounts: [String: JSONDocument] = [:]
    for entry in texts.flatMap(\.commaSeparatedParts) {
        guard let separator = entry.lastIndex(where: { separators.contains($0) }), separator > entry.startIndex else {
            diagnostics.refuse(place, "Expected \(shape), separated by commas.")
            return nil
        }
        let amount = entry[entry.index(after: separator)...].drop(while: \.isWhitespace)
        amounts[String(entry[..<separator])] = Double(amount).map(JSONDocument.number) ?? .string(String(amount))
    }
    return amounts
}
