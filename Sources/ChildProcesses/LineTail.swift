// What a child said last on its standard error, kept for the sentence that explains its death.

import Glibc
package import NIOCore

/// A ring of the last lines of a byte stream, bounded in lines and in bytes a line.
package struct LineTail: Sendable {
    private let capacity: Int
    private let longestLine: Int
    private var ring: [String] = []
    private var oldest = 0
    private var partial: [UInt8] = []

    package init(capacity: Int = 50, longestLine: Int = 2_048) {
        self.capacity = capacity
        self.longestLine = longestLine
    }

    /// The lines kept, oldest first, with the unfinished one at the end.
    package var lines: [String] {
        let complete = Array(ring[oldest...] + ring[..<oldest])
        return partial.isEmpty ? complete : complete + [String(decoding: partial, as: UTF8.self)]
    }

    /// Takes a piece of the stream; `eachLine` sees every line that it completes, cut to `longestLine` bytes.
    package mutating func append(_ bytes: ByteBuffer, eachLine: (String) -> Void = { _ in }) {
        var rest = bytes.readableBytesView
        while let newline = rest.firstIndex(of: UInt8(ascii: "\n")) {
            keep(rest[..<newline])
            if partial.last == UInt8(ascii: "\r") { partial.removeLast() }
            let line = String(decoding: partial, as: UTF8.self)
            partial.removeAll(keepingCapacity: true)
            push(line)
            eachLine(line)
            rest = rest[(newline + 1)...]
        }
        keep(rest)
    }

    private mutating func keep(_ piece: ByteBufferView) {
        partial.append(contentsOf: piece.prefix(longestLine - partial.count))
    }

    private mutating func push(_ line: String) {
        if ring.count < capacity {
            ring.append(line)
        } else {
            ring[oldest] = line
            oldest = (oldest + 1) % capacity
        }
    }
}

/// The same of a log file, for the sentence that explains why its writer died.
package enum FileTail {
    /// The lines in the last 4 KiB of a file; empty if it cannot be read.
    package static func lines(of path: String) -> [String] {
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
