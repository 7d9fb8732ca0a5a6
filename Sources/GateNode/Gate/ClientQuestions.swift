// What servers ask of clients in the 2025 revisions: the question travels to the client of the call, its answer back from whichever node.

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// The questions of servers that clients of one event loop have been asked; confined to that loop.
///
/// A question goes out on the stream of the call that it belongs to, under an id that names the node and is sealed for the session and the
/// credential of that call. So any node can tell a real answer from a made-up one without asking anybody, and hands it to the node that waits.
/// Invariant: a server's question is answered once, or refused.
final class ClientQuestions {
    private struct Open {
        let asker: UpstreamAsker
        let session: String
        let until: NIODeadline
        /// The call on whose stream it was asked; nil for a stream of the session.
        weak var exchange: MCPExchange?
        let isOfCall: Bool
        var look = NodePassage.Look()

        var isOver: Bool { isOfCall && exchange?.isAnswered ?? true }
    }

    private let node: String
    private let name: String
    private let eventLoop: any EventLoop
    private let sessions: SessionBook
    private let streams: LiveStreams
    private let clock: RedisClock
    private let passage: NodePassage
    /// Does something with those of every event loop of the node.
    var everywhere: (@escaping @Sendable (ClientQuestions) -> Void) -> Void = { _ in }
    private var open: [String: Open] = [:]
    private var sequence = 0

    /// Questions that wait for clients of this loop, and for those of one session.
    private static let most = 1_000
    private static let mostOfSession = 16
    /// No id of ours is longer.
    private static let longestID = 96
    /// Seconds for which an answer may come.
    private static let patience = 300

    init(
        node: String, loop: Int, on eventLoop: any EventLoop, sessions: SessionBook, streams: LiveStreams, clock: RedisClock,
        through passage: NodePassage
    ) {
        self.node = node
        name = "ask_\(node).\(loop)"
        (self.eventLoop, self.sessions, self.streams, self.clock, self.passage) = (eventLoop, sessions, streams, clock, passage)
    }

    // MARK: Asking

    /// Asks the client of a call on the call's own stream; false if it cannot be asked there.
    func ask(_ question: UpstreamQuestion, on exchange: MCPExchange) -> Bool {
        guard exchange.canSend, let session = exchange.session, session.isPresented, hasRoom(for: session.id) else { return false }
        let id = makeID(session.id, exchange.credential.map { Credential.digest(of: $0) } ?? "")
        listen(for: question, id)
        keep(question, id, session.id, exchange)
        exchange.send(Self.renamed(question, id), as: .question(id))
        return true
    }

    /// Asks a client on a stream of its session; false if it has none here.
    func ask(_ question: UpstreamQuestion, session: String) -> Bool {
        guard let stream = streams.oldest(of: session), hasRoom(for: session) else { return false }
        let id = makeID(session, stream.credential)
        listen(for: question, id)
        keep(question, id, session, nil)
        stream.send(Self.renamed(question, id))
        return true
    }

    private func keep(_ question: UpstreamQuestion, _ id: String, _ session: String, _ exchange: MCPExchange?) {
        let until = NIODeadline.now() + .seconds(Int64(Self.patience))
        open[id] = Open(asker: question.asker, session: session, until: until, exchange: exchange, isOfCall: exchange != nil)
    }

    private func listen(for question: UpstreamQuestion, _ id: String) {
        let home = NIOLoopBound(self, eventLoop: eventLoop)
        question.withdrawal.listen { home.eventLoop.execute { home.value.withdrawn(id) } }
    }

    /// The server wants no answer any more: its client hears so where it was asked, or where it listens, and need not ask anybody.
    private func withdrawn(_ id: String) {
        guard let entry = close(id) else { return }
        let message = Array(
            #"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"\#(id)","reason":"The server waits no longer"}}"#
                .utf8)
        if let exchange = entry.exchange, exchange.canSend { return exchange.send(message) }
        _ = streams.send(message, session: entry.session)
    }

