// Where a body ends and how its parts are read, for requests and answers alike.

import NIOCore

/// How the end of a message's body is found (RFC 9112 6.3).
@usableFromInline
package enum HTTP1Framing: Equatable, Sendable {
    /// There is no body.
    case none
    /// The body is that many bytes long; zero when the peer said so.
    case length(Int)
    /// The body is a sequence of chunks.
    case chunked
    /// The body ends with the connection; only answers may do that.
    case untilClose
}

/// Reads one body by its framing and bounds its size; requests and answers share it.
struct HTTP1BodyReader: Sendable {
    /// What the bytes at hand say next about the body.
    enum Step {
        case needMore
        case part(ByteBuffer)
        case end
    }

    private enum State {
        case length(remaining: Int)
        case chunked(HTTP1ChunkReader)
        case untilClose(allowance: Int)
    }

    private var state: State
    private var collected: ByteBuffer?

    /// The reader of no body.
    init() {
        state = .length(remaining: 0)
    }

    /// - Throws: `bodyTooLarge` at once when the announced length is above `limit`.
    init(_ framing: HTTP1Framing, limits: HTTP1Limits, limit: Int) throws(HTTP1Fault) {
        switch framing {
        case .none: state = .length(remaining: 0)
        case .length(let length):
            guard length <= limit else { throw .bodyTooLarge }
            state = .length(remaining: length)
        case .chunked: state = .chunked(HTTP1ChunkReader(limits: limits, allowance: limit))
        case .untilClose: state = .untilClose(allowance: limit)
        }
    }

    /// Bytes of the body that `collect` keeps until the rest is there.
    var collectedBytes: Int { collected?.readableBytes ?? 0 }

    /// Whether the body ends only with the connection.
    var endsWithConnection: Bool {
        if case .untilClose = state { return true }
        return false
    }

    /// The next part of the body as a slice of `bytes`.
    mutating func next(from bytes: inout ByteBuffer) throws(HTTP1Fault) -> Step {
        switch state {
        case .length(let remaining):
            guard remaining > 0 else { return .end }
            guard let part = bytes.readSlice(length: min(remaining, bytes.readableBytes)), part.readableBytes > 0 else {
                return .needMore
            }
            state = .length(remaining: remaining - part.readableBytes)
            return .part(part)
        case .chunked(var chunks):
            defer { state = .chunked(chunks) }
            return try chunks.next(from: &bytes)
        case .untilClose(let allowance):
            guard let part = bytes.readSlice(length: bytes.readableBytes), part.readableBytes > 0 else { return .needMore }
            guard part.readableBytes <= allowance else { throw .bodyTooLarge }
            state = .untilClose(allowance: allowance - part.readableBytes)
            return .part(part)
        }
    }

    /// The whole body when it is complete, or nil; a body that lies in one piece is a slice of `bytes`.
    mutating func collect(from bytes: inout ByteBuffer) throws(HTTP1Fault) -> ByteBuffer? {
        if case .length(let remaining) = state {
            guard remaining > 0 else { return ByteBuffer() }
            return bytes.readSlice(length: remaining)
        }
        while true {
            switch try next(from: &bytes) {
            case .needMore: return nil
            case .end: return collected.take() ?? ByteBuffer()
            case .part(let part): collected.appendReceived(part)
            }
        }
    }
}

/// How both parsers keep bytes that wait: nothing at all when none wait, so that an idle connection holds no buffer.
extension ByteBuffer? {
    /// Adds bytes from the connection; takes the buffer itself when nothing is waiting.
    mutating func appendReceived(_ buffer: ByteBuffer) {
        guard buffer.readableBytes > 0 else { return }
        guard var waiting = take() else {
            self = buffer
            return
        }
        // Without this a connection that never falls idle would keep all that it ever sent.
        waiting.discardReadBytes()
        waiting.writeImmutableBuffer(buffer)
        self = waiting
    }

    /// Puts back what was taken out to be read, unless it was read to the end.
    @inline(__always)
    mutating func restore(_ bytes: ByteBuffer) {
        self = bytes.readableBytes > 0 ? bytes : nil
    }
}
