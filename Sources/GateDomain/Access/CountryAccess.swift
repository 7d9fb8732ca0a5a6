// From which countries a key may call (F-GEO-01).

/// Lists of countries by their ISO 3166-1 alpha-2 codes, in upper case; an empty list of allowed ones allows all.
package struct CountryAccess: Sendable, Equatable {
    /// From nowhere else; at most `capacity`.
    package var allowed: [String]
    /// From everywhere but these; comes before `allowed`.
    package var denied: [String]

    /// Entries of a list: more than there are codes.
    package static let capacity = 300

    package init(allowed: [String] = [], denied: [String] = []) {
        self.allowed = allowed
        self.denied = denied
    }

    /// Whether any country is looked at.
    package var isEmpty: Bool { allowed.isEmpty && denied.isEmpty }

    /// The code that a header or a request spells, in upper case; nil where it is none.
    package static func code(_ text: String) -> String? {
        let letters = text.utf8.drop { $0 == 0x20 || $0 == 0x09 }.prefix(3)
        let rest = text.utf8.drop { $0 == 0x20 || $0 == 0x09 }.dropFirst(2)
        guard rest.count <= 16, rest.allSatisfy({ $0 == 0x20 || $0 == 0x09 }), letters.count >= 2 else { return nil }
        let code = letters.prefix(2).map { (0x61...0x7a).contains($0) ? $0 - 0x20 : $0 }
        guard code.allSatisfy({ (0x41...0x5a).contains($0) }) else { return nil }
        return String(decoding: code, as: UTF8.self)
    }
}
