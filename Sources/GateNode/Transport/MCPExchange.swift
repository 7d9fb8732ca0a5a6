// One request to /mcp and the way back to its client.

import GateDomain
import GateSettings
import HTTPWire
import MCPWire
import NIOCore

/// A session of the handshake era as one request sees it: a name for a conversation, never a proof of who talks.
struct Session: Sendable {
    /// `mcp_sess_` and 32 hex digits (F-MCP-04).
    let id: String
    /// Whether the request named it, and was not just given it.
    let isPresented: Bool
    /// Whether the store has said whose it is. Where it has not, the session is a name that anybody may have said.
    var isRead = true
    /// The digest of the credential that opened it; empty if it was opened without one. Its streams and its end are nobody else's.
    var owner = ""
    /// The id of the key that this was a credential of; empty where none was, or an earlier version has opened it.
    var key = ""
    /// Whether that was a key that there is.
    var isOwned = false
    /// What its client has said that it can be asked.
    var capabilities: ClientCapabilities = .none
    /// From which level on it wants to hear of logs, if it has said so.
    var logLevel: LogLevel?
    /// Whether this request has opened it, and the store knows it.
    var isOpened = false
    /// Whether it has agreed on 2025-03-26, the one revision whose clients send several messages as an array.
    var takesArrays = false

    /// Whose share it counts in: that of its key, whichever of its credentials opened it, or that of all who have none.
    var holder: String { isOwned ? key.isEmpty ? owner : key : "" }
}

/// A request, and its one answer; confined to the event loop of its connection.
///
/// Whatever happens to the call, the answer is given once. A client that has gone away is simply not written to: the call goes on to
/// its settlement (F24).
final class MCPExchange {
    let head: HTTP1RequestHead
    private(set) var body: ByteBuffer
    let front: FrontContext
    let receivedAt = NIODeadline.now()
    /// Set by the endpoint once the body has been read.
    var envelope = Envelope()
    /// What the answer says of credits and limits; nothing if no key was given.
    var readings = Readings()
    /// The session that the answer names (F-HDR-10); none in the era without sessions.
    var session: Session?
    /// Whether the request says everything itself (revision 2026-07-28): its answer then has what that revision asks for.
    var isStateless = false
    /// Whether a server of that revision has answered it.
    var isOfStatelessServer = false
    /// Gives up what the request has asked for: in the stateless era a client does that by closing the stream of the answer.
    var onAbandoned: (() -> Void)?
    /// The name of the call whose client has been asked something: its end is told in another request.
    var parkedAs: String?
    /// Gets that end, as a whole message under this request's id.
    var onAnswer: (([UInt8]) -> Void)?
    private var lastSaidAt = NIODeadline.now()
    private var connection: FrontHandler?
    private let peer: IPAddress
    /// The request with the array of messages that this one is of, its place there, and who gets its answer.
    private let array: (exchange: MCPExchange, place: Int)?
    private var onEnd: ((MCPExchange, AnswerBody?) -> Void)?
    private(set) var isStreaming = false
    /// What `front.memory` counts for it until it is answered.
    private let held: (bytes: Int, standing: MemoryAccount.Standing, holder: ExactText?)
    /// What the stream of the answer has said, for a client whose connection breaks; nil where nobody could ask for it.
    private var log: (any AnswerLog)?
    private(set) var isAnswered = false
    private var madeRequestID: String?
    /// The secret that the request carries: nil if there is none, empty if it can be none of ours.
    private(set) lazy var credential: String? = proof.secret

    /// What `X-Credits-Remaining` and `X-RateLimit-*` say (F-HDR-04); `reset` in seconds.
    struct Readings {
        var credits: Int?
        var rate: RateReading?
        var surcharge = 0
        var retryAfter: Int?
        /// The methods that will do where this one does not.
        var allow: StaticString?
        /// What guardrails want the client to know.
        var warnings: [String] = []
    }

    /// - Parameter held: what `front.memory` has counted for the request, and as whose; it is given back with the answer.
    init(
        head: HTTP1RequestHead, body: ByteBuffer, connection: FrontHandler,
        held: (bytes: Int, standing: MemoryAccount.Standing, holder: ExactText?)
    ) {
        self.held = held
        self.head = head
        self.body = body
        self.connection = connection
        peer = connection.peer
        array = nil
        front = connection.front
        front.switches.entered()
    }

    /// One of the messages of an array, which is answered for itself, as if it had come alone.
    /// - Parameters:
    ///   - place: among the messages, from 0.
    ///   - onEnd: gets the answer, on this event loop; nil where there is none.
    init(
        _ body: ByteBuffer, _ envelope: Envelope, of exchange: MCPExchange, at place: Int,
        onEnd: @escaping (MCPExchange, AnswerBody?) -> Void
    ) {
        (head, front, peer, session) = (exchange.head, exchange.front, exchange.peer, exchange.session)
        (self.body, self.envelope, self.onEnd) = (body, envelope, onEnd)
        array = (exchange, place)
        held = (0, .unproven, nil)
        madeRequestID = exchange.requestID
        front.switches.entered()
    }

