// A GET /mcp that stays open: the session's own stream of notifications.

import ClusterState
import HTTPWire
import MCPWire
import NIOCore

/// The live streams of one event loop; confined to that loop.
final class LiveStreams {
    private let link: any CommandLink
    private let commands: SessionCommands
    private var streams: Set<LiveStream> = []
    let mail: SessionMail

    /// Streams of one session over all nodes (F-MCP-03).
    static let cap = 3
    /// Milliseconds that a place is held without being renewed.
    private static let hold = 90_000

    /// Streams of one key, and of all clients together that have none.
    private let most: Int

    /// - Parameter most: streams of one key on this loop, and of all who have none. Streams stay open for as long as their clients like, so
    ///   nobody has all connections for them.
    init(link: any CommandLink, commands: SessionCommands, mail: SessionMail, most: Int) {
        self.mail = mail
        self.most = max(Self.cap, most)
        self.link = link
        self.commands = commands
    }

    var count: Int { streams.count }

    /// Turns an exchange into a stream of its session, or refuses it.
    /// - Parameters:
    ///   - holder: the name of the stream's place, which no other has.
    ///   - check: says now and then whether who listens may go on listening.
    func open(
        _ exchange: MCPExchange, in session: Session, holder: String, check: @escaping (@escaping (Bool) -> Void) -> Void
    ) {
        let begin = { [self] (isResumed: Bool, delivery: SessionMail.Delivery) in
            self.begin(exchange, session, holder: holder, isResumed: isResumed, delivery, check: check)
        }
        guard hasRoom(for: session) else { return exchange.refuse(429, "Too many streams", retryAfter: 30) }
        place(session, holder: holder) { [self] reply in
            if case .success(let reply) = reply, reply.integer(at: 0) == 1 {
                return exchange.refuse(429, "Too many streams on this session", retryAfter: 30)
            }
            guard session.isOwned else { return begin(false, SessionMail.Delivery()) }
            let after = exchange.head.fields.string(of: .lastEventID).flatMap(SessionMail.message)
            mail.take(session.id, after: after) { begin(after != nil, $0) }
        }
    }

    private func hasRoom(for session: Session) -> Bool {
        guard streams.count >= most else { return true }
        return streams.count { $0.session.holder == session.holder } < most
    }

    /// - Parameter isResumed: whether its client goes on with a stream that broke.
    private func begin(
        _ exchange: MCPExchange, _ session: Session, holder: String, isResumed: Bool, _ delivery: SessionMail.Delivery,
        check: @escaping (@escaping (Bool) -> Void) -> Void
    ) {
        guard let connection = exchange.handOver() else { return }
        let credential = exchange.credential.map { KeyCache.digest($0) } ?? ""
        let stream = LiveStream(session, credential: credential, of: self, connection, holder: holder, check: check)
        streams.insert(stream)
        connection.became(stream)
        connection.write(AnswerHead.stream(of: exchange, closes: true))
        let hello: JSONValue = [
            "jsonrpc": "2.0", "method": "notifications/initialized", "params": ["sessionId": .string(session.id)],
        ]
        if !isResumed { stream.send(hello.bytes, of: delivery.before) }
        give(delivery, to: stream)
    }

    // MARK: Mail

    /// Leaves a message for a session whose stream may be on any node; without Redis it goes to a stream that is here.
    func post(_ message: [UInt8], to session: String) {
        mail.post(message, to: session) { [self] isKept in
            if !isKept { _ = send(message, session: session) }
        }
    }

    /// Takes what there is for a session, if it listens here.
    func collect(session: String) {
        guard let stream = oldest(of: session), stream.session.isOwned else { return }
        mail.take(session, after: nil) { [self] delivery in give(delivery, to: oldest(of: session) ?? stream) }
    }

    /// Words of the feed may be missing: messages may have been left, and sessions may have ended, of which nobody has told.
    func lookAgain() {
        for stream in streams { renew(stream) }
        for session in Set(streams.lazy.filter(\.session.isOwned).map(\.session.id)) { collect(session: session) }
    }

    private func give(_ delivery: SessionMail.Delivery, to stream: LiveStream) {
        for (id, bytes) in delivery.messages { stream.send(bytes, of: id) }
        if delivery.messages.count == SessionMail.batch { collect(session: stream.session.id) }
    }

    /// Sends what concerns every client to each session once: on the oldest of its streams here (MCP Transports, multiple connections).
    func broadcast(_ message: [UInt8]) {
        for (_, streams) in Dictionary(grouping: streams, by: \.session.id) {
            streams.min { $0.openedAt < $1.openedAt }?.send(message)
        }
    }

