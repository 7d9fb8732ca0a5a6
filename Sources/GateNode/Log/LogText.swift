// Words of others in a line of a log: they stay one field of one line, whatever they are.

/// Text that others have chosen, as a log may have it: visible ASCII as it stands, every other byte as `%` and two digits, and not too much
/// of it. So nothing in it ends a field or a line, turns a terminal's text round, or looks like what it is not; and nothing is lost.
enum LogText {
    /// Bytes of a text that are shown.
    static let longest = 256

    static func append(_ text: String, to line: inout [UInt8]) {
        var text = text
        text.withUTF8 { bytes in
            if bytes.count <= longest, bytes.allSatisfy(isPlain) {
                line += bytes
            } else {
                for byte in bytes.prefix(longest) { append(byte, to: &line) }
                if bytes.count > longest { line += "...".utf8 }
            }
        }
    }

    private static func append(_ byte: UInt8, to line: inout [UInt8]) {
        if isPlain(byte) { return line.append(byte) }
        let digits: StaticString = "0123456789ABCDEF"
        line.append(UInt8(ascii: "%"))
        line.append(digits.utf8Start[Int(byte >> 4)])
        line.append(digits.utf8Start[Int(byte & 15)])
    }

    /// Visible, and neither a quote, a backslash nor the sign of an escape.
    private static func isPlain(_ byte: UInt8) -> Bool {
        (0x21...0x7e).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\") && byte != UInt8(ascii: "%")
    }

    /// Bytes of a sentence of the node's own log.
    private static let longestSentence = 2048

    /// A sentence that may quote others: one line, without anything that a terminal obeys or does not show.
    static func sentence(_ text: String) -> String {
        var bytes = 0
        var scalars = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            bytes += UTF8.width(scalar)
            guard bytes <= longestSentence else {
                scalars.append(contentsOf: "...".unicodeScalars)
                break
            }
            scalars.append(isShown(scalar) ? scalar : " ")
        }
        return String(scalars)
    }

    /// The value of a pair: in quotes where it could be taken for more than one.
    static func value(_ text: String) -> String {
        let sentence = sentence(text)
        guard sentence.isEmpty || sentence.utf8.contains(where: { $0 == 0x20 || $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "\"") })
        else { return sentence }
        return quoted(sentence)
    }

    static func quoted(_ sentence: String) -> String {
        "\"" + sentence.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
    }

    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
