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
}
