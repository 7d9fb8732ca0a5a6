// Strings that nobody has to decode.

/// A string as it stands in JSON text. The scanner returns it undecoded; only names that a decision needs are ever
/// decoded.
package struct StringToken: Sendable {
    /// The offsets of the token with its quotes.
    package let range: Range<Int>
    /// False if the token has an escape or, where the scanner checks text, a byte outside ASCII:
    /// then its bytes may not be compared as they stand.
    package let isPlain: Bool

    /// The offsets between the quotes.
    package var content: Range<Int> { range.lowerBound + 1..<range.upperBound - 1 }

    /// Whether the decoded string is `text`, which has to be ASCII.
    package func spells(_ text: StaticString, in bytes: UnsafeRawBufferPointer) -> Bool {
        let content = bytes.piece(content)
        if isPlain { return content.spells(text) }
        var decoded: [UInt8] = []
        JSONText.unescape(content, into: &decoded)
        return decoded.withUnsafeBytes { $0.spells(text) }
    }

    /// The decoded string.
    func text(in bytes: UnsafeRawBufferPointer) -> String {
        let content = bytes.piece(content)
        if isPlain { return String(decoding: content, as: UTF8.self) }
        var decoded: [UInt8] = []
        JSONText.unescape(content, into: &decoded)
        return String(decoding: decoded, as: UTF8.self)
    }
}
