// One tool call of a request: what it asks, how it is judged, what its server said.

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// A single call, or one of a batch; the receiver of its server's answer. Confined to the event loop of its request.
final class ToolCall: UpstreamReceiver {
    /// What became of it.
    private enum Answer {
        /// Nobody was asked, or nobody has answered yet.
        case none
        case message(ByteBuffer, Reply)
        /// A result, or an error, that a stage has written.
        case written(result: [UInt8]?, error: [UInt8]?)
        case failed(UpstreamFailure)
        case withheld(Denial)
    }

    private let request: BatchedCall
    let tool: String
    /// What was said of its arguments, as last judged, and of what its server says.
    private var ofArguments: (warnings: [String], notes: [String], violations: [RuleViolation]) = ([], [], [])
    private var ofAnswer = OutputScreen()
    /// A rule that has met both is told once.
    var warnings: [String] { ofArguments.warnings + ofAnswer.warnings.filter { !ofArguments.warnings.contains($0) } }
    var notes: [String] { ofArguments.notes + ofAnswer.notes }
    var violations: [RuleViolation] { ofArguments.violations + ofAnswer.violations }
    var hasViolations: Bool { !ofArguments.violations.isEmpty || !ofAnswer.violations.isEmpty }
    /// Whether its arguments were compared with the tool's schema, and do not fit it; as last judged.
    private(set) var (hasCheckedArguments, hasUnfitArguments) = (false, false)
    /// The arguments as a stage has rewritten them.
    private var arguments: [UInt8]?
    /// Set by `fault`, which comes first.
    private var route = UpstreamSet.Route.refused("")
    private var answer = Answer.none
    private var sentAt = NIODeadline.uptimeNanoseconds(0)
    private var ticket: UpstreamTicket?
    private var part = 0
    /// The task that its server has made of it, and the server's prefix.
    private(set) var task: (id: String, server: String?)?
    /// Set while the server is waited for.
    private var flow: CallFlow?

    private init(_ request: BatchedCall) {
        self.request = request
        tool = request.toolName ?? ""
    }

    static func calls(of exchange: MCPExchange) -> [ToolCall] {
        exchange.envelope.method == .toolsCall ? [ToolCall(exchange.envelope.call)] : exchange.envelope.batch.map(ToolCall.init)
    }

    /// Finds its server; says why it cannot be judged at all.
    func fault(in upstreams: UpstreamSet) -> String? {
        if request.toolName == nil { return "Invalid params: missing tool name" }
        if tool.utf8.count > ClientText.toolName { return "Invalid params: tool names have at most \(ClientText.toolName) bytes" }
        route = upstreams.route(tool)
        if case .refused(let fault) = route { return fault }
        return nil
    }

    /// The place of its server if that has not listed the tool, so that only one of the client's own may have it.
    var unlistedAt: Int? { if case .unlisted(let index, _, _) = route { index } else { nil } }

    /// The client's own server has listed the tool.
    func list() { if case .unlisted(_, let upstream, let name) = route { route = .to(upstream, name: name) } }

    /// The name that metrics may carry: one of a closed set.
    func label(in loop: LoopContext) -> String { loop.parts.upstreams.label(of: tool) }

    // MARK: Judging

    /// Runs the phases before the admission; what the stages said is kept.
    func judge(_ caller: CallView.Caller, from address: IPAddress, _ exchange: MCPExchange, on loop: LoopContext) -> CallMachine.Judgement {
        let size = request.argumentsCompactSize
        let plan =
            caller.policy?.plan(tool: tool, argumentBytes: size)
            ?? Plan(price: loop.rules.prices.price(of: tool, argumentBytes: size), limits: [])
        return exchange.body.withUnsafeReadableBytes { body in
            var view = CallView(
                caller: caller, tool: tool, payload: UnsafeRawBufferPointer(rebasing: body[request.arguments ?? 0..<0]),
                argumentBytes: size,
                address: address, country: exchange.country(for: caller.policy), now: loop.now, headers: exchange.header)
            let decision = loop.snapshot.pipeline.run(upTo: .route, &view)
            ofArguments = (view.warnings, view.notes, view.violations)
            arguments = view.rewritten
            (hasCheckedArguments, hasUnfitArguments) = (view.hasCheckedArguments, false)
            switch decision {
            case .passed: return .init(plan: plan)
            case .denied(let denial):
                if case .schemaInvalid = denial { hasUnfitArguments = true }
                return .init(plan: plan, denial: denial)
            case .answered(let result):
                answer = .written(result: result, error: nil)
                return .init(plan: plan, isKnown: true)
            }
        }
    }

