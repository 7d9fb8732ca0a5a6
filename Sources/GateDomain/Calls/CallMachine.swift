// The life of a tools/call as a machine: what has happened goes in, what has to be done comes out.

/// One call, or one batch of calls, from the question who asks to the one reply; a value without clock, chance, socket or store.
///
/// Each event returns the one action that it asks for. After `note`, `abandon`, `release` and `cancel` the machine has more to say at
/// once (`next`); every other action is answered by an event, and `reply` is the last.
///
/// Invariants: nothing is forwarded before it is admitted; a hold is settled, released or abandoned exactly once; there is exactly one
/// reply, and none of success before the settlement stands; a client that goes away changes nothing but the reply.
/// Times are milliseconds since the request was received.
package struct CallMachine: Sendable {
    /// Who calls, as the stages see it.
    package typealias Caller = CallView.Caller

    private enum State: Sendable {
        case identifying(fresh: Bool)
        case readingBalance(Denial, part: Int)
        case admitting(AdmissionOrder)
        /// The same call runs elsewhere.
        case joining
        case forwarding(open: Int)
        case settling(since: Int)
        /// Between two tries of the settlement.
        case resting(since: Int)
        /// `noted` parts have their event.
        case ending(Reply, notes: Notes, noted: Int, at: Int)
        case passing(at: Int)
        case done
    }

    private enum Notes: Sendable {
        case none
        case denied(String)
        /// Nothing was taken: the events say what came of the parts.
        case uncharged
    }

    /// Judgements by changed records before it is given up.
    package static let judgements = 8
    /// Milliseconds until nobody waits any longer for the same call elsewhere: as long as a dead node takes to be reaped (D20).
    package static let joiningTime = 12_000
    /// Milliseconds between two looks at the same call elsewhere.
    package static let joiningPause = 100
    /// Milliseconds for which a settlement is tried before its client is told of no success.
    package static let settlingTime = 900
    /// Milliseconds between two tries of a settlement.
    package static let settlingPause = 50

    /// The parts with what is known of each so far.
    package private(set) var parts: CallParts
    /// Who calls; nobody until `identified`.
    package private(set) var caller = Caller.nobody
    /// What the caller has left, as far as it is known.
    package private(set) var credits: Int?
    /// The rolling limit that the client is shown; nil where none was asked.
    package private(set) var rate: RateReading?
    /// What would have been said, where shadow mode lets it pass.
    package private(set) var shadowed: Denial?
    /// Limits that only warn, and are passed.
    package private(set) var warnings: [Limit] = []
    /// Judgements that were out of date.
    package private(set) var staleJudgements = 0
    private let requestID: String
    private let opensWithoutStore: Bool
    private let isIdempotent: Bool
    /// Nothing is denied or charged (F-GATE-14).
    package private(set) var isShadow: Bool
    private var refundsFailures: Bool
    private var refundsUnknown: Bool
    private var isCancelled = false
    /// It was cancelled before anything was sent.
    private var isWithdrawn = false
    private var clientIsThere = true
    private var hasHold = false
    private var state = State.identifying(fresh: false)

    /// - Parameters:
    ///   - rules: those that hold as the call begins; a known caller brings those that its policy was made by.
    ///   - opensWithoutStore: whether a call that costs nothing is let through when the store is away.
    package init(parts: CallParts, rules: GateRules, requestID: String, isIdempotent: Bool = false, opensWithoutStore: Bool = false) {
        self.parts = parts
        self.requestID = requestID
        self.isIdempotent = isIdempotent
        self.opensWithoutStore = opensWithoutStore
        isShadow = rules.isShadow
        refundsFailures = rules.refundsFailures
        refundsUnknown = rules.refundsUnknown
    }

    /// The first action.
    package func begin() -> Action { .identify(fresh: false) }

    // MARK: Who, and may they

    /// The caller is known, or known not to be.
    /// - Parameters:
    ///   - isFresh: whether Redis was read for this very call.
    ///   - judge: the judgement of a part by its number.
    package mutating func identified(_ caller: Caller, isFresh: Bool, at now: Int, judge: (Int) -> Judgement) -> Action {
        guard case .identifying(let askedFresh) = state else { return .none }
        self.caller = caller
        if let rules = caller.policy?.rules {
            (isShadow, refundsFailures, refundsUnknown) = (rules.isShadow, rules.refundsFailures, rules.refundsUnknown)
        }
        if isCancelled { return end(.cancelled, .uncharged, at: now) }
        var refusal: (denial: Denial, part: Int)?
        for index in parts.indices {
            let judgement = judge(index)
            parts[index].isKnown = judgement.isKnown
            parts[index].plan = judgement.plan
            if judgement.isKnown { parts[index].plan.price = 0 }
            if let denial = judgement.denial, refusal == nil { refusal = (denial, index) }
        }
        if let refusal {
            // A refusal by what is remembered is judged once more by what Redis holds.
            if case .key = caller, !isFresh, !askedFresh { return identify(fresh: true) }
            return refuse(refusal.denial, part: refusal.part, credits: nil, at: now)
        }
        guard case .key = caller else { return forward(at: now) }
        let order = admissionOrder(at: now)
        state = .admitting(order)
        return .admit(order)
    }

    /// Nobody can say who calls.
    package mutating func identityAway(at now: Int) -> Action {
        guard case .identifying = state else { return .none }
        return end(.unavailable, .none, at: now)
    }

    /// The balance of a caller who is to be refused is known; nil if it could not be read, which is told as 0.
    /// - Parameter reading: of the window that was asked for; nil if it could not be read, which is not told.
    package mutating func balanceRead(_ credits: Int?, _ reading: MeterReading? = nil, at now: Int) -> Action {
        guard case .readingBalance(let denial, let part) = state else { return .none }
        if let reading, let window = shownWindow(of: part) { rate = RateReading(window, reading) }
        return deny(denial, part: part, credits: credits ?? 0, at: now)
    }

    private mutating func identify(fresh: Bool) -> Action {
        state = .identifying(fresh: fresh)
        return .identify(fresh: fresh)
    }

    /// Says no; in shadow mode it only keeps in mind that it would have (F-GATE-14).
    private mutating func refuse(_ denial: Denial, part: Int, credits: Int?, at now: Int) -> Action {
        if isShadow {
            shadowed = denial
            return forward(at: now)
        }
        if credits == nil, case .key = caller {
            // The caller is told what it has left, also where the refusal had nothing to do with it (F-RPC-10).
            state = .readingBalance(denial, part: part)
            return .readBalance(showing: shownWindow(of: part))
        }
        return deny(denial, part: part, credits: credits, at: now)
    }

    /// The rolling limit that headers show with a part (F-HDR-05).
    private func shownWindow(of part: Int) -> Limit? { parts[part].plan.limits.last(where: \.isRolling) }

    private mutating func deny(_ denial: Denial, part: Int, credits: Int?, at now: Int) -> Action {
        self.credits = credits ?? self.credits
        switch denial {
        case .rateLimited, .toolRateLimited:
            // A window that is full shows what is left of it: nothing.
            rate = shownWindow(of: part).map {
                RateReading(limit: $0.cap, remaining: 0, reset: denial.retryAfter ?? 60)
            }
        default: break
        }
        return end(.denied(denial, part: part), .denied(denial.reason), at: now)
    }

    // MARK: Admission

    private func admissionOrder(at now: Int) -> AdmissionOrder {
        var limits: [(limit: Limit, amount: Int)] = []
        for index in parts.indices {
            let plan = parts[index].plan
            for limit in plan.limits {
                let amount = limit.measure == .credits ? plan.price : 1
                if index > 0, let known = limits.firstIndex(where: { $0.limit == limit }) {
                    limits[known].amount += amount
                } else {
                    limits.append((limit, amount))
                }
            }
        }
        return AdmissionOrder(price: parts.price, calls: parts.count, limits: limits, event: openEvent(at: now), isDry: isShadow)
    }

    /// The ledger has answered the order of `admit`.
    package mutating func admitted(_ outcome: AdmissionOutcome, at now: Int) -> Action {
        guard case .admitting(let order) = state else { return .none }
        switch outcome {
        case .admitted(let credits, let meters):
            read(credits, meters, of: order)
            if order.isDry { return forward(at: now) }
            hasHold = true
            for index in parts.indices { parts[index].isHeld = true }
            return forward(at: now)
        case .stale:
            staleJudgements += 1
            return staleJudgements < Self.judgements ? identify(fresh: true) : end(.unavailable, .none, at: now)
        case .denied(let denial, let credits, let reading):
            if let reading, let window = order.limits.last(where: { $0.limit.isRolling })?.limit { rate = RateReading(window, reading) }
            return refuse(denial, part: part(of: denial), credits: credits, at: now)
        case .running:
            guard clientIsThere else { return end(.nobody, .none, at: now) }
            guard !isCancelled else { return end(.cancelled, .none, at: now) }
            guard now < Self.joiningTime else { return end(.stillRunning, .none, at: now) }
            state = .joining
            return .wait(milliseconds: Self.joiningPause)
        case .replayed(let answer): return end(.replayed(answer), .none, at: now)
        case .unanswered: return end(.unanswered, .none, at: now)
        case .conflict: return end(.conflict, .none, at: now)
        case .away(let mayHaveBeenTaken):
            let passes = opensWithoutStore && order.price == 0 && !isIdempotent
            guard mayHaveBeenTaken, !order.isDry else { return passes ? forward(at: now) : end(.unavailable, .none, at: now) }
            state = passes ? .passing(at: now) : .ending(.unavailable, notes: .none, noted: 0, at: now)
            return .abandon
        }
    }

    private mutating func read(_ credits: Int, _ meters: [MeterReading], of order: AdmissionOrder) {
        self.credits = credits
        for (entry, reading) in zip(order.limits, meters) {
            if entry.limit.isRolling { rate = RateReading(entry.limit, reading) }
            if entry.limit.action == .warn, reading.remaining < 0 { warnings.append(entry.limit) }
        }
    }

    /// The part that a refusal of the ledger speaks of: the first that calls the tool it names.
    private func part(of denial: Denial) -> Int {
        switch denial {
        case .toolRateLimited(let tool, _), .tooManyInFlight(let tool?): parts.indices.first { parts[$0].tool == tool } ?? 0
        default: 0
        }
    }

    // MARK: The servers

    private mutating func forward(at now: Int) -> Action {
        if isCancelled {
            isWithdrawn = true
            for index in parts.indices { (parts[index].isKnown, parts[index].outcome) = (false, .withdrawn) }
            return conclude(at: now)
        }
        var open = 0
        for index in parts.indices where !parts[index].isKnown { open += 1 }
        guard open > 0 else { return conclude(at: now) }
        state = .forwarding(open: open)
        return .forward
    }

    /// A part has ended, or will not be answered.
    package mutating func answered(_ part: Int, _ outcome: PartOutcome, at now: Int) -> Action {
        guard case .forwarding(let open) = state, parts[part].outcome == nil, !parts[part].isKnown else { return .none }
        parts[part].outcome = outcome
        if case .result(isError: false, let bytes) = outcome, hasHold, let policy = caller.policy {
            parts[part].surchargeAsked = policy.rules.prices.surcharge(of: parts[part].tool, answerBytes: bytes)
        }
        guard open == 1 else {
            state = .forwarding(open: open - 1)
            return .none
        }
        return conclude(at: now)
    }

    // MARK: The end of the hold

    /// All parts have ended: charge what was really used, with the events.
    private mutating func conclude(at now: Int) -> Action {
        guard hasHold else { return end(delivery, .uncharged, at: now) }
        var (returned, room) = (0, credits ?? 0)
        for index in parts.indices where !parts[index].isKnown {
            guard let outcome = parts[index].outcome,
                outcome.isRefunded(refundsFailures: refundsFailures, refundsUnknown: refundsUnknown)
            else { continue }
            parts[index].isRefunded = true
            returned += 1
            room += parts[index].plan.price
        }
        for index in parts.indices where parts[index].surchargeAsked > 0 {
            parts[index].surchargeExpected = min(parts[index].surchargeAsked, max(0, room))
            room -= parts[index].surchargeExpected
        }
        state = .settling(since: now)
        return .settle(
            SettlementOrder(
                charges: parts.indices.map { charge(of: $0, at: now) }, returned: returned,
                keepsAnswer: isIdempotent && returned < parts.count))
    }

    private func charge(of part: Int, at now: Int) -> Charge {
        Charge(base: parts[part].kept, surcharge: parts[part].surchargeAsked, event: event(of: part, at: now))
    }

    /// The ledger has answered the settlement of `settle` or `settleAgain`.
    package mutating func settled(_ outcome: SettlementOutcome, at now: Int) -> Action {
        guard case .settling(let since) = state else { return .none }
        switch outcome {
        case .done(let credits, let charged):
            self.credits = credits ?? self.credits
            for index in parts.indices { parts[index].charged = index < charged.count ? charged[index] : 0 }
            return end(delivery, .none, at: now)
        case .closedByOthers(let charged):
            split(charged)
            return end(charged > 0 ? delivery : .lost(nothingCharged: true), .none, at: now)
        case .gone:
            let price = parts.indices.reduce(parts.price) { $0 + parts[$1].surchargeAsked }
            split(0)
            return end(.lost(nothingCharged: price == 0), .none, at: now)
        case .away where now - since < Self.settlingTime:
            state = .resting(since: since)
            return .wait(milliseconds: Self.settlingPause)
        case .away, .fault:
            // It cannot be made durable in time: the client is told of no success, and the credits go back as soon as Redis can hear it.
            split(0)
            state = .ending(.unavailable, notes: .none, noted: 0, at: now)
            return .release
        }
    }

    /// What the client is told once the settlement stands.
    private var delivery: Reply { isWithdrawn ? .cancelled : .served }

    /// Shares what another node charged for the whole hold among its parts, the first ones first; it never is more than was held.
    private mutating func split(_ total: Int) {
        var rest = total
        for index in parts.indices {
            let share = index == parts.count - 1 ? rest : min(rest, parts[index].plan.price)
            parts[index].charged = share
            rest -= share
        }
    }

    // MARK: Time, and the client

    /// The time of `wait` has passed.
    package mutating func timerFired(at now: Int) -> Action {
        switch state {
        case .joining:
            guard clientIsThere else { return end(.nobody, .none, at: now) }
            guard !isCancelled else { return end(.cancelled, .none, at: now) }
            guard now < Self.joiningTime else { return end(.stillRunning, .none, at: now) }
            return identify(fresh: false)
        case .resting(let since):
            state = .settling(since: since)
            return .settleAgain
        default: return .none
        }
    }

    /// The client gives the call up. What has been sent goes on until its server says so.
    package mutating func cancelledByClient() -> Action {
        guard !isCancelled else { return .none }
        isCancelled = true
        if case .forwarding = state { return .cancel }
        return .none
    }

    /// The connection of the client has ended; the call goes on to its settlement.
    package mutating func clientLeft() { clientIsThere = false }

    // MARK: The reply

    private mutating func end(_ reply: Reply, _ notes: Notes, at now: Int) -> Action {
        state = .ending(reply, notes: notes, noted: 0, at: now)
        return next()
    }

    /// What comes after an action that nobody answers.
    package mutating func next() -> Action {
        switch state {
        case .passing(let now): return forward(at: now)
        case .ending(let reply, let notes, let noted, let now):
            guard noted < parts.count, let event = note(notes, of: noted, at: now) else {
                state = .done
                return .reply(reply)
            }
            state = .ending(reply, notes: notes, noted: noted + 1, at: now)
            return .note(event)
        default: return .none
        }
    }

    /// A stranger's refusal is counted and never written down: what callers without a key can make the store keep has to be nothing.
    private func note(_ notes: Notes, of part: Int, at now: Int) -> CallEvent? {
        switch notes {
        case .none: return nil
        case .denied(let reason):
            guard case .key = caller else { return nil }
            return event(of: part, outcome: .denied, reason: reason, at: now)
        case .uncharged:
            guard shadowed != nil || caller.policy != nil else { return nil }
            var event = event(of: part, at: now)
            if let shadowed { event.reason = "shadow:" + shadowed.reason }
            return event
        }
    }

    /// The event for a hold of which nobody ever says what came of it.
    private func openEvent(at now: Int) -> CallEvent {
        var event = event(of: 0, outcome: .unknown, reason: "", at: now)
        if parts.count > 1 { event.tool = "tools/call_batch" }
        return event
    }

    private func event(of part: Int, at now: Int) -> CallEvent {
        let outcome = parts[part].isKnown ? nil : parts[part].outcome ?? (isCancelled ? .withdrawn : .lost)
        return event(of: part, outcome: outcome?.recorded ?? .ok, reason: outcome?.reason ?? "", at: now)
    }

    private func event(of part: Int, outcome: CallEvent.Outcome, reason: String, at now: Int) -> CallEvent {
        CallEvent(
            keyID: caller.keyID, tool: parts[part].tool, outcome: outcome, reason: reason, milliseconds: now, requestID: requestID)
    }
}
