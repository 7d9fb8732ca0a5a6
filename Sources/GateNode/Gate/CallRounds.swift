// A call whose server asks something of a stateless client: each question ends a round, and the client's next request begins another (MRTR, 2026-07-28).

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// The calls of one event loop that are between two rounds, and the rounds that wait on it for a call of another; confined to that loop.
///
/// The call goes on where it began: its hold, its place at the server, its only charge. What the client gets is a name for it, `requestState`, sealed
/// for the key and for what was asked, and good for one round: so any node takes the next one, and brings it to the loop that has the call.
/// Invariants: a question is answered once, or refused; a call that nobody comes back for ends by itself, and is settled as any other.
final class CallRounds {
    private struct Parked {
        let exchange: MCPExchange
        let cancel: () -> Void
        let key: String
        /// Digest of what was asked.
        let subject: String
        var round = 0
        /// By the names that a client answers them under.
        var asked: [ExactText: UpstreamQuestion] = [:]
        var waiting: [UpstreamQuestion] = []
        /// The end of the call, while nobody is there to be told.
        var outcome: [UInt8]?
        /// The round that waits for the call; nil while it is the client's turn.
        var ticket: String?
        var until = NIODeadline.now() + patience
        /// What another node was told within a second of the server's progress and logs.
        var words = (count: 0, since: NIODeadline.now())

        /// Bytes that are kept on the server's side until all is answered: its state, its request, the answers so far; 0 where none are.
        var held = 0

        /// What is held for it beside the call itself.
        var bytes: Int {
            (asked.values.map(\.message) + waiting.map(\.message)).reduce(exchange.body.readableBytes + held) { $0 + $1.readableBytes }
        }
    }

    private struct Waiting {
        let exchange: MCPExchange
        let since = NIODeadline.now()
        /// Whether its call is on another node.
        let isElsewhere: Bool
        /// Under which name that node was told; nil once it has taken it.
        var message: String?
        var look = NodePassage.Look()
    }

    private let node: String
    private let name: String
    private let passage: NodePassage
    private var parked: [String: Parked] = [:]
    private var rounds: [String: Waiting] = [:]
    private var sequence = 0

    /// Calls between two rounds, of this loop and of one key.
    private static let (most, mostOfKey) = (1_000, 64)
    /// Bytes of their requests and questions, of this loop and of one key.
    private static let (mostBytes, mostBytesOfKey) = (64 << 20, 16 << 20)
    /// Questions of one call that wait for their turn.
    private static let mostQuestions = 16
    /// For how long a call waits for its client, and a round for its call.
    private static let patience = TimeAmount.seconds(300)
    /// How long another node may take to hear of a round.
    private static let deafness = TimeAmount.seconds(15)
    /// Rounds of one call, so that nobody has work done for ever that is paid for once.
    static let mostRounds = 32
    /// Progress and log messages of one call that go to another node in a second, and bytes of one.
    private static let (mostWords, longestWord) = (20, 65_536)

    init(node: String, loop: Int, link: any CommandLink, keys: RedisKeys) {
        self.node = node
        name = "\(node).\(loop)"
        passage = NodePassage(node: node, link: link, keys: keys)
    }

    // MARK: The call's side

    /// A server asks the client of a request; false if that is none that can be asked, or the client has not said that it can be asked this,
    /// or there is no room.
    /// - Parameters:
    ///   - questions: at least one; they go out together.
    ///   - key: the id of the key that the request has shown.
    ///   - cancel: gives up what the request has asked for.
    func ask(_ questions: [UpstreamQuestion], _ exchange: MCPExchange, of key: String?, on loop: LoopContext, cancel: @escaping () -> Void)
        -> Bool
    {
        guard let key, StatelessEra.canBeAsked(exchange) else { return false }
        let capabilities = StatelessEra.capabilities(of: exchange)
        guard questions.allSatisfy({ $0.isCovered(by: capabilities) }) else { return false }
        let held = questions.reduce(0) { $0 + $1.held }
        let bytes = questions.reduce(exchange.body.readableBytes + held) { $0 + $1.message.readableBytes }
        guard hasRoom(for: bytes, of: key) else { return false }
        let call = exchange.parkedAs ?? "\(name).\(next())"
        if parked[call] == nil {
            guard parked.count < Self.most, parked.values.count(where: { $0.key == key }) < Self.mostOfKey, !exchange.isAnswered else {
                return false
            }
            parked[call] = Parked(exchange: exchange, cancel: cancel, key: key, subject: RequestState.subject(of: exchange))
            exchange.parkedAs = call
        }
        guard let entry = parked[call], entry.waiting.count + questions.count <= Self.mostQuestions, entry.round < Self.mostRounds else {
            return false
        }
        parked[call]?.waiting += questions
        parked[call]?.held = held
        advance(call, on: loop)
        return true
    }

