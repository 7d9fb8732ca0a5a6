/// The bytes that mean something to the grammar of HTTP/1, by their names.
enum HTTP1Byte {
    static let tab: UInt8 = 0x09
    static let lineFeed: UInt8 = 0x0A
    static let carriageReturn: UInt8 = 0x0D
    static let space: UInt8 = 0x20
    static let asterisk: UInt8 = 0x2A
    static let comma: UInt8 = 0x2C
    static let minus: UInt8 = 0x2D
    static let dot: UInt8 = 0x2E
    static let slash: UInt8 = 0x2F
    static let zero: UInt8 = 0x30
    static let colon: UInt8 = 0x3A
    static let semicolon: UInt8 = 0x3B
    static let questionMark: UInt8 = 0x3F
    static let delete: UInt8 = 0x7F
    /// Carriage return and line feed, as the big-endian number that they are together.
    static let lineEnd: UInt16 = 0x0D0A
}
