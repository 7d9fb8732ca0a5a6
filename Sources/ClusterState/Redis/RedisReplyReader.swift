// hiredis's reply reader, owned: bytes in, replies out.

import CHiredis
import NIOCore

/// Parses replies with hiredis (0.14 and 1.x alike); one a connection.
struct RedisReplyReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>

    init() {
        // redisReaderCreate only fails when memory is exhausted, where nothing else would work either.
        guard let reader = redisReaderCreate() else { preconditionFailure("out of memory") }
        self.reader = reader
    }

    deinit { redisReaderFree(reader) }

    func feed(_ buffer: ByteBuffer) throws(StoreFailure) {
        let status = buffer.withUnsafeReadableBytes { bytes in
            redisReaderFeed(reader, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        if status != REDIS_OK { throw .fault("a reply that is no RESP") }
    }

    /// The next whole reply, nil if it has not all arrived.
    func next() throws(StoreFailure) -> RedisReply? {
        var raw: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &raw) == REDIS_OK else { throw .fault("a reply that is no RESP") }
        guard let raw else { return nil }
        defer { freeReplyObject(raw) }
        return Self.copy(raw.assumingMemoryBound(to: redisReply.self))
    }

    private static func copy(_ reply: UnsafePointer<redisReply>) -> RedisReply {
        let value = reply.pointee
        switch value.type {
        case REDIS_REPLY_INTEGER: return .integer(Int(value.integer))
        case REDIS_REPLY_STRING, REDIS_REPLY_STATUS: return .bytes(bytes(value))
        case REDIS_REPLY_ERROR: return .error(String(decoding: bytes(value), as: UTF8.self))
        case REDIS_REPLY_NIL: return .null
        default:
            return .array(
                [RedisReply](unsafeUninitializedCapacity: Int(value.elements)) { buffer, count in
                    for index in 0..<Int(value.elements) {
                        let element = value.element[index].map { copy($0) } ?? .null
                        buffer.initializeElement(at: index, to: element)
                        count = index + 1
                    }
                })
        }
    }

    private static func bytes(_ value: redisReply) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: value.str, count: Int(value.len)))
    }
}
