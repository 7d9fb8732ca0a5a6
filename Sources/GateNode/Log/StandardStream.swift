// Standard output and error, written whole.

import NIOCore

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The process's own streams. A write blocks until all is taken; what cannot be written is dropped.
enum StandardStream {
    /// Writes bytes to standard error.
    static func error(_ bytes: ByteBuffer) { write(2, bytes) }
    /// Writes a line to standard output.
    static func output(_ line: String) { write(1, ByteBuffer(string: line + "\n")) }
    /// Writes a line to standard error.
    static func error(_ line: String) { write(2, ByteBuffer(string: line + "\n")) }

    private static func write(_ descriptor: Int32, _ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let part = UnsafeRawBufferPointer(rebasing: rest)
                #if canImport(Glibc)
                let written = Glibc.write(descriptor, part.baseAddress, part.count)
                #else
                let written = Darwin.write(descriptor, part.baseAddress, part.count)
                #endif
                if written < 0 && errno == EINTR { continue }
                guard written > 0 else { return }
                rest = rest.dropFirst(written)
            }
        }
    }
}
