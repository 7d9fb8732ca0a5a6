// Keeps the one session with an HTTP server for all event loops: first handshake, lost sessions, a server that is away.

import GateDomain
import Logging
import NIOCore

/// Lives on one event loop, the home; tells the pools of all loops which session is the present one.
///
///     idle → shaking ⇄ ready        shaking → pausing → shaking …        and from everywhere: stopped
///
/// There is one handshake at a time, whoever asks for it. While one renews a session the pools keep the old one, and what
/// it refuses waits; when a handshake fails the pools have none, and refuse at once.
final class UpstreamSession {
    typealias LoopPool = (loop: any EventLoop, pool: NIOLoopBoundBox<HTTPUpstreamPool?>)

    private enum Phase {
        case idle, shaking, ready, pausing, stopped
    }

    private let settings: HTTPUpstreamSettings
    private let facts: HTTPUpstreamFacts
    private let connector: HTTPUpstreamConnector
    private let log: Logger
    private let pools: [LoopPool]
    private var phase = Phase.idle
    private var session: NegotiatedSession?
    private var generation = 0
    private var pause: TimeAmount
    private var complaint: String?
    private var handshake: HTTPHandshake?
    private var timer: Scheduled<Void>?
    private var onFirstOutcome: ((StartupFailure?) -> Void)?
    private let onArrival: () -> Void
    private let onSession: (HTTPSessionName, Bool) -> Void

    init(
        _ settings: HTTPUpstreamSettings, facts: HTTPUpstreamFacts, connector: HTTPUpstreamConnector, pools: [LoopPool], log: Logger,
        onArrival: @escaping () -> Void, onSession: @escaping (HTTPSessionName, Bool) -> Void
    ) {
        (self.onArrival, self.onSession) = (onArrival, onSession)
        self.settings = settings
        self.facts = facts
        self.connector = connector
        self.pools = pools
        self.log = log
        pause = settings.shortestPause
    }

    /// - Parameter onFirstOutcome: is called once, when the first handshake is over.
    func start(_ onFirstOutcome: @escaping (StartupFailure?) -> Void) {
        self.onFirstOutcome = onFirstOutcome
        shake()
    }

    /// The server no longer knows the session of that generation, or behaves as if it did not.
    func renew(after generation: Int) {
        guard case .ready = phase, generation == self.generation else { return }
        log.info("The session with the MCP server at \(settings.address.description) is opened again.")
        shake()
    }

    /// A pool could not connect: a handshake tells whether the server is away.
    func cannotConnect(_ trouble: String) {
        guard case .ready = phase else { return }
        facts.isConnected = false
        facts.trouble = "The MCP server cannot be reached: \(trouble)."
        shake()
    }

    /// Returns the session that is to be ended.
    func stop() -> NegotiatedSession? {
        phase = .stopped
        facts.isConnected = false
        timer?.cancel()
        timer = nil
        handshake = nil
        tellFirst(StartupFailure("The MCP server was stopped before it was ready.", status: .backendUnavailable))
        return session
    }

    private func shake() {
        guard let pool = pools[0].pool.value else { return }
        phase = .shaking
        timer?.cancel()
        timer = nil
        let next = generation + 1
        let handshake = HTTPHandshake(generation: next, in: pool) { [self] outcome in shookHands(outcome, next) }
        self.handshake = handshake
        handshake.begin(number: facts.nextNumber())
    }

    private func shookHands(_ outcome: HTTPHandshake.Outcome, _ generation: Int) {
        guard case .shaking = phase else { return }
        handshake = nil
        switch outcome {
        case .done(let session, let info):
            phase = .ready
            self.generation = generation
            pause = settings.shortestPause
            if complaint != nil { log.info("The MCP server at \(settings.address.description) is back.") }
            complaint = nil
            facts.serverInfo = info
            facts.isStateless = session.isStateless
            announce(session)
            facts.trouble = nil
            facts.isConnected = true
            tellFirst(nil)
            onArrival()
            probeLater()
        case .failed(let trouble): failed(trouble)
        }
    }

    /// - Parameter trouble: a sentence without its subject.
    private func failed(_ trouble: String) {
        let sentence = "The MCP server at \(settings.address.description) \(trouble)."
        facts.trouble = "The MCP server \(trouble)."
        phase = .pausing
        facts.isConnected = false
        if complaint != sentence { log.error("\(sentence)") }
        complaint = sentence
        announce(nil)
        tellFirst(StartupFailure(sentence, status: .backendUnavailable))
        timer = pools[0].loop.assumeIsolated().scheduleTask(in: pause) { [self] in shake() }
        pause = min(pause * 2, settings.longestPause)
    }

    private func announce(_ session: NegotiatedSession?) {
        let (old, new) = (self.session?.name, session?.name)
        if old != new {
            if let old { onSession(old, false) }
            if let new { onSession(new, true) }
        }
        self.session = session
        for (loop, pool) in pools {
            if loop.inEventLoop { pool.value?.adopt(session) } else { loop.execute { pool.value?.adopt(session) } }
        }
    }

    private func tellFirst(_ failure: StartupFailure?) {
        onFirstOutcome.take()?(failure)
    }

    /// Without calls and connections nothing else would tell that the server is away.
    private func probeLater() {
        let loop = pools[0].loop
        timer = loop.assumeIsolated().scheduleTask(in: settings.probeInterval) { [self] in
            guard case .ready = phase else { return }
            guard pools[0].pool.value?.isVacant ?? false else { return probeLater() }
            connector.probe(on: loop).assumeIsolated().whenComplete { [self] result in
                guard case .ready = phase else { return }
                if case .failure(let error) = result { return cannotConnect(HTTPUpstreamConnector.reason(error)) }
                probeLater()
            }
        }
    }
}
