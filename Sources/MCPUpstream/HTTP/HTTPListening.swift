// The stream on which an HTTP server says what belongs to no request: changed lists, changed resources, questions (GET).

import MCPWire
import NIOCore

/// Keeps one GET stream of the present session open, and resumes it where it broke (MCP 2025-11-25 Transports, Listening for Messages).
/// Confined to the event loop of its pool.
///
/// A server that has no such stream (405) is not asked again before the next handshake. One may have it without sessions.
final class HTTPListening: UpstreamReceiver {
    /// It owns this.
    private weak var pool: HTTPUpstreamPool?
    private var session: NegotiatedSession?
    private var exchange: HTTPExchange?
    private var next: Scheduled<Void>?
    private var pause = shortestPause
    /// Whether the server has such streams in this session.
    private var hasListened = false

    private static let shortestPause = TimeAmount.milliseconds(500)
    private static let longestPause = TimeAmount.seconds(15)

    init(in pool: HTTPUpstreamPool) {
        self.pool = pool
    }

    /// Listens in this session from now on; nil listens to nothing.
    func listen(in session: NegotiatedSession?) {
        next?.cancel()
        next = nil
        let old = exchange.take()
        self.session = session
        (pause, hasListened) = (Self.shortestPause, false)
        if let old, !old.isFinished { pool?.abandon(old, .cancelled) }
        open(after: "")
    }

    /// Whether the server has said that it speaks on the stream, or that it will not.
    var isSettled: Bool { session == nil || exchange.map { $0.stream != nil || $0.isFinished } ?? true }

    private func open(after event: String) {
        guard let pool, let session, exchange == nil else { return }
        let exchange = HTTPExchange(ByteBuffer(), verb: .get(lastEventID: event), session: session, deadline: nil, to: self, in: pool)
        self.exchange = exchange
        pool.open(exchange)
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
        pause = Self.shortestPause
        if let pool, pool.settings.client != nil { pool.onNotification(message, reply) }
    }

    func upstreamAsked(_ question: UpstreamQuestion) {
        pause = Self.shortestPause
        if let pool { pool.onQuestion(question) } else { question.refuse() }
    }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        // One that was given up says so later, when another may be open.
        guard let pool, let ended = exchange, ended.isFinished else { return }
        exchange = nil
        hasListened = hasListened || ended.stream != nil
        switch outcome {
        case .failed(.refused(let status)):
            // A session is lost that was there; where there never was a stream, a 404 says that there is none.
            if status == 404, hasListened, let session { pool.suspectLost(session) }
            return
        case .answered, .failed: break
        }
        let (event, delay) = (ended.lastEventID, max(pause, ended.resumptionDelay))
        pause = min(pause * 2, Self.longestPause)
        next = pool.loop.assumeIsolated().scheduleTask(in: delay) { [self] in open(after: event) }
    }
}
