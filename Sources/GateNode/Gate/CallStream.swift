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
        var kind: AnswerEvent
        let body: AnswerBody
    }

    let name: CallStreamName
    /// Whose share it counts in.
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
    private var isSending = false
    /// Whether events go to the store, and what lies there.
    private var leaves = false
    private var stored = StoredEvents()
    /// The events of questions that wait for their answers, by the ids of these.
    private var questions: [String: Int] = [:]
    private(set) var endedAt: NIODeadline?
    /// Until when the answer was being taken; nil if it was taken at once.
    private var takenAt: NIODeadline?
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
        if case .question(let id) = kind { questions[id] = last }
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

    /// A question that has been answered is worth no more than a notice.
    func settled(question id: String) {
        guard let number = questions.removeValue(forKey: id) else { return }
        stored.settle(number)
        if let index = events.firstIndex(where: { $0.number == number }) { events[index].kind = .notice }
    }

    /// The oldest notices give way first; of open questions there are few, and one that is lost is refused when its time is over.
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
        guard !isSending else { return false }
        guard let endedAt else { return exchange == nil }
        // Who takes the answer slowly may break off as long as he does.
        let rest = now - max(endedAt, takenAt ?? endedAt)
        if isBroken || leaves { return rest > Self.keptForBroken }
        return rest > (bytes > Self.longest ? Self.keptForLarge : Self.kept)
    }

    // MARK: The store

    /// The client reads from the store from now on.
    func give() {
        if endedAt == nil { exchange?.moveAway() } else { connection?.cut(answer: place) }
        connection = nil
        leave()
    }

    /// Whether something of it has to go to the store that is not there yet.
    var isLeaving: Bool { leaves && !isForgotten && !events.isEmpty }

    /// Leaves in the store what is kept, and all that follows.
    func leave() {
        leaves = true
        leaveNext()
    }

    /// One after the other: what the store has refused for a while must not be overtaken.
    private func leaveNext() {
        guard !isSending, !isForgotten, let event = events.first(where: { $0.number > left }) else { return }
        isSending = true
        if granted >= event.number { return leave(event.body.bytes, for: event) }
        streams.askForRoom(for: event, of: self) { [self] hasRoom in
            // What could not be asked, or left, is tried again every second.
            guard let hasRoom, !isForgotten else {
                isSending = false
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
        let pieces = SessionMail.pieces(of: message.count)
        let victims = stored.victims(for: pieces)
        mail.leave(message, isLast: event.kind == .answer, number: event.number, of: name.text, dropping: victims) { [self] isLeft in
            guard isLeft else {
                isSending = false
                return
            }
            stored.remove(victims)
            stored.add(event.number, pieces: pieces, isOpen: questions.values.contains(event.number))
            passed(event)
        }
    }

    private func passed(_ event: Event) {
        isSending = false
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

    /// Called about every second: tries again what the store has not taken.
    func tick(at now: NIODeadline) {
        if connection?.isTaken(answer: place) == false { takenAt = now }
        if leaves { leaveNext() }
    }
}