    /// Sends what a session without a key of its own has asked for with this credential to a stream that was opened with the same; what keys
    /// have asked for comes by mail.
    func send(_ message: [UInt8], guest: String, credential: String) {
        streams.lazy.filter { !$0.session.isOwned && $0.session.id == guest && $0.credential == credential }
            .min { $0.openedAt < $1.openedAt }?.send(message)
    }

    /// Sends what concerns one session alone, on the oldest of its streams here; false if it has none.
    func send(_ message: [UInt8], session: String) -> Bool {
        guard let stream = oldest(of: session) else { return false }
        stream.send(message)
        return true
    }

    /// The stream on which a session hears what is for it.
    func oldest(of session: String) -> LiveStream? {
        streams.lazy.filter { $0.session.id == session }.min { $0.openedAt < $1.openedAt }
    }

    /// Ends the streams of a session that has ended.
    func close(session id: String) {
        for stream in streams where stream.session.id == id { stream.close() }
    }

    /// Who listens uses the session: it lives for as long as it has a stream, and a stream ends with the session of its key.
    fileprivate func renew(_ stream: LiveStream) {
        link.send(commands.command(.touch, stream.session.id, isOwned: stream.session.isOwned)) { [weak stream] result in
            if case .success(let reply) = result, reply.integer(at: 0) == 1, let stream, stream.session.isOwned { stream.close() }
        }
    }

    /// Takes, or keeps, the place of a stream.
    fileprivate func place(
        _ session: Session, holder: String, _ completion: @escaping (Result<RedisReply, StoreFailure>) -> Void = { _ in }
    ) {
        link.send(command(session, holder: holder, leaving: false), completion)
    }

    fileprivate func ended(_ stream: LiveStream, holder: String) {
        streams.remove(stream)
        link.send(command(stream.session, holder: holder, leaving: true)) { _ in }
    }

    private func command(_ session: Session, holder: String, leaving: Bool) -> RedisCommand {
        commands.place(of: session.id, holder: holder, cap: Self.cap, lifetime: Self.hold, leaving: leaving)
    }
}

/// One live event stream; it belongs to the node that holds its socket (F-MCP-06).
final class LiveStream: HeldConnection {
    let session: Session
    /// The digest of the credential that opened it; empty for none.
    let credential: String
    let openedAt = NIODeadline.now()
    private let all: LiveStreams
    private let connection: FrontHandler
    private let holder: String
    private let check: (@escaping (Bool) -> Void) -> Void
    private var nextKeepAlive = NIODeadline.now() + keepAlive
    private var events = 0
    private var hasEnded = false
    private var isClosing = false

    private static let keepAlive = TimeAmount.seconds(30)

    fileprivate init(
        _ session: Session, credential: String, of all: LiveStreams, _ connection: FrontHandler, holder: String,
        check: @escaping (@escaping (Bool) -> Void) -> Void
    ) {
        self.check = check
        self.session = session
        self.credential = credential
        self.all = all
        self.connection = connection
        self.holder = holder
    }

    /// - Parameter mail: the id of the message among those of the session, if it is one.
    func send(_ message: some Collection<UInt8>, of mail: String? = nil) {
        events += 1
        // A stream that nobody reads has missed something from here on: its client has to come again.
        guard connection.takesMore else { return connection.reset() }
        let id = mail.map { "\($0).\(holder)" }
        connection.write(StreamFrame.event(message, id: id, allocator: connection.front.allocator))
    }

    func tick(at now: NIODeadline) {
        guard now >= nextKeepAlive else { return }
        nextKeepAlive = now + Self.keepAlive
        if connection.isRead { connection.write(StreamFrame.keepAlive(allocator: connection.front.allocator)) }
        all.place(session, holder: holder)
        all.renew(self)
        all.collect(session: session.id)
        check { [weak self] mayListen in if !mayListen { self?.close() } }
    }

    /// Ends the stream from our side.
    func close() {
        guard !hasEnded, !isClosing else { return }
        isClosing = true
        connection.write(ByteBuffer(string: "0\r\n\r\n"))
        connection.close()
    }

    /// The connection is gone.
    func ended() {
        guard !hasEnded else { return }
        hasEnded = true
        all.ended(self, holder: holder)
    }
}

extension LiveStream: Hashable {
    static func == (left: LiveStream, right: LiveStream) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
