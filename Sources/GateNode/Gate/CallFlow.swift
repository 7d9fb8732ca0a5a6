// What a call does: the actions of its machine, carried out on one event loop.

import ClusterState
import GateDomain
import GateSettings
import HTTPWire
import MCPUpstream
import MCPWire
import NIOCore

/// One call, or one batch of calls, on its way through an event loop; confined to the event loop of its connection.
///
/// It decides nothing: `CallMachine` says what is to be done, this does it and tells the machine what came of it. Whatever it waits for
/// (a completion, a timer, an answer) holds it, and nothing else does.
final class CallFlow: CancellableRequest {
    let exchange: MCPExchange
    let loop: LoopContext
    let calls: [ToolCall]
    private(set) var machine: CallMachine
    private(set) var caller: CachedKey?
    private var hold: Hold?
    private var settlement: Settlement?
    private let idempotencyKey: String?
    private var cancelKey: CancelKey?

    /// Begins what the exchange asks for, or says why it cannot be judged at all (F-BATCH-06).
    static func begin(_ exchange: MCPExchange, on loop: LoopContext) {
        let calls = ToolCall.calls(of: exchange)
        if let fault = fault(of: calls, exchange, loop.parts.upstreams) { return exchange.fail(code: -32602, fault) }
        let key = exchange.idempotencyKey
        if key != nil, !isIdempotencyKey(exchange.head.fields.string(of: .xIdempotencyKey) ?? "") {
            return exchange.fail(
                status: 400, code: -32600, "X-Idempotency-Key must be 1 to \(ClientText.idempotencyKey) visible ASCII characters")
        }
        guard calls.allSatisfy({ $0.unlistedAt == nil }) else {
            return look(for: calls[...], exchange, on: loop) { begin(calls, exchange, on: loop, idempotencyKey: key) }
        }
        begin(calls, exchange, on: loop, idempotencyKey: key)
    }

    private static func begin(_ calls: [ToolCall], _ exchange: MCPExchange, on loop: LoopContext, idempotencyKey key: String?) {
        let flow = CallFlow(exchange, calls, on: loop, idempotencyKey: key)
        if exchange.isStateless { exchange.onAbandoned = { [weak flow] in flow?.cancel() } }
        flow.perform(flow.machine.begin())
    }

    /// Goes on if the client has servers of its own, and these have what those that all share have not.
    private static func look(
        for calls: ArraySlice<ToolCall>, _ exchange: MCPExchange, on loop: LoopContext, then next: @escaping () -> Void
    ) {
        let refuse = { exchange.fail(code: -32602, UpstreamSet.Route.lacking) }
        guard let credential = exchange.credential else { return refuse() }
        loop.identify(credential, fresh: false) { lookup, _ in
            guard case .found(let key) = lookup, let client = loop.client(of: exchange, key: key.id) else { return refuse() }
            // Nobody starts a server with a key that may not call.
            var view = CallView(
                caller: .key(key.policy), address: exchange.address, country: exchange.country(for: key.policy), now: loop.now,
                headers: exchange.header)
            let decision = loop.snapshot.pipeline.run(.identity, &view)
            guard loop.rules.isShadow || decision == .passed else { return refuse() }
            look(for: calls, of: client, on: loop) { isThere in if isThere { next() } else { refuse() } }
        }
    }

    private static func look(
        for calls: ArraySlice<ToolCall>, of client: UpstreamClient, on loop: LoopContext, _ completion: @escaping (Bool) -> Void
    ) {
        guard let place = calls.firstIndex(where: { $0.unlistedAt != nil }), let server = calls[place].unlistedAt else {
            return completion(true)
        }
        loop.ownTools.look(for: calls[place].tool, of: client, at: server, in: loop.parts.upstreams, on: loop.eventLoop) { isThere in
            guard isThere else { return completion(false) }
            calls[place].list()
            look(for: calls[(place + 1)...], of: client, on: loop, completion)
        }
    }

    /// Whether a name for an idempotent call is one that everybody writes the same way, and not too long.
    static func isIdempotencyKey(_ key: String) -> Bool {
        (1...ClientText.idempotencyKey).contains(key.utf8.count) && key.utf8.allSatisfy { (0x21...0x7e).contains($0) }
    }

    private init(_ exchange: MCPExchange, _ calls: [ToolCall], on loop: LoopContext, idempotencyKey: String?) {
        self.exchange = exchange
        self.calls = calls
        self.idempotencyKey = idempotencyKey
        self.loop = loop
        machine = CallMachine(
            parts: calls.count == 1 ? CallParts(tool: calls[0].tool) : CallParts(tools: calls.map(\.tool)), rules: loop.rules,
            requestID: exchange.requestID, isIdempotent: idempotencyKey != nil,
            opensWithoutStore: loop.opensWithoutStore)
    }

    private static func fault(of calls: [ToolCall], _ exchange: MCPExchange, _ upstreams: UpstreamSet) -> String? {
        if exchange.envelope.batchIsTooLong { return "Invalid params: at most \(Envelope.batchCap) calls in a batch" }
        if calls.isEmpty { return "Invalid params: calls must be a non-empty array" }
        return calls.lazy.compactMap { $0.fault(in: upstreams) }.first
    }

