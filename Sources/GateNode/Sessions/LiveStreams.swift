// The streams of sessions (GET /mcp) that one event loop has.

import ClusterState
import HTTPWire
import NIOCore

/// The live streams of one event loop; confined to that loop.
///
/// Whatever is for a session goes to one of its streams, wherever they are: its mail to the one that takes it, the news of lists to the one that
/// claims them, both through the store.
final class LiveStreams {
    private let link: any CommandLink
    private let commands: SessionCommands
    private var streams: Set<LiveStream> = []
    let mail: SessionMail
    /// Up to which news of lists this loop has heard.
    private(set) var heard = 0

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

    /// Turns an exchange into a stream of its session, or refuses it. With the `Last-Event-ID` of a stream of the session it is that stream again,
    /// which then ends on the connection that it had.
    /// - Parameters:
    ///   - ticket: the name of a new stream, and of this connection of one that is resumed; no other has it.
    ///   - time: of now, in milliseconds, by the clock of all nodes.
    ///   - check: says now and then whether who listens may go on listening.
    func open(
        _ exchange: MCPExchange, in session: Session, ticket: String, at time: Int, check: @escaping (@escaping (Bool) -> Void) -> Void
    ) {
        guard hasRoom(for: session) else { return exchange.refuse(429, "Too many streams", retryAfter: 30) }
        let place = session.isOwned ? exchange.head.fields.string(of: .lastEventID).flatMap { StreamPlace(event: $0) } : nil
        let name = place?.stream ?? ticket
        self.place(session, name) { [self] reply in
            if case .success(let reply) = reply, reply.integer(at: 0) == 1 {
                return exchange.refuse(429, "Too many streams on this session", retryAfter: 30)
            }
            guard let connection = exchange.handOver() else {
                if place == nil { leave(session, name) }
                return
            }
            let tenure = LiveStream.Tenure(time: time, ticket: ticket)
            let stream = LiveStream(session, at: place ?? StreamPlace(stream: name), tenure, of: self, exchange, connection, check: check)
            streams.insert(stream)
            connection.became(stream)
            connection.write(AnswerHead.stream(of: exchange, closes: true))
            if place != nil {
                moved(tenure, name, of: session.id)
                mail.tell(moved: "\(session.id)/\(name)/\(time)/\(ticket)")
            }
            stream.begin(isResumed: place != nil)
        }
    }

    private func hasRoom(for session: Session) -> Bool {
        guard streams.count >= most else { return true }
        return streams.count { $0.session.holder == session.holder } < most
    }

    /// A stream has gone on on another connection: where it was before, it ends.
    func moved(_ word: String) {
        let words = word.split(separator: "/", omittingEmptySubsequences: false)
        guard words.count == 4, let time = Int(words[2]) else { return }
        moved(LiveStream.Tenure(time: time, ticket: String(words[3])), String(words[1]), of: String(words[0]))
    }

    private func moved(_ tenure: LiveStream.Tenure, _ name: String, of session: String) {
        for stream in streams where stream.session.id == session && stream.place.stream == name && stream.tenure < tenure {
            stream.giveWay()
        }
    }

    // MARK: Mail

    /// Leaves a message for a session whose stream may be on any node; without Redis it goes to a stream that is here.
    func post(_ message: [UInt8], to session: String) {
        mail.post(message, to: session) { [self] isKept in
            if !isKept { _ = send(message, session: session) }
        }
    }

    /// Takes what there is for a session, if it listens here.
    func collect(session: String) { oldest(of: session)?.collect() }

    /// Words of the feed may be missing: messages may have been left, and sessions may have ended, of which nobody has told.
    func lookAgain() {
        for stream in streams { renew(stream) }
        for session in Set(streams.lazy.map(\.session.id)) { collect(session: session) }
    }

    /// Tells each session that listens here that lists have changed, if it has not been told elsewhere.
    func tell(_ news: [ListNews]) {
        heard = news.reduce(heard) { max($0, $1.number) }
        for (_, streams) in Dictionary(grouping: streams, by: \.session.id) { streams.min { $0.openedAt < $1.openedAt }?.tell(news) }
    }

    /// Sends what a session without a key of its own has asked for with this credential to a stream that was opened with the same; what keys
    /// have asked for comes by mail.
    /// - Returns: whether there is one here.
    func send(_ message: [UInt8], guest: String, credential: String) -> Bool {
        let own = streams.lazy.filter { !$0.session.isOwned && $0.session.id == guest && $0.credential == credential }
        guard let oldest = own.min(by: { $0.openedAt < $1.openedAt }) else { return false }
        oldest.send(message)
        return true
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

    // MARK: Places

    /// Who listens uses the session: it lives for as long as it has a stream, and a stream ends with the session of its key.
    func renew(_ stream: LiveStream) {
        link.send(commands.command(.touch, stream.session.id, isOwned: stream.session.isOwned)) { [weak stream] result in
            if case .success(let reply) = result, reply.integer(at: 0) == 1, let stream, stream.session.isOwned { stream.close() }
        }
    }

    /// Takes, or keeps, the place of a stream: it is the stream's, on whichever connection.
    func place(
        _ session: Session, _ name: String, _ completion: @escaping (Result<RedisReply, StoreFailure>) -> Void = { _ in }
    ) {
        link.send(command(session, name, leaving: false), completion)
    }

    private func leave(_ session: Session, _ name: String) { link.send(command(session, name, leaving: true)) { _ in } }

    func ended(_ stream: LiveStream, leavesPlace: Bool) {
        streams.remove(stream)
        if leavesPlace { leave(stream.session, stream.place.stream) }
    }

    private func command(_ session: Session, _ name: String, leaving: Bool) -> RedisCommand {
        commands.place(of: session.id, holder: name, cap: Self.cap, lifetime: Self.hold, leaving: leaving)
    }
}
