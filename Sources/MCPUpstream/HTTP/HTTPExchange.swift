// One request to an HTTP server and what becomes of it, over every connection that it needs.

import HTTPWire
import MCPWire
import NIOCore

/// A message on its way to the server and the reading of its answer. It is confined to the event loop of its pool.
///
/// Invariant: the receiver is told the outcome exactly once, and nothing after it. Where it is known within a call of the
/// receiver's side (`send`, `cancel`) it is told a moment later.
final class HTTPExchange {
    enum Verb {
        case post
        case get(lastEventID: String)
        case delete

        var isPost: Bool { if case .post = self { true } else { false } }
    }

    /// Why a connection ended before the answer did.
    enum Break {
        /// The server certainly has not got the whole request.
        case unsent
        /// No byte of an answer came. `isUntaken`: the server closed before its machine had got a byte of the request.
        case silent(onReusedConnection: Bool, isUntaken: Bool)
        case fault(HTTP1Fault)
    }

    let number: UInt64
    let owner: UpstreamRequest.Owner
    private(set) var deadline: NIODeadline?
    private var standstill: Standstill
    private var questions = OpenQuestions()
    let body: ByteBuffer
    /// Lines of the head that repeat what the body says; nil for a request of the era with sessions.
    let fields: ByteBuffer?
    let pool: HTTPUpstreamPool
    private(set) var verb: Verb
    /// The session that it was last sent in.
    private(set) var session: NegotiatedSession?
    private(set) var isFinished = false
    /// The session that the server opened with its answer.
    private(set) var openedSession: String?
    /// Why it could not be sent, as the end of a sentence.
    private(set) var trouble: String?

    private(set) var receiver: (any UpstreamReceiver)?
    /// Our own messages belong to one session, which others outlive.
    private let ownSession: NegotiatedSession?
    /// Whether the server may get it twice.
    private let isRepeatable: Bool
    private var hasRetried = false
    private var hasRenewed = false

    /// Bytes of an announced answer for which there is room at once; beyond that it grows as it comes.
    private static let mostReserved = 64 << 20

    private var status = 0
    private var collected: ByteBuffer?
    /// What `collected` says, once it is complete.
    private var reply: Reply?
    var stream: EventStreamParser?
    /// What has come of the event under way.
    var event = ByteBuffer()
    /// The time that the server asks to wait before a broken stream is resumed.
    var resumptionDelay = TimeAmount.zero
    private var pollingPause = TimeAmount.zero

    /// A client's request.
    init(_ request: UpstreamRequest, to receiver: any UpstreamReceiver, in pool: HTTPUpstreamPool) {
        number = request.number
        owner = request.owner
        deadline = request.deadline
        standstill = Standstill(limit: request.limit)
        body = request.bytes
        fields = request.fields
        isRepeatable = !request.isCall
        verb = .post
        ownSession = nil
        self.receiver = receiver
        self.pool = pool
    }

    /// A message of the gate itself.
    init(
        _ body: ByteBuffer, fields: ByteBuffer? = nil, number: UInt64 = 0, verb: Verb = .post, session: NegotiatedSession,
        deadline: NIODeadline?, to receiver: (any UpstreamReceiver)? = nil, in pool: HTTPUpstreamPool
    ) {
        self.body = body
        self.fields = fields
        self.number = number
        owner = .gate
        self.verb = verb
        self.deadline = deadline
        standstill = Standstill(limit: nil)
        self.receiver = receiver
        self.pool = pool
        ownSession = session
        isRepeatable = true
    }

    /// Whether the server may be working on a client's request.
    var mayBeWorkedOn: Bool { ownSession == nil && session != nil }

    /// The last event of its stream that had an id; empty if there was none.
    var lastEventID: String {
        if let id = stream?.lastEventID, !id.isEmpty { return id }
        return if case .get(let id) = verb { id } else { "" }
    }

    /// Whether it is a stream of what the server says outside of requests.
    private var isListening: Bool {
        if case .get = verb { ownSession != nil } else { false }
    }

    /// Takes its session, the pool's if it has none of its own; false if there is none to be sent in, or it was made for a server of the other
    /// era.
    func enter(_ present: NegotiatedSession?) -> Bool {
        guard let session = ownSession ?? present, session.isStateless == (fields != nil) else { return false }
        self.session = session
        return true
    }

    // MARK: The answer

    /// Takes the whole answer, which is no stream. False if the connection is not to be used again; then call `ended`.
    func take(_ head: HTTP1ResponseHead, _ body: ByteBuffer) -> Bool {
        note(head)
        collected = body
        return isOwn()
    }

