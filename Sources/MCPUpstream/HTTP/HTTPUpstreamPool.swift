// The connections of one event loop to an HTTP server, and the requests that wait for one.

import HTTPWire
import MCPWire
import NIOCore

/// Everything of an HTTP server that one event loop owns; confined to that loop.
///
/// Invariant: an exchange that was submitted is waiting, parked, an orphan, or held by one connection until it is finished.
/// The present session is nil while the server is away; then nothing is taken.
final class HTTPUpstreamPool {
    let loop: any EventLoop
    let settings: HTTPUpstreamSettings
    let onNotification: @Sendable (ByteBuffer, Reply) -> Void
    let onQuestion: @Sendable (UpstreamQuestion) -> Void
    let connector: HTTPUpstreamConnector
    private let owner: NIOLoopBound<UpstreamSession>

    private(set) var session: NegotiatedSession?
    private var isRefusing = false
    var isClosed = false
    var connections: [HTTPUpstreamConnection] = []
    /// Of these the ones that are free; the last one was used last.
    var idle: [HTTPUpstreamConnection] = []
    var connecting = 0
    var waiting = CircularBuffer<HTTPExchange>()
    /// They wait for a connection of their own, or for a time.
    var parked: [HTTPExchange] = []
    /// They wait for a new session.
    var orphans: [HTTPExchange] = []
    private var output = ByteBuffer()
    /// Listens to what the server says outside of requests; nil where another loop does, or nobody.
    private(set) var listening: HTTPListening?
    /// The same for a server without sessions.
    private(set) var subscriptions: UpstreamListening?
    private let numbers: () -> UInt64
    private var lastSuspicion = NIODeadline.uptimeNanoseconds(0)
    var alarm: (deadline: NIODeadline, task: Scheduled<Void>)?

    /// An output buffer above this size is given back.
    private static let keptOutput = 256 << 10
    private static let suspicionPause = TimeAmount.seconds(5)

    init(
        on loop: any EventLoop, settings: HTTPUpstreamSettings, connector: HTTPUpstreamConnector,
        owner: NIOLoopBound<UpstreamSession>, listens: Bool, numbers: @escaping () -> UInt64,
        onNotification: @escaping @Sendable (ByteBuffer, Reply) -> Void,
        onQuestion: @escaping @Sendable (UpstreamQuestion) -> Void, onGap: @escaping @Sendable () -> Void
    ) {
        self.numbers = numbers
        self.loop = loop
        self.settings = settings
        self.connector = connector
        self.owner = owner
        self.onNotification = onNotification
        self.onQuestion = onQuestion
        guard listens else { return }
        listening = HTTPListening(in: self)
        subscriptions = UpstreamListening(on: loop, over: PoolTransport(pool: self), onNotification: onNotification, onGap: onGap)
    }

    var idleCount: Int { idle.count }

    // MARK: Requests

    /// Takes a request of a client.
    func accept(_ request: UpstreamRequest, from receiver: any UpstreamReceiver) {
        let exchange = HTTPExchange(request, to: receiver, in: self)
        if isRefusing { exchange.fail(.unavailable) } else { submit(exchange) }
    }

    /// Sends an exchange on a free connection, or lets it wait for one.
    func submit(_ exchange: HTTPExchange) {
        guard session != nil else { return exchange.fail(.unavailable) }
        watch(exchange.deadline)
        if mayHaveConnection(exchange.owner), let connection = freeConnection() { return start(exchange, on: connection) }
        guard mayWait(exchange.owner) else { return exchange.fail(.unavailable) }
        waiting.append(exchange)
        growIfNeeded()
    }

    /// The free connection that was used last, if the server will probably take a request on it.
    func freeConnection() -> HTTPUpstreamConnection? {
        guard !idle.isEmpty else { return nil }
        let now = NIODeadline.now()
        while let connection = idle.popLast() {
            if connection.isFit(at: now) { return connection }
            discard(connection)
        }
        return nil
    }

    /// Sends an exchange that is not to wait for those of clients, nor depends on their session.
    func expedite(_ exchange: HTTPExchange) {
        guard let connection = freeConnection() else { return open(exchange) }
        watch(exchange.deadline)
        start(exchange, on: connection)
    }

    /// Submits it later.
    func submit(_ exchange: HTTPExchange, after delay: TimeAmount) {
        parked.append(exchange)
        loop.assumeIsolated().scheduleTask(in: delay) { [self] in
            if unpark(exchange) { submit(exchange) }
        }
    }

    /// Sends an exchange on a new connection, whatever waits and however many there are.
    func open(_ exchange: HTTPExchange) {
        watch(exchange.deadline)
        parked.append(exchange)
        connect(for: exchange)
    }

    /// Sends it again on a new connection.
    func retry(_ exchange: HTTPExchange) {
        guard session != nil else { return exchange.fail(.unavailable) }
        open(exchange)
    }

