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
    func firstOffset(of byte: UInt8, from start: Int = 0) -> Int? {
        guard start < count, let base = baseAddress,
            let hit = memchr(base + start, Int32(byte), count - start)
        else { return nil }
        return UnsafeRawPointer(hit) - base
    }

    /// The memory of a range of offsets, rebased to offset 0.
    func piece(_ range: Range<Int>) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[range])
    }

    /// Whether the memory holds exactly the bytes of `text`.
    func spells(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount else { return false }
        let expected = text.utf8Start
        for index in 0..<count where self[index] != expected[index] { return false }
        return true
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
