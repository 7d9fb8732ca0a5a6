// The framing of messages on standard streams: one line each.

import Glibc
import NIOCore

extension ByteBuffer {
    /// Makes JSON text one line with its line feed. A line break can only be white space there, since strings escape
    /// theirs; it becomes a space.
    mutating func becomeLine() {
        if contains(UInt8(ascii: "\n")) || contains(UInt8(ascii: "\r")) {
            withUnsafeMutableReadableBytes { bytes in
                for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") || bytes[index] == UInt8(ascii: "\r") {
                    bytes[index] = UInt8(ascii: " ")
                }
            }
        }
        writeInteger(UInt8(ascii: "\n"))
    }

    private func contains(_ byte: UInt8) -> Bool {
        withUnsafeReadableBytes { bytes in bytes.baseAddress.map { memchr($0, Int32(byte), bytes.count) != nil } ?? false }
    }
}
