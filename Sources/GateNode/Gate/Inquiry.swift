// What one server is asked for a request that is no tool call, in the words of its era.

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// One server's share of the answer.
final class Inquiry: UpstreamReceiver {
    private let request: ProxiedRequest
    private let target: ServerChoice.Target

    init(_ request: ProxiedRequest, _ target: ServerChoice.Target) {
        self.request = request
        self.target = target
    }

    func send() {
        let (loop, exchange) = (request.loop, request.exchange)
        let upstream = loop.parts.upstreams.all[target.index]
        let number = upstream.nextNumber()
        if upstream.isStateless { return send(to: upstream, number) }
        let client = request.client
        if request.method == "logging/setLevel", !exchange.isStateless { return setLevel(telling: upstream, client) }
        loop.tellLevel(of: exchange, to: upstream, client)
        request.tickets.append(UpstreamTicket(upstream: upstream, number: number))
        let bytes = UpstreamRequest.rewritten(
            exchange.body, exchange.envelope, number: number, toolName: target.edit.map { ($0.text, $0.token) },
            isStateless: exchange.isStateless, allocator: loop.allocator)
        upstream.send(
            UpstreamRequest(
                number: number, bytes: bytes, deadline: .now() + request.patience,
                isCall: false, owner: request.owner, client: client),
            to: NIOLoopBound(self, eventLoop: loop.eventLoop), on: loop.eventLoop)
    }

    /// The same to a server of the revision 2026-07-28, which has some methods no more.
    private func send(to upstream: any Upstream, _ number: UInt64) {
        let (loop, exchange) = (request.loop, request.exchange)
        switch request.method {
        // A session's level goes along with each of its requests.
        case "logging/setLevel" where !exchange.isStateless: return setLevel(telling: nil)
        case "resources/subscribe" where !exchange.isStateless: return watch(true)
        case "resources/unsubscribe" where !exchange.isStateless: return watch(false)
        default: break
        }
        let message = UpstreamRequest.rewritten(
            exchange.body, exchange.envelope, number: number, toolName: target.edit.map { ($0.text, $0.token) },
            allocator: loop.allocator)
        let described = StatelessRequest.of(exchange, message, number: number, isAskable: request.keyID != nil, mirrored: [], on: loop)
        let rounds = UpstreamRounds(
            described, number: number, to: upstream, for: self,
            patience: request.patience, isCall: false,
            owner: request.owner, on: loop.eventLoop)
        request.tickets.append(UpstreamTicket(upstream: upstream, number: number, rounds: rounds))
        rounds.begin()
    }

    private func watch(_ isWanted: Bool) {
        let uri = target.edit?.text ?? request.exchange.envelope.uri.flatMap { request.exchange.string($0) }
        guard let uri, uri.utf8.count <= SubscriptionBook.longestURI else { return tell(false) }
        request.loop.watch(uri, isWanted, of: target.index, for: request.keyID ?? "") { [self] isAgreed in tell(isAgreed) }
    }

    /// The level that is asked for; nil if there is none, which is told.
    private var level: LogLevel? {
        let exchange = request.exchange
        let token = exchange.body.withUnsafeReadableBytes { body in
            MemberScan.range(of: ["params", "level"], in: body).map { Array(body[$0].prefix(64)) }
        }
        if let level = token.flatMap(LogLevel.init(token:)) { return level }
        tell(false, "level must be one of " + LogLevel.allCases.map(\.rawValue).joined(separator: ", "))
        return nil
    }

    /// The level of a session: a server with a handshake is told of it, one of 2026-07-28 hears it with each request. Without a session it is
    /// nobody's own, and takes no message from anybody.
    /// - Parameter upstream: the server that is told; nil for none.
    private func setLevel(telling upstream: (any Upstream)?, _ client: UpstreamClient? = nil) {
        guard let level else { return }
        let loop = request.loop
        let inform = { [self] in
            guard let upstream else { return tell(true) }
            loop.tell(level, to: upstream, client) { [self] outcome in
                if let outcome { request.took(outcome, from: target.index) } else { tell(true) }
            }
        }
        guard let session = request.exchange.session, session.isPresented else {
            return upstream == nil ? tell(false, "a level is that of a session") : inform()
        }
        loop.sessions.hear(from: level, in: session) { [self] isWritten in
            if isWritten { inform() } else { request.took(.failed(.unavailable), from: target.index) }
        }
    }

    /// What a server of the other era would have said.
    private func tell(_ isDone: Bool, _ fault: String = "the MCP server does not tell of this resource") {
        let message = ByteBuffer(
            string: isDone
                ? #"{"jsonrpc":"2.0","id":0,"result":{}}"#
                : #"{"jsonrpc":"2.0","id":0,"error":{"code":-32602,"message":"Invalid params: \#(fault)"}}"#)
        guard let reply = message.withUnsafeReadableBytes({ Reply.scan($0) }) else { return }
        request.took(.answered(message, reply), from: target.index)
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
        guard let (message, reply) = request.passed(message, reply) else { return }
        if let call = request.exchange.parkedAs { return request.loop.rounds.tell(message, of: call, on: request.loop) }
        guard request.loop.isHeard(message, reply, on: request.exchange, of: request.client) else { return }
        request.exchange.relay(notification: message, reply)
    }

    func upstreamAsked(_ question: UpstreamQuestion) { upstreamAsked(together: [question]) }

    func upstreamAsked(together questions: [UpstreamQuestion]) {
        let (loop, exchange) = (request.loop, request.exchange)
        let passed = questions.compactMap { request.passed($0) }
        guard passed.count == questions.count else {
            return questions.forEach { $0.refuse(code: -32603, UpstreamQuestion.isKeptBack) }
        }
        guard exchange.isStateless else { return passed.forEach { loop.ask($0, on: exchange) } }
        if loop.rounds.ask(passed, exchange, of: request.keyID, on: loop, cancel: { [weak request] in request?.giveUp() }) { return }
        for question in questions { question.refuse(code: -32603, "The client cannot be asked this") }
    }

    func upstreamFinished(_ outcome: UpstreamOutcome) { request.took(outcome, from: target.index) }
}
