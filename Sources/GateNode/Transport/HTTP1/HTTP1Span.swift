/// Where something lies in a head: two 16 bit offsets, because a head is at most 65,535 bytes long.
struct HTTP1Span: Sendable {
    var start: UInt16
    var end: UInt16

    @inline(__always)
    init(_ range: Range<Int>) {
        start = UInt16(truncatingIfNeeded: range.lowerBound)
        end = UInt16(truncatingIfNeeded: range.upperBound)
    }

    @inline(__always)
    var range: Range<Int> { Int(start)..<Int(end) }

    var isEmpty: Bool { start == end }
}
