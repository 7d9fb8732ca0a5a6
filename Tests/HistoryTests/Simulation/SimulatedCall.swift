// One call of a client on one node: the real machine, its actions carried out in the simulation.

@testable import ClusterState
import GateDomain

/// What the client asked for, whichever node it asks.
struct ClientRequest {
    let key: String
    let tools: [String]
    /// Nil without an idempotency key.
    let idempotencyKey: String?
}

final class SimulatedCall {
    let number: Int
    let request: ClientRequest
    let node: SimulatedNode
    private unowned let world: World
    private let startedAt: Int
    private var machine: CallMachine
    private var cached: CachedKey?
    private var hold: Hold?
    private var settlement: Settlement?
    private(set) var holdName: String?
    private(set) var reply: CallMachine.Reply?
    private(set) var receipts: [Receipt] = []
    /// Parts that a server was asked for.
    private(set) var executed: Set<Int> = []
    private(set) var waiting: Set<Int> = []
    /// How many commands had arrived when it was sent.
    let began: Int
    /// The rules that an admin had been told of by then.
    let rulesBefore: Int

    var requestID: String { "req-\(number)" }
    var answer: [UInt8] { Array("answer of \(requestID)".utf8) }

    init(_ number: Int, _ request: ClientRequest, on node: SimulatedNode, _ world: World) {
        self.number = number
        self.request = request
        self.node = node
        self.world = world
        startedAt = world.now
        began = world.moment
        rulesBefore = world.toldRules
        machine = CallMachine(
            parts: CallParts(tools: request.tools), rules: node.rules, requestID: "req-\(number)",
            isIdempotent: request.idempotencyKey != nil)
    }

    func begin() { carryOut(machine.begin()) }

    private var now: Int { (world.now - startedAt) / 1000 }

    private func carryOut(_ action: CallMachine.Action) {
        var action = action
        while true {
            switch action {
            case .identify(let fresh):
                return node.identify(request.key, fresh: fresh) { [self] lookup, isFresh in identified(lookup, isFresh) }
            case .readBalance(let window):
                guard let cached else { return carryOut(machine.balanceRead(nil, at: now)) }
                return node.ledger.reading(of: cached, showing: window) { [self] in carryOut(machine.balanceRead($0, $1, at: now)) }
            case .admit(let order): return admit(order)
            case .forward:
                for part in request.tools.indices {
                    executed.insert(part)
                    waiting.insert(part)
                }
                world.executed(self)
                return
            case .settle(let order):
                settle(order)
                return
            case .settleAgain: return sendSettlement()
            case .wait(let milliseconds):
                world.later(milliseconds * 1000, of: node) { [self] in carryOut(machine.timerFired(at: now)) }
                return
            case .abandon:
                if let hold = hold.take() { node.ledger.abandon(hold) }
                action = machine.next()
            case .release:
                if let settlement { node.ledger.keepTrying(settlement.released) }
                action = machine.next()
            case .cancel: action = machine.next()
            case .note: action = machine.next()
            case .reply(let reply):
                self.reply = reply
                receipts = machine.parts.indices.map { part in
                    let receipt = machine.parts[part].receipt
                    return world.oldRule == .plannedReceipts ? Receipt(held: receipt.held, base: receipt.base) : receipt
                }
                return world.replied(self)
            case .none: return
            }
        }
    }

    private func identified(_ lookup: KeyLookup, _ isFresh: Bool) {
        let caller: CallView.Caller
        switch lookup {
        case .failed: return carryOut(machine.identityAway(at: now))
        case .unknown: (caller, cached) = (.unknown, nil)
        case .found(let key): (caller, cached) = (.key(key.policy), key)
        }
        let judged = machine.identified(caller, isFresh: isFresh || world.oldRule == .rememberedRefusal, at: now) { [request] part in
            guard let policy = caller.policy else { return CallMachine.Judgement(plan: Plan(price: 1, limits: []), denial: .invalidKey) }
            let tool = request.tools[part]
            return CallMachine.Judgement(plan: policy.plan(tool: tool, argumentBytes: 0), denial: policy.key.refusal(of: tool))
        }
        carryOut(judged)
    }

    private func admit(_ order: CallMachine.AdmissionOrder) {
        guard let cached else { return }
        let hold = node.nextID()
        world.askers[hold] = self
        let idempotency = request.idempotencyKey.map { Idempotency(key: $0, fingerprint: request.tools.joined(), retention: 86_400_000) }
        let admission = AdmissionRequest(
            caller: cached, hold: hold, price: order.price, calls: order.calls, limits: order.limits, event: order.event,
            idempotency: idempotency, dry: order.isDry)
        node.ledger.admit(admission) { [self] admission, opened in
            self.hold = opened
            if self.hold != nil { holdName = hold }
            carryOut(machine.admitted(admission.outcome, at: now))
        }
    }

    private func settle(_ order: CallMachine.SettlementOrder) {
        guard let hold = hold.take() else { return }
        settlement = Settlement(
            hold, returned: order.returned, charges: order.charges,
            answer: order.keepsAnswer && !(order.returned > 0 && world.oldRule == .partlyReturnedBatch) ? answer : nil)
        sendSettlement()
    }

    private func sendSettlement() {
        guard let settlement else { return }
        node.ledger.settle(settlement) { [self] settled in
            var outcome = settled.outcome
            if case .closedByOthers = outcome, world.oldRule == .keptIsLost { outcome = .closedByOthers(charged: 0) }
            carryOut(machine.settled(outcome, at: now))
        }
    }

    /// The server of a part says how it went.
    func serverAnswers(_ part: Int, _ outcome: PartOutcome) {
        guard waiting.remove(part) != nil else { return }
        carryOut(machine.answered(part, outcome, at: now))
    }

    func cancel() { carryOut(machine.cancelledByClient()) }

    var isOver: Bool { reply != nil || node.condition == .dead }
    var isServed: Bool { reply == .served }
    var charged: Int { receipts.reduce(0) { $0 + $1.charged } }
}
