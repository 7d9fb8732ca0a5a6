// What the stream of one POST has said, kept for a client whose connection breaks (MCP 2025-11-25 Transports, Resumability).

import GateDomain
import MCPWire
import NIOCore

/// The log of one request's stream, at the event loop that has the request; confined to that loop.
///
/// A broken connection is no cancellation: what is asked for goes on, and its client gets the rest when it comes back, on any node. As long as
/// nobody has come back the events are kept here; from then on each is left in the store, under its number, and read from there.
/// Invariants: numbers are given once and in order; the store gets each event after those before it.
final class CallStream: AnswerLog {
    struct Event {
        let number: Int
        let kind: AnswerEvent
        let body: AnswerBody
    }

    let name: CallStreamName
    /// Of the session: whose share it counts in.
    let holder: String
    let session: String
    private let mail: SessionMail
    /// It owns this.
    private unowned let streams: CallStreams
    /// Until the answer is given.
    private weak var exchange: MCPExchange?
    /// What the answer was written to, and as that to which of its requests.
    private weak var connection: FrontHandler?
    private var place = 0
    private var events: [Event] = []
    private var last = 0
    /// The last event that the store has, and whether another is on its way there.
    private var left = 0
    /// The last event for which there was room in the store.
    private var granted = 0
    private(set) var isLeaving = false
    /// Whether events go to the store.
    private var leaves = false
    /// Who reads them there.
    private(set) var reader: String?
    private(set) var endedAt: NIODeadline?
    /// Whether the client's connection has ended before the answer did.
    private(set) var isBroken = false
    private(set) var isForgotten = false

    /// Events before the answer, and bytes of them.
    private static let (most, mostBytes) = (100, 1 << 20)
    /// Bytes of an answer that is kept at all, and of one that is kept for longer than a client takes that comes back at once.
    private static let (mostOfAnswer, longest) = (12 << 20, 1 << 20)
    /// Bytes of an answer that gives way to no other.
    private static let small = 4_096
    /// For how long an ended stream is kept: of a client that has gone, of one that was there, and of one that was there for a large answer.
    private static let (keptForBroken, kept, keptForLarge) = (TimeAmount.minutes(5), TimeAmount.seconds(60), TimeAmount.seconds(15))

    init(_ name: CallStreamName, of exchange: MCPExchange, _ session: Session, in streams: CallStreams, _ mail: SessionMail) {
        self.name = name
        self.exchange = exchange
        self.streams = streams
        self.mail = mail
        holder = session.holder
        self.session = session.id
    }

    /// Bytes that are kept.
    private(set) var bytes = 0

    /// Notes an event. - Returns: its id for the client.
    func add(_ body: AnswerBody, _ kind: AnswerEvent) -> String {
        last += 1
        if kind == .answer { endedAt = .now() }
        guard !isForgotten else { return name.event(last) }
        var event = Event(number: last, kind: kind, body: body)
        if body.count > Self.mostOfAnswer, let other = Self.standIn(for: event) {
            event = Event(number: last, kind: kind, body: .whole(other))
        }
        events.append(event)
        bytes += event.body.count
        // Nothing but answers follows upon one.
        if kind != .answer, kind != .part { trim() }
        streams.grew(self, by: event.body.count)
        if leaves { leaveNext() }
        return name.event(last)
    }

    var openingID: String { name.event(0) }

    /// The oldest notices give way first; of questions there are few, and one that is lost is refused when its time is over.
    private func trim() {
        while events.count > Self.most || bytes > Self.mostBytes, events.count > 1 {
            let index = events.firstIndex { $0.kind == .notice && $0.number < last } ?? 0
            drop(at: index)
        }
    }

    private func drop(at index: Int) {
        let dropped = events.remove(at: index)
        bytes -= dropped.body.count
        streams.grew(self, by: -dropped.body.count)
    }

    /// Keeps an error in the place of its largest answer: what is small, and what was told before the answers, stays.
    /// - Returns: false if it has no large one, or the store may have a part of it already.
    func giveUpLargest() -> Bool {
        let large = events.indices.filter { events[$0].number > granted && events[$0].body.count > Self.small }
        guard let index = large.max(by: { events[$0].body.count < events[$1].body.count }), let other = Self.standIn(for: events[index]),
            other.count < events[index].body.count
        else { return false }
        replace(at: index, with: other)
        return true
    }

    private func replace(at index: Int, with body: [UInt8]) {
        let event = events[index]
        events[index] = Event(number: event.number, kind: event.kind, body: .whole(body))
        bytes += body.count - event.body.count
        streams.grew(self, by: body.count - event.body.count)
    }

    /// The client has gone, or may have.
    func clientLeft() { isBroken = true }

    func answered(on connection: FrontHandler) {
        self.connection = connection
        place = connection.served
    }

    /// Whether the store has had nothing of it.
    var isUnread: Bool { left == 0 }

    /// Whether nothing comes after an event.
    func isOver(after number: Int) -> Bool { endedAt != nil && number >= last }

