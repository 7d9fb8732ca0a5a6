// The parts of a message that a scan has named.

package import NIOCore

extension ByteBuffer {
    /// The bytes of a range that a scan has named.
    package func token(_ range: Range<Int>) -> [UInt8] {
        withUnsafeReadableBytes { Array($0[range]) }
    }

    /// The text of a range that a scan has named; what is no UTF-8 in it is replaced.
    package func text(_ range: Range<Int>) -> String {
        withUnsafeReadableBytes { String(decoding: $0[range], as: UTF8.self) }
    }

    /// Whether a range that a scan has named holds just these bytes. Whatever a server says is compared so: as text it can be made to cost the
    /// square of its length.
    func says(_ word: StaticString, at range: Range<Int>) -> Bool {
        withUnsafeReadableBytes { bytes in word.withUTF8Buffer { bytes[range].elementsEqual($0) } }
    }
}
