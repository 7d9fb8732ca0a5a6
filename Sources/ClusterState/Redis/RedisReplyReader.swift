// hiredis's reply reader, owned: bytes in, replies out.

import CHiredis
import NIOCore

/// Parses replies with hiredis (0.14 and 1.x alike); one a connection.
struct RedisReplyReader: ~Copyable {
    private let reader: UnsafeMutablePointer<redisReader>
    private let parts = ReplyParts()

    init() {
        // redisReaderCreateWithFunctions only fails when memory is exhausted, where nothing else would work either.
        guard let reader = redisReaderCreateWithFunctions(ReplyParts.collecting) else { preconditionFailure("out of memory") }
        reader.pointee.privdata = Unmanaged.passUnretained(parts).toOpaque()
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
        var whole: UnsafeMutableRawPointer?
        guard redisReaderGetReply(reader, &whole) == REDIS_OK else { throw .fault("a reply that is no RESP") }
        return whole == nil ? nil : parts.take()
    }
}

/// The parts of a reply in the order in which hiredis meets them, each before what is inside it.
///
/// hiredis's own objects would cost several allocations for every number of a reply; these lie in two arrays that are used again.
private final class ReplyParts {
    private enum Part {
        case null
        case integer(Int)
        /// So many of the bytes.
        case bytes(Int)
        case error(Int)
        /// So many of the parts that follow, and what is inside them.
        case array(Int)
    }

    private var parts: [Part] = []
    private var bytes: [UInt8] = []
    private var nextPart = 0
    private var nextByte = 0

    /// Texts of one byte, as names of fields and small numbers are: these take no memory of their own.
    private static let single = (0...UInt8.max).map { [$0] }
    /// Bytes of a buffer that is kept for the next reply.
    private static let kept = 64 << 10

    /// The whole reply, and room for the next one.
    func take() -> RedisReply {
        (nextPart, nextByte) = (0, 0)
        let reply = next()
        parts.removeAll(keepingCapacity: true)
        bytes.removeAll(keepingCapacity: bytes.capacity <= Self.kept)
        return reply
    }

    private func next() -> RedisReply {
        let part = parts[nextPart]
        nextPart += 1
        switch part {
        case .null: return .null
        case .integer(let value): return .integer(value)
        case .bytes(1):
            nextByte += 1
            return .bytes(Self.single[Int(bytes[nextByte - 1])])
        case .bytes(let count): return .bytes(Array(text(count)))
        case .error(let count): return .error(String(decoding: text(count), as: UTF8.self))
        case .array(let count):
            return .array(
                [RedisReply](unsafeUninitializedCapacity: count) { elements, filled in
                    for index in 0..<count {
                        elements.initializeElement(at: index, to: next())
                        filled = index + 1
                    }
                })
        }
    }

    private func text(_ count: Int) -> ArraySlice<UInt8> {
        defer { nextByte += count }
        return bytes[nextByte..<(nextByte + count)]
    }

    /// What hiredis calls for each part. It only wants a pointer back that is not null.
    // Unsafe only to the compiler, which does not know pointers to be sendable: it is filled before it is seen, and never written again.
    nonisolated(unsafe) static let collecting: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        functions.initialize(to: redisReplyObjectFunctions())
        functions.pointee.createString = { task, start, count in
            ReplyParts.of(task) { parts in
                parts.bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: Int(count)))
                parts.parts.append(task?.pointee.type == REDIS_REPLY_ERROR ? .error(Int(count)) : .bytes(Int(count)))
            }
        }
        functions.pointee.createArray = { task, count in ReplyParts.of(task) { $0.parts.append(.array(max(0, Int(count)))) } }
        functions.pointee.createInteger = { task, value in ReplyParts.of(task) { $0.parts.append(.integer(Int(value))) } }
        functions.pointee.createNil = { task in ReplyParts.of(task) { $0.parts.append(.null) } }
        functions.pointee.freeObject = { _ in }
        return functions
    }()

    private static func of(_ task: UnsafePointer<redisReadTask>?, _ body: (ReplyParts) -> Void) -> UnsafeMutableRawPointer? {
        guard let pointer = task?.pointee.privdata else { return nil }
        body(Unmanaged<ReplyParts>.fromOpaque(pointer).takeUnretainedValue())
        return pointer
    }
}
