// Where the entries of a list stand in a result, so that some can be left out and the others stay the bytes that they were.

/// The entries of a list such as `tools`, as byte offsets into the result that was scanned.
package struct ListScan: Sendable {
    /// One entry of the list.
    package struct Entry: Sendable {
        /// The entry with its brackets, if it has any.
        package let range: Range<Int>
        /// Whether it is a JSON object; others have no members.
        package let isObject: Bool
        /// The values of the members that were asked for, in that order; nil where there is none.
        package let values: [Range<Int>?]
    }

    /// The list with its brackets.
    package let range: Range<Int>
    /// In their order.
    package let entries: [Entry]
    /// The value of `nextCursor`.
    package let nextCursor: Range<Int>?

    /// Finds a list; nil if the result is no object, has no such list, or has two.
    /// - Parameters:
    ///   - result: the raw value of a `result`.
    ///   - list: the member of the result that is the list.
    ///   - members: which members of an entry are asked for.
    package init?(_ result: UnsafeRawBufferPointer, list: StaticString, members: [StaticString]) {
        var scanner = JSONScanner(result, depthCap: Reply.depthCap)
        var found: (range: Range<Int>, entries: [Entry])?
        var cursor: Range<Int>?
        do {
            try scanner.openObject()
            while let name = try scanner.nextMember() {
                guard name.spells(list, in: result), scanner.next == UInt8(ascii: "[") else {
                    let value = try scanner.locateValue()
                    if name.spells("nextCursor", in: result) { cursor = value }
                    continue
                }
                guard found == nil else { return nil }
                let start = scanner.position
                let entries = try Self.entries(&scanner, members)
                found = (start..<scanner.position, entries)
            }
        } catch {
            return nil
        }
        guard let found else { return nil }
        (range, entries) = found
        nextCursor = cursor
    }

    private static func entries(_ scanner: inout JSONScanner, _ members: [StaticString]) throws(JSONFault) -> [Entry] {
        var entries: [Entry] = []
        try scanner.openArray()
        while try scanner.nextElement() { entries.append(try entry(&scanner, members)) }
        return entries
    }

    private static func entry(_ scanner: inout JSONScanner, _ members: [StaticString]) throws(JSONFault) -> Entry {
        let start = scanner.position
        var values = [Range<Int>?](repeating: nil, count: members.count)
        guard scanner.next == UInt8(ascii: "{") else {
            try scanner.skipValue()
            return Entry(range: start..<scanner.position, isObject: false, values: values)
        }
        try scanner.openObject()
        while let name = try scanner.nextMember() {
            let value = try scanner.locateValue()
            for (index, member) in members.enumerated() where name.spells(member, in: scanner.bytes) { values[index] = value }
        }
        return Entry(range: start..<scanner.position, isObject: true, values: values)
    }
}

extension ListScan {
    /// The result with these entries in the place of the list's.
    /// - Parameter entries: JSON values.
    package func replacing(_ entries: [[UInt8]], in result: UnsafeRawBufferPointer) -> [UInt8] {
        var output: [UInt8] = []
        output.reserveCapacity(result.count + entries.count * 96)
        output += result[..<range.lowerBound]
        output.append(UInt8(ascii: "["))
        for (index, entry) in entries.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            output += entry
        }
        output.append(UInt8(ascii: "]"))
        output += result[range.upperBound...]
        return output
    }
}