    private func hasRoom(for session: String) -> Bool {
        if open.count >= Self.most || open.values.count(where: { $0.session == session }) >= Self.mostOfSession {
            drop { $0.isOver }
        }
        return open.count < Self.most && open.values.count { $0.session == session } < Self.mostOfSession
    }

    private static func renamed(_ question: UpstreamQuestion, _ id: String) -> [UInt8] {
        question.message.withUnsafeReadableBytes { bytes in
            Splice.apply(question.reply.id.map { [.init($0, .bytes(JSONText.quoted(id)))] } ?? [], to: bytes)
        }
    }

    // MARK: Ids

    /// `ask_<node>.<loop>.<seconds>.<number>.<seal>`
    private func makeID(_ session: String, _ credential: String) -> String {
        sequence += 1
        let text = "\(name).\(String(clock.milliseconds / 1000, radix: 36)).\(String(sequence, radix: 36))"
        return text + "." + seal(text, session, credential)
    }

    private func seal(_ text: String, _ session: String, _ credential: String) -> String {
        sessions.mint.seal("\(text)/\(session)/\(credential)")
    }

    /// The node that has asked under an id, if this session was asked so with this credential, not too long ago.
    private func asker(of id: String, _ session: Session, _ credential: String?) -> String? {
        let words = id.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 5, words[0].hasPrefix("ask_"), let time = Int(words[2], radix: 36),
            time > clock.milliseconds / 1000 - 2 * Self.patience,
            let end = id.utf8.lastIndex(of: UInt8(ascii: "."))
        else { return nil }
        let own = seal(String(id[..<end]), session.id, credential.map { Credential.digest(of: $0) } ?? "")
        return words[4].hasSameBytes(as: own) ? String(words[0].dropFirst(4)) : nil
    }

    // MARK: Answers

    /// A question waits no longer: it may give way to others that do.
    @discardableResult
    private func close(_ id: String) -> Open? {
        let entry = open.removeValue(forKey: id)
        entry?.exchange?.settled(question: id)
        return entry
    }

    /// Takes a client's answer and brings it to where it is waited for. What answers nothing of ours is passed over.
    func take(_ exchange: MCPExchange) {
        guard let session = exchange.session, session.isPresented, let token = exchange.envelope.id, token.count <= Self.longestID,
            exchange.body.token(token).first == UInt8(ascii: "\""), let id = exchange.string(token),
            let asker = self.asker(of: id, session, exchange.credential)
        else { return }
        if asker == node {
            let body = exchange.body
            everywhere { $0.answered(id, body, token) }
            return
        }
        passage.leave(exchange.body.readableBytesView, as: id, isFirst: true)
    }

    private func answered(_ id: String, _ message: ByteBuffer, _ token: Range<Int>) {
        close(id)?.asker.answer(message, id: token)
    }

    /// An answer to a question has come over another node.
    func collect(_ id: String) {
        guard open[id] != nil else { return }
        passage.take(id) { [self] bytes in
            let message = ByteBuffer(bytes: bytes)
            guard case .success(let envelope) = message.scanEnvelope(), envelope.kind == .response, let token = envelope.id else { return }
            answered(id, message, token)
        }
    }

    /// Forgets the questions that nobody has answered in time. That the call is over on whose stream one went out says nothing: on standard
    /// streams a question names no call, and may be another's.
    func sweep(at now: NIODeadline) {
        drop { $0.until < now }
        for (id, entry) in open where entry.look.isDue(at: now) {
            open[id]?.look = NodePassage.Look(after: now)
            collect(id)
        }
    }

    /// Words of the feed may be missing: answers may have been left for questions of this loop.
    func lookAgain() {
        for id in Array(open.keys) { collect(id) }
    }

    private func drop(_ isOver: (Open) -> Bool) {
        guard !open.isEmpty else { return }
        for (id, entry) in open where isOver(entry) {
            close(id)
            entry.asker.refuse(code: -32603, "The client has not answered")
        }
    }
}
