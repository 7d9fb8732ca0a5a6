// How an HTTP server is met: `server/discover`, or else a handshake; what its answer means, and `notifications/initialized`.

import MCPWire
import NIOCore

/// Finds out of which era a server is, shakes hands where it is of that with sessions, and says what came of it.
///
/// A server that says nothing of the revision 2026-07-28, whatever else it says, is of the other era (2026-07-28, Versioning).
/// A server that answers anything at all is a server that can be used: one that refuses `initialize`, or does not know it, is
/// taken for one without sessions.
final class HTTPHandshake: UpstreamReceiver {
    enum Outcome {
        case done(NegotiatedSession, InitializeResult?)
        /// A sentence without its subject, for example "cannot be reached".
        case failed(String)
    }

    private let pool: HTTPUpstreamPool
    private let generation: Int
    private let onOutcome: (Outcome) -> Void
    private var exchange: HTTPExchange?
    private var result: Outcome?
    /// Whether the server is asked of which era it is.
    private var isProbing = false

    init(generation: Int, in pool: HTTPUpstreamPool, _ onOutcome: @escaping (Outcome) -> Void) {
        self.generation = generation
        self.pool = pool
        self.onOutcome = onOutcome
    }

    func begin(number: UInt64) {
        guard pool.settings.probes, pool.settings.client == nil else { return shake(number: number) }
        isProbing = true
        let request = StatelessRequest("server/discover", [:], number: number)
        let session = NegotiatedSession(pool.settings.address, version: ProtocolRevision.july2026.rawValue)
        let limit = min(pool.settings.handshakeLimit, pool.settings.probeLimit)
        let exchange = HTTPExchange(
            request.bytes, fields: request.fields, number: number, session: session, deadline: .now() + limit, to: self, in: pool)
        self.exchange = exchange
        pool.open(exchange)
    }

    private func shake(number: UInt64) {
        // On a new connection, because an old one would not tell that the server is away.
        pool.open(
            ask(
                UpstreamMessage.initialize(number: number, pool.settings.client?.capabilities ?? []), number: number,
                in: NegotiatedSession(pool.settings.address)))
    }

    private func ask(_ message: ByteBuffer, number: UInt64 = 0, in session: NegotiatedSession) -> HTTPExchange {
        let deadline = NIODeadline.now() + pool.settings.handshakeLimit
        let exchange = HTTPExchange(message, number: number, session: session, deadline: deadline, to: self, in: pool)
        self.exchange = exchange
        return exchange
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {}

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        let exchange = exchange.take()
        if isProbing { return probed(outcome, exchange) }
        // The server has heard `initialized`, or has not: its next answers tell.
        if let result { return onOutcome(result) }
        switch outcome {
        case .answered(let message, let reply): read(message, reply, sessionID: exchange?.openedSession)
        case .failed(.refused(404)), .failed(.refused(405)): onOutcome(.done(session(), nil))
        case .failed(let failure): onOutcome(.failed(Self.sentence(failure, exchange?.trouble)))
        }
    }

    private func probed(_ outcome: UpstreamOutcome, _ exchange: HTTPExchange?) {
        isProbing = false
        if case .failed(.unavailable) = outcome { return onOutcome(.failed(Self.sentence(.unavailable, exchange?.trouble))) }
        guard let verdict = EraVerdict(outcome), case .stateless(let info) = verdict else { return shake(number: pool.nextNumber()) }
        let version = ProtocolRevision.july2026.rawValue
        onOutcome(.done(NegotiatedSession(pool.settings.address, generation: generation, version: version), info))
    }

    private func read(_ message: ByteBuffer, _ reply: Reply, sessionID: String?) {
        guard let range = reply.result,
            let result = message.getSlice(at: message.readerIndex + range.lowerBound, length: range.count),
            let version = Self.protocolVersion(result)
        else { return onOutcome(.done(session(id: sessionID), nil)) }
        let session = session(id: sessionID, version: ProtocolRevision.served(named: version)?.rawValue)
        self.result = .done(session, InitializeResult(bytes: result))
        pool.expedite(ask(UpstreamMessage.initialized, in: session))
    }

    private func session(id: String? = nil, version: String? = nil) -> NegotiatedSession {
        NegotiatedSession(pool.settings.address, generation: generation, id: id, version: version)
    }

    private static func protocolVersion(_ result: ByteBuffer) -> String? {
        result.withUnsafeReadableBytes { try? JSONValue.parse($0)["protocolVersion"]?.stringValue }
    }

    private static func sentence(_ failure: UpstreamFailure, _ trouble: String?) -> String {
        switch failure {
        case .unavailable: "cannot be reached: \(trouble ?? "it closes new connections")"
        case .refused(let status): "refused 'initialize' with status \(status)"
        case .timedOut, .overdue: "did not answer 'initialize' in time"
        case .answerTooLarge: "answered 'initialize' at too great length"
        case .died, .unusable, .cancelled, .withdrawn, .sessionLost: "did not answer 'initialize' with a JSON-RPC message"
        }
    }
}