    // MARK: The server

    func forward(_ part: Int, of flow: CallFlow) {
        let (loop, exchange) = (flow.loop, flow.exchange)
        guard case .to(let upstream, let name) = route else {
            answer = .failed(.unavailable)
            exchange.readings.retryAfter = 1
            return flow.ended(part, .unavailable)
        }
        self.flow = flow
        self.part = part
        sentAt = .now()
        let number = upstream.nextNumber()
        if upstream.isStateless { return forward(to: upstream, number, name: name, of: flow) }
        ticket = UpstreamTicket(upstream: upstream, number: number)
        let client = loop.client(of: exchange, key: flow.caller?.id)
        loop.tellLevel(of: exchange, to: upstream, client)
        let bytes =
            exchange.envelope.method == .toolsCallBatch
            ? built(number, name: name ?? tool, exchange)
            : UpstreamRequest.rewritten(
                exchange.body, exchange.envelope, number: number, toolName: name.map { ($0, request.toolNameToken) },
                arguments: arguments, isStateless: exchange.isStateless,
                allocator: loop.allocator)
        var message = UpstreamRequest(
            number: number, bytes: bytes, deadline: sentAt + loop.snapshot.timeout(of: tool),
            owner: flow.caller.map { .key($0.id) } ?? .nobody, client: client)
        message.limit = sentAt + RuleSnapshot.longestWait
        upstream.send(message, to: NIOLoopBound(self, eventLoop: loop.eventLoop), on: loop.eventLoop)
    }

    /// The same at a server of the revision 2026-07-28, where a call may have several rounds.
    private func forward(to upstream: any Upstream, _ number: UInt64, name: String?, of flow: CallFlow) {
        let (loop, exchange) = (flow.loop, flow.exchange)
        let isBatch = exchange.envelope.method == .toolsCallBatch
        let message =
            isBatch
            ? built(number, name: name ?? tool, exchange)
            : UpstreamRequest.rewritten(
                exchange.body, exchange.envelope, number: number, toolName: name.map { ($0, request.toolNameToken) }, arguments: arguments,
                allocator: loop.allocator)
        let described = StatelessRequest.of(
            exchange, message, number: number, isAskable: !isBatch, mirrored: loop.parts.upstreams.mirroredArguments(of: tool), on: loop)
        let rounds = UpstreamRounds(
            described, number: number, to: upstream, for: self, patience: loop.snapshot.timeout(of: tool), isCall: true,
            owner: flow.caller.map { .key($0.id) } ?? .nobody, on: loop.eventLoop)
        ticket = UpstreamTicket(upstream: upstream, number: number, rounds: rounds)
        rounds.begin()
    }

