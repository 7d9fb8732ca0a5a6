// The chunked transfer coding, read.

import NIOCore

/// Takes the chunked transfer coding off a body (RFC 9112 7.1): sizes in plain hexadecimal, extensions and trailers read and
/// dropped, everything bounded.
struct HTTP1ChunkReader: Sendable {
    private enum Phase {
        case size, data(remaining: Int), dataEnd, trailers, ended
    }

    /// Bytes of one chunk's extensions.
    private static let extensionLimit = 256
    /// Bytes of the extensions of all chunks of one body, so that framing cannot outweigh content.
    private static let extensionsLimit = 16_384
    /// Digits of a size, with the zeros in front; as many as a 64 bit number has.
    private static let digitLimit = 16

    private let limits: HTTP1Limits
    private var phase = Phase.size
    private var lines = HTTP1LineScanner()
    private var allowance: Int
    private var extensionBytes = 0
    private var trailerCount = 0

    /// - Parameter allowance: bytes that all chunks together may have.
    init(limits: HTTP1Limits, allowance: Int) {
        self.limits = limits
        self.allowance = allowance
    }

    /// The next part of the body as a slice of `bytes`; a chunk that arrives in pieces is handed on in pieces.
    mutating func next(from bytes: inout ByteBuffer) throws(HTTP1Fault) -> HTTP1BodyReader.Step {
        while true {
            switch phase {
            case .size:
                guard let size = try readSize(&bytes) else { return .needMore }
                guard size <= allowance else { throw .bodyTooLarge }
                allowance -= size
                phase = size == 0 ? .trailers : .data(remaining: size)
            case .data(let remaining):
                guard let part = bytes.readSlice(length: min(remaining, bytes.readableBytes)), part.readableBytes > 0 else {
                    return .needMore
                }
                phase = part.readableBytes == remaining ? .dataEnd : .data(remaining: remaining - part.readableBytes)
                return .part(part)
            case .dataEnd:
                guard try readDataEnd(&bytes) else { return .needMore }
                phase = .size
            case .trailers:
                guard try readTrailers(&bytes) else { return .needMore }
                phase = .ended
            case .ended: return .end
            }
        }
    }

    private mutating func readSize(_ bytes: inout ByteBuffer) throws(HTTP1Fault) -> Int? {
        let result = bytes.withUnsafeReadableBytes { bytes in
            Result { () throws(HTTP1Fault) in try scanSize(bytes) }
        }
        guard let size = try result.get() else { return nil }
        bytes.moveReaderIndex(forwardBy: lines.start)
        lines = HTTP1LineScanner()
        return size
    }

    private mutating func scanSize(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Fault) -> Int? {
        // Refused at the first byte, so that a body that is not chunked at all is not waited for.
        guard let first = bytes.first else { return nil }
        guard Self.hexValue(first) != nil else { throw .malformedChunk }
        let limit = Self.digitLimit + Self.extensionLimit + 2
        let line: Range<Int>?
        do throws(HTTP1Fault) {
            line = try lines.next(in: bytes, limit: limit, tooLong: .malformedChunk)
        } catch {
            throw .malformedChunk
        }
        guard let line else { return nil }

        var size = 0
        var offset = line.lowerBound
        while offset < line.upperBound, let digit = Self.hexValue(bytes[offset]) {
            guard offset - line.lowerBound < Self.digitLimit, size <= Int.max >> 4 else { throw .malformedChunk }
            size = size << 4 | digit
            offset += 1
        }
        try noteExtensions(bytes.part(offset..<line.upperBound))
        return size
    }

    private mutating func noteExtensions(_ extensions: UnsafeRawBufferPointer) throws(HTTP1Fault) {
        guard let first = extensions.first else { return }
        guard first == HTTP1Byte.semicolon, extensions.count <= Self.extensionLimit, !extensions.contains(HTTP1Byte.tab) else {
            throw .malformedChunk
        }
        extensionBytes += extensions.count
        guard extensionBytes <= Self.extensionsLimit else { throw .malformedChunk }
    }

    private func readDataEnd(_ bytes: inout ByteBuffer) throws(HTTP1Fault) -> Bool {
        guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return false }
        guard first == HTTP1Byte.carriageReturn else { throw .malformedChunk }
        guard let lineEnd = bytes.getInteger(at: bytes.readerIndex, as: UInt16.self) else { return false }
        guard lineEnd == HTTP1Byte.lineEnd else { throw .malformedChunk }
        bytes.moveReaderIndex(forwardBy: 2)
        return true
    }

    private mutating func readTrailers(_ bytes: inout ByteBuffer) throws(HTTP1Fault) -> Bool {
        let result = bytes.withUnsafeReadableBytes { bytes in
            Result { () throws(HTTP1Fault) in try scanTrailers(bytes) }
        }
        guard try result.get() else { return false }
        bytes.moveReaderIndex(forwardBy: lines.start)
        return true
    }

    private mutating func scanTrailers(_ bytes: UnsafeRawBufferPointer) throws(HTTP1Fault) -> Bool {
        while let line = try lines.next(in: bytes, limit: limits.startLine, tooLong: .headTooLarge) {
            if line.isEmpty { return true }
            guard trailerCount < limits.fields else { throw .tooManyFields }
            trailerCount += 1
            let field = try HTTP1FieldLine(bytes, line)
            let known = HTTP1KnownField.recognise(bytes.part(field.name))
            if known?.isForbiddenInTrailers == true { throw .ambiguousFraming }
        }
        return false
    }

    @inline(__always)
    private static func hexValue(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte &- 0x30)
        case 0x41...0x46: Int(byte &- 0x37)
        case 0x61...0x66: Int(byte &- 0x57)
        default: nil
        }
    }
}
