// The byte comparisons and searches that every HTTP/1 parser of this folder shares, eight bytes at a time where it pays.

extension UnsafeRawBufferPointer {
    /// A view of a part; the caller has checked that `range` lies inside.
    @inline(__always)
    func part(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }

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
    @inline(__always)
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
