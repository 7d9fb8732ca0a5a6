// Slicing and byte search on raw memory, in one place because every framing needs the same few questions.

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension UnsafeRawBufferPointer {
    /// The offset of the first `byte` at or after `start`, found at the speed of `memchr`.
    package func firstOffset(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count, let base = baseAddress,
            let hit = memchr(base + start, Int32(byte), count - start)
        else { return nil }
        return UnsafeRawPointer(hit) - base
    }

    /// The offset of the last `byte`. Where it is rare, as line ends are in large messages, that takes no longer than to find the first.
    package func lastOffset(of byte: UInt8) -> Int? {
        var last: Int?
        while let next = firstOffset(of: byte, from: last.map { $0 + 1 } ?? 0) { last = next }
        return last
    }

    /// The offset of the first byte at or after `start` that JSON text has to escape, looked for a word at a time; `count` if there is none.
    func firstOffsetOfEscaped(from start: Int) -> Int {
        var position = start
        while position <= count &- 8 {
            let stops = JSONScanner.stops(in: UInt64(littleEndian: loadUnaligned(fromByteOffset: position, as: UInt64.self)))
            guard stops == 0 else { return position &+ stops.trailingZeroBitCount &>> 3 }
            position &+= 8
        }
        while position < count, self[position] >= 0x20, self[position] != .quote, self[position] != .backslash { position &+= 1 }
        return position
    }

    /// The memory of a range of offsets, rebased to offset 0.
    package func piece(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }

    /// Whether the memory holds exactly the bytes of `text`.
    func spells(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let base = baseAddress else { return count == text.utf8CodeUnitCount }
        return memcmp(base, text.utf8Start, count) == 0
    }

    /// Whether the bytes of `text` stand anywhere in these. The standard library's search is unspecialised here, and took a fifth of a call.
    package func holds(_ text: StaticString) -> Bool {
        holds(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Whether `part` stands anywhere in these bytes.
    package func holds(_ part: UnsafeRawBufferPointer) -> Bool {
        guard let start = part.baseAddress, let first = part.first else { return true }
        guard let base = baseAddress else { return false }
        var from = 0
        while let hit = firstOffset(of: first, from: from), hit + part.count <= count {
            if memcmp(base + hit, start, part.count) == 0 { return true }
            from = hit + 1
        }
        return false
    }
}