    /// The answer begins; its body follows in parts.
    func begin(_ head: HTTP1ResponseHead) {
        note(head)
        if head.contentType == .eventStream, head.status < 300 {
            stream = EventStreamParser(cap: pool.settings.responseLimit)
            event = ByteBuffer()
        } else {
            collected = ByteBuffer()
            // Memory that nothing is written to is none: a server that announces more than it says costs nothing.
            if case .length(let length) = head.framing { collected?.reserveCapacity(min(length, Self.mostReserved)) }
        }
    }

    /// A part of the body. False if no more is wanted: the connection is to be closed.
    func take(_ part: ByteBuffer) -> Bool {
        guard !isFinished else { return true }
        if stream != nil { return read(part) }
        collected?.writeImmutableBuffer(part)
        return true
    }

    /// Whether the complete answer is not that to another request. A server that answers twice answers the next request with this one's
    /// words, so an answer is known by its id and by nothing else (F33).
    func isOwn() -> Bool {
        guard stream == nil, !isFinished else { return true }
        reply = collected?.withUnsafeReadableBytes { Reply.scan($0) }
        return reply.map { !$0.isAnswer || answers(with: $0) } ?? true
    }

    /// A handshake may be refused without its id: whatever a server says to it, it is there.
    func answers(with reply: Reply) -> Bool {
        if reply.number == number { return true }
        guard ownSession != nil, case .error = reply.kind else { return false }
        return reply.number == nil
    }

    /// The answer is complete, and `isOwn` was asked.
    func ended() {
        guard !isFinished else { return }
        if stream != nil { return resume(isOrderly: true) }
        conclude(with: collected.take() ?? ByteBuffer())
    }

    /// The connection ended, or cannot be trusted any more, before the answer was complete.
    func broke(_ cause: Break) {
        guard !isFinished else { return }
        switch cause {
        case .unsent, .silent(_, isUntaken: true): if hasRetried { fail(.unavailable) } else { retry() }
        case .silent(onReusedConnection: true, _) where isRepeatable && !hasRetried: retry()
        case .fault(.bodyTooLarge): fail(.answerTooLarge)
        case .silent(onReusedConnection: false, _): diedAtOnce()
        case .silent, .fault: if stream != nil { resume(isOrderly: false) } else { fail(.died) }
        }
    }

    /// A new connection that says nothing may lead to a proxy whose server is away: a handshake tells.
    private func diedAtOnce() {
        if ownSession == nil, let session { pool.suspectLost(session) }
        fail(.died)
    }

    private func note(_ head: HTTP1ResponseHead) {
        status = head.status
        if ownSession != nil { openedSession = head.mcpSessionID }
    }

    private func conclude(with body: ByteBuffer) {
        guard !isFinished else { return }
        if hasLostSession(body) { return renew() }
        if isOfAnotherEra, let session {
            pool.suspectEra(of: session)
            if !isAnswered { return fail(.unavailable) }
        }
        // One that names the request where it misses the session: the next request is to find another.
        if status == 404, ownSession == nil, isAnswered, reply?.kind == .error(code: -32001), let session, session.id != nil {
            pool.suspectEra(of: session)
        }
        if let reply, reply.isAnswer {
            guard answers(with: reply) else { return fail(status >= 300 ? .refused(status: status) : .unusable) }
            // A result under a 5xx is a failure like any other 5xx.
            if status >= 500, case .result = reply.kind { return fail(.refused(status: status)) }
            return answered(body, reply)
        }
        if status >= 300, verb.isPost || isListening { return fail(.refused(status: status)) }
        fail(body.readableBytes == 0 ? .died : .unusable)
    }

    /// Whether what came is the answer to this very request.
    private var isAnswered: Bool { reply.map { $0.isAnswer && answers(with: $0) } ?? false }