    /// Whose call it is, proxies taken into account (F-IP-02).
    var address: IPAddress {
        front.addresses.client(peer: peer, forwardedFor: forwardedFor)
    }

    /// Where the client of a key is that has lists of countries, as a trusted proxy says it and nobody else (F-GEO-02, F-GEO-03). One that
    /// says it twice says nothing.
    func country(for policy: Policy?) -> String? {
        guard let policy, !policy.key.countries.isEmpty, front.addresses.isTrusted(peer) else { return nil }
        var values: [String]
        if let name = front.settings.geoCountryHeader {
            values = head.fields.strings(namedByOperator: name)
        } else {
            values = head.fields.strings(named: "x-country")
            if values.isEmpty { values = head.fields.strings(named: "cf-ipcountry") }
        }
        return values.count == 1 ? CountryAccess.code(values[0]) : nil
    }

    /// All X-Forwarded-For fields as one list.
    private var forwardedFor: String? {
        guard head.fields.contains(.xForwardedFor) else { return nil }
        return head.fields.strings(named: "x-forwarded-for").joined(separator: ",")
    }

    /// The client's own id if it is safe to repeat, else a new one (F-HDR-01, F-HDR-02).
    var requestID: String {
        if let madeRequestID { return madeRequestID }
        let id = head.fields.string(of: .xRequestID).flatMap { RequestID.isSafe($0) ? $0 : nil } ?? front.random.requestID()
        madeRequestID = id
        return id
    }

    /// What the client calls its request, so that it is carried out once: of an array each request by its place.
    var idempotencyKey: String? {
        guard let key = head.fields.string(of: .xIdempotencyKey), !key.isEmpty else { return nil }
        return array.map { "\(key)/\($0.place)" } ?? key
    }

    /// Whether the client can only read an event stream.
    private var wantsStream: Bool {
        !head.fields.accepts(.json) && head.fields.accepts(.eventStream)
    }

    private var canStream: Bool { head.version == .http11 }

    var clientIsThere: Bool { (array?.exchange ?? self).connection != nil }
    /// Whether the client can hear of the answer, now or when it comes back.
    var canBeHeard: Bool { connection != nil || log.map { !$0.isForgotten } ?? false }
    /// Whether the answer goes onto an event stream.
    var endsAsStream: Bool { isStreaming || wantsStream && canStream }

    /// Whether the client may be a page of somebody else's, brought here by a name that points to this machine (DNS rebinding): it came to
    /// a loopback address, and through no proxy that we know.
    var cameToLoopback: Bool { connection?.isLocal ?? false }

    /// Takes other bytes for what the client has sent, with the same id.
    /// - Returns: whether they are a request; if not, nothing has changed.
    func replace(_ message: [UInt8]) -> Bool {
        let buffer = ByteBuffer(bytes: message)
        guard case .success(let envelope) = buffer.scanEnvelope() else { return false }
        (body, self.envelope) = (buffer, envelope)
        return true
    }

    // MARK: Answers

    /// Ends the exchange with a message as it stands.
    func answer(status: Int = 200, _ message: some Collection<UInt8>) {
        if let onAnswer {
            self.onAnswer = nil
            return onAnswer(Array(message))
        }
        if array != nil { return end(status, message.isEmpty ? nil : .whole(Array(message))) }
        if isStreaming { return endStream(.whole(Array(message))) }
        guard wantsStream && status == 200 && !message.isEmpty else { return deliver(status: status, type: "application/json", message) }
        // A stream is chunked, which HTTP/1.0 cannot read: there the one event is a body of known length.
        guard canStream else { return deliver(status: status, type: AnswerHead.eventStream, StreamFrame.body(message)) }
        beginStream()
        endStream(.whole(Array(message)))
    }

    /// The same for a message that may be a large one, which is passed on as it lies.
    func answer(status: Int = 200, _ message: AnswerBody) {
        guard case .parts(let parts) = message, onAnswer == nil else { return answer(status: status, message.bytes) }
        if array != nil { return end(status, message) }
        if isStreaming { return endStream(message) }
        guard wantsStream && status == 200 else { return deliver(status: status, type: "application/json", parts: parts) }
        guard canStream else { return deliver(status: status, type: AnswerHead.eventStream, parts: StreamFrame.body(parts)) }
        beginStream()
        endStream(message)
    }

    /// Ends the exchange with nothing in the body.
    func acknowledge() { if array != nil { end(202, nil) } else { deliver(status: 202, type: nil, []) } }

    /// Ends the exchange with several answers as events of one stream.
    func answer(_ messages: [AnswerBody]) {
        if !isStreaming { openStream() }
        for message in messages.dropLast() { write(event: message, as: .part) }
        if let last = messages.last { endStream(last) }
    }

    private func end(_ status: Int, _ message: AnswerBody?) {
        guard conclude(status), let onEnd else { return }
        self.onEnd = nil
        onEnd(self, message)
    }

