// The connections of one event loop to an HTTP server, and the requests that wait for one.

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
    private let connector: HTTPUpstreamConnector
    private let keeper: NIOLoopBound<HTTPSessionKeeper>

    private(set) var session: HTTPUpstreamSession?
    private var isRefusing = false
    private var isClosed = false
    var connections: [HTTPUpstreamConnection] = []
    /// Of these the ones that are free; the last one was used last.
    private var idle: [HTTPUpstreamConnection] = []
    private(set) var connecting = 0
    var waiting = CircularBuffer<HTTPExchange>()
    /// They wait for a connection of their own, or for a time.
    var parked: [HTTPExchange] = []
    /// They wait for a new session.
    var orphans: [HTTPExchange] = []
    private var output = ByteBuffer()
    var alarm: (deadline: NIODeadline, task: Scheduled<Void>)?

    /// An output buffer above this size is given back.
    private static let keptOutput = 256 << 10

    init(
        on loop: any EventLoop, settings: HTTPUpstreamSettings, connector: HTTPUpstreamConnector,
        keeper: NIOLoopBound<HTTPSessionKeeper>, onNotification: @escaping @Sendable (ByteBuffer, Reply) -> Void
    ) {
        self.loop = loop
        self.settings = settings
        self.connector = connector
        self.keeper = keeper
        self.onNotification = onNotification
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
        if let connection = freeConnection() { return start(exchange, on: connection) }
        guard waiting.count < settings.maxWaiting else { return exchange.fail(.unavailable) }
        waiting.append(exchange)
        growIfNeeded()
    }

    /// The free connection that was used last, if the server will probably take a request on it.
    private func freeConnection() -> HTTPUpstreamConnection? {
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
        guard let session else { return }
        submit(HTTPExchange(message, session: session, deadline: .now() + settings.handshakeLimit, in: self))
    }

    /// Keeps an exchange until there is another session than the one that it was sent in.
    func awaitNewSession(_ exchange: HTTPExchange) {
        guard let session, let lost = exchange.session else { return exchange.fail(.sessionLost) }
        guard session.generation == lost.generation else { return submit(exchange) }
        orphans.append(exchange)
        tellKeeper { $0.renew(after: lost.generation) }
    }

    /// Takes the outcome of a handshake; nil means that the server is away.
    func adopt(_ session: HTTPUpstreamSession?) {
        guard !isClosed else { return }
        self.session = session
        let orphans = orphans
        self.orphans = []
        for exchange in orphans {
            if session == nil { exchange.fail(.sessionLost) } else { submit(exchange) }
        }
        if session == nil { failWaiting("it is away") }
    }

    private func start(_ exchange: HTTPExchange, on connection: HTTPUpstreamConnection) {
        guard exchange.enter(session), let session = exchange.session else {
            exchange.fail(.unavailable)
            return offer(connection)
        }
        connection.start(exchange, render(exchange, in: session))
    }

    /// Head and body in one piece. The memory is used again once the last request has left it.
    private func render(_ exchange: HTTPExchange, in session: HTTPUpstreamSession) -> ByteBuffer {
        switch exchange.verb {
        case .get(let lastEventID): return session.resumption(after: lastEventID)
        case .delete: return session.deletion()
        case .post: break
        }
        let size = session.postHead.readableBytes + exchange.body.readableBytes + 24
        if output.capacity > Self.keptOutput { output = ByteBuffer() }
        output.clear(minimumCapacity: size)
        output.writeImmutableBuffer(session.postHead)
        HTTP1Writer.appendInteger(exchange.body.readableBytes, into: &output)
        output.writeStaticString("\r\n\r\n")
        output.writeImmutableBuffer(exchange.body)
        return output
    }

    // MARK: Connections

    /// A connection has become free.
    func offer(_ connection: HTTPUpstreamConnection) {
        if let exchange = waiting.popFirst() { return start(exchange, on: connection) }
        if isClosed || connections.count > settings.maxConnections { return discard(connection) }
        idle.append(connection)
    }

    /// Closes a connection that is of no more use.
    func discard(_ connection: HTTPUpstreamConnection) {
        forget(connection)
        connection.close()
    }

    /// A connection is gone.
    func forget(_ connection: HTTPUpstreamConnection) {
        if let index = idle.lastIndex(where: { $0 === connection }) { idle.remove(at: index) }
        guard let index = connections.lastIndex(where: { $0 === connection }) else { return }
        connections.remove(at: index)
        growIfNeeded()
    }

    private func growIfNeeded() {
        while connecting < waiting.count, connections.count + connecting < settings.maxConnections { connect(for: nil) }
    }

    /// - Parameter exchange: a parked exchange that the connection is made for; nil makes it for whoever waits longest.
    private func connect(for exchange: HTTPExchange?) {
        connecting += 1
        let pool = NIOLoopBound(self, eventLoop: loop)
        connector.connect(on: loop) { HTTPUpstreamConnection(pool.value) }.assumeIsolated().whenComplete { [self] result in
            switch result {
            case .failure(let error): notConnected(error, for: exchange)
            case .success(let channel):
                guard let connection = try? channel.pipeline.syncOperations.handler(type: HTTPUpstreamConnection.self) else {
                    return notConnected(ChannelError.eof, for: exchange)
                }
                connection.whenReady(usesTLS: connector.usesTLS, within: settings.connectTimeout) { [self] error in
                    if let error { notConnected(error, for: exchange) } else { connected(connection, for: exchange) }
                }
            }
        }
    }

    private func connected(_ connection: HTTPUpstreamConnection, for exchange: HTTPExchange?) {
        connecting -= 1
        guard !isClosed else { return connection.close() }
        connections.append(connection)
        if let exchange, unpark(exchange) { start(exchange, on: connection) } else { offer(connection) }
    }

    private func notConnected(_ error: any Error, for exchange: HTTPExchange?) {
        connecting -= 1
        let trouble = HTTPUpstreamConnector.reason(error)
        if let exchange {
            if unpark(exchange) { exchange.fail(.unavailable, because: trouble) }
        } else if connections.isEmpty {
            failWaiting(trouble)
        } else {
            waiting.popFirst()?.fail(.unavailable, because: trouble)
        }
        tellKeeper { $0.cannotConnect(trouble) }
    }

    private func failWaiting(_ trouble: String) {
        let failed = waiting
        waiting.removeAll()
        for exchange in failed { exchange.fail(.unavailable, because: trouble) }
    }

    private func tellKeeper(_ message: @escaping @Sendable (HTTPSessionKeeper) -> Void) {
        let keeper = keeper
        if keeper.eventLoop.inEventLoop { return message(keeper.value) }
        keeper.eventLoop.execute { message(keeper.value) }
    }

    // MARK: The end

    /// Takes nothing new from clients.
    func refuse() {
        isRefusing = true
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
