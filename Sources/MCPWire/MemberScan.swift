// Where one member of a JSON object stands, however deep, without decoding what is around it.

/// Finds the value at the end of a path of names.
package enum MemberScan {
    /// Byte offsets of the value; nil if there is none, or the bytes are no JSON object.
    /// - Parameter path: names from the outside to the inside, written without escapes.
    package static func range(of path: [StaticString], in object: UnsafeRawBufferPointer) -> Range<Int>? {
        var range = 0..<object.count
        for name in path {
            guard let inner = member(name, of: UnsafeRawBufferPointer(rebasing: object[range])) else { return nil }
            range = range.lowerBound + inner.lowerBound..<range.lowerBound + inner.upperBound
        }
        return range
    }

    private static func member(_ name: StaticString, of object: UnsafeRawBufferPointer) -> Range<Int>? {
        var scanner = JSONScanner(object, depthCap: Reply.depthCap)
        var found: Range<Int>?
        do {
            guard scanner.next == UInt8(ascii: "{") else { return nil }
            try scanner.openObject()
            while let token = try scanner.nextMember() {
                let value = try scanner.locateValue()
                if token.spells(name, in: object) { found = value }
            }
        } catch {
            return nil
        }
        return found
    }
}
