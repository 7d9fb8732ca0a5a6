// A GET with the `Last-Event-ID` of a call's stream: the rest of what that stream says, on whichever node its client has come back to.

import ClusterState
import HTTPWire
import NIOCore

/// Reads a call's stream from the store; confined to its event loop.
///
/// It claims the stream first, so that no other reader is told the same at the same moment. What lies in the store is told at once. Then the loop
/// that has the call is asked, now and from time to time: where it knows of no such stream, or does not answer, there is nothing to wait for, and
/// the client is told so.
final class ResumedStream: HeldConnection {
    /// What the owner of a stream says to its reader.
    enum Word: String {
        case known, gone
        /// Another reader has the stream now, which is who says so.
        case moved
    }

    /// What there is to tell.
    enum Reading {
        case pieces([SessionMail.Piece])
        /// Nothing before that, as its key has read so much.
        case wait(NIODeadline)
        /// Nothing any more: another reader has the stream.
        case moved
    }

    let session: Session
    let name: CallStreamName
    /// The reader's own name, which no other has.
    let ticket: String
    private let all: CallStreams
    /// Until the head of the answer is written; then the connection.
    private var exchange: MCPExchange?
    private var connection: FrontHandler?
    /// How far the client has been told: an event and, where more pieces of that one follow, the last piece of it.
    private(set) var place: (event: Int, piece: Int?)
    /// Whether the event has been begun on the connection and not ended.
    private var isWithin = false
    private var isTaking = false
    private var takesAgain = false
    /// What is to be done when all that lies there has been taken.
    private var next: [() -> Void] = []
    private(set) var hasEnded = false
    private var hasBegun = false
    /// Whether the last of the stream has been told.
    private(set) var hasAll = false
    /// Until when its key may read no more.
    private var waitsUntil = NIODeadline.now()
    private let credential: String?
    /// Since when the owner has not answered, and when it is asked the next time.
    private var askedAt: NIODeadline?
    private var nextAsk = NIODeadline.now()
    private var nextKeepAlive = NIODeadline.now() + keepAlive
    private var nextLook = NIODeadline.now() + hearing
    private var nextPlace = NIODeadline.now() + keepAlive

    private static let keepAlive = TimeAmount.seconds(15)
    /// Until the owner is asked again if it has not answered, and if it has; and how long it may take to answer.
    private static let (hearing, pace, deafness) = (TimeAmount.seconds(2), TimeAmount.seconds(30), TimeAmount.seconds(8))

    init(_ exchange: MCPExchange, _ session: Session, _ name: CallStreamName, after number: Int, as ticket: String, in all: CallStreams) {
        self.exchange = exchange
        self.session = session
        self.name = name
        self.ticket = ticket
        self.all = all
        credential = exchange.credential
        place = (number, nil)
    }

    /// The last event that the client has whole.
    var last: Int { place.piece == nil ? place.event : place.event - 1 }

    /// Looks for what lies in the store, and asks for what does not.
    func begin() {
        // Who may not listen is not told whether there is such a stream.
        all.authenticator.mayListen(credential, fresh: true) { [self] mayListen in
            guard !hasEnded else { return }
            guard mayListen else { return refuse(403, "This key is suspended, revoked or has expired") }
            all.askToRead(of: session.holder) { [self] seconds in
                guard !hasEnded else { return }
                if let seconds { return refuse(429, Self.tooMuch, retryAfter: seconds) }
                all.claim(for: self) { [self] claim in
                    guard !hasEnded else { return }
                    switch claim {
                    case .granted: go()
                    case .refused: refuse(409, Self.isTaken, retryAfter: 1)
                    case .failed: refuse(503, "The store is unavailable; try again", retryAfter: 1)
                    }
                }
            }
        }
    }

    private func go() {
        hasBegun = true
        collect { [weak self] in
            guard let self, !hasEnded else { return }
            ask(at: .now())
        }
    }

    private static let isTaken = "Another request has resumed this stream"

    private static let tooMuch = "This key has resumed streams of too many bytes; try again later"

    private func ask(at now: NIODeadline) {
        askedAt = askedAt ?? now
        nextAsk = now + Self.hearing
        all.ask(for: self)
    }

    /// The owner of the stream has answered.
    func heard(_ word: Word) {
        guard !hasEnded else { return }
        switch word {
        case .known:
            askedAt = nil
            nextAsk = .now() + Self.pace
            open()
            collect()
        // What is left of it may lie in the store already.
        case .gone: collect { [weak self] in self?.giveUp() }
        case .moved: giveWay()
        }
    }

    /// There is nothing to wait for, here.
    func giveUp() {
        guard !hasEnded else { return }
        guard exchange == nil else { return refuse(410, "This stream is over, or no longer kept") }
        end()
    }

    /// Another reader has the stream.
    private func giveWay() {
        guard !hasEnded else { return }
        guard exchange == nil else { return refuse(409, Self.isTaken, retryAfter: 1) }
        end()
    }