    private func deliver(status: Int, type: StaticString?, _ message: some Collection<UInt8>) {
        guard conclude(status) else { return }
        guard let connection else { return }
        var buffer = front.allocator.buffer(capacity: 1024 + message.count)
        AnswerHead.write(status: status, of: self, closes: connection.willClose, into: &buffer)
        if let type { HTTP1Writer.appendField("content-type", type, into: &buffer) }
        if status != 204 { HTTP1Writer.appendField("content-length", message.count, into: &buffer) }
        HTTP1Writer.endHead(into: &buffer)
        if head.method != .head { buffer.writeBytes(message) }
        self.connection = nil
        connection.finish(buffer)
    }

    private func deliver(status: Int, type: StaticString, parts: [ByteBuffer]) {
        guard conclude(status) else { return }
        guard let connection else { return }
        var buffer = front.allocator.buffer(capacity: 1024)
        AnswerHead.write(status: status, of: self, closes: connection.willClose, into: &buffer)
        HTTP1Writer.appendField("content-type", type, into: &buffer)
        HTTP1Writer.appendField("content-length", parts.reduce(0) { $0 + $1.readableBytes }, into: &buffer)
        HTTP1Writer.endHead(into: &buffer)
        self.connection = nil
        connection.write([buffer] + parts)
        connection.finished()
    }

    /// Whether what is sent ahead of the answer reaches the client, now or when it comes back for it.
    var canSend: Bool {
        if let array { return !isAnswered && array.exchange.canSend }
        return !isAnswered && canStream && (clientIsThere || log != nil) && head.fields.contains(.accept)
            && head.fields.accepts(.eventStream)
    }

    /// Sends a message ahead of the answer, if the client reads event streams; the answer then ends that stream.
    func send(_ message: some Collection<UInt8>, as kind: AnswerEvent = .notice) {
        guard canSend else { return }
        if let array { return array.exchange.send(message, as: kind) }
        // Whoever does not read is not written to: what comes ahead of the answer may be left out, the answer may not.
        guard connection?.takesMore ?? true else { return }
        if !isStreaming { openStream() }
        write(event: .whole(Array(message)), as: kind)
    }

    /// What its client was asked under this id is not asked any more.
    func settled(question id: String) { if let array { array.exchange.settled(question: id) } else { log?.settled(question: id) } }

    private func openStream() {
        beginStream()
        log = front.logs?.openLog(for: self)
    }

    private func beginStream() {
        isStreaming = true
        guard let connection else { return }
        connection.write(AnswerHead.stream(of: self, closes: connection.willClose))
    }

    /// A stream on which nothing is said for longer is taken for dead by what lies between.
    private static let keepAlive = TimeAmount.seconds(15)

    /// Called about every second: keeps the stream of a long call open. One that has none gets it, where the client's closing of it has a
    /// meaning, or where the client can come back to it: with the id of an event without data (2025-11-25, Resumability).
    func tick(at now: NIODeadline) {
        guard canSend, now - lastSaidAt > Self.keepAlive, let connection, connection.isRead else { return }
        lastSaidAt = now
        if !isStateless, !isStreaming {
            guard knowsPriming, let log = front.logs?.openLog(for: self) else { return }
            self.log = log
            beginStream()
            return connection.write(StreamFrame.priming(id: log.openingID, allocator: front.allocator))
        }
        if !isStreaming { beginStream() }
        connection.write(StreamFrame.keepAlive(allocator: front.allocator))
    }

    /// Whether its client knows of events without data.
    private var knowsPriming: Bool {
        head.method == .post
            && head.fields.string(of: .mcpProtocolVersion)?.hasSameBytes(as: ProtocolRevision.november2025.rawValue) ?? false
    }

    private func write(event message: AnswerBody, as kind: AnswerEvent) {
        lastSaidAt = .now()
        let id = log?.add(message, kind)
        switch message {
        case .whole(let bytes): connection?.write(StreamFrame.event(bytes, id: id, allocator: front.allocator))
        case .parts(let parts): connection?.write(StreamFrame.event(parts, id: id, allocator: front.allocator))
        }
    }

    private func endStream(_ message: AnswerBody) {
        guard conclude(200) else { return }
        write(event: message, as: .answer)
        guard let connection else { return }
        self.connection = nil
        log?.answered(on: connection)
        connection.finish(ByteBuffer(string: "0\r\n\r\n"))
    }

    private func conclude(_ status: Int) -> Bool {
        guard !isAnswered else { return false }
        isAnswered = true
        onAbandoned = nil
        front.switches.left()
        front.memory.add(-held.bytes, held.standing, of: held.holder)
        if array == nil { front.meter.answered(.init(head.method), status: status) }
        return true
    }

    /// The exchange has turned into a live stream, which has the connection from here on.
    func handOver() -> FrontHandler? {
        guard conclude(200) else { return nil }
        defer { connection = nil }
        return connection
    }

    /// The client goes on with the stream of the answer on another connection: what this one has not taken yet it gets there.
    func moveAway() { connection?.reset(isAbrupt: false) }

    /// The client sends nothing more: whether it still reads shows when something is written.
    func clientFallsSilent() { log?.clientLeft() }

    func clientLeft() {
        connection = nil
        log?.clientLeft()
        // The call is still counted as in flight: its settlement is what a graceful stop waits for.
        let abandon = onAbandoned
        onAbandoned = nil
        abandon?()
    }
}
