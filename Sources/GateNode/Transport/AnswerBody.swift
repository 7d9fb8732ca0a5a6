// The bytes of an answer, of which large ones stay where they were read.

import MCPWire
import NIOCore

/// What a client is answered: a message in one piece, or a large one as what was read of its server with what stands between, so that it
/// lies in memory once.
enum AnswerBody {
    case whole([UInt8])
    case parts([ByteBuffer])

    /// Bytes of a message from which on it is not copied.
    static let large = 65_536

    var count: Int {
        switch self {
        case .whole(let bytes): bytes.count
        case .parts(let parts): parts.reduce(0) { $0 + $1.readableBytes }
        }
    }

    /// All of it in one piece.
    var bytes: [UInt8] {
        switch self {
        case .whole(let bytes): return bytes
        case .parts(let parts):
            var bytes: [UInt8] = []
            bytes.reserveCapacity(count)
            for part in parts { bytes += part.readableBytesView }
            return bytes
        }
    }
}

/// Puts an answer together: what is small is written, what is large is taken as it lies.
struct AnswerParts {
    private var parts: [ByteBuffer] = []
    private var open: [UInt8] = []

    /// Bytes of a piece that is rather copied than sent by itself.
    private static let small = 4_096

    mutating func append(_ bytes: some Collection<UInt8>) { open += bytes }

    mutating func append(_ body: AnswerBody) {
        switch body {
        case .whole(let bytes): append(bytes)
        case .parts(let parts): for part in parts { append(0..<part.readableBytes, of: part) }
        }
    }

    /// Appends a range of a message, with what stands in the place of some of it.
    /// - Parameters:
    ///   - range: an offset from the first readable byte.
    ///   - edits: in order, and within the range.
    mutating func append(_ range: Range<Int>, of message: ByteBuffer, _ edits: [Splice.Edit] = []) {
        var position = range.lowerBound
        for edit in edits {
            take(position..<edit.range.lowerBound, of: message)
            switch edit.replacement {
            case .bytes(let bytes): open += bytes
            case .decimal(let number): open += String(number).utf8
            }
            position = edit.range.upperBound
        }
        take(position..<range.upperBound, of: message)
    }

    private mutating func take(_ range: Range<Int>, of message: ByteBuffer) {
        // A small part of a large message would keep all of that in memory.
        guard range.count > Self.small, range.count > message.readableBytes / 4 else {
            return message.withUnsafeReadableBytes { open += $0[range] }
        }
        guard let slice = message.getSlice(at: message.readerIndex + range.lowerBound, length: range.count) else { return }
        close()
        parts.append(slice)
    }

    private mutating func close() {
        if !open.isEmpty { parts.append(ByteBuffer(bytes: open)) }
        open = []
    }

    /// All of it; in one piece where nothing of it was large.
    consuming func body() -> AnswerBody {
        if parts.isEmpty { return .whole(open) }
        close()
        return .parts(parts)
    }
}
