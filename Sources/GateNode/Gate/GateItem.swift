// One tool call of a request: what it asks, what it costs, what came of it.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

/// A single call, or one of a batch; the receiver of its upstream's answer.
final class GateItem: UpstreamReceiver {
    enum Outcome {
        case answered(ByteBuffer, Reply)
        case failed(UpstreamFailure)
    }

    private unowned let gate: Gate
    let tool: String
    private let nameToken: Range<Int>?
    private let arguments: Range<Int>?
    private let argumentBytes: Int
    private let isNamed: Bool
    var plan: Plan?
    private var outcome = Outcome.failed(.unavailable)
    private var sentAt = NIODeadline.uptimeNanoseconds(0)
    private var cancelKey: CancelKey?
    /// Keeps the call alive until its last item has ended.
    private var keeper: Gate?

    private init(_ gate: Gate, tool: String?, nameToken: Range<Int>?, arguments: Range<Int>?, argumentBytes: Int) {
        self.gate = gate
        self.tool = tool ?? ""
        isNamed = tool != nil
        self.nameToken = nameToken
        self.arguments = arguments
        self.argumentBytes = argumentBytes
    }

    static func items(of envelope: Envelope, in body: ByteBuffer, for gate: Gate) -> [GateItem] {
        if envelope.method == .toolsCall {
            return [
                GateItem(
                    gate, tool: envelope.toolName, nameToken: envelope.toolNameToken, arguments: envelope.arguments,
                    argumentBytes: envelope.argumentsCompactSize)
            ]
        }
        return envelope.batch.map { call in
            GateItem(
                gate, tool: call.toolName, nameToken: call.toolNameToken, arguments: call.arguments, argumentBytes: call.argumentsCompactSize)
        }
    }

    var malformed: String? {
        if !isNamed { return "Invalid params: missing tool name" }
        return gate.lane.node.upstreams.routingFault(of: tool)
    }

    /// The name that metrics may carry: one of a closed set.
    private(set) lazy var label = gate.lane.node.upstreams.label(of: tool)

    func facts(_ caller: CallFacts.Caller) -> CallFacts {
        CallFacts(
            caller: caller, tool: tool, argumentBytes: argumentBytes, address: gate.exchange.address, now: gate.lane.now)
    }

    // MARK: Upstream

    func forward() {
        guard let route = gate.lane.node.upstreams.route(tool) else {
            outcome = .failed(.unavailable)
            return gate.finished(self)
        }
        keeper = gate
        sentAt = .now()
        let number = route.upstream.nextNumber()
        rememberForCancel(UpstreamTicket(upstream: route.upstream, number: number))
        let request = UpstreamRequest(
            number: number, bytes: rewritten(number, as: route.name), deadline: sentAt + gate.lane.node.timeout(of: tool))
        route.upstream.send(request, to: NIOLoopBound(self, eventLoop: gate.lane.eventLoop), on: gate.lane.eventLoop)
    }

    /// The client's bytes with the ids, and the prefix of the tool's name, replaced.
    private func rewritten(_ number: UInt64, as name: String?) -> ByteBuffer {
        let (body, envelope, isBatch) = (gate.exchange.body, gate.exchange.envelope, gate.exchange.envelope.method == .toolsCallBatch)
        if isBatch { return built(number, name: name ?? tool) }
        return UpstreamRequest.rewritten(body, envelope, number: number, toolName: name.map { ($0, nameToken) }, allocator: gate.lane.allocator)
    }

    private func built(_ number: UInt64, name: String) -> ByteBuffer {
        var message = Array(#"{"jsonrpc":"2.0","id":"#.utf8)
        JSONText.append(number, to: &message)
        message += #","method":"tools/call","params":{"name":"#.utf8
        JSONText.append(name, to: &message)
        if let arguments {
            message += #","arguments":"#.utf8
            gate.exchange.body.withUnsafeReadableBytes {
                Splice.append([], to: UnsafeRawBufferPointer(rebasing: $0[arguments]), lines: .joined, output: &message)
            }
        }
        message += "}}".utf8
        return ByteBuffer(bytes: message)
    }

    private func rememberForCancel(_ ticket: UpstreamTicket) {
        guard let session = gate.exchange.session, session.isPresented, let id = gate.exchange.envelope.id else { return }
        let key = CancelKey(session: session.id, id: gate.exchange.body.token(id))
        cancelKey = key
        gate.lane.cancellable[key] = ticket
    }

    func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
        if gate.items.count == 1 { gate.exchange.relay(notification: message, reply) }
    }

