// The end of a log file, for the sentence that explains why its writer died.

import Glibc
import NIOCore

enum FileTail {
    /// The lines in the last 4 KiB of a file; empty if it cannot be read.
    static func lines(of path: String) -> [String] {
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { return [] }
        let file = OwnedDescriptor(number)
        let size = lseek(file.number, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: 4_096)
        let length = pread(file.number, &bytes, bytes.count, max(0, size - off_t(bytes.count)))
        var tail = LineTail()
        tail.append(ByteBuffer(bytes: bytes.prefix(max(length, 0))))
        return tail.lines
    }
}
