// What a script's pack holds, read by what MessagePack says and not by what wrote it.

/// The values of a pack as words: strings as they are, numbers in decimal, false as `false`, of a table its values.
package enum ScriptPackWords {
    /// - Returns: what can be read; a value of another kind ends it with the word `?`.
    package static func read(_ pack: some Sequence<UInt8>) -> [ArraySlice<UInt8>] {
        var rest = Array(pack)[...]
        var words: [ArraySlice<UInt8>] = []
        while let kind = rest.popFirst() {
            switch kind {
            case 0..<0x80: words.append(decimal(Int(kind)))
            case 0x90...0x9f: break
            case 0xdc: rest = rest.dropFirst(2)
            case 0xc2: words.append(Array("false".utf8)[...])
            case 0xa0...0xbf: words.append(take(Int(kind & 0x1f), of: &rest))
            case 0xd9, 0xda, 0xdb: words.append(take(number(1 << Int(kind - 0xd9), of: &rest), of: &rest))
            case 0xcd, 0xce: words.append(decimal(number(kind == 0xcd ? 2 : 4, of: &rest)))
            case 0xcb: words.append(decimal(Int(exactly: Double(bitPattern: UInt64(bitPattern: Int64(number(8, of: &rest))))) ?? -1))
            default:
                words.append(Array("?".utf8)[...])
                rest = []
            }
        }
        return words
    }

    private static func take(_ count: Int, of bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        defer { bytes = bytes.dropFirst(count) }
        return bytes.prefix(count)
    }

    private static func number(_ count: Int, of bytes: inout ArraySlice<UInt8>) -> Int {
        take(count, of: &bytes).reduce(0) { $0 << 8 | Int($1) }
    }

    private static func decimal(_ number: Int) -> ArraySlice<UInt8> { Array(String(number).utf8)[...] }
}
