import Foundation

// How the values inside a setting are read: each either comes back checked, or is refused at its place.

extension SettingPlace {
    /// A whole number; a fraction is floored (F-PRICE-02).
    func wholeNumber(
        _ document: JSONDocument, in range: ClosedRange<Int> = 0...Setting.largestNumber,
        _ diagnostics: inout SettingsDiagnostics
    ) -> Int? {
        let bounds = "\(range.lowerBound)–\(range.upperBound)"
        guard case .number(let number) = document, !number.isNaN else {
            diagnostics.refuse(self, showing: document.shown, "Must be a number, \(bounds).")
            return nil
        }
        guard let whole = Int(exactly: number.rounded(.down)), range.contains(whole) else {
            diagnostics.refuse(self, showing: document.shown, "Must be \(bounds).")
            return nil
        }
        return whole
    }

    /// An array of texts, or one text with commas.
    func words(
        _ document: JSONDocument, rule: String = "Must be a list of texts.",
        where isValid: (String) -> Bool = { _ in true }, _ diagnostics: inout SettingsDiagnostics
    ) -> [String]? {
        let elements: [JSONDocument]
        switch document {
        case .array(let array): elements = array
        case .string(let text): elements = text.commaSeparatedParts.map(JSONDocument.string)
        default:
            diagnostics.refuse(self, showing: document.shown, rule)
            return nil
        }
        var words: [String] = []
        for element in elements {
            guard case .string(let word) = element, isValid(word) else {
                diagnostics.refuse(self, showing: element.shown, rule)
                return nil
            }
            words.append(word)
        }
        return words
    }

    /// The members of an object in the order of their names, so that the same file gives the same sentences.
    func members(
        _ document: JSONDocument, _ diagnostics: inout SettingsDiagnostics
    ) -> [(key: String, value: JSONDocument)]? {
        if case .object(let members) = document { return members.sorted { $0.key < $1.key } }
        diagnostics.refuse(self, showing: document.shown, "Must be an object.")
        return nil
    }
}

extension String {
    /// The trimmed parts between commas, without empty ones.
    var commaSeparatedParts: [String] {
        split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
}