    /// A call of a batch as a message of its own.
    private func built(_ number: UInt64, name: String, _ exchange: MCPExchange) -> ByteBuffer {
        var message = Array(#"{"jsonrpc":"2.0","id":"#.utf8)
        JSONText.append(Int(number), to: &message)
        message += #","method":"tools/call","params":{"name":"#.utf8
        JSONText.append(name, to: &message)
        if let range = request.arguments {
            message += #","arguments":"#.utf8
            let append = { (bytes: UnsafeRawBufferPointer) in Splice.append([], to: bytes, lines: .joined, output: &message) }
            if let arguments {
                arguments.withUnsafeBytes(append)
            } else {
                exchange.body.withUnsafeReadableBytes { append(UnsafeRawBufferPointer(rebasing: $0[range])) }
            }
        }
        message += "}}".utf8
        return ByteBuffer(bytes: message)
    }

    /// Tells the server that nobody wants the answer any more, if it is waited for.
    func cancel(on loop: any EventLoop) {
        guard flow != nil, let ticket else { return }
        ticket.cancel(on: loop)
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
        guard let flow, flow.calls.count == 1, let (message, reply) = passed(message, reply, flow) else { return }
        if let call = flow.exchange.parkedAs { return flow.loop.rounds.tell(message, of: call, on: flow.loop) }
        let client = flow.loop.client(of: flow.exchange, key: flow.caller?.id)
        guard flow.loop.isHeard(message, reply, on: flow.exchange, of: client) else { return }
        flow.exchange.relay(notification: message, reply)
    }

    func upstreamAsked(_ question: UpstreamQuestion) { upstreamAsked(together: [question]) }

    func upstreamAsked(together questions: [UpstreamQuestion]) {
        guard let flow else { return questions.forEach { $0.refuse() } }
        let passed = questions.compactMap { question in question.screened { judge($0, at: $1, flow) } }
        // They are one round: without one of them the others are of no use.
        guard passed.count == questions.count else {
            return questions.forEach { $0.refuse(code: -32603, UpstreamQuestion.isKeptBack) }
        }
        if flow.exchange.isStateless {
            guard flow.calls.count == 1,
                flow.loop.rounds.ask(passed, flow.exchange, of: flow.caller?.id, on: flow.loop, cancel: { [weak flow] in flow?.cancel() })
            else {
                return questions.forEach { $0.refuse(code: -32603, "The client cannot be asked this") }
            }
            return
        }
        for question in passed { flow.loop.ask(question, on: flow.exchange) }
    }

    /// What the stages of the phase `output` leave of a message that comes before the answer; nil for nothing.
    private func passed(_ message: ByteBuffer, _ reply: Reply, _ flow: CallFlow) -> (message: ByteBuffer, reply: Reply)? {
        guard hasRules(flow) else { return (message, reply) }
        return reply.screened(message) { judge($0, at: $1, flow) }
    }

    private func hasRules(_ flow: CallFlow) -> Bool { flow.loop.snapshot.pipeline.hasStages(of: .output) }

    /// What the stages of the phase `output` make of something that the server has said, now or when the call was made before.
    func judge(_ message: ByteBuffer, at place: Range<Int>, _ flow: CallFlow) -> OutputScreen.Verdict {
        let loop = flow.loop
        guard hasRules(flow) else { return .passed }
        return message.withUnsafeReadableBytes { bytes in
            let view = CallView(
                caller: flow.machine.caller, tool: tool, payload: UnsafeRawBufferPointer(rebasing: bytes[place]),
                argumentBytes: request.argumentsCompactSize, address: flow.exchange.address, now: loop.now, headers: flow.exchange.header)
            return ofAnswer.judge(view, by: loop.snapshot.pipeline, isShadow: flow.machine.isShadow)
        }
    }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        guard let flow = flow.take() else { return }
        flow.loop.meter.upstreamLatency.record((.now() - sentAt).nanoseconds)
        switch outcome {
        case .answered(let message, let reply): ended(answered(message, reply, flow), message, reply, flow)
        case .failed(let failure):
            answer = .failed(failure)
            if failure == .unavailable { flow.exchange.readings.retryAfter = 1 }
            flow.ended(part, failure.outcome)
        }
    }

    /// Ends the part. A task that the server has made of it is the caller's from now on, and its id is not told before the store has heard of it.
    private func ended(_ outcome: PartOutcome, _ message: ByteBuffer, _ reply: Reply, _ flow: CallFlow) {
        guard let key = flow.caller, let made = TaskOwners.made(by: reply, in: message) else { return flow.ended(part, outcome) }
        let (loop, exchange, server) = (flow.loop, flow.exchange, ticket?.upstream.prefix)
        task = (made.id, server)
        let client = ticket?.rounds == nil ? loop.client(of: exchange, key: key.id) : nil
        let session = exchange.isStateless ? nil : exchange.session
        let record = TaskRecord(
            TaskID(key: key.id, name: TaskOwners.name(of: made.id, server: server)), taskID: made.id, server: server ?? "",
            tool: tool, session: session?.id ?? "", client: client?.session ?? "",
            capabilities: Int(client?.capabilities.rawValue ?? 0), keyPrefix: key.record.prefix, node: loop.parts.id, status: made.status,
            lifetime: made.lifetime, at: loop.now)
        loop.tasks.remember(record) { [part] in flow.ended(part, outcome) }
    }

    /// Runs the stages of the phase `output`, where there are any.
    private func answered(_ message: ByteBuffer, _ reply: Reply, _ flow: CallFlow) -> PartOutcome {
        answer = .message(message, reply)
        if let value = reply.said {
            switch judge(message, at: value, flow) {
            case .passed:
                // Rules have seen what the answer says and nothing else of the message.
                if reply.isLoose, hasRules(flow) { write(message.withUnsafeReadableBytes { Array($0[value]) }, of: reply) }
            case .answered(let result): answer = .written(result: result, error: nil)
            case .rewritten(let bytes): write(bytes, of: reply)
            case .withheld(let denial):
                answer = .withheld(denial)
                return .withheld(denial)
            }
        }
        guard case .result(let isError) = reply.kind else { return .rpcError }
        return .result(isError: isError, bytes: reply.result?.count ?? message.readableBytes)
    }

