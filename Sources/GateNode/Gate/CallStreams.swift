// The streams of calls that one event loop keeps for clients that come back, and the way to those of other loops and nodes.

import ClusterState
import DequeModule
import GateDomain
import HTTPWire
import NIOCore

/// Confined to its event loop. A client that comes back (GET with `Last-Event-ID`) asks any loop of any node, which asks the loop that has the
/// stream; the events come through the store. Everything is bounded by number, bytes and time, and no key has more than its share,
/// however many credentials it has.
final class CallStreams: AnswerLogs {
    /// What one key's sessions have here.
    private struct Share {
        var count = 0
        var bytes = 0
        /// The oldest first, with some that are gone.
        var ended: Deque<CallStream> = []
    }

    private let node: String
    private let index: Int
    /// Who may read.
    let authenticator: LoopAuthenticator
    private let sessions: SessionBook
    let mail: SessionMail
    private let passage: NodePassage
    private var streams: [String: CallStream] = [:]
    private var shares: [String: Share] = [:]
    private var bytes = 0
    private let store: CallShares
    /// Who waits to read from the store, of each key for which somebody reads now; and which keys have read so much that they have to wait.
    private var turns: [String: Deque<() -> Void>] = [:]
    private var waits: [String: NIODeadline] = [:]
    private var readers: [String: ResumedStream] = [:]
    private var sequence = 0
    /// Does something with those of every event loop of the node.
    var everywhere: (@escaping @Sendable (CallStreams) -> Void) -> Void = { _ in }
    /// Streams of one key that are read here, and of all keys.
    private let mostReaders: Int

    /// Streams of this loop, and of one key; bytes of them.
    private static let (most, mostOfKey) = (1_000, 64)
    private static let (mostBytes, mostBytesOfKey) = (64 << 20, 16 << 20)
    /// Streams of calls that are read in one session, over all nodes; and milliseconds that such a place is held without being renewed.
    private static let (cap, hold) = (16, 90_000)

    /// - Parameter most: streams of one key on this loop that come from elsewhere.
    init(
        node: String, loop: Int, authenticator: LoopAuthenticator, sessions: SessionBook, mail: SessionMail, through store: CallShares,
        most: Int
    ) {
        self.store = store
        self.node = node
        index = loop
        self.authenticator = authenticator
        self.sessions = sessions
        self.mail = mail
        mostReaders = max(Self.cap, most)
        passage = NodePassage(node: node, link: mail.link, keys: mail.keys)
    }

    // MARK: The side of the request

    /// Begins to keep what a request's stream says; nil if nobody could ask for it: a session is needed, with the key that has opened it.
    func openLog(for exchange: MCPExchange) -> (any AnswerLog)? {
        guard !exchange.isStateless, let session = exchange.session, session.isPresented, session.isOwned, session.isRead,
            exchange.credential != nil, hasRoom(for: session.holder)
        else { return nil }
        sequence += 1
        let name = CallStreamName(node: node, loop: index, number: sequence, session, sessions.mint)
        let stream = CallStream(name, of: exchange, session, in: self, mail)
        streams[name.text] = stream
        shares[session.holder, default: Share()].count += 1
        return stream
    }

    /// Those that have ended give way; a stream for which there is no room has no ids.
    private func hasRoom(for holder: String) -> Bool {
        while shares[holder]?.count ?? 0 >= Self.mostOfKey { if !dropOldest(of: holder) { return false } }
        while streams.count >= Self.most {
            guard let widest = shares.max(by: { $0.value.count < $1.value.count })?.key, dropOldest(of: widest) else { return false }
        }
        return true
    }

    /// - Parameter kept: the newest, which is not dropped.
    private func dropOldest(of holder: String, but kept: CallStream? = nil) -> Bool {
        while let stream = shares[holder]?.ended.popFirst() {
            guard !stream.isForgotten else { continue }
            guard stream !== kept else {
                shares[holder]?.ended.prepend(stream)
                return false
            }
            forget(stream)
            return true
        }
        return false
    }

    private func forget(_ stream: CallStream) {
        guard streams.removeValue(forKey: stream.name.text) != nil else { return }
        bytes -= stream.bytes
        shares[stream.holder]?.bytes -= stream.bytes
        shares[stream.holder]?.count -= 1
        stream.forget()
        if let share = shares[stream.holder], share.count == 0 { shares[stream.holder] = nil }
    }

