// A Streamable HTTP MCP server behind the gate (`--remote-url`), shared by all event loops.

package import GateDomain
package import Logging
package import MCPWire
package import NIOCore

/// A Streamable HTTP MCP server (MCP 2025-11-25, Transports): one session, and for each event loop connections of its own,
/// so that a call never leaves its loop.
///
/// Nothing of a client travels to the server but the body of its message: its key stays here (F-SEC-14, F-MCP-08). An
/// answered JSON-RPC message is a slice of the bytes that came, and its id is the request's number.
package final class HTTPUpstream: Upstream {
    package let prefix: String?
    private let settings: HTTPUpstreamSettings
    private let connector: HTTPUpstreamConnector
    private let pools: [UpstreamSession.LoopPool]
    private let owner: NIOLoopBoundBox<UpstreamSession?>
    private let facts: HTTPUpstreamFacts
    private let log: Logger
    private let onNotification: @Sendable (ByteBuffer, Reply) -> Void
    private let onQuestion: @Sendable (UpstreamQuestion) -> Void
    private let onArrival: @Sendable () -> Void
    private let onSession: @Sendable (HTTPSessionName, Bool) -> Void

    /// - Parameters:
    ///   - loops: every loop that will send; requests of others are refused. The first one keeps the session.
    ///   - numbers: shared by all that get requests of the same senders.
    ///   - other: another one for the same server, whose certificates are used again.
    ///   - onNotification: gets, on any of the loops, what concerns every client: `…/list_changed` and
    ///     `notifications/resources/updated`; with a client of its own, all that belongs to no request. The ranges of the reply are offsets from the first readable byte.
    ///   - onQuestion: gets what its one client is asked outside of requests.
    ///   - onArrival: is called after each handshake.
    ///   - onSession: is called with each session that the server gives the gate, and again, with false, when that is over.
    /// - Throws: if TLS cannot be set up.
    package init(
        settings: HTTPUpstreamSettings,
        loops: [any EventLoop],
        logger: Logger,
        numbers: RequestNumbers = RequestNumbers(),
        sharing other: HTTPUpstream? = nil,
        onNotification: @escaping @Sendable (ByteBuffer, Reply) -> Void = { _, _ in },
        onQuestion: @escaping @Sendable (UpstreamQuestion) -> Void = { $0.refuse() },
        onArrival: @escaping @Sendable () -> Void = {},
        onSession: @escaping @Sendable (HTTPSessionName, Bool) -> Void = { _, _ in }
    ) throws(StartupFailure) {
        precondition(!loops.isEmpty, "An HTTP server is spoken to on at least one event loop.")
        prefix = settings.prefix
        self.settings = settings
        facts = HTTPUpstreamFacts(numbers)
        if let other { connector = other.connector } else { connector = try HTTPUpstreamConnector(settings) }
        pools = loops.map { ($0, NIOLoopBoundBox.makeEmptyBox(eventLoop: $0)) }
        owner = NIOLoopBoundBox.makeEmptyBox(eventLoop: loops[0])
        log = logger
        self.onNotification = onNotification
        self.onQuestion = onQuestion
        self.onArrival = onArrival
        self.onSession = onSession
    }

    package var isConnected: Bool { facts.isConnected }
    package var trouble: String? { facts.trouble }
    package var serverInfo: InitializeResult? { facts.serverInfo }

    package var isStateless: Bool { facts.isStateless }

    package func nextNumber() -> UInt64 { facts.nextNumber() }

    package func watch(_ uri: String, _ isWanted: Bool, on loop: any EventLoop, _ completion: @escaping (Bool) -> Void) {
        let (home, told) = (pools[0], NIOLoopBound(completion, eventLoop: loop))
        home.loop.execute {
            guard let subscriptions = home.pool.value?.subscriptions else { return loop.execute { told.value(false) } }
            subscriptions.watch(uri, isWanted) { isAgreed in loop.execute { told.value(isAgreed) } }
        }
    }

    package func send(_ request: UpstreamRequest, to receiver: NIOLoopBound<any UpstreamReceiver>, on loop: any EventLoop) {
        if let pool = pool(on: loop) { return pool.accept(request, from: receiver.value) }
        loop.execute { receiver.value.upstreamFinished(.failed(.unavailable)) }
    }

    /// - Parameter loop: the one that the request was sent on.
    package func cancel(_ number: UInt64, on loop: any EventLoop) {
        pool(on: loop)?.cancel(number)
    }

    package func notify(_ message: ByteBuffer) {
        let entry = pools.first { $0.loop.inEventLoop } ?? pools[0]
        if entry.loop.inEventLoop { entry.pool.value?.say(message) } else { entry.loop.execute { entry.pool.value?.say(message) } }
    }

    func pool(on loop: any EventLoop) -> HTTPUpstreamPool? {
        for entry in pools where entry.loop === loop { return entry.pool.value }
        return nil
    }
}

