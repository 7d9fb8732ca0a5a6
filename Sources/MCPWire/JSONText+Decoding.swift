// Decoding of single string tokens that a scanner has already passed, so that the grammar is not checked twice.

extension JSONText {
    /// The string that a token with quotes stands for.
    /// - Parameter token: a string token of JSON that was scanned with its text checked.
    /// - Returns: nil if the token is no string, or holds half of a surrogate pair, which no Swift string can equal.
    package static func string(_ token: UnsafeRawBufferPointer) -> String? {
        guard token.count >= 2, token[0] == .quote else { return nil }
        let content = token.piece(1..<token.count - 1)
        guard content.firstOffset(of: .backslash) != nil else { return String(decoding: content, as: UTF8.self) }
        var decoded: [UInt8] = []
        guard unescape(content, into: &decoded) else { return nil }
        return String(decoding: decoded, as: UTF8.self)
    }

    /// Appends the decoded bytes of what stands between the quotes of a string token.
    /// - Returns: false if half a surrogate pair was met; U+FFFD stands in its place.
    @discardableResult
    static func unescape(_ content: UnsafeRawBufferPointer, into output: inout [UInt8]) -> Bool {
        var isWhole = true
        var start = 0
        while let escape = content.firstOffset(of: .backslash, from: start) {
            output.append(contentsOf: content[start..<escape])
            start = escape + 2
            switch content[escape + 1] {
            case UInt8(ascii: "b"): output.append(0x08)
            case UInt8(ascii: "f"): output.append(0x0C)
            case UInt8(ascii: "n"): output.append(.lineFeed)
            case UInt8(ascii: "r"): output.append(.carriageReturn)
            case UInt8(ascii: "t"): output.append(.tab)
            case UInt8(ascii: "u"):
                let scalar = scalar(of: content, escape: escape, end: &start)
                isWhole = isWhole && scalar != nil
                output.append(contentsOf: UTF8.encode(scalar ?? "\u{FFFD}") ?? UTF8.encodedReplacementCharacter)
            case let itself: output.append(itself)
            }
        }
        output.append(contentsOf: content[start...])
        return isWhole
    }

    /// The scalar of the `\u` escape at `escape`, together with the escape after it where the two are a surrogate pair.
    private static func scalar(of content: UnsafeRawBufferPointer, escape: Int, end: inout Int) -> Unicode.Scalar? {
        let first = codeUnit(of: content, at: escape)
        end = escape + 6
        guard let first, UTF16.isLeadSurrogate(first) else { return first.flatMap { Unicode.Scalar($0) } }
        guard let second = codeUnit(of: content, at: end), UTF16.isTrailSurrogate(second) else { return nil }
        end += 6
        return Unicode.Scalar(0x10000 + (UInt32(first & 0x3FF) << 10 | UInt32(second & 0x3FF)))
    }

    private static func codeUnit(of content: UnsafeRawBufferPointer, at offset: Int) -> UInt16? {
        guard offset + 6 <= content.count, content[offset] == .backslash, content[offset + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt16 = 0
        for digit in content[offset + 2..<offset + 6] { unit = unit << 4 | (digit.hexValue ?? 0) }
        return unit
    }
}
