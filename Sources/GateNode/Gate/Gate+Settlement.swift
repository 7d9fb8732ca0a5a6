// From the upstream's outcome to the charge, the event and the answer.

import ClusterState
import GateDomain
import MCPWire
import NIOCore

extension Gate {
    func admissionRequest(_ facts: KeyFacts, dry: Bool) -> AdmissionRequest {
        let price = items.reduce(0) { $0 + ($1.plan?.price ?? 0) }
        let key = dry ? nil : idempotencyKey
        var event = items[0].event(outcome: .unknown)
        if items.count > 1 { event.tool = "tools/call_batch" }
        return AdmissionRequest(
            facts: facts, hold: lane.nextHold(), price: price, calls: items.count, limits: limits,
            note: HoldNote(node: lane.node.id, price: price, calls: items.count, idempotencyKey: key ?? "", event: event),
            idempotency: key.map {
                Idempotency(key: $0, fingerprint: Fingerprint.of(exchange), retention: lane.node.settings.idempotencyTtlSeconds * 1000)
            },
            dry: dry)
    }

    /// Every limit of every call once, with what all calls together ask of it (F-RATE-08).
    private var limits: [(limit: Limit, cost: Int)] {
        if items.count == 1 { return (items[0].plan?.limits ?? []).map { ($0, 1) } }
        var limits: [(limit: Limit, cost: Int)] = []
        for limit in items.flatMap({ $0.plan?.limits ?? [] }) {
            if let index = limits.firstIndex(where: { $0.limit == limit }) { limits[index].cost += 1 } else { limits.append((limit, 1)) }
        }
        return limits
    }

    /// Calls that are taken back from the key's count (F-CREDIT-02).
    var returned: Int { items.reduce(0) { $0 + ($1.isRefunded ? 1 : 0) } }

    var charges: [Settlement.Charge] {
        items.map { item in
            Settlement.Charge(
                base: item.isRefunded ? 0 : item.plan?.price ?? 0, surcharge: item.surcharge,
                event: item.event(outcome: item.isFailed ? .failed : .ok, reason: item.failureWord))
        }
    }

    /// What a repetition is answered with: the answer of a call whose charge stands. A refunded call may be tried again.
    var memorableAnswer: [UInt8]? {
        guard hold?.idempotency != nil, returned == 0 else { return nil }
        let answer = answer(credits: exchange.readings.credits ?? 0)
        return answer.count <= Self.longestMemory ? answer : exchange.failure(
            code: -32603, "The call was charged once and answered, but its answer was too large to keep (request \(exchange.requestID))")
    }

    /// Bytes of an answer that Redis keeps for repetitions.
    static let longestMemory = 1_048_576

    func settle(_ settlement: Settlement, until deadline: NIODeadline) {
        lane.ledger.settle(settlement) { [self] in settled($0, of: settlement, until: deadline) }
    }

    func retry(_ settlement: Settlement, until deadline: NIODeadline) {
        guard NIODeadline.now() < deadline else { return giveUp(settlement) }
        lane.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: .milliseconds(50)) { [self] in settle(settlement, until: deadline) }
    }

    /// The charge cannot be made durable in time: the client is told of no success, and the credits go back as soon as Redis can hear it.
    func giveUp(_ settlement: Settlement) {
        lane.ledger.keepTrying(settlement.released)
        unavailable()
    }

    /// Somebody else took this node for dead and gave the credits back.
    func lost() {
        exchange.fail(status: 503, code: -32603, "The outcome of the call was lost; nothing was charged. Try again.", retryAfter: 1)
        log("lost", credits: 0)
    }

    func deliver(credits: Int, charged: Int) {
        if credits >= 0 { exchange.readings.credits = credits }
        let wanted = items.reduce(0) { $0 + $1.surcharge }
        let base = items.reduce(0) { $0 + ($1.isRefunded ? 0 : $1.plan?.price ?? 0) }
        if wanted > 0 { exchange.readings.surcharge = charged - base }
        for item in items { count(item, charged: charged, base: base) }
        exchange.answer(answer(credits: exchange.readings.credits ?? 0))
        log(items.contains(where: \.isFailed) ? "failed" : "ok", credits: charged)
    }

    private func count(_ item: GateItem, charged: Int, base: Int) {
        let own = item.isRefunded ? 0 : item.plan?.price ?? 0
        lane.meter.count(item.label, item.isFailed ? .failed : .allowed)
        lane.meter.credits[item.label, default: 0] += own + (items.count == 1 ? charged - base : item.surcharge)
        if item.isRefunded { lane.meter.refunds[item.label, default: 0] += 1 }
    }

    /// Shadow mode: the call was let through, nothing was taken, and what would have been said is noted.
    func finishUncharged() {
        let reason = shadowed.map { "shadow:\($0.reason)" } ?? ""
        for item in items {
            lane.meter.count(item.label, item.isFailed ? .failed : .allowed)
            record(item, outcome: item.isFailed ? .failed : .ok, reason: reason)
        }
        exchange.answer(answer(credits: exchange.readings.credits ?? 0))
        log(shadowed.map { "shadow:\($0.label.rawValue)" } ?? "ok", credits: 0)
    }

    // MARK: Readings and records

    func read(credits: Int, windows: [(remaining: Int, reset: Int)], of request: AdmissionRequest) {
        exchange.readings.credits = credits
        guard let window = windows.last, let limit = request.limits.last?.limit else { return }
        exchange.readings.rate = (limit.cap, max(0, window.remaining), (window.reset + 999_999) / 1_000_000)
    }

    /// A limit that has been reached shows what is left of it: nothing.
    func readLimit(_ remaining: Int, of item: GateItem) {
        guard let limit = item.plan?.limits.last else { return }
        exchange.readings.rate = (limit.cap, remaining, exchange.readings.retryAfter ?? 60)
    }

    func record(_ item: GateItem, outcome: CallEvent.Outcome, reason: String) {
        lane.note(item.event(outcome: outcome, reason: reason))
    }

    func log(_ status: String, credits: Int) {
        let took = NIODeadline.now() - exchange.receivedAt
        lane.meter.gateLatency.record(took)
        guard lane.log.isOn else { return }
        lane.log.line(
            now: lane.now, tool: items.count == 1 ? items[0].tool : "tools/call_batch", key: facts?.record.masked ?? "-",
            status: status, credits: credits, microseconds: Int(took.nanoseconds / 1000), requestID: exchange.requestID)
    }
}
