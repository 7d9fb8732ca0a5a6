// Answers out of the bytes of a connection.

package import NIOCore

/// Reads the answers of an upstream from one connection of ours, as strictly as requests are read.
///
/// One instance reads one answer after the other; `begin` is called for each request that was sent. Answers to HEAD are not
/// supported. Provisional answers (1xx) are skipped; 101 is a fault, because we never ask for it.
package struct HTTP1ResponseParser: ~Copyable, Sendable {
    /// One step of reading an answer.
    package enum Step: Sendable {
        /// Nothing to say before more bytes are appended.
        case needMore
        /// The complete answer, when its body is not a stream and everything lay in the bytes at hand.
        case whole(HTTP1ResponseHead, ByteBuffer)
        /// An answer has begun whose body comes in parts.
        case head(HTTP1ResponseHead)
        /// A part of the body, never empty.
        case part(ByteBuffer)
        /// The body is complete; comes after `.head` alone.
        case end
        /// The answer cannot be trusted: give up the exchange and close. Comes once.
        case fault(HTTP1Fault)
    }

    private enum Phase {
        case idle, head, body, closed
    }

    /// Provisional answers before a final one; more of them is an upstream that never answers.
    private static let provisionalLimit = 8

    private let limits: HTTP1Limits
    private var phase = Phase.idle
    private var draft = HTTP1ResponseDraft()
    private var body = HTTP1BodyReader()
    private var pending: ByteBuffer?
    private var keepAlive = true
    private var provisionalCount = 0
    /// Whether anything of the current answer came; if not, the request may never have been taken.
    package private(set) var hasBegun = false

    /// The parser of a connection that no request was sent on.
    package init(limits: HTTP1Limits = .response) {
        self.limits = limits
    }

    /// Whether the connection may carry the next request: the last answer is complete, allows it, and nothing came behind it.
    package var isReusable: Bool {
        if case .idle = phase { return keepAlive && pending == nil }
        return false
    }

    /// Bytes that were appended and are not consumed yet.
    package var bufferedBytes: Int { pending?.readableBytes ?? 0 }

    /// Expects an answer; call it when a request is sent. False, and nothing changes, when the connection is not reusable.
    package mutating func begin() -> Bool {
        guard isReusable else { return false }
        phase = .head
        hasBegun = false
        provisionalCount = 0
        return true
    }

    /// Takes bytes from the connection; no copy when nothing is waiting. Bytes that nobody asked for make it unfit for reuse.
    package mutating func append(_ buffer: ByteBuffer) {
        if case .closed = phase { return }
        if buffer.readableBytes > 0 { hasBegun = true }
        pending.appendReceived(buffer)
    }

    /// What the bytes say next.
    package mutating func next() -> Step {
        do throws(HTTP1Fault) {
            switch phase {
            case .head: return try nextHead()
            case .body: return try nextOfBody()
            case .idle, .closed: return .needMore
            }
        } catch {
            close()
            return .fault(error)
        }
    }

    /// The upstream closed the connection; call it after `next` had nothing more to say.
    package mutating func finish() -> Step {
        defer { close() }
        switch phase {
        case .idle, .closed: return .needMore
        case .body where body.endsWithConnection: return .end
        case .head, .body: return .fault(.truncated)
        }
    }

    private mutating func nextHead() throws(HTTP1Fault) -> Step {
        guard var bytes = pending.take() else { return .needMore }
        defer { pending.restore(bytes) }
        while bytes.readableBytes > 0 {
            let scan = bytes.withUnsafeReadableBytes { bytes in
                Result { () throws(HTTP1Fault) in try draft.scan(bytes, limits: limits) }
            }
            guard let framing = try scan.get(), let line = draft.line,
                let headBytes = bytes.readSlice(length: draft.length)
            else { return .needMore }
            let finished = draft
            draft = HTTP1ResponseDraft()
            if line.status >= 200 { return try open(line, finished, framing, headBytes, &bytes) }

            provisionalCount += 1
            guard line.status != 101, provisionalCount <= Self.provisionalLimit else { throw .malformedStatusLine }
        }
        return .needMore
    }

    private mutating func open(
        _ line: HTTP1StatusLine, _ draft: HTTP1ResponseDraft, _ framing: HTTP1Framing, _ headBytes: ByteBuffer,
        _ bytes: inout ByteBuffer
    ) throws(HTTP1Fault) -> Step {
        let head = HTTP1ResponseHead(
            status: line.status, fields: HTTP1Fields(bytes: headBytes, section: draft.section), framing: framing,
            keepAlive: draft.keepsAlive(line, framing)
        )
        keepAlive = head.keepAlive
        body = try HTTP1BodyReader(framing, limits: limits, limit: limits.body)
        phase = .body
        if let whole = try wholeBody(head, &bytes) { return .whole(head, whole) }
        return .head(head)
    }

    /// The body, if everything of it is at hand; else nothing has been read.
    private mutating func wholeBody(_ head: HTTP1ResponseHead, _ bytes: inout ByteBuffer) throws(HTTP1Fault) -> ByteBuffer? {
        guard head.contentType != .eventStream, !body.endsWithConnection else { return nil }
        var rest = bytes
        var attempt = body
        guard let whole = try attempt.collect(from: &rest) else { return nil }
        bytes = rest
        phase = keepAlive ? .idle : .closed
        return whole
    }

    private mutating func nextOfBody() throws(HTTP1Fault) -> Step {
        var bytes = pending.take() ?? ByteBuffer()
        defer { pending.restore(bytes) }
        switch try body.next(from: &bytes) {
        case .needMore: return .needMore
        case .part(let part): return .part(part)
        case .end:
            phase = keepAlive ? .idle : .closed
            return .end
        }
    }

    private mutating func close() {
        phase = .closed
        pending = nil
    }
}