    /// What the server says of a call on the way: the round that waits for it hears of it, and between two rounds nobody. Some of it may be lost.
    func tell(_ message: ByteBuffer, of call: String, on loop: LoopContext) {
        guard var entry = parked[call], let ticket = entry.ticket else { return }
        if isOwn(ticket) {
            loop.siblings?.forEach { $0.rounds.heard(ticket, message) }
            return
        }
        if .now() - entry.words.since > .seconds(1) { entry.words = (0, .now()) }
        guard entry.words.count < Self.mostWords, message.readableBytes <= Self.longestWord else { return }
        entry.words.count += 1
        parked[call] = entry
        passage.leave(message.readableBytesView, as: "\(ticket).\(next())")
    }

    private func hasRoom(for bytes: Int, of key: String) -> Bool {
        var (all, own) = (bytes, bytes)
        for entry in parked.values {
            all += entry.bytes
            if entry.key == key { own += entry.bytes }
        }
        return all <= Self.mostBytes && own <= Self.mostBytesOfKey
    }

    /// Tells whoever waits what there is to tell: the next questions, or the end.
    private func advance(_ call: String, on loop: LoopContext) {
        guard var entry = parked[call] else { return }
        let isFirst = entry.round == 0
        guard isFirst || entry.ticket != nil else { return }
        // On standard streams a question names no call: one that came to this call may be another's, and waits for its answer all the same.
        if let outcome = entry.outcome, entry.asked.isEmpty, entry.waiting.isEmpty {
            parked[call] = nil
            if let ticket = entry.ticket { deliver(outcome, to: ticket, on: loop) }
            return
        }
        guard !entry.waiting.isEmpty || !entry.asked.isEmpty else { return }
        guard entry.round < Self.mostRounds else {
            let open = Array(entry.asked.values) + entry.waiting
            (entry.asked, entry.waiting) = ([:], [])
            parked[call] = entry
            for question in open { question.refuse(code: -32603, "The client was asked too often in one call") }
            return advance(call, on: loop)
        }
        for question in entry.waiting {
            // A server without sessions has names of its own for them.
            let own = question.name.map(ExactText.init).flatMap { entry.asked[$0] == nil ? $0 : nil }
            entry.asked[own ?? ExactText("q\(next())")] = question
        }
        entry.waiting = []
        entry.round += 1
        entry.until = .now() + Self.patience
        let ticket = entry.ticket
        entry.ticket = nil
        parked[call] = entry
        let result = Self.result(
            asking: entry.asked,
            state: RequestState.text(
                call, round: entry.round, key: entry.key, subject: entry.subject, sealedBy: loop.sessions.mint, at: loop.now))
        guard isFirst else {
            return deliver(Array(#"{"jsonrpc":"2.0","id":0,"result":"#.utf8) + result + "}".utf8, to: ticket ?? "", on: loop)
        }
        entry.exchange.answer(entry.exchange.message(.result, result))
        entry.exchange.onAnswer = { [weak self, weak loop] message in
            guard let self, let loop, let entry = self.parked[call] else { return }
            let isKept = entry.ticket != nil || message.count <= KeptAnswers.longest
            self.parked[call]?.outcome = isKept ? message : Self.tooLarge
            self.advance(call, on: loop)
        }
    }

    private static func result(asking questions: [ExactText: UpstreamQuestion], state: String) -> [UInt8] {
        var result = Array(#"{"resultType":"input_required","inputRequests":{"#.utf8)
        for (index, (name, question)) in questions.sorted(by: { $0.key.text < $1.key.text }).enumerated() {
            guard let method = question.reply.methodName else { continue }
            if index > 0 { result.append(UInt8(ascii: ",")) }
            JSONText.append(name.text, to: &result)
            result += #":{"method":""#.utf8
            result += question.message.token(method)
            result.append(UInt8(ascii: "\""))
            if let params = question.reply.params {
                result += #","params":"#.utf8
                result += question.message.token(params)
            }
            result.append(UInt8(ascii: "}"))
        }
        result += #"},"requestState":"#.utf8
        JSONText.append(state, to: &result)
        result.append(UInt8(ascii: "}"))
        return result
    }

    /// The client's answers have come, or its giving up; nil for that.
    /// - Parameter responses: the raw `inputResponses`.
    private func resume(_ call: String, _ round: Int, _ responses: [UInt8]?, ticket: String, on loop: LoopContext) {
        guard call.hasPrefix(name + ".") else { return }
        // Whoever comes with a state that another request has used waits for nothing, and ends nothing by leaving.
        guard var entry = parked[call], entry.round == round, entry.ticket == (responses == nil ? ticket : nil) else {
            if responses != nil { deliver(Self.expired, to: ticket, on: loop) }
            return
        }
        guard let responses else {
            drop(call, on: loop)
            return entry.cancel()
        }
        entry.ticket = ticket
        for (name, response) in RoundRequest.answers(in: responses) ?? [] {
            guard let question = entry.asked.removeValue(forKey: ExactText(name)) else { continue }
            let message = Array(#"{"jsonrpc":"2.0","id":0,"result":"#.utf8) + response + "}".utf8
            if entry.held > 0 { entry.held += response.count }
            question.asker.answer(ByteBuffer(bytes: message), id: 22..<23)
        }
        parked[call] = entry
        advance(call, on: loop)
    }

    private static let expired = Array(
        #"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"Invalid params: the requestState has been used, or its call has ended"}}"#
            .utf8)

    private static let tooLarge = Array(
        #"{"jsonrpc":"2.0","id":0,"error":{"code":-32603,"message":"The call was charged once, and its answer was too large to keep"}}"#
            .utf8)

    /// Ends the questions of calls that wait for their clients, so that the calls end: the node is leaving.
    func end(on loop: LoopContext) {
        for call in Array(parked.keys) { drop(call, on: loop) }
    }

    private func drop(_ call: String, on loop: LoopContext) {
        guard let entry = parked.removeValue(forKey: call) else { return }
        if let ticket = entry.ticket { deliver(Self.expired, to: ticket, on: loop) }
        for question in Array(entry.asked.values) + entry.waiting { question.refuse(code: -32603, "The client has not answered") }
    }

    // MARK: The client's side

    /// Takes a request that names a call between two rounds; false if it names none, so that it is a call of its own.
    func take(_ exchange: MCPExchange, on loop: LoopContext) -> Bool {
        guard let request = RoundRequest(exchange) else { return false }
        guard RoundRequest.answers(in: request.responses) != nil else {
            exchange.fail(status: 400, code: -32602, "Invalid params: inputResponses must be an object, and so must each answer in it")
            return true
        }
        guard let credential = exchange.credential else {
            refuse(exchange)
            return true
        }
        loop.identify(credential, fresh: true) { [self] lookup, _ in
            switch lookup {
            case .found(let key):
                if let denial = Self.denial(.key(key.policy), exchange, on: loop) { return Self.deny(exchange, denial, on: loop) }
                Self.admit(key, on: loop) { denial in
                    if let denial { Self.deny(exchange, denial, on: loop) } else { self.join(exchange, request, key.id, on: loop) }
                }
            case .unknown:
                if let denial = Self.denial(.unknown, exchange, on: loop) { return Self.deny(exchange, denial, on: loop) }
                refuse(exchange)
            case .failed: exchange.failForStore()
            }
        }
        return true
    }

    private func join(_ exchange: MCPExchange, _ request: RoundRequest, _ key: String, on loop: LoopContext) {
        let subject = RequestState.subject(of: exchange)
        guard let state = RequestState(request.state, key: key, subject: subject, sealedBy: loop.sessions.mint, at: loop.now) else {
            return refuse(exchange)
        }
        let (owner, call, round) = (state.owner, state.call, state.round)
        let ticket = "round_\(name).\(next())"
        let isElsewhere = owner != node
        rounds[ticket] = Waiting(
            exchange: exchange, isElsewhere: isElsewhere, message: isElsewhere ? Self.message(call, round, ticket) : nil)
        send(call, round, request.responses, ticket: ticket, to: owner, on: loop)
        exchange.onAbandoned = { [weak self, weak loop] in
            guard let self, let loop, self.rounds.removeValue(forKey: ticket) != nil else { return }
            exchange.fail(code: UpstreamFailure.cancelled.code, UpstreamFailure.cancelled.sentence)
            self.send(call, round, nil, ticket: ticket, to: owner, on: loop)
        }
    }

    private func refuse(_ exchange: MCPExchange) {
        exchange.fail(code: -32602, "Invalid params: the requestState is not one of this key and this request, or has expired")
    }

    /// The round is over: its client hears what the call has come to.
    private func ended(_ ticket: String, _ message: [UInt8]) {
        guard let exchange = rounds.removeValue(forKey: ticket)?.exchange else { return }
        let buffer = ByteBuffer(bytes: message)
        guard let reply = message.withUnsafeBytes({ Reply.scan($0) }) else { return exchange.failForStore() }
        exchange.relay(buffer, reply)
    }

    /// Passed on as the round wants it: under its progress token, from its level of logs on.
    private func heard(_ ticket: String, _ message: ByteBuffer) {
        guard let exchange = rounds[ticket]?.exchange, let reply = message.withUnsafeReadableBytes({ Reply.scan($0) }) else { return }
        exchange.relay(notification: message, reply)
    }

    // MARK: Between loops and nodes

    private func send(_ call: String, _ round: Int, _ responses: [UInt8]?, ticket: String, to owner: String, on loop: LoopContext) {
        if owner == node {
            loop.siblings?.forEach { $0.rounds.resume(call, round, responses, ticket: ticket, on: $0) }
            return
        }
        let head: JSONValue = ["call": .string(call), "round": .int(Int64(round)), "ticket": .string(ticket)]
        let body = responses.map { head.bytes.dropLast() + #","responses":"#.utf8 + $0 + "}".utf8 } ?? head.bytes
        passage.leave(body, as: Self.message(call, round, ticket) + (responses == nil ? ".x" : "")) { [weak self] in
            self?.rounds.removeValue(forKey: ticket)?.exchange.failForStore()
        }
    }

    /// Of a ticket of its own: requests with one and the same state do not write over one another.
    private static func message(_ call: String, _ round: Int, _ ticket: String) -> String { "resume_\(call).\(round).\(ticket)" }

    private func deliver(_ message: [UInt8], to ticket: String, on loop: LoopContext) {
        guard ticket.utf8.count(where: { $0 == UInt8(ascii: ".") }) == 2 else { return }
        if isOwn(ticket) {
            loop.siblings?.forEach { $0.rounds.ended(ticket, message) }
        } else {
            // If it cannot be left there, the round that waits for it says so in its time.
            passage.leave(message, as: ticket)
        }
    }

    /// Whether a round waits on this node.
    private func isOwn(_ ticket: String) -> Bool { ticket.hasPrefix("round_\(node).") }

    /// Something has come over another node.
    func collect(_ id: String, on loop: LoopContext) {
        if rounds[id] != nil { return passage.take(id) { [self] in ended(id, $0) } }
        if let end = id.lastIndex(of: "."), rounds[String(id[..<end])] != nil {
            return passage.take(id) { [self] in heard(String(id[..<end]), ByteBuffer(bytes: $0)) }
        }
        guard id.hasPrefix("resume_\(name).") else { return }
        passage.take(id) { [self] bytes in
            let (call, round, ticket, responses) = bytes.withUnsafeBytes { body in
                func value(_ name: StaticString) -> UnsafeRawBufferPointer? {
                    MemberScan.range(of: [name], in: body).map { UnsafeRawBufferPointer(rebasing: body[$0]) }
                }
                return (
                    value("call").flatMap(JSONText.string), value("round").flatMap { Int(String(decoding: $0, as: UTF8.self)) },
                    value("ticket").flatMap(JSONText.string), value("responses").map(Array.init)
                )
            }
            guard let call, let round, let ticket else { return }
            resume(call, round, responses, ticket: ticket, on: loop)
        }
    }

    /// Words of the feed may be missing: what was left for a round of this loop is looked for.
    func lookAgain() {
        for (ticket, waiting) in rounds where waiting.isElsewhere { passage.take(ticket) { [self] in ended(ticket, $0) } }
    }

    func sweep(at now: NIODeadline, on loop: LoopContext) {
        for (call, entry) in parked where entry.until < now && entry.ticket == nil { drop(call, on: loop) }
        for (ticket, waiting) in rounds {
            if now - waiting.since > Self.patience {
                rounds[ticket] = nil
                waiting.exchange.fail(code: UpstreamFailure.timedOut.code, UpstreamFailure.timedOut.sentence)
            } else if waiting.isElsewhere, waiting.look.isDue(at: now) {
                rounds[ticket]?.look = NodePassage.Look(after: now)
                passage.take(ticket) { [self] in ended(ticket, $0) }
                if let message = waiting.message { checkHeard(message, ticket, isLast: now - waiting.since >= Self.deafness) }
            }
        }
    }

    /// A message that lies where it was left has not been heard of: it is told again, and in the end taken back.
    private func checkHeard(_ message: String, _ ticket: String, isLast: Bool) {
        guard isLast else {
            return passage.lies(message) { [self] isThere in
                if isThere == true { passage.announce(message) } else if isThere == false { rounds[ticket]?.message = nil }
            }
        }
        passage.take(message) { [self] _ in
            rounds.removeValue(forKey: ticket)?.exchange.fail(
                code: -32603,
                "The node that has the call does not answer. If it has ended, the call has ended with it, and can be begun anew.")
        }
    }

    private func next() -> String {
        sequence += 1
        return String(sequence, radix: 36)
    }
}
