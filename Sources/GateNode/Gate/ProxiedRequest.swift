// Requests that are no tool calls: free ones, and those that need a key and cost nothing (F-GATE-05, F-GATE-06, X-47).

import ClusterState
import GateDomain
import MCPUpstream
import MCPWire
import NIOCore

/// A request that is forwarded without being charged; confined to its event loop.
final class ProxiedRequest {
    enum Shape {
        case asItIs
        /// Filtered by what the key may call, and priced.
        case toolList
    }

    private let exchange: MCPExchange
    private let shape: Shape
    private let loop: LoopContext
    private var caller = CallView.Caller.nobody
    private lazy var address = exchange.address
    private var pending = 0
    private var answers: [(upstream: any Upstream, message: ByteBuffer, reply: Reply)] = []
    private var failure = UpstreamFailure.unavailable

    init(_ exchange: MCPExchange, _ shape: Shape, on loop: LoopContext) {
        self.exchange = exchange
        self.shape = shape
        self.loop = loop
    }

    func begin() {
        let isFree = loop.snapshot.isFree(exchange.envelope, in: exchange.body)
        if isFree && shape == .asItIs { return forward() }
        guard let credential = exchange.credential else { return proceed(isFree) }
        // A decision about a key is made by what Redis holds now (V21).
        loop.identify(credential, fresh: true) { [self] lookup, _ in
            switch lookup {
            case .found(let key): caller = .key(key.policy)
            case .unknown: caller = .unknown
            case .failed: if !isFree { return exchange.failForStore() }
            }
            proceed(isFree)
        }
    }

    private func proceed(_ isFree: Bool) {
        if !isFree, !isShadow, case .denied(let denial) = judge(.identity) { return refuse(denial) }
        forward()
    }

    private var isShadow: Bool { loop.rules.isShadow }

    /// What one phase says, of a tool where it asks for one.
    private func judge(_ phase: Phase, tool: String = "") -> Pipeline.Decision {
        var view = CallView(caller: caller, tool: tool, address: address, now: loop.now, headers: exchange.header)
        return loop.snapshot.pipeline.run(phase, &view)
    }

    private func refuse(_ denial: Denial) {
        loop.meter.count(denial, of: "none")
        exchange.fail(code: denial.code, denial.sentence, data: ["reason": .string(denial.reason)])
    }

    /// Lists are asked of every server behind the gate, anything else of the first.
    private func forward() {
        let upstreams = shape == .toolList ? loop.parts.upstreams.all : Array(loop.parts.upstreams.all.prefix(1))
        pending = upstreams.count
        for upstream in upstreams { Inquiry(self, upstream).send() }
    }

    /// One server's share of the answer.
    private final class Inquiry: UpstreamReceiver {
        private let request: ProxiedRequest
        private let upstream: any Upstream

        init(_ request: ProxiedRequest, _ upstream: any Upstream) {
            self.request = request
            self.upstream = upstream
        }

        func send() {
            let (loop, exchange) = (request.loop, request.exchange)
            let number = upstream.nextNumber()
            let bytes = UpstreamRequest.rewritten(exchange.body, exchange.envelope, number: number, allocator: loop.allocator)
            upstream.send(
                UpstreamRequest(
                    number: number, bytes: bytes, deadline: .now() + RuleSnapshot.longestWait, isCall: false),
                to: NIOLoopBound(self, eventLoop: loop.eventLoop), on: loop.eventLoop)
        }

        func upstreamNotified(_ message: ByteBuffer, _ reply: Reply) {
            request.exchange.relay(notification: message, reply)
        }

        func upstreamFinished(_ outcome: UpstreamOutcome) {
            switch outcome {
            case .answered(let message, let reply): request.answers.append((upstream, message, reply))
            case .failed(let failure): request.failure = failure
            }
            request.pending -= 1
            if request.pending == 0 { request.finish() }
        }
    }

    private func finish() {
        guard let first = answers.first else { return exchange.fail(code: failure.code, failure.sentence) }
        guard shape == .toolList, answers.contains(where: { $0.reply.result != nil }) else {
            return exchange.relay(first.message, first.reply)
        }
        let order = loop.parts.upstreams.all.map(\.prefix)
        let sorted = answers.sorted { left, right in
            (order.firstIndex(of: left.upstream.prefix) ?? 0) < (order.firstIndex(of: right.upstream.prefix) ?? 0)
        }
        let lists = sorted.compactMap { answer in
            answer.reply.result.map { (prefix: answer.upstream.prefix, result: answer.message.token($0)) }
        }
        guard let list = ToolList(lists) else { return exchange.relay(first.message, first.reply) }
        exchange.succeed(
            list.shown(prices: (caller.policy?.rules ?? loop.rules).prices, isBarred: isBarred) { judge(.policy, tool: $0) == .passed }
                .bytes)
    }

    /// Whoever shows no key reads the whole list; a key that may not call at all reads what is free.
    private var isBarred: Bool {
        if case .nobody = caller { false } else { judge(.identity) != .passed }
    }
}