    /// A 404 says that the session is gone (2025-11-25, Session Management), unless it is the answer to this very request, which is never sent
    /// twice. Servers that keep their sessions in a map of
    /// their own, as the SDKs' examples do, say 400 in words of their own, for no request in particular: before they have looked at it. Any
    /// other 400 may come after the work, with words of the client in it, and nothing is sent twice for that.
    private func hasLostSession(_ answer: ByteBuffer) -> Bool {
        guard status == 404 || status == 400, ownSession == nil, case .post = verb else { return false }
        // The revision is looked at before anything else: the server has become one without sessions.
        if let session, !session.isStateless, case .error(-32022) = reply?.kind { return true }
        guard session?.id != nil else { return false }
        if status == 404 { return !isAnswered }
        guard let reply, case .error = reply.kind, let error = reply.error,
            reply.id.map({ answer.says("null", at: $0) }) ?? true
        else { return false }
        let isSaid = answer.withUnsafeReadableBytes { bytes in
            UnsafeRawBufferPointer(rebasing: bytes[error]).holds(#""Bad Request: No valid session ID provided""#)
        }
        return isSaid && !mayBeEchoed
    }

    /// Whether a server that was one without sessions refuses a request as none of them would, before it has looked at what it asks for.
    private var isOfAnotherEra: Bool {
        guard ownSession == nil, session?.isStateless ?? false, [400, 404, 405, 406].contains(status),
            // One that has no streams may say so in any way.
            !(receiver is UpstreamListening.Stream)
        else { return false }
        // What it says to this very request is its answer, but that it does not know the revision.
        return !isAnswered || reply?.kind == .error(code: -32022)
    }

    /// Whether the request itself speaks of sessions, or may do so in escapes: then a server that says such words may have them from it.
    private var mayBeEchoed: Bool {
        body.withUnsafeReadableBytes { $0.holds("session") || $0.holds(#"\u"#) }
    }

    private func renew() {
        guard !hasRenewed else { return fail(.sessionLost) }
        hasRenewed = true
        collected = nil
        pool.awaitNewSession(self)
    }

    private func retry() {
        hasRetried = true
        pool.retry(self)
    }

    // MARK: The end

    /// Asks for the rest of a stream (2025-11-25, Resumability). A server may end one as often as it likes while it works on (SEP-1699): it is
    /// asked again until the deadline, at the pace that it has named, and where nothing new came ever more seldom if it has named none.
    /// - Parameter isOrderly: whether the server has ended the stream. One that breaks without anything new is a death.
    func resume(isOrderly: Bool) {
        // What belongs to no request is resumed by whoever listens to it.
        if isListening { return fail(.died) }
        let id = lastEventID
        stream = nil
        let isRepeated = if case .get(let last) = verb { last.utf8.elementsEqual(id.utf8) } else { false }
        guard !(session?.isStateless ?? false), !id.isEmpty, isOrderly || !isRepeated else { return fail(.died) }
        verb = .get(lastEventID: id)
        pollingPause = isRepeated ? min(pollingPause * 2, Self.longestPollingPause) : Self.shortestPollingPause
        let pause = resumptionDelay > .zero ? max(resumptionDelay, Self.shortestPollingPause) : pollingPause
        pool.submit(self, after: isRepeated ? pause : resumptionDelay)
    }

    /// Between two questions for the same part of a stream.
    private static let (shortestPollingPause, longestPollingPause) = (TimeAmount.milliseconds(100), TimeAmount.seconds(5))

    func answered(_ message: ByteBuffer, _ reply: Reply) {
        isFinished = true
        questions.withdrawAll()
        receiver.take()?.upstreamFinished(.answered(message, reply))
    }

    /// Ends it without an answer. The receiver is told a moment later.
    func fail(_ failure: UpstreamFailure, because trouble: String? = nil) {
        guard !isFinished else { return }
        isFinished = true
        self.trouble = trouble
        questions.withdrawAll()
        guard let receiver = receiver.take() else { return }
        pool.loop.assumeIsolated().execute { receiver.upstreamFinished(.failed(failure)) }
    }

    func ask(_ question: UpstreamQuestion) {
        guard let receiver else { return question.refuse() }
        guard questions.takes(question) else { return receiver.upstreamAsked(question) }
        questions.add(question)
        standstill.begin(&deadline, at: .now())
        let (home, id) = (NIOLoopBound(self, eventLoop: pool.loop), question.asker.idToken)
        receiver.upstreamAsked(
            question.answering {
                home.eventLoop.execute { if home.value.questions.close(id) != nil { home.value.startClock() } }
            })
    }

    /// The server wants no answer to a question of its own any more.
    func withdrawn(_ id: [UInt8]) {
        if questions.withdraw(id) != nil { startClock() }
    }

    private func startClock() {
        standstill.end(&deadline, at: .now())
        if !isFinished { pool.watch(deadline) }
    }

    func notify(_ message: ByteBuffer, _ reply: Reply) {
        receiver?.upstreamNotified(message, reply)
    }
}

extension Reply {
    /// Whether it ends a request.
    var isAnswer: Bool {
        switch kind {
        case .result, .error: true
        case .request, .notification: false
        }
    }
}
