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

    /// A comment that keeps the connection open.
    static func keepAlive(allocator: ByteBufferAllocator) -> ByteBuffer {
        var comment: [UInt8] = []
        EventStreamWriter.append(comment: "keepalive", to: &comment)
        comment.append(UInt8(ascii: "\n"))
        return chunk(comment, allocator: allocator)
    }

    private static func chunk(_ bytes: [UInt8], allocator: ByteBufferAllocator) -> ByteBuffer {
        var buffer = allocator.buffer(capacity: bytes.count + 16)
        HTTP1Writer.appendChunk(ByteBuffer(bytes: bytes), into: &buffer)
        return buffer
    }
}
