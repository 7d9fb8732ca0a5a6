/// Where the values of the known fields lie in the head, kept inline so that a request costs no allocation for its fields.
struct HTTP1FieldSlots: Sendable {
    /// One 32 bit slot a known field: the value's span, or zero (no value starts at offset 0, where the start line is).
    /// There are 28 slots; the test of all known fields traps in a debug build when they do not suffice.
    private var words: Words = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)

    private typealias Words = (
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64,
        UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64
    )

    /// The value of the first field of that name.
    @inline(__always)
    subscript(field: HTTP1KnownField) -> HTTP1Span? {
        let slot = withUnsafeBytes(of: words) { $0.load(fromByteOffset: Int(field.rawValue) &* 4, as: UInt32.self) }
        guard slot != 0 else { return nil }
        return HTTP1Span(Int(slot & 0xFFFF)..<Int(slot &>> 16))
    }

    /// Keeps the first value of each field; throws when a field that may occur once comes again.
    @inline(__always)
    mutating func note(_ field: HTTP1KnownField, _ value: Range<Int>) throws(HTTP1Fault) {
        guard self[field] == nil else {
            if field.mayRepeat { return }
            throw .repeatedField(field)
        }
        let slot = UInt32(truncatingIfNeeded: value.lowerBound) | UInt32(truncatingIfNeeded: value.upperBound) &<< 16
        withUnsafeMutableBytes(of: &words) { $0.storeBytes(of: slot, toByteOffset: Int(field.rawValue) &* 4, as: UInt32.self) }
    }
}