    /// Nothing of it is kept any more, and who asks for it is told so.
    func forget() {
        isForgotten = true
        events = []
        bytes = 0
    }

    /// Whether nobody needs it any more.
    func isOver(at now: NIODeadline) -> Bool {
        guard !isLeaving else { return false }
        guard let endedAt else { return exchange == nil }
        if isBroken || leaves { return now - endedAt > Self.keptForBroken }
        return now - endedAt > (bytes > Self.longest ? Self.keptForLarge : Self.kept)
    }

    // MARK: The store

    /// The client reads from the store from now on.
    /// - Returns: who has read there until now.
    func give(to reader: String) -> String? {
        let before = self.reader
        self.reader = reader
        if endedAt == nil { exchange?.moveAway() } else { connection?.cut(answer: place) }
        connection = nil
        leave()
        return before == reader ? nil : before
    }

    /// Leaves in the store what is kept, and all that follows.
    func leave() {
        leaves = true
        leaveNext()
    }

    /// One after the other: what the store has refused for a while must not be overtaken.
    private func leaveNext() {
        guard !isLeaving, !isForgotten, let event = events.first(where: { $0.number > left }) else { return }
        isLeaving = true
        if granted >= event.number { return leave(event.body.bytes, for: event) }
        streams.askForRoom(for: event, of: self) { [self] hasRoom in
            // What could not be asked, or left, is tried again every second.
            guard let hasRoom, !isForgotten else {
                isLeaving = false
                return
            }
            granted = event.number
            if hasRoom { return leave(event.body.bytes, for: event) }
            guard let other = Self.standIn(for: event) else { return passed(event) }
            if let index = events.firstIndex(where: { $0.number == event.number }) { replace(at: index, with: other) }
            leave(other, for: event)
        }
    }

    private func leave(_ message: [UInt8], for event: Event) {
        mail.leave(message, isLast: event.kind == .answer, number: event.number, of: name.text) { [self] isLeft in
            if isLeft { passed(event) } else { isLeaving = false }
        }
    }

    private func passed(_ event: Event) {
        isLeaving = false
        left = event.number
        if let index = events.firstIndex(where: { $0.number == event.number }) { drop(at: index) }
        leaveNext()
    }

    /// What stands in the place of an answer for which the store has no room; nothing in that of another event.
    private static func standIn(for event: Event) -> [UInt8]? {
        guard event.kind == .answer || event.kind == .part else { return nil }
        let bytes = event.body.bytes
        let id = bytes.withUnsafeBytes { bytes in Reply.scan(bytes)?.id.map { Array(bytes[$0]) } }
        return Array(#"{"jsonrpc":"2.0","id":"#.utf8) + (id ?? Array("null".utf8))
            + #","error":{"code":-32603,"message":"The call was charged once, and there was no room to keep its answer"}}"#.utf8
    }

    /// Tries again what the store has not taken.
    func tick() { if leaves { leaveNext() } }
}

/// The name of a call's stream, which its events carry: `post_<node>.<loop>.<number>`, sealed for the session and its key. So any node can tell
/// whose it is, and who has it, without asking anybody.
struct CallStreamName: Hashable {
    /// Without the seal.
    let text: String
    let owner: String
    private let seal: String

    private static let prefix = "post_"
    private static let longest = 128

    /// - Parameter number: of the stream, among those of the loop.
    init(node: String, loop: Int, number: Int, _ session: Session, _ mint: SessionMint) {
        owner = node
        text = "\(Self.prefix)\(node).\(loop).\(String(number, radix: 36))"
        seal = Self.seal(text, session, mint)
    }

    /// The name and the number in the id of an event; nil unless the event was one of this session's.
    static func read(_ event: String, _ session: Session, _ mint: SessionMint) -> (name: CallStreamName, number: Int)? {
        guard event.utf8.count <= longest else { return nil }
        let words = event.split(separator: ".", omittingEmptySubsequences: false)
        guard words.count == 5, words[0].hasPrefix(prefix), let number = Int(words[4]), (0...1 << 40).contains(number) else { return nil }
        let text = words[..<3].joined(separator: ".")
        guard words[3].hasSameBytes(as: seal(text, session, mint)) else { return nil }
        let name = CallStreamName(text: text, owner: String(words[0].dropFirst(prefix.count)), seal: String(words[3]))
        return (name, number)
    }

    private init(text: String, owner: String, seal: String) { (self.text, self.owner, self.seal) = (text, owner, seal) }

    private static func seal(_ text: String, _ session: Session, _ mint: SessionMint) -> String {
        mint.seal("\(text)/\(session.id)/\(session.owner)")
    }

    /// The id of an event. - Parameter number: 0 for what stands before the first one.
    func event(_ number: Int) -> String { "\(text).\(seal).\(number)" }

    /// What the streams of an event loop begin with.
    static func beginning(node: String, loop: Int) -> String { "\(prefix)\(node).\(loop)." }
}
