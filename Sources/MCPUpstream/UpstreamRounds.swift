// One logical request to a server of the revision 2026-07-28, over all the rounds in which it asks for input (MRTR).

import GateDomain
package import MCPWire
package import NIOCore

/// Turns a result that asks for input into questions to the receiver, and the answers into the next round; confined to one event loop.
///
/// So such a server is, for all that is behind it, one that asks in the middle of a call: the call is one, with one charge and one end.
/// Invariant: the receiver is told the end exactly once; nothing is asked of a client that it has not declared.
package final class UpstreamRounds: UpstreamReceiver {
    private let upstream: any Upstream
    private let loop: any EventLoop
    private let request: StatelessRequest
    private let owner: UpstreamRequest.Owner
    private let isCall: Bool
    /// For one round of the server, and for all in which it asks for nothing but patience.
    private let patience: TimeAmount
    private var receiver: (any UpstreamReceiver)?
    private var number: UInt64
    private var isUnderWay = false
    private var isCancelled = false
    private var round = 0
    /// The raw `requestState` of the server's last word.
    private var state: [UInt8]?
    private var open: [String] = []
    private var answers: [(name: String, value: [UInt8])] = []
    private var waitedSince: NIODeadline?
    private var pause = shortestPause

    /// Rounds of one request, and questions of one round.
    private static let most = 32
    fileprivate static let mostQuestions = 16
    /// Bytes of the server's `requestState`, which is kept for as long as its client takes to answer.
    private static let longestState = 65_536
    /// Bytes of the answers of one round.
    private static let mostBytes = 16 << 20
    /// Between rounds in which nothing is asked.
    private static let (shortestPause, longestPause) = (TimeAmount.milliseconds(50), TimeAmount.seconds(2))

    /// - Parameters:
    ///   - number: the id that the request has.
    ///   - patience: how long the server may take for a round.
    ///   - isCall: whether it is a tool call.
    package init(
        _ request: StatelessRequest, number: UInt64, to upstream: any Upstream, for receiver: any UpstreamReceiver, patience: TimeAmount,
        isCall: Bool, owner: UpstreamRequest.Owner, on loop: any EventLoop
    ) {
        (self.request, self.number, self.upstream, self.receiver) = (request, number, upstream, receiver)
        (self.patience, self.isCall, self.owner, self.loop) = (patience, isCall, owner, loop)
    }

    /// Sends the first round.
    package func begin() { send(request.bytes) }

    private func send(_ bytes: ByteBuffer) {
        isUnderWay = true
        let message = UpstreamRequest(
            number: number, bytes: bytes, deadline: .now() + patience, isCall: isCall, owner: owner, fields: request.fields)
        upstream.send(message, to: NIOLoopBound(self, eventLoop: loop), on: loop)
    }

    /// Gives the request up, whoever's turn it is. The receiver is told later, as by an upstream.
    package func cancel() {
        guard receiver != nil, !isCancelled else { return }
        isCancelled = true
        if isUnderWay { return upstream.cancel(number, on: loop) }
        loop.assumeIsolated().execute { [self] in finish(.failed(.cancelled)) }
    }

    // MARK: The server's side

    package func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) { receiver?.upstreamNotified(message, reply) }

    package func upstreamFinished(_ outcome: UpstreamOutcome) {
        isUnderWay = false
        guard receiver != nil, case .answered(let message, let reply) = outcome, InputDemand.isMade(by: reply, in: message) else {
            return finish(outcome)
        }
        guard let demand = InputDemand(message, reply) else { return finish(.failed(.unusable)) }
        round += 1
        guard round <= Self.most, demand.questions.count <= Self.mostQuestions else {
            return fail("The MCP server asks for more input than the gate passes on for one request")
        }
        guard demand.state?.count ?? 0 <= Self.longestState else {
            return fail("The MCP server's requestState is too large to be kept for one request")
        }
        state = demand.state
        if isCancelled { return finish(.failed(.cancelled)) }
        if demand.questions.isEmpty { waitForServer() } else { ask(demand) }
    }

    /// The server wants to be asked again later, and nothing else.
    private func waitForServer() {
        let since = waitedSince ?? .now()
        waitedSince = since
        // It has not asked anybody for anything.
        round -= 1
        guard .now() - since < patience else { return finish(.failed(.timedOut)) }
        loop.assumeIsolated().scheduleTask(in: pause) { [self] in next() }
        pause = min(pause * 2, Self.longestPause)
    }

    // MARK: The client's side

    private func ask(_ demand: InputDemand) {
        (waitedSince, pause) = (nil, Self.shortestPause)
        let bound = NIOLoopBound(self, eventLoop: loop)
        let held = (state?.count ?? 0) + request.bytes.readableBytes
        let questions = demand.questions.enumerated().map { index, entry in
            UpstreamQuestion(entry.message, entry.reply, name: entry.shownName, held: index == 0 ? held : 0) {
                [loop, round, name = entry.name] answer in
                // Never from within `upstreamAsked`.
                loop.execute { bound.value.answered(name, of: round, answer) }
            }
        }
        if let other = questions.first(where: { !$0.isCovered(by: request.capabilities) }) {
            let method = other.reply.methodName.flatMap { name in Self.known.first { other.message.says($0, at: name) } }
            return fail(
                "The MCP server needs something of the client that it has not declared it can be asked" + (method.map { " (\($0))" } ?? ""))
        }
        open = demand.questions.map(\.name)
        answers = []
        receiver?.upstreamAsked(together: questions)
    }

    private static let known: [StaticString] = ["sampling/createMessage", "elicitation/create", "roots/list"]

    private func answered(_ name: String, of round: Int, _ message: ByteBuffer) {
        guard receiver != nil, !isUnderWay, round == self.round, let index = open.firstIndex(where: { $0.hasSameBytes(as: name) }) else {
            return
        }
        if isCancelled { return finish(.failed(.cancelled)) }
        guard let reply = message.withUnsafeReadableBytes({ Reply.scan($0) }), let result = reply.result, reply.error == nil,
            let value = message.getBytes(at: message.readerIndex + result.lowerBound, length: result.count),
            value.first == UInt8(ascii: "{")
        else { return fail("The client has not answered what the MCP server needs to know") }
        open.remove(at: index)
        answers.append((name, value))
        guard answers.reduce(0, { $0 + $1.value.count }) <= Self.mostBytes else { return fail("The client's answers are too large") }
        if open.isEmpty { next() }
    }

    private func next() {
        guard receiver != nil else { return }
        if isCancelled { return finish(.failed(.cancelled)) }
        number = upstream.nextNumber()
        let bytes = request.round(number: number, state: state, responses: answers)
        answers = []
        send(bytes)
    }

    // MARK: The end

    /// An error of the gate's own, in the place of the server's answer.
    private func fail(_ sentence: String) {
        let message: JSONValue = [
            "jsonrpc": "2.0", "id": .int(Int64(number)), "error": ["code": -32603, "message": .string(sentence)],
        ]
        let bytes = ByteBuffer(bytes: message.bytes)
        guard let reply = bytes.withUnsafeReadableBytes({ Reply.scan($0) }) else { return finish(.failed(.unusable)) }
        finish(.answered(bytes, reply))
    }

    private func finish(_ outcome: UpstreamOutcome) {
        open = []
        receiver.take()?.upstreamFinished(outcome)
    }
}

