// Requests out of the bytes of a connection.

package import NIOCore

/// Reads the requests of one connection from its bytes, strictly: what could be read in two ways is refused (X36).
///
/// Feed it with `append`, then call `next` until it needs more. After `.head`, `bodyMode` says how the body is wanted.
/// Requests come one at a time: the bytes of the next one wait until `next` is called after the end of this one.
/// After a fault, and after a request that ends the connection, everything that comes is dropped.
package struct HTTP1RequestParser: ~Copyable, Sendable {
    /// One step of reading a request.
    package enum Step: Sendable {
        /// Nothing to say before more bytes are appended.
        case needMore
        /// A request has begun; set `bodyMode` now if `whole` is not wanted.
        case head(HTTP1RequestHead)
        /// A part of the body, never empty; in mode `parts` only.
        case part(ByteBuffer)
        /// The whole body, which also ends the request; in mode `whole` only.
        case whole(ByteBuffer)
        /// The body is complete; in mode `parts` only.
        case end
        /// The bytes are no acceptable request: answer and close. Comes once.
        case fault(HTTP1Fault)
    }

    /// How the body of the current request is wanted, and how many bytes it may have (else 413).
    package enum BodyMode: Sendable {
        /// At once, when everything is there; without a copy where the body arrived in one piece.
        case whole(limit: Int)
        /// As it arrives.
        case parts(limit: Int)
    }

    private enum Phase {
        case head, bodyAnnounced(HTTP1Framing), body, closed
    }

    /// Set between `.head` and the next call of `next`; each head sets it back to `whole` with the limit of the parser.
    package var bodyMode: BodyMode
    private let limits: HTTP1Limits
    private var phase = Phase.head
    private var draft = HTTP1RequestDraft()
    private var body = HTTP1BodyReader()
    private var pending: ByteBuffer?
    private var keepAlive = true
    private var skippedEmptyLine = false

    /// The parser of a connection that nothing was read from.
    package init(limits: HTTP1Limits = .request) {
        self.limits = limits
        bodyMode = .whole(limit: limits.body)
    }

    /// Bytes that were appended and are not consumed yet; stop reading from the connection while there are many.
    package var bufferedBytes: Int { pending?.readableBytes ?? 0 }

    /// Bytes that are kept of a request which is not complete: those that wait, and what was collected of its body.
    package var heldBytes: Int { bufferedBytes + body.collectedBytes }

    /// Whether nothing of a next request has arrived, so that closing the connection cuts nothing off.
    package var isIdle: Bool {
        if case .head = phase { return pending == nil }
        return false
    }

    /// Takes bytes from the connection; no copy when nothing is waiting.
    package mutating func append(_ buffer: ByteBuffer) {
        if case .closed = phase { return }
        pending.appendReceived(buffer)
    }

    /// What the bytes say next.
    package mutating func next() -> Step {
        do throws(HTTP1Fault) {
            switch phase {
            case .head: return try nextHead()
            case .bodyAnnounced(let framing):
                body = try HTTP1BodyReader(framing, limits: limits, limit: bodyMode.limit)
                phase = .body
                return try nextOfBody()
            case .body: return try nextOfBody()
            case .closed: return .needMore
            }
        } catch {
            close()
            return .fault(error)
        }
    }

    private mutating func nextHead() throws(HTTP1Fault) -> Step {
        guard var bytes = pending.take() else { return .needMore }
        defer { pending.restore(bytes) }
        guard try skipEmptyLine(&bytes) else { return .needMore }

        let scan = bytes.withUnsafeReadableBytes { bytes in
            Result { () throws(HTTP1Fault) in try draft.scan(bytes, limits: limits) }
        }
        guard let framing = try scan.get(), let line = draft.line, let headBytes = bytes.readSlice(length: draft.length) else {
            return .needMore
        }
        let head = HTTP1RequestHead(bytes: headBytes, line: line, section: draft.section, framing: framing)
        draft = HTTP1RequestDraft()
        skippedEmptyLine = false
        keepAlive = head.keepAlive
        bodyMode = .whole(limit: limits.body)
        phase = .bodyAnnounced(framing)
        return .head(head)
    }

    /// Skips one empty line before a request (RFC 9112 2.2). False when more bytes are needed to know.
    private mutating func skipEmptyLine(_ bytes: inout ByteBuffer) throws(HTTP1Fault) -> Bool {
        guard !skippedEmptyLine, bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) == HTTP1Byte.carriageReturn else {
            return true
        }
        guard let lineEnd = bytes.getInteger(at: bytes.readerIndex, as: UInt16.self) else { return false }
        guard lineEnd == HTTP1Byte.lineEnd else { throw .malformedLineEnd }
        bytes.moveReaderIndex(forwardBy: 2)
        skippedEmptyLine = true
        return bytes.readableBytes > 0
    }

    private mutating func nextOfBody() throws(HTTP1Fault) -> Step {
        var bytes = pending.take() ?? ByteBuffer()
        defer { pending.restore(bytes) }
        switch bodyMode {
        case .whole:
            guard let whole = try body.collect(from: &bytes) else { return .needMore }
            finishRequest(&bytes)
            return .whole(whole)
        case .parts:
            switch try body.next(from: &bytes) {
            case .needMore: return .needMore
            case .part(let part): return .part(part)
            case .end:
                finishRequest(&bytes)
                return .end
            }
        }
    }

    private mutating func finishRequest(_ bytes: inout ByteBuffer) {
        phase = keepAlive ? .head : .closed
        if !keepAlive { bytes.moveReaderIndex(to: bytes.writerIndex) }
    }

    /// Forgets what was read; nothing more is. Until the connection is gone nothing is kept for it.
    package mutating func close() {
        phase = .closed
        pending = nil
        body = HTTP1BodyReader()
    }
}

extension HTTP1RequestParser.BodyMode {
    /// Bytes that the body may have.
    fileprivate var limit: Int {
        switch self {
        case .whole(let limit), .parts(let limit): limit
        }
    }
}
