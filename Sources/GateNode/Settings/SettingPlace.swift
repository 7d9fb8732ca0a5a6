// Where a value stands and where it came from, and how the values inside a setting are read.

import Foundation
import MCPWire

/// The part of a configuration that a sentence is about.
struct SettingPlace: Sendable {
    /// Path in the configuration file, for example `toolPricing.search.creditsPerCall` or `servers[0].prefix`.
    let field: String
    let source: SettingSource

    func member(_ name: String) -> SettingPlace {
        SettingPlace(field: "\(field).\(name)", source: source)
    }

    func element(_ index: Int) -> SettingPlace {
        SettingPlace(field: "\(field)[\(index)]", source: source)
    }
}

/// Where the value of a setting came from; a later case is stronger (F-ENV-03).
package enum SettingSource: Sendable, Equatable {
    /// The configuration file.
    case file
    /// The variable's name.
    case variable(String)
    /// The flag's first name, with its dashes.
    case flag(String)

    /// How a sentence names the source; the file goes without saying.
    var phrase: String {
        switch self {
        case .file: ""
        case .variable(let name), .flag(let name): " from \(name)"
        }
    }
}

extension SettingPlace {
    /// A whole number; a fraction is floored (F-PRICE-02).
    func wholeNumber(
        _ document: JSONValue, in range: ClosedRange<Int> = 0...Setting.largestNumber,
        _ diagnostics: inout SettingsDiagnostics
    ) -> Int? {
        let bounds = "\(range.lowerBound)–\(range.upperBound)"
        guard let number = document.numberValue, !number.isNaN else {
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
        _ document: JSONValue, rule: String = "Must be a list of texts.",
        where isValid: (String) -> Bool = { _ in true }, _ diagnostics: inout SettingsDiagnostics
    ) -> [String]? {
        let elements: [JSONValue]
        switch document {
        case .array(let array): elements = array
        case .string(let text): elements = text.commaSeparatedParts.map(JSONValue.string)
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
        _ document: JSONValue, _ diagnostics: inout SettingsDiagnostics
    ) -> [JSONObject.Member]? {
        if case .object(let object) = document { return object.members.sorted { $0.name < $1.name } }
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

// How texts become JSON and how JSON is shown in sentences.
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

    /// The value in a sentence: quoted when it is text, by its kind when it is a structure.
    var shown: String {
        switch self {
        case .null: "null"
        case .bool(let flag): "\(flag)"
        case .int(let number): "\(number)"
        case .double(let number): Int(exactly: number).map(String.init) ?? "\(number)"
        case .string(let text): "\"\(text)\""
        case .array: "[…]"
        case .object: "{…}"
        }
    }
}
