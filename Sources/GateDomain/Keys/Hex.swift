// Bytes as hex digits: written, read, and drawn at random.

/// Lower-case hex of bytes.
@usableFromInline
package enum Hex {
    /// Two digits for each byte.
    @inlinable
    package static func string(_ sequence: some Sequence<UInt8>) -> String { string(Array(sequence), after: "") }

    /// Two lower-case digits a byte, behind a prefix of ASCII.
    @inlinable
    package static func string(_ bytes: some Collection<UInt8>, after prefix: String) -> String {
        String(unsafeUninitializedCapacity: prefix.utf8.count + bytes.count * 2) { buffer in
            var index = buffer.initialize(fromContentsOf: prefix.utf8)
            for byte in bytes {
                buffer[index] = digit(byte >> 4)
                buffer[index + 1] = digit(byte & 15)
                index += 2
            }
            return index
        }
    }

    /// The bytes that a text stands for; nil if it is not pairs of lower-case hex digits.
    @inlinable
    package static func bytes(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for unit in text.utf8 {
            let digit: UInt8
            switch unit {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = unit - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = unit - UInt8(ascii: "a") + 10
            default: return nil
            }
            if let first = high {
                bytes.append(first << 4 | digit)
                high = nil
            } else {
                high = digit
            }
        }
        return high == nil ? bytes : nil
    }

    /// - Parameter value: 0 to 15.
    @inlinable @inline(__always)
    static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

/// Hex digits from the system's cryptographically secure generator.
package enum RandomHex {
    /// So many lower-case digits; four bits of chance each.
    package static func digits(_ count: Int) -> String {
        var generator = SystemRandomNumberGenerator()
        return String(unsafeUninitializedCapacity: count) { buffer in
            var index = 0
            while index < count {
                var bits = generator.next()
                for _ in 0..<min(16, count - index) {
                    buffer[index] = Hex.digit(UInt8(truncatingIfNeeded: bits & 15))
                    bits >>= 4
                    index += 1
                }
            }
            return count
        }
    }
}
