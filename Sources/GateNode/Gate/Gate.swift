// The life of a tools/call. It reads from top to bottom: each step ends by naming the next.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

/// One call, or one batch of calls, from its envelope to its answer; confined to the event loop of its connection.
///
/// Invariants: a denied call never reaches an upstream; a hold is settled once; nobody is told of a success before Redis has settled it;
/// one event a call; a client that goes away changes none of this.
final class Gate {
    let exchange: MCPExchange
    let lane: Lane
    var items: [GateItem] = []
    var credential: String?
    var facts: KeyFacts?
    var hold: Hold?
    /// What would have been said, where shadow mode lets it pass.
    var shadowed: Denial?
    /// Whether the facts were read from Redis for this very call, and not remembered.
    var factsAreFresh = false
    var attempts = 0
    var openItems = 0

    init(_ exchange: MCPExchange) {
        self.exchange = exchange
        lane = exchange.lane
    }

    // 1. What is asked?
    func begin() {
        items = GateItem.items(of: exchange.envelope, in: exchange.body, for: self)
        if let fault = malformed { return exchange.fail(code: -32602, fault) }
        if let fault = badIdempotencyKey { return exchange.fail(status: 400, code: -32600, fault) }
        identify(fresh: false)
    }

    // 2. Who asks? From the lane's cache, or one read of Redis.
    func identify(fresh: Bool) {
        credential = exchange.credential
        guard let credential else { return judge(.nobody) }
        lane.identify(credential, fresh: fresh) { [self] lookup, isFresh in
            factsAreFresh = isFresh
            switch lookup {
            case .found(let facts):
                self.facts = facts
                judge(.key(facts.record))
            case .unknown: judge(.unknown)
            case .failed: unavailable()
            }
        }
    }

    // 3. May they? A pure function of the facts; a refusal by remembered facts is judged once more by fresh ones.
    func judge(_ caller: CallFacts.Caller) {
        for item in items {
            switch lane.node.pipeline.judge(item.facts(caller)) {
            case .planned(let plan): item.plan = plan
            case .denied(let denial):
                guard factsAreFresh || facts == nil else { return identify(fresh: true) }
                return refuse(denial, at: item)
            }
        }
        admit()
    }

    // 4. Take what it costs: one script, all or nothing.
    func admit() {
        guard let facts else { return forward() }
        let request = admissionRequest(facts, dry: isShadow)
        lane.ledger.admit(request) { [self] in admitted($0, request) }
    }

    // 5. Redis has decided.
    func admitted(_ admission: Admission, _ request: AdmissionRequest) {
        switch admission {
        case .admitted(let credits, let windows):
            read(credits: credits, windows: windows, of: request)
            if !request.dry { hold = Hold(request) }
            forward()
        case .stale: judgeAnew(request)
        case .denied(let denial, let credits): refuse(denial, at: items[0], credits: credits)
        case .running: join(request)
        case .replay(let answer): replay(answer)
        case .conflict: exchange.fail(status: 422, code: -32600, "This idempotency key was used for another request")
        case .failed(let failure):
            if failure.mayHaveBeenCarriedOut, !request.dry { lane.ledger.abandon(Hold(request)) }
            if passesWithoutStore(request) { forward() } else { unavailable() }
        }
    }

    // 6. Ask the upstream.
    func forward() {
        openItems = items.count
        for item in items { item.forward() }
    }

    // 7. The upstream has answered, or will not.
    func finished(_ item: GateItem) {
        openItems -= 1
        if openItems == 0 { settle() }
    }

    // 8. Charge what was really used, exactly once, and write the event with it.
    func settle() {
        let memory = memorableAnswer
        guard let hold = hold.take() else { return finishUncharged() }
        let settlement = Settlement(hold, returned: returned, charges: charges, answer: memory)
        settle(settlement, until: .now() + .milliseconds(900))
    }

    // 9. Only now does anybody hear of it.
    func settled(_ outcome: Settled, of settlement: Settlement, until deadline: NIODeadline) {
        switch outcome {
        case .done(let credits, let charged): deliver(credits: credits, charged: charged)
        case .gone: lost()
        case .failed(.fault): giveUp(settlement)
        case .failed: retry(settlement, until: deadline)
        }
    }
}
