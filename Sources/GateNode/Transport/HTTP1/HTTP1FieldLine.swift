/// One header line taken apart into name and value, by the grammar of RFC 9112 5 without its obsolete parts.
struct HTTP1FieldLine {
    let name: Range<Int>
    let value: Range<Int>

    /// - Parameter line: a line of `bytes` without its line end, not empty, already free of control bytes.
    @inline(__always)
    init(_ bytes: UnsafeRawBufferPointer, _ line: Range<Int>) throws(HTTP1Fault) {
        var offset = line.lowerBound
        while offset < line.upperBound, HTTP1ByteSet.token.contains(bytes[offset]) { offset &+= 1 }
        guard offset > line.lowerBound, offset < line.upperBound, bytes[offset] == HTTP1Byte.colon else {
            let first = bytes[line.lowerBound]
            throw first == HTTP1Byte.space || first == HTTP1Byte.tab ? .foldedField : .malformedFieldName
        }
        name = line.lowerBound..<offset
        value = bytes.trimmedRange((offset &+ 1)..<line.upperBound)
    }
}
