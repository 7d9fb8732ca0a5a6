// Looking for a pattern in the string values of a JSON text, where names, numbers and grammar are not touched.

import MCPWire

/// Finds patterns in decoded strings and says where they stand in the text, so that `\u0040` hides nothing.
enum JSONStrings {
    /// Where the pattern stands, in order: ranges of offsets into `json` that lie within string values and split no escape. Nil if it is no JSON.
    /// - Parameter most: it stops behind so many.
    static func finds(of pattern: GuardrailMatcher, in json: UnsafeRawBufferPointer, most: Int = .max) -> [Range<Int>]? {
        var finds: [Range<Int>] = []
        let isWhole = walk(json) { token in
            look(for: pattern, at: token, in: json) { find in
                finds.append(find)
                return finds.count < most
            }
            return finds.count < most
        }
        return isWhole ? finds : nil
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
        for pattern: GuardrailMatcher, at content: Range<Int>, in json: UnsafeRawBufferPointer, _ body: (Range<Int>) -> Bool
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

    /// The content of a string without its escapes, in UTF-8; half of a surrogate pair is U+FFFD.
    private struct Unescaped {
        var bytes: [UInt8] = []
        /// The offset that each byte comes from, and the end. All bytes of an escape come from where it begins.
        var origin: [Int] = []

        init(_ text: UnsafeRawBufferPointer) {
            bytes.reserveCapacity(text.count)
            origin.reserveCapacity(text.count + 1)
            var offset = 0
            while offset < text.count {
                guard text[offset] == UInt8(ascii: "\\"), offset + 1 < text.count else {
                    add(text[offset], from: offset)
                    offset += 1
                    continue
                }
                guard text[offset + 1] == UInt8(ascii: "u"), let unit = Self.unit(text, offset) else {
                    add(Self.short(text[offset + 1]), from: offset)
                    offset += 2
                    continue
                }
                var (scalar, end) = (Unicode.Scalar(unit), offset + 6)
                if UTF16.isLeadSurrogate(unit), let second = Self.unit(text, end), UTF16.isTrailSurrogate(second) {
                    scalar = Unicode.Scalar(0x10000 + (UInt32(unit & 0x3ff) << 10 | UInt32(second & 0x3ff)))
                    end += 6
                }
                for byte in UTF8.encode(scalar ?? "\u{fffd}") ?? UTF8.encodedReplacementCharacter { add(byte, from: offset) }
                offset = end
            }
            origin.append(text.count)
        }

        private mutating func add(_ byte: UInt8, from offset: Int) {
            bytes.append(byte)
            origin.append(offset)
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

        /// What `\uXXXX` at an offset spells; nil where none stands there.
        private static func unit(_ text: UnsafeRawBufferPointer, _ offset: Int) -> UInt16? {
            guard offset + 6 <= text.count, text[offset] == UInt8(ascii: "\\"), text[offset + 1] == UInt8(ascii: "u") else { return nil }
            return text[(offset + 2)..<(offset + 6)].reduce(0) { value, digit in
                let letter = digit | 0x20
                return value << 4 | UInt16(letter >= UInt8(ascii: "a") ? letter - UInt8(ascii: "a") + 10 : digit & 0x0f)
            }
        }
    }
}