// MARK: Life

extension HTTPUpstream {
    package func start() async throws(StartupFailure) {
        let home = pools[0].loop
        let outcome: StartupFailure?
        do {
            let owner = try await home.submit { [self] in
                precondition(self.owner.value == nil, "An HTTP server is started once.")
                let owner = UpstreamSession(
                    settings, facts: facts, connector: connector, pools: pools, log: log, onArrival: onArrival,
                    onSession: onSession)
                self.owner.value = owner
                return NIOLoopBound(owner, eventLoop: home)
            }.get()
            for entry in pools { try await entry.loop.submit { [self] in settle(entry, owner) }.get() }
            let promise = home.makePromise(of: StartupFailure?.self)
            home.execute { owner.value.start { promise.succeed($0) } }
            outcome = try await promise.futureResult.get()
        } catch {
            throw StartupFailure("The event loops of the node are stopped.", status: .internalFault)
        }
        if let outcome { throw outcome }
        if settings.client != nil { await listened() }
    }

    /// Returns when the stream is open on which the server may ask its client, or is not open in a second: what it asks before is lost.
    private func listened() async {
        let (home, limit) = (pools[0], NIODeadline.now() + .seconds(1))
        while .now() < limit {
            guard (try? await home.loop.submit { home.pool.value?.listening?.isSettled ?? true }.get()) == false else { return }
            try? await Task.sleep(for: .milliseconds(5))
        }
    }

    private func settle(_ entry: UpstreamSession.LoopPool, _ owner: NIOLoopBound<UpstreamSession>) {
        let pool = HTTPUpstreamPool(
            on: entry.loop, settings: settings, connector: connector, owner: owner,
            listens: settings.listens && entry.loop === pools[0].loop, numbers: { [facts] in facts.nextNumber() },
            onNotification: onNotification, onQuestion: onQuestion, onGap: onArrival)
        entry.pool.value = pool
        let pace = TimeAmount.nanoseconds(min(settings.idleLimit.nanoseconds / 4, TimeAmount.seconds(1).nanoseconds))
        entry.loop.scheduleRepeatedTask(initialDelay: pace, delay: pace) { task in
            if let pool = entry.pool.value { pool.sweep() } else { task.cancel() }
        }
    }

    package func stop() async {
        for entry in pools { _ = try? await entry.loop.submit { entry.pool.value?.refuse() }.get() }
        let owner = owner
        let session = try? await pools[0].loop.submit {
            defer { owner.value = nil }
            return owner.value?.stop()
        }.get()
        let limit = NIODeadline.now() + settings.drainLimit
        while await !isQuiet, .now() < limit { try? await Task.sleep(for: .milliseconds(5)) }
        if let session, let name = session.name {
            await end(session)
            onSession(name, false)
        }
        for entry in pools {
            _ = try? await entry.loop.flatSubmit {
                defer { entry.pool.value = nil }
                return entry.pool.value?.close() ?? entry.loop.makeSucceededVoidFuture()
            }.get()
        }
    }

    package func end(_ session: HTTPSessionName) async {
        guard session.server == settings.address.description else { return }
        await end(NegotiatedSession(settings.address, id: session.id, version: session.version))
    }

    private var isQuiet: Bool {
        get async {
            for entry in pools {
                guard (try? await entry.loop.submit { entry.pool.value?.isQuiet ?? true }.get()) ?? true else { return false }
            }
            return true
        }
    }

    /// Tells the server that the session is over, and waits a second for its answer, whatever it is.
    private func end(_ session: NegotiatedSession) async {
        let home = pools[0]
        let promise = home.loop.makePromise(of: Void.self)
        home.loop.execute {
            guard let pool = home.pool.value else { return promise.succeed() }
            let deadline = NIODeadline.now() + .seconds(1)
            let farewell = HTTPFarewell(promise)
            pool.expedite(HTTPExchange(ByteBuffer(), verb: .delete, session: session, deadline: deadline, to: farewell, in: pool))
        }
        try? await promise.futureResult.get()
    }
}

/// Waits for the end of an exchange without caring for it.
private final class HTTPFarewell: UpstreamReceiver {
    private let promise: EventLoopPromise<Void>

    init(_ promise: EventLoopPromise<Void>) {
        self.promise = promise
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {}

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        promise.succeed()
    }
}