    /// A stream keeps more, or less; where there is no room ended ones give way, then its largest answers, and then itself.
    func grew(_ stream: CallStream, by size: Int) {
        guard streams[stream.name.text] === stream else { return }
        bytes += size
        shares[stream.holder]?.bytes += size
        if stream.endedAt != nil, size > 0 { keepEnded(stream) }
        while shares[stream.holder]?.bytes ?? 0 > Self.mostBytesOfKey {
            if !dropOldest(of: stream.holder, but: stream), !stream.giveUpLargest() { return forget(stream) }
        }
        while bytes > Self.mostBytes, let widest = shares.max(by: { $0.value.bytes < $1.value.bytes })?.key {
            if !dropOldest(of: widest, but: stream), !dropLargest(of: widest) { return }
        }
    }

    /// Of a key none of whose streams has ended: what others keep does not give way to what it still gets.
    private func dropLargest(of holder: String) -> Bool {
        guard let largest = streams.values.lazy.filter({ $0.holder == holder }).max(by: { $0.bytes < $1.bytes }) else { return false }
        if !largest.giveUpLargest() { forget(largest) }
        return true
    }

    private func keepEnded(_ stream: CallStream) {
        shares[stream.holder]?.ended.append(stream)
        guard shares[stream.holder]?.ended.count ?? 0 > 2 * Self.mostOfKey else { return }
        shares[stream.holder]?.ended.removeAll(where: \.isForgotten)
    }

    /// Whether the store may have another event of a key; nil if it does not say.
    func askForRoom(for event: CallStream.Event, of stream: CallStream, _ completion: @escaping (Bool?) -> Void) {
        store.leave(event.body.count, isFirst: stream.isUnread, of: stream.holder, completion)
    }

    /// The node stops: what clients may not have had is left where other nodes find it, first that of connections which have broken.
    func leaveAll() {
        for stream in streams.values where stream.isBroken { stream.leave() }
        for stream in streams.values where !stream.isBroken && stream.endedAt != nil { stream.leave() }
    }

    /// Whether not all of that lies there yet.
    var isLeaving: Bool { streams.values.contains(where: \.isLeaving) }

    /// A reader wants what a stream has said after an event, and is told whether there is any.
    private func give(_ name: String, after number: Int, to reader: String) {
        guard let stream = streams[name], !stream.isOver(after: number) else { return tell(reader, .gone) }
        stream.give()
        tell(reader, .known)
    }

    private func tell(_ reader: String, _ word: ResumedStream.Word) {
        if isOfNode(reader) {
            everywhere { $0.readers[reader]?.heard(word) }
            return
        }
        passage.leave(word.rawValue.utf8, as: reader)
    }

    private func isOfNode(_ reader: String) -> Bool { reader.hasPrefix("back_\(node).") }

    // MARK: The side of the client

    /// Goes on with the stream of a call, if that is what the request asks for; false if it names no event of one that is this session's.
    func resume(_ exchange: MCPExchange, in session: Session) -> Bool {
        guard session.isOwned, session.isRead, let event = exchange.head.fields.string(of: .lastEventID),
            let (name, number) = CallStreamName.read(event, session, sessions.mint)
        else { return false }
        guard readers.count < mostReaders || readers.values.count(where: { $0.session.holder == session.holder }) < mostReaders else {
            exchange.refuse(429, "Too many streams", retryAfter: 30)
            return true
        }
        let reader = ResumedStream(exchange, session, name, after: number, as: "back_\(node).\(index).\(next())", in: self)
        readers[reader.ticket] = reader
        place(reader, leaving: false) { hasRoom in
            guard hasRoom else { return reader.refuse(429, "Too many streams on this session", retryAfter: 30) }
            reader.begin()
        }
        return true
    }

    /// Claims a stream for a reader over all nodes; whoever has read it until now is told that it is over for him.
    func claim(for reader: ResumedStream, _ completion: @escaping (SessionMail.Claim) -> Void) {
        mail.claim(reader.name.text, for: reader.ticket, after: reader.last) { [self] claim in
            if case .granted(let before?) = claim { tell(before, .moved) }
            completion(claim)
        }
    }

    /// Whether a key has read so much that it has to wait: seconds until it may go on. - Parameter completion: is told nil if it may.
    func askToRead(of holder: String, _ completion: @escaping (Int?) -> Void) { store.read(0, of: holder, completion) }

