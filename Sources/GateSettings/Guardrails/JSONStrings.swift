// Looking for a pattern in the string values of a JSON text, where names, numbers and grammar are not touched.

import MCPWire

/// Finds patterns in decoded strings and says where they stand in the text, so that `\u0040` hides nothing.
enum JSONStrings {
    /// Where the pattern stands, in order: ranges of offsets into `json` that lie within string values and split no escape. Nil if it is no JSON.
    static func finds(of pattern: GuardrailPattern, in json: UnsafeRawBufferPointer) -> [Range<Int>]? {
        var finds: [Range<Int>] = []
        return walk(json) { token in
            look(for: pattern, at: token, in: json) { find in
                finds.append(find)
                return true
            }
            return true
        } ? finds : nil
    }

    /// Whether the pattern stands anywhere; stops at the first. Nil if it is no JSON.
    static func contains(_ pattern: GuardrailPattern, in json: UnsafeRawBufferPointer) -> Bool? {
        var isFound = false
        let isWhole = walk(json) { token in
            look(for: pattern, at: token, in: json) { _ in
                isFound = true
                return false
            }
            return !isFound
        }
        return isFound ? true : isWhole ? false : nil
    }

    /// - Parameter body: gets the offsets between the quotes of each string value; false ends the walk.
    /// - Returns: false if it is no JSON.
    private static func walk(_ json: UnsafeRawBufferPointer, _ body: (Range<Int>) -> Bool) -> Bool {
        var scanner = JSONScanner(json)
        do {
            _ = try visit(&scanner, body)
            return true
        } catch {
            return false
        }
    }

    private static func visit(_ scanner: inout JSONScanner, _ body: (Range<Int>) -> Bool) throws(JSONFault) -> Bool {
        switch scanner.next {
        case UInt8(ascii: "\""): return body(try scanner.skipString().content)
        case UInt8(ascii: "{"):
            try scanner.openObject()
            while try scanner.nextMember() != nil { guard try visit(&scanner, body) else { return false } }
        case UInt8(ascii: "["):
            try scanner.openArray()
            while try scanner.nextElement() { guard try visit(&scanner, body) else { return false } }
        default: try scanner.skipValue()
        }
        return true
    }

    private static func look(
        for pattern: GuardrailPattern, at content: Range<Int>, in json: UnsafeRawBufferPointer, _ body: (Range<Int>) -> Bool
    ) {
        let text = UnsafeRawBufferPointer(rebasing: json[content])
        guard text.contains(UInt8(ascii: "\\")) else {
            return pattern.search(text) { body(content.lowerBound + $0.lowerBound..<content.lowerBound + $0.upperBound) }
        }
        let plain = Unescaped(text)
        plain.bytes.withUnsafeBytes { bytes in
            pattern.search(bytes) {
                body(content.lowerBound + plain.origin[$0.lowerBound]..<content.lowerBound + plain.origin[$0.upperBound])
            }
        }
    }

    /// The content of a string without its escapes. Of the scalars that patterns are made of each keeps its value; any other escaped one
    /// becomes U+FFFD's first byte, which no pattern has.
    private struct Unescaped {
        var bytes: [UInt8] = []
        /// The offset that each byte comes from, and the end.
        var origin: [Int] = []

        init(_ text: UnsafeRawBufferPointer) {
            bytes.reserveCapacity(text.count)
            origin.reserveCapacity(text.count + 1)
            var offset = 0
            while offset < text.count {
                origin.append(offset)
                guard text[offset] == UInt8(ascii: "\\"), offset + 1 < text.count else {
                    bytes.append(text[offset])
                    offset += 1
                    continue
                }
                let isUnicode = text[offset + 1] == UInt8(ascii: "u") && offset + 6 <= text.count
                bytes.append(isUnicode ? Self.ascii(text[(offset + 2)..<(offset + 6)]) : Self.short(text[offset + 1]))
                offset += isUnicode ? 6 : 2
            }
            origin.append(text.count)
        }

        private static func short(_ byte: UInt8) -> UInt8 {
            switch byte {
            case UInt8(ascii: "b"): 0x08
            case UInt8(ascii: "f"): 0x0c
            case UInt8(ascii: "n"): 0x0a
            case UInt8(ascii: "r"): 0x0d
            case UInt8(ascii: "t"): 0x09
            default: byte
            }
        }

        private static func ascii(_ digits: Slice<UnsafeRawBufferPointer>) -> UInt8 {
            var value = 0
            for digit in digits {
                let letter = digit | 0x20
                value = value << 4 | Int(letter >= UInt8(ascii: "a") ? letter - UInt8(ascii: "a") + 10 : digit & 0x0f)
            }
            return value < 0x80 ? UInt8(value) : 0xef
        }
    }
}
