// How the scanner passes strings and numbers: eight bytes of a string at a time, because messages are mostly text.

extension JSONScanner {
    /// Passes the string that begins here.
    /// - Throws: `syntax` where no string begins or it never ends, `text` for what no string may hold.
    @discardableResult
    package mutating func skipString() throws(JSONFault) -> StringToken {
        guard next == .quote else { throw fault(.syntax) }
        let start = position
        var isPlain = true
        position &+= 1
        while true {
            passOrdinaryText()
            guard position < bytes.count else { throw fault(.syntax) }
            switch bytes[position] {
            case .quote:
                position &+= 1
                return StringToken(range: start..<position, isPlain: isPlain)
            case .backslash:
                isPlain = false
                try skipEscape()
            case 0..<0x20:
                throw fault(.text)
            case 0x80... where checksText:
                isPlain = false
                try skipMultibyteScalar()
            default:
                position &+= 1
            }
        }
    }

    /// Passes one value of any kind; nil unless it is a string.
    /// - Throws: As `skipValue`.
    package mutating func skipValueAsString() throws(JSONFault) -> StringToken? {
        if next == .quote { return try skipString() }
        try skipValue()
        return nil
    }

    /// Moves past whole words without a quote, a backslash, a control character or (where text is checked) a byte
    /// outside ASCII, and then to the first such byte of the next word. Stops short of the last seven bytes.
    @inline(__always)
    private mutating func passOrdinaryText() {
        let lastWord = bytes.count &- 8
        let highBits: UInt64 = checksText ? 0x8080_8080_8080_8080 : 0
        while position <= lastWord {
            let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
            let stops = Self.stops(in: word) | (word & highBits)
            guard stops == 0 else {
                position &+= stops.trailingZeroBitCount &>> 3
                return
            }
            position &+= 8
        }
    }

    /// Sets the high bit of each byte that is a quote, a backslash or below 0x20. Bits above the lowest set one may be
    /// false alarms (a borrow), the lowest is exact.
    @inline(__always)
    static func stops(in word: UInt64) -> UInt64 {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = word ^ (ones &* 0x22)
        let backslashes = word ^ (ones &* 0x5C)
        return
            (((quotes &- ones) & ~quotes) | ((backslashes &- ones) & ~backslashes) | ((word &- ones &* 0x20) & ~word))
            & (ones &* 0x80)
    }

    private mutating func skipEscape() throws(JSONFault) {
        position &+= 1
        switch next {
        case .quote, .backslash, UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"), UInt8(ascii: "n"),
            UInt8(ascii: "r"), UInt8(ascii: "t"):
            position &+= 1
        case UInt8(ascii: "u"):
            guard bytes.count &- position > 4 else { throw fault(.syntax) }
            for _ in 0..<4 {
                position &+= 1
                guard bytes[position].hexValue != nil else { throw fault(.syntax) }
            }
            position &+= 1
        default:
            throw fault(.syntax)
        }
    }

    /// Passes one scalar of two to four bytes; the ranges are table 3-7 of the Unicode standard, which leave no room
    /// for overlong forms, surrogates, or scalars above U+10FFFF.
    private mutating func skipMultibyteScalar() throws(JSONFault) {
        let length: Int
        let second: ClosedRange<UInt8>
        switch bytes[position] {
        case 0xC2...0xDF: (length, second) = (2, 0x80...0xBF)
        case 0xE0: (length, second) = (3, 0xA0...0xBF)
        case 0xED: (length, second) = (3, 0x80...0x9F)
        case 0xE1...0xEF: (length, second) = (3, 0x80...0xBF)
        case 0xF0: (length, second) = (4, 0x90...0xBF)
        case 0xF1...0xF3: (length, second) = (4, 0x80...0xBF)
        case 0xF4: (length, second) = (4, 0x80...0x8F)
        default: throw fault(.text)
        }
        guard bytes.count &- position >= length, second.contains(bytes[position &+ 1]) else { throw fault(.text) }
        for offset in 2..<max(length, 2) where bytes[position &+ offset] & 0xC0 != 0x80 { throw fault(.text) }
        position &+= length
    }

    /// Passes the number that begins here.
    /// - Returns: whether it is written without a fraction and an exponent.
    /// - Throws: `syntax` where no number of JSON begins.
    @discardableResult
    package mutating func skipNumber() throws(JSONFault) -> Bool {
        if next == .minus { position &+= 1 }
        if next == .zero {
            position &+= 1
        } else {
            try skipDigits()
        }
        var isWhole = true
        if next == UInt8(ascii: ".") {
            isWhole = false
            position &+= 1
            try skipDigits()
        }
        if next | 0x20 == UInt8(ascii: "e") {
            isWhole = false
            position &+= 1
            if next == UInt8(ascii: "+") || next == .minus { position &+= 1 }
            try skipDigits()
        }
        return isWhole
    }

    private mutating func skipDigits() throws(JSONFault) {
        guard next.isDigit else { throw fault(.syntax) }
        repeat { position &+= 1 } while next.isDigit
    }
}
