// The ways in which a call ends before it has reached an upstream.

import ClusterState
import GateDomain
import HTTPWire
import MCPWire
import NIOCore

extension Gate {
    var isShadow: Bool { lane.node.settings.shadowMode }

    /// Why the request cannot be judged at all (F-BATCH-06).
    var malformed: String? {
        if exchange.envelope.batchIsTooLong { return "Invalid params: at most \(Envelope.batchCap) calls in a batch" }
        if items.isEmpty {
            return exchange.envelope.method == .toolsCallBatch
                ? "Invalid params: calls must be a non-empty array" : "Invalid params: missing tool name"
        }
        return items.lazy.compactMap { $0.malformed }.first
    }

    /// Says no; in shadow mode it only notes that it would have (F-GATE-14).
    func refuse(_ denial: Denial, at item: GateItem, credits: Int? = nil) {
        if isShadow {
            shadowed = denial
            return forward()
        }
        guard credits != nil || facts == nil else { return refuseWithBalance(denial, at: item) }
        let index = items.firstIndex { $0 === item } ?? 0
        for item in items { record(item, outcome: .denied, reason: denial.reason) }
        lane.meter.count(denial, of: item.label)
        exchange.readings.credits = credits ?? exchange.readings.credits
        exchange.readings.retryAfter = denial.retryAfter
        if case .rateLimited = denial { readLimit(0, of: item) }
        if case .toolRateLimited = denial { readLimit(0, of: item) }
        exchange.fail(code: denial.code, "Payment required: \(denial.reason)", data: refusalData(denial, index: index, credits: credits))
        log("denied:\(denial.label.rawValue)", credits: 0)
    }

    /// The caller is told what it has left, also where the refusal had nothing to do with it (F-RPC-10).
    private func refuseWithBalance(_ denial: Denial, at item: GateItem) {
        guard let facts else { return }
        lane.ledger.balance(of: facts) { [self] in refuse(denial, at: item, credits: $0 ?? 0) }
    }

    /// F-RPC-10, F-RPC-11 and the shapes of existing clients.
    private func refusalData(_ denial: Denial, index: Int, credits: Int?) -> JSONValue {
        let required = Int64(items.reduce(0) { $0 + ($1.plan?.price ?? lane.node.pipeline.plan(for: $1.facts(.nobody)).price) })
        let remaining = Int64(credits ?? 0)
        let payment: JSONValue = [
            "version": "1", "scheme": "credits", "creditsRequired": .int(required), "creditsAvailable": .int(remaining),
            "topUpUrl": "/topup", "pricingUrl": "/pricing", "accepts": ["X-API-Key", "Bearer"],
        ]
        var data: JSONObject = ["reason": .string(denial.reason)]
        if exchange.envelope.method == .toolsCallBatch {
            data["failedIndex"] = .int(Int64(index))
            data["totalCreditsRequired"] = .int(required)
        } else {
            data["creditsRequired"] = .int(required)
            data["pricing"] = PriceList.row(lane.node.pipeline.prices.row(for: items[0].tool))
        }
        data["remainingCredits"] = .int(remaining)
        data["x402"] = payment
        return .object(data)
    }

    /// The record has changed since it was read: read it again and judge by that.
    func judgeAnew(_ request: AdmissionRequest) {
        lane.meter.staleJudgements += 1
        attempts += 1
        guard attempts < 8 else { return unavailable() }
        identify(fresh: true)
    }

    /// Without a store only windows may be let go, and only if the operator wants it; credits never are (X-22, `--on-store-loss open`).
    func passesWithoutStore(_ request: AdmissionRequest) -> Bool {
        lane.node.settings.onStoreLoss == .open && request.price == 0 && request.idempotency == nil
    }

    func unavailable() {
        lane.meter.count(items[0].label, .unavailable)
        exchange.failForStore()
        log("unavailable", credits: 0)
    }

    // MARK: Idempotent calls

    /// The client's own name for the call; scoped to its API key (D19).
    var idempotencyKey: String? {
        exchange.head.fields.string(of: .xIdempotencyKey).flatMap { $0.isEmpty ? nil : $0 }
    }

    /// A name has to be one that everybody writes the same way.
    var badIdempotencyKey: String? {
        guard let key = idempotencyKey, key.utf8.count > 255 || !key.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else { return nil }
        return "X-Idempotency-Key must be 1 to 255 visible ASCII characters"
    }

    /// The same call is under way, here or elsewhere: asks again until it has ended, for as long as a dead node takes to be reaped (D20).
    func join(_ request: AdmissionRequest) {
        guard exchange.clientIsThere else { return exchange.acknowledge() }
        guard NIODeadline.now() - exchange.receivedAt < .seconds(12) else {
            return exchange.fail(status: 409, code: -32600, "A call with this idempotency key is still running", retryAfter: 1)
        }
        lane.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: .milliseconds(100)) { self.identify(fresh: false) }
    }

    /// The same call has been answered before: the same answer, under the id of this request, and no charge.
    func replay(_ answer: [UInt8]) {
        lane.meter.replays += 1
        let stored = ByteBuffer(bytes: answer)
        guard let reply = stored.withUnsafeReadableBytes({ Reply.scan($0) }) else { return exchange.answer(answer) }
        exchange.relay(stored, reply)
        log("replayed", credits: 0)
    }
}