/// What a result with `resultType` `input_required` asks for.
private struct InputDemand {
    struct Question {
        let name: String
        /// A request in the words of the era with sessions.
        let message: ByteBuffer
        let reply: Reply

        /// Fit to be shown to a client, and to be looked up by what it sends.
        var shownName: String? {
            (1...128).contains(name.utf8.count) && name.utf8.allSatisfy { (0x21...0x7e).contains($0) } ? name : nil
        }
    }

    private(set) var questions: [Question] = []
    /// The raw token.
    private(set) var state: [UInt8]?

    static func isMade(by reply: Reply, in message: ByteBuffer) -> Bool {
        guard let type = reply.resultType else { return false }
        return message.withUnsafeReadableBytes { $0[type].elementsEqual(#""input_required""#.utf8) }
    }

    /// Nil if it asks for nothing, or in a way that nobody can answer.
    init?(_ message: ByteBuffer, _ reply: Reply) {
        guard let range = reply.result else { return nil }
        let result = message.token(range)
        guard result.withUnsafeBytes({ read($0) }), !questions.isEmpty || state != nil else { return nil }
    }

    private mutating func read(_ result: UnsafeRawBufferPointer) -> Bool {
        if let place = MemberScan.range(of: ["requestState"], in: result) {
            guard result[place.lowerBound] == UInt8(ascii: "\"") else { return false }
            state = Array(result[place])
        }
        guard let place = MemberScan.range(of: ["inputRequests"], in: result) else { return true }
        let requests = UnsafeRawBufferPointer(rebasing: result[place])
        var scanner = JSONScanner(requests, depthCap: Reply.depthCap)
        do {
            guard scanner.next == UInt8(ascii: "{") else { return false }
            try scanner.openObject()
            while let token = try scanner.nextMember() {
                let value = UnsafeRawBufferPointer(rebasing: requests[try scanner.locateValue()])
                guard let name = JSONText.string(UnsafeRawBufferPointer(rebasing: requests[token.range])),
                    let method = MemberScan.range(of: ["method"], in: value)
                else { return false }
                var message = Array(#"{"jsonrpc":"2.0","id":0,"method":"#.utf8)
                message += value[method]
                if let params = MemberScan.range(of: ["params"], in: value) {
                    message += #","params":"#.utf8
                    message += value[params]
                }
                message.append(UInt8(ascii: "}"))
                guard let reply = message.withUnsafeBytes({ Reply.scan($0) }), reply.kind == .request else { return false }
                questions.append(Question(name: name, message: ByteBuffer(bytes: message), reply: reply))
                // One too many is enough to say so.
                if questions.count > UpstreamRounds.mostQuestions { return true }
            }
        } catch {
            return false
        }
        return true
    }
}
