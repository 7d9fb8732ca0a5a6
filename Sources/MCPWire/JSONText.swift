// Single tokens of JSON, written and read back.

/// How strings and numbers are written as JSON text, and read back from a single token.
package enum JSONText {
    /// Appends `text` with quotes, escaping what RFC 8259 section 7 requires and nothing else.
    package static func append(_ text: String, to output: inout [UInt8]) {
        output.append(.quote)
        var text = text
        text.withUTF8 { appendEscaped(UnsafeRawBufferPointer($0), to: &output) }
        output.append(.quote)
    }

    /// `text` as a string token.
    package static func quoted(_ text: String) -> [UInt8] {
        var token: [UInt8] = []
        append(text, to: &token)
        return token
    }

    /// Appends an integer in decimal.
    package static func append(_ number: Int, to output: inout [UInt8]) {
        if number < 0 { output.append(.minus) }
        withDecimal(UInt64(number.magnitude)) { output.append(contentsOf: $0) }
    }

    /// Appends the shortest decimal that reads back as the same double; `null` for what JSON has no number for.
    package static func append(_ number: Double, to output: inout [UInt8]) {
        output.append(contentsOf: (number.isFinite ? number.description : "null").utf8)
    }

    /// Lends the decimal digits of a number for the time of a call, without allocating.
    package static func withDecimal<Result>(_ number: UInt64, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var start = 20
            var rest = number
            repeat {
                start &-= 1
                digits[start] = .zero &+ UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            return body(UnsafeRawBufferPointer(rebasing: digits[start...]))
        }
    }

    /// The value of a token that is a plain decimal (digits only) and fits.
    package static func unsignedDecimal(_ token: UnsafeRawBufferPointer) -> UInt64? {
        guard !token.isEmpty, token.count <= 20 else { return nil }
        var value: UInt64 = 0
        for byte in token {
            guard byte.isDigit else { return nil }
            let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(byte &- .zero))
            guard !overflow, !carry else { return nil }
            value = sum
        }
        return value
    }

    private static func appendEscaped(_ text: UnsafeRawBufferPointer, to output: inout [UInt8]) {
        var start = 0
        while true {
            let stop = text.firstOffsetOfEscaped(from: start)
            output.append(contentsOf: text.piece(start..<stop))
            guard stop < text.count else { return }
            appendEscape(of: text[stop], to: &output)
            start = stop + 1
        }
    }

    private static func appendEscape(of byte: UInt8, to output: inout [UInt8]) {
        output.append(.backslash)
        switch byte {
        case .quote, .backslash: output.append(byte)
        case .lineFeed: output.append(UInt8(ascii: "n"))
        case .carriageReturn: output.append(UInt8(ascii: "r"))
        case .tab: output.append(UInt8(ascii: "t"))
        case 0x08: output.append(UInt8(ascii: "b"))
        case 0x0C: output.append(UInt8(ascii: "f"))
        default:
            let digits: StaticString = "0123456789abcdef"
            output.append(contentsOf: "u00".utf8)
            output.append(digits.utf8Start[Int(byte >> 4)])
            output.append(digits.utf8Start[Int(byte & 0xF)])
        }
    }
}