    /// Reads what a stream has said: of one key one after the other, so that what each has read is known before the next one reads.
    func read(for reader: ResumedStream, _ completion: @escaping (ResumedStream.Reading) -> Void) {
        let holder = reader.session.holder
        let work = { [self] in
            if reader.hasEnded { return endTurn(of: holder) }
            if let until = waits[holder], until > .now() {
                endTurn(of: holder)
                return completion(.wait(until))
            }
            let place = reader.place
            mail.read(reader.name.text, after: place.event, place.piece, for: reader.ticket) { [self] pieces in
                let bytes = (pieces ?? []).reduce(0) { $0 + $1.bytes.count }
                guard let pieces, bytes > 0 else {
                    endTurn(of: holder)
                    return completion(pieces.map(ResumedStream.Reading.pieces) ?? .moved)
                }
                store.read(bytes, of: holder) { [self] seconds in
                    if let seconds { waits[holder] = .now() + .seconds(Int64(seconds)) }
                    endTurn(of: holder)
                    completion(.pieces(pieces))
                }
            }
        }
        if turns[holder] == nil {
            turns[holder] = []
            work()
        } else {
            turns[holder]?.append(work)
        }
    }

    private func endTurn(of holder: String) {
        guard let next = turns[holder]?.popFirst() else {
            turns[holder] = nil
            return
        }
        // Not here: where the store refuses at once, each would stand on the one before.
        mail.link.atEndOfTick(next)
    }

    /// Takes, keeps or gives back the reader's place among those of its session.
    func place(_ reader: ResumedStream, leaving: Bool, _ completion: @escaping (Bool) -> Void = { _ in }) {
        let command = sessions.commands.place(
            of: reader.session.id + "/calls", holder: reader.ticket, cap: Self.cap, lifetime: Self.hold, leaving: leaving)
        mail.link.send(command) { result in completion((try? result.get())?.integer(at: 0) != 1) }
    }

    /// Asks the loop that has the stream for what its client has not had.
    func ask(for reader: ResumedStream) {
        let (name, number, ticket) = (reader.name, reader.last, reader.ticket)
        if name.owner == node {
            everywhere { if $0.isOwn(name.text) { $0.give(name.text, after: number, to: ticket) } }
            return
        }
        passage.leave(String(number).utf8, as: "resume/\(name.text)/\(ticket)")
    }

    private func isOwn(_ name: String) -> Bool { name.hasPrefix(CallStreamName.beginning(node: node, loop: index)) }

    func ended(_ reader: ResumedStream) {
        guard readers.removeValue(forKey: reader.ticket) != nil else { return }
        place(reader, leaving: true)
        // Who has all of it need not have it again at the same moment.
        if !reader.hasAll { mail.unclaim(reader.name.text, for: reader.ticket) }
    }

    // MARK: Between loops and nodes

    /// Another node has left a word.
    func collect(_ id: String) {
        if readers[id] != nil {
            return passage.take(id) { [weak self] bytes in
                guard let word = ResumedStream.Word(rawValue: String(decoding: bytes, as: UTF8.self)) else { return }
                self?.readers[id]?.heard(word)
            }
        }
        let words = id.split(separator: "/", omittingEmptySubsequences: false)
        guard words.count == 3, words[0] == "resume", isOwn(String(words[1])) else { return }
        passage.take(id) { [weak self] bytes in
            guard let self, let number = Int(String(decoding: bytes, as: UTF8.self)) else { return }
            give(String(words[1]), after: number, to: String(words[2]))
        }
    }

    /// An event of a stream lies in the store.
    func collect(stream name: String) {
        for reader in Array(readers.values) where reader.name.text == name { reader.collect() }
    }

    /// Events may lie there of which nobody has told.
    func collectAll() { for reader in Array(readers.values) { reader.collect() } }

    /// A session has ended, and nobody comes back to it.
    func close(session: String) {
        for reader in Array(readers.values) where reader.session.id == session { reader.heard(.gone) }
        for stream in Array(streams.values) where stream.session == session { forget(stream) }
    }

    func sweep(at now: NIODeadline) {
        for stream in Array(streams.values) { if stream.isOver(at: now) { forget(stream) } else { stream.tick(at: now) } }
        for reader in Array(readers.values) { reader.sweep(at: now) }
        waits = waits.filter { $0.value > now }
    }

    private func next() -> String {
        sequence += 1
        return String(sequence, radix: 36)
    }
}
