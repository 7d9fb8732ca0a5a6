// The bytes of HTTP/1's grammar, sets of them, and the searches that every parser here shares, eight bytes at a time where it pays.

/// The bytes that mean something to the grammar of HTTP/1, by their names; computed, so that other modules see the numbers.
@usableFromInline
enum HTTP1Byte {
    @inlinable static var tab: UInt8 { 0x09 }
    @inlinable static var lineFeed: UInt8 { 0x0A }
    @inlinable static var carriageReturn: UInt8 { 0x0D }
    @inlinable static var space: UInt8 { 0x20 }
    @inlinable static var asterisk: UInt8 { 0x2A }
    @inlinable static var comma: UInt8 { 0x2C }
    @inlinable static var minus: UInt8 { 0x2D }
    @inlinable static var dot: UInt8 { 0x2E }
    @inlinable static var slash: UInt8 { 0x2F }
    @inlinable static var zero: UInt8 { 0x30 }
    @inlinable static var colon: UInt8 { 0x3A }
    @inlinable static var semicolon: UInt8 { 0x3B }
    @inlinable static var questionMark: UInt8 { 0x3F }
    @inlinable static var delete: UInt8 { 0x7F }
    /// Carriage return and line feed, as the big-endian number that they are together.
    @inlinable static var lineEnd: UInt16 { 0x0D0A }
}

/// Which bytes a grammar rule allows, as two machine words, so that the parsing loops decide by shift and mask.
///
/// Only ASCII bytes can be members: every rule of RFC 9110 and RFC 9112 that uses a set excludes bytes from 0x80 up.
package struct HTTP1ByteSet: Sendable {
    private let low: UInt64
    private let high: UInt64

    @inline(__always)
    private init(low: UInt64, high: UInt64) {
        self.low = low
        self.high = high
    }

    /// Whether the byte is a member.
    @inline(__always)
    package func contains(_ byte: UInt8) -> Bool {
        guard byte < 0x80 else { return false }
        let word = byte < 0x40 ? low : high
        return (word &>> UInt64(byte & 0x3F)) & 1 == 1
    }

    /// RFC 9110 5.6.2 `tchar`: letters, digits and ``!#$%&'*+-.^_`|~``.
    @inline(__always)
    package static var token: Self { Self(low: 0x03FF_6CFA_0000_0000, high: 0x57FF_FFFF_C7FF_FFFE) }

    /// What we accept in a request target: visible ASCII without `#`, which never travels (RFC 9112 3.2).
    @inline(__always)
    package static var target: Self { Self(low: 0xFFFF_FFF6_0000_0000, high: 0x7FFF_FFFF_FFFF_FFFF) }

    /// `uri-host [":" port]` of RFC 3986 without the comma, so that a list of hosts is never one host.
    @inline(__always)
    package static var authority: Self { Self(low: 0x2FFF_6FF2_0000_0000, high: 0x47FF_FFFE_AFFF_FFFE) }

    /// Decimal digits.
    @inline(__always)
    package static var digit: Self { Self(low: 0x03FF_0000_0000_0000, high: 0) }
}

