// Names for the bytes that JSON and the framings are made of, so that a switch reads as the grammar does.

extension UInt8 {
    static var tab: UInt8 { 0x09 }
    static var lineFeed: UInt8 { 0x0A }
    static var carriageReturn: UInt8 { 0x0D }
    static var space: UInt8 { 0x20 }
    static var quote: UInt8 { 0x22 }
    static var comma: UInt8 { 0x2C }
    static var minus: UInt8 { 0x2D }
    static var zero: UInt8 { 0x30 }
    static var nine: UInt8 { 0x39 }
    static var colon: UInt8 { 0x3A }
    static var openBracket: UInt8 { 0x5B }
    static var backslash: UInt8 { 0x5C }
    static var closeBracket: UInt8 { 0x5D }
    static var openBrace: UInt8 { 0x7B }
    static var closeBrace: UInt8 { 0x7D }

    var isDigit: Bool { self &- .zero <= 9 }

    /// The byte with an ASCII capital turned into its small letter.
    var lowercased: UInt8 { self &- UInt8(ascii: "A") < 26 ? self | 0x20 : self }

    /// The value of a hexadecimal digit, nil for any other byte.
    var hexValue: UInt16? {
        if isDigit { return UInt16(self &- .zero) }
        let letter = lowercased &- UInt8(ascii: "a")
        return letter < 6 ? UInt16(letter) + 10 : nil
    }
}
