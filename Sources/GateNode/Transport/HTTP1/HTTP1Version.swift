/// The two versions that are spoken.
package enum HTTP1Version: Sendable {
    case http10, http11

    /// The version that these eight bytes name, or nil when they are no version of HTTP at all.
    @inline(__always)
    static func parse(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Fault) -> Self? {
        guard bytes.count == 8 else { return nil }
        switch bytes.word(at: 0) {
        case 0x312E_312F_5054_5448: return .http11
        case 0x302E_312F_5054_5448: return .http10
        default: break
        }
        let isVersion = bytes.part(0..<5).equals("HTTP/") && HTTP1ByteSet.digit.contains(bytes[5])
            && bytes[6] == HTTP1Byte.dot && HTTP1ByteSet.digit.contains(bytes[7])
        if isVersion { throw .unsupportedVersion }
        return nil
    }
}
