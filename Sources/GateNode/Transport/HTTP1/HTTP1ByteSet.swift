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
