// A GET /mcp that stays open: the session's own stream of notifications.

import ClusterState
import GateDomain
import HTTPWire
import MCPWire
import NIOCore

/// One live event stream; it belongs to the node that holds its socket (F-MCP-06).
///
/// Its name outlives its connections: who comes back with the id of one of its events gets, in its name, what was given to it and not seen, and
/// nothing that another stream of the session has been given.
final class LiveStream: HeldConnection {
    /// Since when a connection has the stream: the later one has it.
    struct Tenure: Comparable {
        /// Milliseconds by the clock of all nodes.
        let time: Int
        let ticket: String

        static func < (left: Tenure, right: Tenure) -> Bool { (left.time, left.ticket) < (right.time, right.ticket) }
    }

    let session: Session
    /// The digest of the credential that opened it; empty for none.
    let credential: String
    let openedAt = NIODeadline.now()
    let tenure: Tenure
    /// How far its client has been told.
    private(set) var place: StreamPlace
    private let all: LiveStreams
    private let connection: FrontHandler
    private let check: (@escaping (Bool) -> Void) -> Void
    private var nextKeepAlive = NIODeadline.now() + keepAlive
    private var hasEnded = false
    private var isClosing = false
    /// Whether another connection has the stream now.
    private var hasMoved = false

    /// Up to where the session's mail was looked through for it; empty for a new stream.
    private var seen: String
    private var (isTaking, takesAgain) = (false, false)
    /// Whether it is known which news are new to it; those that come before.
    private var isOpen = false
    private var waiting: [String: ListNews] = [:]
    /// The last news of each list that it has told, or another one has.
    private var told: [String: Int] = [:]

    private static let keepAlive = TimeAmount.seconds(30)

    init(
        _ session: Session, at place: StreamPlace, _ tenure: Tenure, of all: LiveStreams, _ exchange: MCPExchange,
        _ connection: FrontHandler, check: @escaping (@escaping (Bool) -> Void) -> Void
    ) {
        self.check = check
        self.session = session
        self.place = place
        self.tenure = tenure
        self.all = all
        self.connection = connection
        seen = tenure.ticket == place.stream ? "" : place.message
        credential = exchange.credential.map { Credential.digest(of: $0) } ?? ""
    }

    /// Says hello on a new stream, and what a resumed one has missed.
    func begin(isResumed: Bool) {
        all.mail.news { [self] news in
            guard !hasEnded else { return }
            place.news = place.news ?? news?.lazy.map(\.number).max() ?? all.heard
            if !isResumed { write(hello) }
            isOpen = true
            let missed = (news ?? []) + waiting.values
            waiting = [:]
            tell(missed)
            collect()
        }
    }

    private var hello: [UInt8] {
        let hello: JSONValue = [
            "jsonrpc": "2.0", "method": "notifications/initialized", "params": ["sessionId": .string(session.id)],
        ]
        return hello.bytes
    }

    // MARK: What it tells

    /// Sends what is not kept.
    func send(_ message: [UInt8]) { write(message, id: nil) }

    /// Sends what the client can come back behind.
    private func write(_ message: [UInt8]) { write(message, id: session.isOwned ? place.id : nil) }

    private func write(_ message: [UInt8], id: String?) {
        // A stream that nobody reads has missed something from here on: its client has to come again.
        guard connection.takesMore else { return connection.reset() }
        connection.write(StreamFrame.event(message, id: id, allocator: connection.front.allocator))
    }

    /// Takes and tells what the session was told and no other stream has got.
    func collect() {
        guard session.isOwned, isOpen, !hasEnded else { return }
        takesAgain = true
        take()
    }

    private func take() {
        guard takesAgain, !isTaking, !hasEnded, !isClosing else { return }
        (isTaking, takesAgain) = (true, false)
        all.mail.take(session.id, for: place.stream, after: seen) { [self] delivery in
            isTaking = false
            // What has been given to a stream that is over, its client gets when it comes back.
            guard let delivery, !hasEnded, !isClosing else { return }
            for (id, bytes) in delivery.messages where !hasEnded {
                place.message = id
                write(bytes)
            }
            seen = delivery.seen
            if delivery.isFull { takesAgain = true }
            take()
        }
    }

    /// Tells that lists have changed, of each the last news, unless another stream of the session tells it. Whoever calls it has read the news
    /// of all lists at once, and in order: so what has a number up to the last one told has been told, or was followed by other news of its list.
    func tell(_ news: [ListNews]) {
        guard !hasEnded, !isClosing else { return }
        guard isOpen else {
            for item in news where waiting[item.list]?.number ?? -1 < item.number { waiting[item.list] = item }
            return
        }
        for item in news where item.number == 0 { send(item.message) }
        let last = Dictionary(news.map { ($0.list, $0) }) { $0.number < $1.number ? $1 : $0 }
        let news = last.values.filter { isNews($0) && $0.number > place.news ?? 0 }.sorted { $0.number < $1.number }
        guard !news.isEmpty else { return }
        all.mail.claim(news, of: session.id, for: place.stream) { [self] granted in
            for (item, isGranted) in zip(news, granted) where !hasEnded && !isClosing && isNews(item) {
                told[item.list] = item.number
                place.news = max(place.news ?? 0, item.number)
                if isGranted { write(item.message) }
            }
        }
    }

    private func isNews(_ item: ListNews) -> Bool { told[item.list, default: 0] < item.number }

    // MARK: Its life

    func tick(at now: NIODeadline) {
        guard now >= nextKeepAlive else { return }
        nextKeepAlive = now + Self.keepAlive
        if connection.isRead { connection.write(StreamFrame.keepAlive(allocator: connection.front.allocator)) }
        all.place(session, place.stream)
        all.renew(self)
        all.collect(session: session.id)
        check { [weak self] mayListen in if !mayListen { self?.close() } }
    }

    /// Another connection has the stream, and its place among those of the session.
    func giveWay() {
        hasMoved = true
        close()
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
        all.ended(self, leavesPlace: !hasMoved)
    }
}

extension LiveStream: Hashable {
    static func == (left: LiveStream, right: LiveStream) -> Bool { left === right }
    func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}