    /// Sends a message of the gate that nobody waits for; lost when the server is away.
    func say(_ message: ByteBuffer) {
        // A server without sessions is told of nothing outside of requests.
        guard let session, !session.isStateless else { return }
        submit(HTTPExchange(message, session: session, deadline: .now() + settings.handshakeLimit, in: self))
    }

    /// Sends a message of the gate in a session that may not be the present one any more.
    func say(_ message: ByteBuffer, in session: NegotiatedSession) {
        guard !isClosed, self.session != nil, !session.isStateless else { return }
        submit(HTTPExchange(message, session: session, deadline: .now() + settings.handshakeLimit, in: self))
    }

    /// Keeps an exchange until there is another session than the one that it was sent in.
    func awaitNewSession(_ exchange: HTTPExchange) {
        guard let session, let lost = exchange.session else { return exchange.fail(.sessionLost) }
        guard session.generation == lost.generation else { return submit(exchange) }
        orphans.append(exchange)
        suspectLost(lost)
    }

    /// Has a new session opened in the place of one that the server seems to have forgotten, if that has not been done.
    func suspectLost(_ session: NegotiatedSession) {
        tellSession { $0.renew(after: session.generation) }
    }

    /// Has the server met anew that may be of another era by now. What clients ask for may bring that about, so it is not done all the time.
    func suspectEra(of session: NegotiatedSession) {
        guard .now() - lastSuspicion > Self.suspicionPause else { return }
        lastSuspicion = .now()
        suspectLost(session)
    }

    /// Takes the outcome of a handshake; nil means that the server is away.
    func adopt(_ session: NegotiatedSession?) {
        guard !isClosed else { return }
        self.session = session
        let orphans = orphans
        self.orphans = []
        for exchange in orphans {
            if session == nil { exchange.fail(.sessionLost) } else { submit(exchange) }
        }
        if session == nil { failWaiting("it is away") }
        listening?.listen(in: session.flatMap { $0.isStateless ? nil : $0 })
        if session?.isStateless ?? false { subscriptions?.begin() } else { subscriptions?.end() }
    }

    func nextNumber() -> UInt64 { numbers() }

    func start(_ exchange: HTTPExchange, on connection: HTTPUpstreamConnection) {
        guard exchange.enter(session), let session = exchange.session else {
            exchange.fail(.unavailable)
            return offer(connection)
        }
        connection.start(exchange, render(exchange, in: session))
    }

    /// Head and body in one piece. The memory is used again once the last request has left it.
    private func render(_ exchange: HTTPExchange, in session: NegotiatedSession) -> ByteBuffer {
        switch exchange.verb {
        case .get(let lastEventID): return session.resumption(after: lastEventID)
        case .delete: return session.deletion()
        case .post: break
        }
        let size = session.postHead.readableBytes + exchange.body.readableBytes + 24 + (exchange.fields?.readableBytes ?? 0)
        if output.capacity > Self.keptOutput { output = ByteBuffer() }
        output.clear(minimumCapacity: size)
        output.writeImmutableBuffer(session.postHead)
        HTTP1Writer.appendInteger(exchange.body.readableBytes, into: &output)
        output.writeStaticString("\r\n")
        if let fields = exchange.fields { output.writeImmutableBuffer(fields) }
        output.writeStaticString("\r\n")
        output.writeImmutableBuffer(exchange.body)
        return output
    }

    func failWaiting(_ trouble: String) {
        let failed = waiting
        waiting.removeAll()
        for exchange in failed { exchange.fail(.unavailable, because: trouble) }
    }

    func tellSession(_ message: @escaping @Sendable (UpstreamSession) -> Void) {
        let owner = owner
        if owner.eventLoop.inEventLoop { return message(owner.value) }
        owner.eventLoop.execute { message(owner.value) }
    }

    // MARK: The end

    /// Takes nothing new from clients.
    func refuse() {
        isRefusing = true
        listening?.listen(in: nil)
        listening = nil
        subscriptions?.end()
        subscriptions = nil
    }

    /// Gives up what is left; the future succeeds when every connection is closed.
    func close() -> EventLoopFuture<Void> {
        isRefusing = true
        isClosed = true
        session = nil
        alarm?.task.cancel()
        alarm = nil
        failWaiting("the gate stops")
        for exchange in parked + orphans { exchange.fail(.unavailable) }
        parked = []
        orphans = []
        let closing = connections
        let ends = closing.compactMap(\.closeFuture)
        for connection in closing { discard(connection) }
        return EventLoopFuture.andAllComplete(ends, on: loop)
    }
}

/// The way of a listening request through a pool.
private struct PoolTransport: UpstreamListeningTransport {
    /// It owns what uses this.
    weak var pool: HTTPUpstreamPool?

    func nextNumber() -> UInt64 { pool?.nextNumber() ?? 0 }

    func listen(_ request: UpstreamRequest, to receiver: any UpstreamReceiver) {
        guard let pool else { return }
        // It stays open: no request of a client waits behind it.
        pool.open(HTTPExchange(request, to: receiver, in: pool))
    }

    func giveUp(_ number: UInt64) { pool?.cancel(number) }
}
