// Events as chunks of a chunked answer.

import HTTPWire
import MCPWire
import NIOCore

enum StreamFrame {
    /// One `message` event, not as a chunk.
    static func body(_ message: some Collection<UInt8>) -> [UInt8] {
        var event: [UInt8] = []
        Array(message).withUnsafeBytes { EventStreamWriter.append($0, id: nil, to: &event) }
        return event
    }

    /// One `message` event.
    static func event(_ message: some Collection<UInt8>, id: String? = nil, allocator: ByteBufferAllocator) -> ByteBuffer {
        var event: [UInt8] = []
        event.reserveCapacity(message.count + 32)
        Array(message).withUnsafeBytes { EventStreamWriter.append($0, id: id, to: &event) }
        return chunk(event, allocator: allocator)
    }

    /// The same of a large message, which stays in its parts.
    static func event(_ parts: [ByteBuffer], id: String? = nil, allocator: ByteBufferAllocator) -> [ByteBuffer] {
        let body = body(parts, id: id)
        var head = allocator.buffer(capacity: 160)
        HTTP1Writer.beginChunk(of: body.reduce(0) { $0 + $1.readableBytes }, into: &head)
        return [head] + body + [ByteBuffer(string: "\r\n")]
    }

    /// The same, not as a chunk. Line breaks, which in JSON stand between its tokens alone, become spaces.
    static func body(_ parts: [ByteBuffer], id: String? = nil) -> [ByteBuffer] {
        let (before, after) = EventStreamWriter.frame(id: id)
        return [ByteBuffer(bytes: before)] + parts.map(joined) + [ByteBuffer(bytes: after)]
    }

    private static func joined(_ part: ByteBuffer) -> ByteBuffer {
        guard part.withUnsafeReadableBytes({ $0.holds("\n") || $0.holds("\r") }) else { return part }
        var part = part
        part.withUnsafeMutableReadableBytes { bytes in
            for index in bytes.indices where bytes[index] == UInt8(ascii: "\n") || bytes[index] == UInt8(ascii: "\r") {
                bytes[index] = UInt8(ascii: " ")
            }
        }
        return part
    }

    /// What stands before the data of an event that is written in pieces, and behind it.
    static func edges(id: String, allocator: ByteBufferAllocator) -> (before: ByteBuffer, after: ByteBuffer) {
        let (before, after) = EventStreamWriter.frame(id: id)
        return (chunk(before, allocator: allocator), chunk(after, allocator: allocator))
    }

    /// A piece of the data.
    static func piece(_ bytes: some Collection<UInt8>, allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: bytes.count + 16)
        HTTP1Writer.appendChunk(joined(ByteBuffer(bytes: bytes)), into: &buffer)
        return buffer
    }

    /// A comment that keeps the connection open.
    static func keepAlive(allocator: ByteBufferAllocator) -> ByteBuffer {
        var comment: [UInt8] = []
        EventStreamWriter.append(comment: "keepalive", to: &comment)
        comment.append(UInt8(ascii: "\n"))
        return chunk(comment, allocator: allocator)
    }

    /// An event without data, from whose id the stream can be resumed.
    static func priming(id: String, allocator: ByteBufferAllocator) -> ByteBuffer {
        var event: [UInt8] = []
        EventStreamWriter.appendPriming(id: id, to: &event)
        return chunk(event, allocator: allocator)
    }

    private static func chunk(_ bytes: [UInt8], allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: bytes.count + 16)
        HTTP1Writer.appendChunk(ByteBuffer(bytes: bytes), into: &buffer)
        return buffer
    }
}
