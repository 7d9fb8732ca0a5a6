// Where the messages of an array stand (JSON-RPC 2.0, Batch).

/// The elements of a JSON array, which are read as messages one by one.
package struct ArrayScan: Sendable {
    /// Byte offsets of the elements, of the first ones if there are too many.
    package private(set) var elements: [Range<Int>] = []
    /// Whether there are more.
    package private(set) var isTooLong = false

    /// - Parameter most: elements that are kept.
    /// - Throws: where the bytes are not JSON, or no array.
    package init(_ bytes: UnsafeRawBufferPointer, most: Int) throws(JSONFault) {
        // Each of them may be as deep as a message that comes alone.
        var scanner = JSONScanner(bytes, depthCap: 65)
        try scanner.openArray()
        while try scanner.nextElement() {
            let element = try scanner.locateValue()
            if elements.count < most { elements.append(element) } else { isTooLong = true }
        }
        try scanner.finish()
    }

    /// The raw token of the id of a message that cannot be read otherwise; nil if it has none that can be repeated.
    package static func id(of message: UnsafeRawBufferPointer) -> Range<Int>? {
        guard let id = MemberScan.range(of: ["id"], in: message), id.count <= Envelope.longestID else { return nil }
        return [UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "t"), UInt8(ascii: "f")].contains(message[id.lowerBound]) ? nil : id
    }
}