    /// Puts a message of the gate's own into the place of the server's, which says this.
    private func write(_ bytes: [UInt8], of reply: Reply) {
        answer = if case .error = reply.kind { .written(result: nil, error: bytes) } else { .written(result: bytes, error: nil) }
    }

    // MARK: The answer

    /// The message for the client of a single call.
    func answer(to exchange: MCPExchange) -> AnswerBody {
        switch answer {
        case .message(let message, let reply): exchange.restored(message, reply)
        case .written(let result?, _): .whole(exchange.message(.result, result))
        case .written(nil, let error): .whole(exchange.message(.error, error ?? Array("null".utf8)))
        case .failed(let failure): .whole(exchange.failure(code: failure.code, failure.sentence))
        case .withheld(let denial):
            .whole(exchange.failure(code: denial.code, denial.sentence, data: denial.data))
        case .none: .whole(exchange.failure(code: UpstreamFailure.cancelled.code, UpstreamFailure.cancelled.sentence))
        }
    }

    /// The HTTP status that the answer to a single call travels on.
    func status(for exchange: MCPExchange) -> Int {
        switch answer {
        case .message(_, let reply): exchange.status(of: reply)
        case .failed(let failure): exchange.status(of: failure.code)
        case .withheld(let denial): exchange.status(of: denial.code)
        case .none, .written: 200
        }
    }

    /// Appends `"result":…` or `"error":…`, for the list of a batch.
    func appendMember(to output: inout AnswerParts) {
        switch answer {
        case .message(let message, let reply):
            if case .error = reply.kind { output.append(#""error":"#.utf8) } else { output.append(#""result":"#.utf8) }
            output.append(reply.said ?? 0..<0, of: message)
        case .written(let result, let error):
            output.append((result == nil ? #""error":"# : #""result":"#).utf8)
            output.append(result ?? error ?? Array("null".utf8))
        case .failed(let failure): output.append(Self.error(failure.code, failure.sentence))
        case .withheld(let denial): output.append(Self.error(denial.code, denial.sentence))
        case .none: output.append(Self.error(UpstreamFailure.cancelled.code, UpstreamFailure.cancelled.sentence))
        }
    }

    private static func error(_ code: Int, _ sentence: String) -> [UInt8] {
        var member = Array(#""error":{"code":"#.utf8)
        JSONText.append(code, to: &member)
        member += #","message":"#.utf8
        JSONText.append(sentence, to: &member)
        member.append(UInt8(ascii: "}"))
        return member
    }
}

extension UpstreamFailure {
    /// The JSON-RPC code that a client sees (F-RPC-03, F-RPC-09).
    var code: Int { self == .timedOut || self == .overdue ? -32004 : -32603 }

    var sentence: String {
        switch self {
        case .unavailable: "The MCP server is not available"
        case .died: "The MCP server ended before it answered"
        case .timedOut, .overdue: "The tool did not answer in time"
        case .answerTooLarge: "The answer of the MCP server is too large"
        case .unusable: "The MCP server gave no usable answer"
        case .cancelled, .withdrawn: "The call was cancelled"
        case .sessionLost: "The MCP server has lost the session"
        case .refused(let status): "The MCP server refused the request (HTTP \(status))"
        }
    }

    /// What it means for the charge.
    var outcome: PartOutcome {
        switch self {
        case .unavailable, .overdue, .sessionLost: .unavailable
        case .refused(let status): Self.isRefusedUnseen(status) ? .unavailable : .lost
        case .answerTooLarge, .unusable: .lost
        case .died: .unknown
        case .timedOut: .timedOut
        case .cancelled: .cancelledByClient
        case .withdrawn: .withdrawn
        }
    }

    /// Whether a status is said before anybody looks at what a request asks for: redirections, and refusals of who asks, where, how much and
    /// how often. Any other may come after the work, at the wish of the client (400, 409, 422), or in spite of it (5xx).
    private static func isRefusedUnseen(_ status: Int) -> Bool {
        switch status {
        case ..<400, 401, 403, 404, 405, 406, 411, 413, 414, 415, 421, 426, 429, 431: true
        default: false
        }
    }
}
