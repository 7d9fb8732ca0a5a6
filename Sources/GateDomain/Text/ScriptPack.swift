// Many values in one argument of a script, as Redis's `cmsgpack.unpack` reads them.

/// Values one after another in MessagePack. A script reads a pack for a fraction of what as many arguments cost it, and numbers stay numbers.
package struct ScriptPack: Sendable {
    /// What a script is given.
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// Makes it empty again and keeps its memory.
    package mutating func clear() { bytes.removeAll(keepingCapacity: true) }

    /// Adds a number; exact between -2^53 and 2^53. Large ones go as doubles, which Lua's numbers are: its integers have 32 bits on some
    /// machines.
    package mutating func append(_ number: Int) {
        switch number {
        case 0..<0x80: bytes.append(UInt8(truncatingIfNeeded: number))
        case 0x80..<0x1_0000: append(0xcd, UInt64(number), bytes: 2)
        case 0x1_0000..<0x8000_0000: append(0xce, UInt64(number), bytes: 4)
        default: append(0xcb, Double(number).bitPattern, bytes: 8)
        }
    }

    /// Adds a byte as it is: `nothing`, or what no MessagePack is.
    package mutating func append(raw byte: UInt8) { bytes.append(byte) }

    /// Lua's false, which stands for a list that there is not.
    package static let nothing: UInt8 = 0xc2

    /// Adds text or bytes.
    package mutating func append(_ text: String) {
        var text = text
        text.withUTF8 { append(contentsOf: $0) }
    }

    /// Adds bytes, as a string of Lua.
    package mutating func append(_ value: [UInt8]) { append(contentsOf: value) }

    /// Adds what another pack holds, as one string.
    package mutating func append(_ pack: ScriptPack) { append(pack.bytes) }

    /// Adds the values of another pack, one after another.
    package mutating func append(valuesOf pack: ScriptPack) { bytes.append(contentsOf: pack.bytes) }

    /// Adds a number as its decimal digits, to be compared with what Redis stores.
    package mutating func append(decimal number: Int) {
        if 0..<10 ~= number {
            bytes.append(0xa1)
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number))
        } else {
            append(String(number))
        }
    }

    /// Begins a table of so many values, which are added next.
    package mutating func beginTable(of count: Int) {
        if count < 16 { bytes.append(0x90 | UInt8(truncatingIfNeeded: count)) } else { append(0xdc, UInt64(count), bytes: 2) }
    }

    private mutating func append(contentsOf value: some Collection<UInt8>) {
        let count = value.count
        switch count {
        case ..<32: bytes.append(0xa0 | UInt8(truncatingIfNeeded: count))
        case ..<0x100: append(0xd9, UInt64(count), bytes: 1)
        case ..<0x1_0000: append(0xda, UInt64(count), bytes: 2)
        default: append(0xdb, UInt64(count), bytes: 4)
        }
        bytes.append(contentsOf: value)
    }

    private mutating func append(_ kind: UInt8, _ value: UInt64, bytes count: Int) {
        bytes.append(kind)
        withUnsafeBytes(of: value.bigEndian) { bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: $0.suffix(count))) }
    }
}