    private func end() {
        // What has been begun must not look whole.
        if isWithin { connection?.reset() }
        connection?.write(ByteBuffer(string: "0\r\n\r\n"))
        connection?.close()
        ended()
    }

    func refuse(_ status: Int, _ sentence: String, retryAfter: Int? = nil) {
        exchange?.refuse(status, sentence, retryAfter: retryAfter)
        ended()
    }

    private func open() {
        guard let exchange = exchange.take() else { return }
        guard let connection = exchange.handOver() else { return ended() }
        self.connection = connection
        connection.became(self)
        connection.write(AnswerHead.stream(of: exchange, closes: true))
    }

    // MARK: Events

    /// Tells what has come since the last event. - Parameter then: is done when there is no more.
    func collect(_ then: (() -> Void)? = nil) {
        guard !hasEnded, hasBegun else { return }
        if let then { next.append(then) }
        takesAgain = true
        take()
    }

    /// Reads on as its client does: what that does not take stays in the store.
    private func take() {
        guard takesAgain, !isTaking, !hasEnded, connection?.takesMore ?? true, waitsUntil <= .now() else { return }
        isTaking = true
        takesAgain = false
        all.read(for: self) { [self] reading in
            guard !hasEnded else { return }
            let pieces: [SessionMail.Piece]
            switch reading {
            case .pieces(let read): pieces = read
            case .wait(let until):
                isTaking = false
                return wait(until)
            case .moved: return giveWay()
            }
            // Until all is told nothing more is read, even if a write says at once that the client takes more.
            for piece in pieces {
                tell(piece)
                if hasEnded { return }
            }
            isTaking = false
            if pieces.count == SessionMail.pieces { takesAgain = true }
            if takesAgain { return take() }
            let steps = next
            next = []
            for step in steps { step() }
        }
    }

    private func wait(_ until: NIODeadline) {
        takesAgain = true
        waitsUntil = until
        let seconds = Int((until - .now()).nanoseconds / 1_000_000_000) + 1
        if exchange != nil { refuse(429, Self.tooMuch, retryAfter: seconds) }
    }

    func drained() { take() }

    private func tell(_ piece: SessionMail.Piece) {
        open()
        guard let connection else { return }
        let (allocator, id) = (connection.front.allocator, name.event(piece.event))
        let follows = isWithin && piece.event == place.event && piece.number == (place.piece ?? 0) + 1
        // The rest of what has been begun is not there any more.
        if isWithin, !follows { return connection.reset() }
        place = (piece.event, piece.end == .nothing ? piece.number : nil)
        // Nor is the beginning of this one.
        if piece.number > 0, !follows { return }
        switch (piece.number, piece.end) {
        case (0, .event), (0, .stream): connection.write(StreamFrame.event(piece.bytes, id: id, allocator: allocator))
        case (0, .nothing):
            connection.write([StreamFrame.edges(id: id, allocator: allocator).before, StreamFrame.piece(piece.bytes, allocator: allocator)])
        case (_, .nothing): connection.write(StreamFrame.piece(piece.bytes, allocator: allocator))
        default:
            connection.write([StreamFrame.piece(piece.bytes, allocator: allocator), StreamFrame.edges(id: id, allocator: allocator).after])
        }
        isWithin = piece.end == .nothing
        guard piece.end == .stream else { return }
        hasAll = true
        connection.write(ByteBuffer(string: "0\r\n\r\n"))
        connection.close()
        ended()
    }

    // MARK: Time

    func sweep(at now: NIODeadline) {
        guard !hasEnded else { return }
        if let exchange, !exchange.clientIsThere { return refuse(410, "The client has left") }
        take()
        // As long as there is more in the store nobody needs the owner.
        if let askedAt, !isTaking, !takesAgain, now - askedAt > Self.deafness { return giveUp() }
        if now >= nextPlace {
            nextPlace = now + Self.keepAlive
            all.place(self, leaving: false)
            all.authenticator.mayListen(credential) { [weak self] mayListen in if !mayListen { self?.giveUp() } }
        }
        if hasBegun, now >= nextAsk { ask(at: now) }
        // What is told over the feed may be lost; what lies in the store is not.
        if now >= nextLook {
            nextLook = now + Self.hearing
            collect()
        }
    }

    /// The node stops: what follows lies in the store, or will, and any other node tells it.
    func farewell() {
        guard !hasEnded, !isWithin else { return }
        connection?.write(ByteBuffer(string: "0\r\n\r\n"))
    }

    func tick(at now: NIODeadline) {
        guard now >= nextKeepAlive, !isWithin, let connection else { return }
        nextKeepAlive = now + Self.keepAlive
        if connection.isRead { connection.write(StreamFrame.keepAlive(allocator: connection.front.allocator)) }
    }

    /// The connection is gone, or has all that it will have.
    func ended() {
        guard !hasEnded else { return }
        hasEnded = true
        connection = nil
        next = []
        all.ended(self)
    }
}
