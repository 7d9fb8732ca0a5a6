// Several messages in one POST, as clients of 2025-03-26 may send them: each is a request, a notification or a response of its own.

import ClusterState
import GateDomain
import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

/// An array of messages on its way; confined to its event loop.
///
/// Each request of it is judged, charged and answered as if it had come alone; only so many are under way at once, in the order of the array.
/// What has an answer gets it in one array, in that order, or as events of one stream if something had to be told before. Invariant: whatever is
/// charged is answered; where there is no room for more answers, no further request is begun.
final class MessageArray {
    private let exchange: MCPExchange
    private let loop: LoopContext
    private let holder: String
    private var requests: [Waiting] = []
    /// The id of the key whose requests they are; empty for nobody's.
    private var caller = ""
    private var next = 0
    private var open = 0
    private var answers: [Int: AnswerBody] = [:]
    private var bytes = 0
    private var isBeginning = false

    /// Messages of one array, as the calls of a batch; and its requests that are under way at once.
    static let most = Envelope.batchCap
    private static let atOnce = 8
    /// Bytes of answers from which on no further request is begun.
    private static let mostBytes = 10 << 20

    /// Answers a request whose body is an array, if it is JSON.
    static func receive(_ exchange: MCPExchange, on loop: LoopContext) {
        let scan = exchange.body.withUnsafeReadableBytes { try? ArrayScan($0, most: most) }
        guard let scan else { return refuse(exchange, .parseError) }
        guard mayCarry(exchange) else { return refuse(exchange, .notAnObject) }
        MCPEndpoint.enter(exchange, on: loop) {
            guard let session = exchange.session else { return }
            guard session.isRead else { return exchange.failForStore() }
            guard session.takesArrays else { return refuse(exchange, .notAnObject) }
            guard !scan.elements.isEmpty else {
                return exchange.fail(status: 400, code: -32600, "an array of messages must not be empty")
            }
            guard !scan.isTooLong else {
                return exchange.fail(status: 400, code: -32600, "an array has at most \(most) messages; nothing was charged")
            }
            MessageArray(exchange, on: loop).identify { $0.begin(scan.elements) }
        }
    }

    /// Whose it is has to be known before the first message is taken, as one may give up a request that waits.
    private func identify(_ completion: @escaping (MessageArray) -> Void) {
        guard let credential = exchange.credential else { return completion(self) }
        loop.identify(credential, fresh: false) { [self] lookup, _ in
            if case .found(let key) = lookup { caller = key.id }
            completion(self)
        }
    }

    /// Whether a request names a session, and no revision that knows no arrays.
    private static func mayCarry(_ exchange: MCPExchange) -> Bool {
        let fields = exchange.head.fields
        guard fields.string(of: .mcpSessionID) != nil, !fields.contradictsBody else { return false }
        return fields.string(of: .mcpProtocolVersion).map { ProtocolRevision.supported(named: $0)?.takesArrays ?? false } ?? true
    }

    private static func refuse(_ exchange: MCPExchange, _ fault: EnvelopeFault) {
        exchange.fail(status: 400, code: fault.code, fault.sentence)
    }

    private init(_ exchange: MCPExchange, on loop: LoopContext) {
        (self.exchange, self.loop) = (exchange, loop)
        // Whoever has only heard of a session has no share of its owner's.
        holder = exchange.credential == nil ? "" : exchange.session?.holder ?? ""
    }

    /// Notifications and responses are taken at once, as nobody waits for them.
    private func begin(_ elements: [Range<Int>]) {
        isBeginning = true
        for (place, range) in elements.enumerated() {
            guard let body = exchange.body.getSlice(at: exchange.body.readerIndex + range.lowerBound, length: range.count) else { continue }
            switch body.scanEnvelope() {
            case .failure(let fault): answers[place] = .whole(Self.error(fault.code, fault.sentence, for: body))
            case .success(let envelope) where envelope.kind == .request:
                requests.append(Waiting(place, body, envelope, of: exchange))
                if open < Self.atOnce { beginNext() } else { requests[requests.count - 1].register(caller, on: loop) }
            case .success(let envelope):
                MCPEndpoint.dispatch(MCPExchange(body, envelope, of: exchange, at: place) { _, _ in }, on: loop)
            }
        }
        isBeginning = false
        goOn()
    }