// The byte comparisons and searches that every HTTP/1 parser of this folder shares, eight bytes at a time where it pays.
extension UnsafeRawBufferPointer {
    /// A view of a part; the caller has checked that `range` lies inside.
    @inlinable @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }

    /// Eight bytes as the number that they are in little-endian order; the caller has checked that they lie inside.
    @inline(__always)
    func word(at offset: Int) -> UInt64 {
        UInt64(littleEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The first offset in `start ..< end` that holds a control byte other than a tab, or `end`.
    ///
    /// Carriage return and line feed are control bytes, so this finds the end of a line and whatever may not be in it.
    @inline(__always)
    func firstControl(from start: Int, to end: Int) -> Int {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let tops: UInt64 = 0x8080_8080_8080_8080
        var offset = start
        while offset &+ 8 <= end {
            let word = word(at: offset)
            let flipped = word ^ 0x7F7F_7F7F_7F7F_7F7F
            let below = (word &- 0x2020_2020_2020_2020) & ~word & tops
            let deletes = (flipped &- ones) & ~flipped & tops
            let hits = below | deletes
            guard hits != 0 else {
                offset &+= 8
                continue
            }
            // A borrow can only raise flags above the first true one, so the lowest flag is exact.
            offset &+= hits.trailingZeroBitCount &>> 3
            guard self[offset] == HTTP1Byte.tab else { return offset }
            offset &+= 1
        }
        while offset < end {
            let byte = self[offset]
            if (byte < HTTP1Byte.space && byte != HTTP1Byte.tab) || byte == HTTP1Byte.delete { return offset }
            offset &+= 1
        }
        return end
    }

    /// Whether these bytes are `text`, an ASCII literal in lower case, whatever the case of the letters here.
    ///
    /// Exact for bytes without control characters: setting bit 5 maps no visible byte but a capital onto a letter, and
    /// only control bytes onto digits, `-`, `/` and `:`.
    @inline(__always)
    func equalsIgnoringCase(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        let other = UnsafeRawBufferPointer(start: text.utf8Start, count: count)
        guard count >= 8 else { return equalsBytewiseIgnoringCase(other) }
        let lowerCase: UInt64 = 0x2020_2020_2020_2020
        var offset = 0
        while offset &+ 8 <= count {
            guard word(at: offset) | lowerCase == other.word(at: offset) | lowerCase else { return false }
            offset &+= 8
        }
        return word(at: count &- 8) | lowerCase == other.word(at: count &- 8) | lowerCase
    }

    @inline(__always)
    private func equalsBytewiseIgnoringCase(_ other: UnsafeRawBufferPointer) -> Bool {
        for offset in 0..<count where self[offset] | 0x20 != other[offset] | 0x20 {
            return false
        }
        return true
    }

    /// Whether these bytes and `other`, both without control bytes, differ at most in the case of letters.
    func equalsIgnoringCase(_ other: UnsafeRawBufferPointer) -> Bool {
        count == other.count && equalsBytewiseIgnoringCase(other)
    }

    /// Whether these bytes are exactly `text`.
    @inlinable @inline(__always)
    func equals(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        for offset in 0..<count where self[offset] != text.utf8Start[offset] {
            return false
        }
        return true
    }

    /// These bytes without optional white space (RFC 9110 5.6.3) at either end.
    @inline(__always)
    func trimmed() -> UnsafeRawBufferPointer {
        part(trimmedRange(0..<count))
    }

    /// `range` without optional white space at either end.
    @inline(__always)
    func trimmedRange(_ range: Range<Int>) -> Range<Int> {
        var start = range.lowerBound
        var end = range.upperBound
        while start < end, self[start] == HTTP1Byte.space || self[start] == HTTP1Byte.tab { start &+= 1 }
        while end > start, self[end &- 1] == HTTP1Byte.space || self[end &- 1] == HTTP1Byte.tab { end &-= 1 }
        return start..<end
    }

    /// Calls `body` with each element of a comma separated list (RFC 9110 5.6.1), trimmed; empty elements are left out.
    @inline(__always)
    func forEachListElement(_ body: (UnsafeRawBufferPointer) -> Void) {
        var start = 0
        while start <= count {
            var end = start
            while end < count, self[end] != HTTP1Byte.comma { end &+= 1 }
            let element = part(trimmedRange(start..<end))
            if !element.isEmpty { body(element) }
            start = end &+ 1
        }
    }

    /// Whether every byte is a member of `set`; true of no bytes at all.
    @inline(__always)
    func consists(of set: HTTP1ByteSet) -> Bool {
        for byte in self where !set.contains(byte) {
            return false
        }
        return true
    }

    /// A decimal number of 1 to 19 digits and nothing else, or nil (also when it overflows).
    func decimalNumber() -> Int? {
        guard (1...19).contains(count) else { return nil }
        var number = 0
        for byte in self {
            guard HTTP1ByteSet.digit.contains(byte) else { return nil }
            let (scaled, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = scaled.addingReportingOverflow(Int(byte &- HTTP1Byte.zero))
            guard !overflow, !carry else { return nil }
            number = sum
        }
        return number
    }
}