    /// Milliseconds since the request was received.
    private var elapsed: Int { Int((NIODeadline.now() - exchange.receivedAt).nanoseconds / 1_000_000) }

    // MARK: Actions

    private func perform(_ first: consuming CallMachine.Action) {
        var action = consume first
        while true {
            switch consume action {
            case .identify(let fresh): return identify(fresh: fresh)
            case .readBalance(let window): return readBalance(showing: window)
            case .admit(let order): return admit(order)
            case .forward: return forward()
            case .settle(let order): return settle(order)
            case .settleAgain: return sendSettlement()
            case .wait(let milliseconds): return wait(milliseconds)
            case .reply(let reply): return finish(reply)
            case .none: return
            case .abandon: abandon()
            case .release: release()
            case .cancel: for call in calls { call.cancel(on: loop.eventLoop) }
            case .note(let event): loop.note(event)
            }
            action = machine.next()
        }
    }

    private func identify(fresh: Bool) {
        guard let secret = exchange.credential else { return judge(.nobody, isFresh: true) }
        loop.identify(secret, fresh: fresh) { [self] lookup, isFresh in found(lookup, isFresh: isFresh) }
    }

    private func found(_ lookup: KeyLookup, isFresh: Bool) {
        switch lookup {
        case .found(let key):
            caller = key
            judge(.key(key.policy), isFresh: isFresh)
        case .unknown:
            caller = nil
            judge(.unknown, isFresh: true)
        case .failed: perform(machine.identityAway(at: elapsed))
        }
    }

    private func judge(_ caller: CallView.Caller, isFresh: Bool) {
        registerForCancel()
        let address = exchange.address
        perform(machine.identified(caller, isFresh: isFresh, at: elapsed) { calls[$0].judge(caller, from: address, exchange, on: loop) })
    }

    private func readBalance(showing window: Limit?) {
        guard let caller else { return perform(machine.balanceRead(nil, at: elapsed)) }
        loop.ledger.reading(of: caller, showing: window) { [self] in perform(machine.balanceRead($0, $1, at: elapsed)) }
    }

    private func admit(_ order: CallMachine.AdmissionOrder) {
        guard let caller else { return perform(machine.admitted(.away(mayHaveBeenTaken: false), at: elapsed)) }
        let request = AdmissionRequest(
            caller: caller, hold: loop.nextID(), price: order.price, calls: order.calls, limits: order.limits,
            event: order.event, idempotency: order.isDry ? nil : idempotency, dry: order.isDry)
        loop.ledger.admit(request) { [self] admission, hold in admitted(admission, hold) }
    }

    private var idempotency: Idempotency? {
        guard let idempotencyKey else { return nil }
        return Idempotency(
            key: idempotencyKey, fingerprint: Fingerprint.of(exchange), retention: loop.snapshot.idempotencyRetention)
    }

    private func admitted(_ admission: Admission, _ hold: consuming Hold?) {
        self.hold = hold
        perform(machine.admitted(admission.outcome, at: elapsed))
    }

    private func forward() {
        for (part, call) in calls.enumerated() where !machine.parts[part].isKnown { call.forward(part, of: self) }
    }

    /// One of the calls has ended.
    func ended(_ part: Int, _ outcome: PartOutcome) {
        perform(machine.answered(part, outcome, at: elapsed))
    }

    private func settle(_ order: CallMachine.SettlementOrder) {
        guard let hold = hold.take() else { return }
        settlement = Settlement(
            hold, returned: order.returned, charges: order.charges, answer: order.keepsAnswer ? storedAnswer : nil)
        sendSettlement()
    }

    private func sendSettlement() {
        guard let settlement else { return }
        loop.ledger.settle(settlement) { [self] in perform(machine.settled($0.outcome, at: elapsed)) }
    }

    private func abandon() {
        guard let hold = hold.take() else { return }
        loop.ledger.abandon(hold)
    }

    private func release() {
        guard let settlement else { return }
        loop.ledger.keepTrying(settlement.released)
    }

    private func wait(_ milliseconds: Int) {
        loop.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: .milliseconds(Int64(milliseconds))) { [self] in
            if !exchange.clientIsThere { machine.clientLeft() }
            perform(machine.timerFired(at: elapsed))
        }
    }

    // MARK: Cancellation

    /// A client may give up what it has asked for itself, in a session that it has named (MCP Cancellation).
    private func registerForCancel() {
        guard cancelKey == nil, let session = exchange.session, session.isPresented, let id = exchange.envelope.id else { return }
        guard let key = CancelKey(session: session.id, caller: caller?.id ?? "", id: exchange.body.token(id)) else { return }
        cancelKey = key
        loop.cancellable[key] = self
    }

    func cancel() { perform(machine.cancelledByClient()) }

    /// The call is over.
    func unregister() {
        if let cancelKey, loop.cancellable[cancelKey] === self { loop.cancellable[cancelKey] = nil }
    }
}