    /// An error for what is no message.
    private static func error(_ code: Int, _ sentence: String, for body: ByteBuffer) -> [UInt8] {
        let id = body.withUnsafeReadableBytes { bytes in ArrayScan.id(of: bytes).map { Array(bytes[$0]) } } ?? Array("null".utf8)
        let error: JSONValue = ["code": .int(Int64(code)), "message": .string(sentence)]
        return Array(#"{"jsonrpc":"2.0","id":"#.utf8) + id + Array(#","error":"#.utf8) + error.bytes + [UInt8(ascii: "}")]
    }

    // MARK: Requests

    private func goOn() {
        guard !isBeginning else { return }
        isBeginning = true
        while next < requests.count, open < Self.atOnce { beginNext() }
        isBeginning = false
        if next == requests.count, open == 0 { finish() }
    }

    private func beginNext() {
        let waiting = requests[next]
        next += 1
        waiting.unregister(on: loop)
        // Nobody hears of what is not begun, and it costs nothing.
        guard exchange.canBeHeard else { return }
        open += 1
        let request = MCPExchange(waiting.body, waiting.envelope, of: exchange, at: waiting.place) { [self] in
            ended(waiting.place, $0, $1)
        }
        if waiting.isCancelled { return request.fail(code: UpstreamFailure.cancelled.code, UpstreamFailure.cancelled.sentence) }
        if let sentence = refusal(of: request) { return request.fail(code: -32600, sentence) }
        guard bytes < Self.mostBytes, loop.keptAnswers.hasRoom(for: holder) else {
            return request.fail(
                code: -32603, "The answers of this array have no more room; nothing was charged for this request. Send it by itself.")
        }
        let switches = loop.parts.switches
        guard !switches.isDraining, !switches.isInMaintenance else {
            return request.fail(code: -32603, "The node takes no more requests now; nothing was charged for this one. Try again.")
        }
        MCPEndpoint.dispatch(request, on: loop)
    }

    private func refusal(of request: MCPExchange) -> String? {
        if request.envelope.method == .initialize { return "initialize must be sent by itself" }
        return StatelessEra.claims(request) ? "a request of a later revision must be sent by itself" : nil
    }

    private func ended(_ place: Int, _ request: MCPExchange, _ answer: AnswerBody?) {
        open -= 1
        if let answer {
            answers[place] = answer
            bytes += answer.count
            loop.keptAnswers.add(answer.count, of: holder)
        }
        note(request.readings)
        goOn()
    }

    /// The head of the answer says the least that any of the requests has read: they end in no order.
    private func note(_ readings: MCPExchange.Readings) {
        if let credits = readings.credits { exchange.readings.credits = min(credits, exchange.readings.credits ?? credits) }
        if let rate = readings.rate, rate.remaining <= exchange.readings.rate?.remaining ?? rate.remaining { exchange.readings.rate = rate }
        exchange.readings.surcharge += readings.surcharge
        for warning in readings.warnings where exchange.readings.warnings.count < CallView.remarks {
            if !exchange.readings.warnings.contains(warning) { exchange.readings.warnings.append(warning) }
        }
        if let wait = readings.retryAfter { exchange.readings.retryAfter = max(wait, exchange.readings.retryAfter ?? 0) }
    }

    // MARK: The answer

    private func finish() {
        defer { loop.keptAnswers.add(-bytes, of: holder) }
        guard !answers.isEmpty else { return exchange.acknowledge() }
        let all = answers.sorted { $0.key < $1.key }.map(\.value)
        if exchange.endsAsStream, !requests.isEmpty { return exchange.answer(all) }
        var message = AnswerParts()
        for (index, answer) in all.enumerated() {
            message.append(index == 0 ? [UInt8(ascii: "[")] : [UInt8(ascii: ",")])
            message.append(answer)
        }
        message.append([UInt8(ascii: "]")])
        // A message that is none is refused as it would be alone, unless there are requests beside it.
        exchange.answer(status: requests.isEmpty ? 400 : 200, message.body())
    }
}

/// A request of an array whose turn has not come: its client may give it up.
private final class Waiting: CancellableRequest {
    let place: Int
    let body: ByteBuffer
    let envelope: Envelope
    let exchange: MCPExchange
    private(set) var isCancelled = false
    private var cancelKey: CancelKey?

    init(_ place: Int, _ body: ByteBuffer, _ envelope: Envelope, of exchange: MCPExchange) {
        (self.place, self.body, self.envelope, self.exchange) = (place, body, envelope, exchange)
    }

    func register(_ caller: String, on loop: LoopContext) {
        guard let session = exchange.session, let id = envelope.id,
            let key = CancelKey(session: session.id, caller: caller, id: body.token(id))
        else { return }
        cancelKey = key
        loop.cancellable[key] = self
    }

    func unregister(on loop: LoopContext) {
        if let cancelKey, loop.cancellable[cancelKey] === self { loop.cancellable[cancelKey] = nil }
    }

    func cancel() { isCancelled = true }
}
