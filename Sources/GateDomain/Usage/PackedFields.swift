// How records of a few short fields lie in the store: a format number, then fields that carry their names.

/// Fields as `<format> US <tag>=<value> US <tag>=<value> …` with US the unit separator (U+001F); control characters in a value become
/// spaces, so a field never becomes two. Two versions of the node read each other's: unknown tags are passed over.
package struct PackedFields: Sendable {
    /// What is stored: fields in the order in which they were appended.
    package private(set) var bytes: [UInt8] = []

    private static let separator: UInt8 = 0x1f

    /// - Parameter format: 1 or more; a reader refuses what is not a number.
    package init(format: Int) {
        bytes.reserveCapacity(160)
        bytes.append(contentsOf: String(format).utf8)
    }

    /// Adds a field under a name of ours; control characters of its value become spaces.
    package mutating func append(_ tag: StaticString, _ value: String) {
        begin(tag)
        append(text: value)
    }

    /// A field whose name is not known before; it must hold neither `=` nor control characters, which become `_`.
    package mutating func append(name: String, _ value: String) {
        bytes.append(Self.separator)
        bytes.append(contentsOf: name.utf8.map { $0 < 0x20 || $0 == UInt8(ascii: "=") ? UInt8(ascii: "_") : $0 })
        bytes.append(UInt8(ascii: "="))
        append(text: value)
    }

    private mutating func append(text: String) {
        var text = text
        text.withUTF8 { text in
            // The least of all, and not the first below: that is found many bytes at a time.
            if text.reduce(UInt8.max, min) >= 0x20 {
                bytes.append(contentsOf: text)
            } else {
                bytes.append(contentsOf: text.lazy.map { max($0, 0x20) })
            }
        }
    }

    /// Adds a number in decimal.
    package mutating func append(_ tag: StaticString, _ value: Int) {
        begin(tag)
        bytes.append(contentsOf: String(value).utf8)
    }

    private mutating func begin(_ tag: StaticString) {
        bytes.append(Self.separator)
        bytes.append(contentsOf: UnsafeBufferPointer(start: tag.utf8Start, count: tag.utf8CodeUnitCount))
        bytes.append(UInt8(ascii: "="))
    }

    /// Hands out all fields by their names, in their order.
    /// - Returns: false if the bytes do not begin with a format number.
    package static func readNamed(_ packed: [UInt8], _ take: (_ name: String, _ value: String) -> Void) -> Bool {
        let parts = packed.split(separator: separator, omittingEmptySubsequences: false)
        guard let format = parts.first, !format.isEmpty, format.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
        for part in parts.dropFirst() {
            guard let equals = part.firstIndex(of: UInt8(ascii: "=")) else { continue }
            take(String(decoding: part[..<equals], as: UTF8.self), String(decoding: part[part.index(after: equals)...], as: UTF8.self))
        }
        return true
    }

    /// Where the last field begins, with what parts it from the one before, and where its value does; nil where it has another tag.
    static func last(_ tag: Unicode.Scalar, in bytes: UnsafeRawBufferPointer) -> (field: Int, value: Int)? {
        guard let field = bytes.lastIndex(of: separator), field + 2 < bytes.count, bytes[field + 1] == UInt8(ascii: tag),
            bytes[field + 2] == UInt8(ascii: "=")
        else { return nil }
        return (field, field + 3)
    }

    /// Hands out the fields of one-letter tags in their order, and passes over the others.
    /// - Returns: false if the bytes do not begin with a format number.
    package static func read(_ packed: [UInt8], _ take: (_ tag: UInt8, _ value: UnsafeRawBufferPointer) -> Void) -> Bool {
        packed.withUnsafeBytes { bytes in
            let format = bytes.firstIndex(of: separator) ?? bytes.count
            guard format > 0, bytes[..<format].allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
            var start = format + 1
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: separator) ?? bytes.count
                if end - start >= 2, bytes[start + 1] == UInt8(ascii: "=") {
                    take(bytes[start], UnsafeRawBufferPointer(rebasing: bytes[(start + 2)..<end]))
                }
                start = end + 1
            }
            return true
        }
    }
}