    func upstreamFinished(_ outcome: UpstreamOutcome) {
        switch outcome {
        case .answered(let message, let reply): self.outcome = .answered(message, reply)
        case .failed(let failure): self.outcome = .failed(failure)
        }
        gate.lane.meter.upstreamLatency.record(.now() - sentAt)
        if let cancelKey { gate.lane.cancellable[cancelKey] = nil }
        let gate = gate
        keeper = nil
        gate.finished(self)
    }

    // MARK: What came of it

    /// A JSON-RPC error, `isError`, a timeout, a dead upstream: one rule for all of them (F-CREDIT-03, M6).
    var isFailed: Bool {
        switch outcome {
        case .answered(_, let reply): reply.kind != .result(isError: false)
        case .failed: true
        }
    }

    /// A failed call is given back if the operator wants it so; one that the upstream certainly never saw always is.
    var isRefunded: Bool {
        switch outcome {
        case .failed(.unavailable), .failed(.refused), .failed(.sessionLost): true
        default: isFailed && gate.lane.node.settings.refundOnFailure
        }
    }

    var surcharge: Int {
        guard case .answered(let message, let reply) = outcome, !isFailed else { return 0 }
        return gate.lane.node.pipeline.prices.surcharge(of: tool, answerBytes: reply.result?.count ?? message.readableBytes)
    }

    var failureWord: String {
        switch outcome {
        case .answered(_, let reply):
            switch reply.kind {
            case .result(isError: true): "tool_error"
            case .error: "rpc_error"
            default: ""
            }
        case .failed(.timedOut): "tool_timeout"
        case .failed(.cancelled): "cancelled"
        case .failed: "upstream_unavailable"
        }
    }

    /// The message for the client of a single call.
    var answer: [UInt8] {
        switch outcome {
        case .answered(let message, let reply): return gate.exchange.restored(message, reply)
        case .failed(let failure): return gate.exchange.failure(code: failure.code, failure.sentence)
        }
    }

    enum Value {
        case result(JSONValue)
        case error(JSONValue)
    }

    /// The result or the error for the list of a batch.
    var value: Value {
        switch outcome {
        case .failed(let failure): return .error(["code": .int(Int64(failure.code)), "message": .string(failure.sentence)])
        case .answered(let message, let reply):
            let parse = { (range: Range<Int>?) in range.flatMap { try? JSONValue.parse(message.token($0)) } ?? .null }
            return reply.error != nil && reply.kind != .result(isError: false) && reply.result == nil
                ? .error(parse(reply.error)) : .result(parse(reply.result))
        }
    }

    func event(outcome: CallEvent.Outcome, reason: String = "") -> CallEvent {
        let record = gate.facts?.record
        return CallEvent(
            keyID: record?.id ?? "", keyName: record?.name ?? "", keyPrefix: record?.prefix ?? "", keyMasked: record?.masked ?? "",
            namespace: record?.namespace ?? "", tool: tool, outcome: outcome, reason: reason,
            milliseconds: Int((.now() - gate.exchange.receivedAt).nanoseconds / 1_000_000), requestID: gate.exchange.requestID)
    }
}

extension UpstreamFailure {
    /// The JSON-RPC code that a client sees (F-RPC-03, F-RPC-09).
    var code: Int { self == .timedOut ? -32004 : -32603 }

    var sentence: String {
        switch self {
        case .unavailable: "The MCP server is not available"
        case .died: "The MCP server ended before it answered"
        case .timedOut: "The tool did not answer in time"
        case .answerTooLarge: "The answer of the MCP server is too large"
        case .cancelled: "The call was cancelled"
        case .sessionLost: "The MCP server has lost the session"
        case .refused(let status): "The MCP server refused the request (HTTP \(status))"
        }
    }
}
