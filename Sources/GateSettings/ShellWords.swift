// Command lines given as one text.

/// Splits a command line into words as a POSIX shell does, and joins words so that splitting gives them back.
///
/// Quotes and backslashes are understood; variables, patterns and operators are ordinary text, for no shell runs.
package enum ShellWords {
    /// The words of a command line, or nil when a quote is left open.
    package static func split(_ line: String) -> [String]? {
        var words: [String] = []
        var word: String?
        var quote: Character?
        var rest = line[...]
        while let character = rest.popFirst() {
            switch (character, quote) {
            case ("\\", nil):
                word = (word ?? "") + (rest.popFirst().map(String.init) ?? "\\")
            case ("\\", "\""):
                let escapes = rest.first.map { "\"\\$`".contains($0) } ?? false
                word = (word ?? "") + (escapes ? String(rest.removeFirst()) : "\\")
            case ("'", nil), ("\"", nil):
                quote = character
                word = word ?? ""
            case (_, .some(let open)) where character == open:
                quote = nil
            case (_, nil) where character.isWhitespace:
                word.map { words.append($0) }
                word = nil
            default:
                word = (word ?? "") + String(character)
            }
        }
        guard quote == nil else { return nil }
        return words + (word.map { [$0] } ?? [])
    }

    /// One line of which `split` makes the same words.
    package static func join(_ words: [String]) -> String {
        words.map { word in
            let isPlain = !word.isEmpty && word.allSatisfy { $0.isLetter || $0.isNumber || "@%+=:,./_-".contains($0) }
            return isPlain ? word : "'" + word.replacing("'", with: #"'\''"#) + "'"
        }
        .joined(separator: " ")
    }
}
