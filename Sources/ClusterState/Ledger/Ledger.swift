// Where credits are taken and given back: the Swift face of admit.lua and settle.lua, one an event loop.

package import GateDomain
package import Logging

/// Money, from one event loop. Admissions of one tick that share a shard travel in one script, and so do settlements.
///
/// Invariant: every hold that may be open is settled until Redis has acknowledged it; nothing is dropped while the node lives.
package final class Ledger {
    /// What became of an admission; with its hold where one was taken, which is now the receiver's to end.
    package typealias Admitted = (Admission, consuming Hold?) -> Void

    /// Under which name, and until when (milliseconds of Redis TIME), an admission was asked to be carried out the last time.
    struct AskedAs {
        let node: String
        let until: Int
    }

    private struct Asked {
        var part: AdmissionPart
        var attempts = 0
        let completion: (Admission, AskedAs) -> Void

        func asked(by node: String) -> AskedAs { AskedAs(node: node, until: part.admissibleUntil) }
    }

    private struct Ended {
        let part: SettlementPart
        var attempts = 0
        let completion: (Settled) -> Void
    }

    private let link: any CommandLink
    private let keys: RedisKeys
    private let identity: NodeIdentity
    private let clock: RedisClock
    private let logger: Logger
    private var asked: [[Asked]]
    private var ended: [[Ended]]
    private var isFlushScheduled = false
    private var owed = OwedSettlements()
    /// Closed holds by shard, oldest first.
    private var closed: [ClosedHolds]
    private var spans = CalendarSpans()
    /// Holds of this event loop that have not been settled.
    package private(set) var openHolds = 0
    private var names = HoldNames()

    /// Requests that one script carries at most; keeps a script under a millisecond.
    static let batch = 32
    /// Bytes of kept answers with which a settlement script is full.
    static let batchBytes = 1 << 20
    /// Milliseconds after it was sent until which an admission may be carried out; more than a command is waited for.
    static let admissible = 1000
    /// Milliseconds after it was sent until which a release keeps a hold that is not there from being opened; longer than a command is
    /// waited for, and shorter than a mark of a doubtful hold is kept, so that no late copy leaves one behind.
    static let releasable = 5000
    /// Acknowledgements that travel with one settlement script at most.
    static let acknowledgements = 128

    package init(link: any CommandLink, keys: RedisKeys, identity: NodeIdentity, clock: RedisClock, logger: Logger) {
        self.link = link
        self.keys = keys
        self.identity = identity
        self.clock = clock
        self.logger = logger
        asked = Array(repeating: [], count: keys.shards)
        ended = Array(repeating: [], count: keys.shards)
        closed = Array(repeating: ClosedHolds(), count: keys.shards)
    }

    /// Settlements that still have to reach Redis.
    package var backlog: Int { ended.reduce(owed.count) { $0 + $1.count } }
    /// Settlements that Redis has refused and that are tried again; how often it did so; and those that were given up.
    package var refused: (waiting: Int, times: Int, dropped: Int) { (owed.troubled, owed.refusals, owed.dropped) }
    /// Whether nothing that was opened under a former name of the node is open, as far as this event loop knows.
    package func hasLeft(_ name: String) -> Bool { names.count(of: name) == 0 && owed.count == 0 }
    /// Closed holds whose marks Redis still keeps.
    package var marks: Int { closed.reduce(0) { $0 + $1.count } }

    // MARK: Admission

    /// Asks for a call to be let in. The completion gets the hold when one was opened, or may have been: it has to be settled or abandoned.
    package func admit(_ request: AdmissionRequest, _ completion: @escaping Admitted) {
        if !request.dry { openHolds += 1 }
        ask(request, completion)
    }

    /// An admission is never written a second time as it stands: whatever that copy was told, the first might arrive later and be let in. If
    /// its connection breaks it is asked for *again*, and a refusal then holds for both copies.
    private func ask(_ request: AdmissionRequest, _ completion: @escaping Admitted) {
        let until = clock.milliseconds + Self.admissible
        let decided = { [self] (admission: Admission, asked: AskedAs) in
            if case .failed(.lost) = admission, !request.isRepeated { return ask(request.repeated(under: asked.node), completion) }
            guard request.isRepeated, !request.dry else { return finish(request, admission, asked, completion) }
            // Whatever is known of this copy, the other one may have been let in.
            if case .failed = admission { return finish(request, .failed(.unknown), asked, completion) }
            forgetRefusal(of: request, admission, asked)
            finish(request, admission, asked, completion)
        }
        if request.caller.isInOneShard {
            ask(request, accounts: request.caller.everyAccount, until: until, isPrimary: true, decided)
        } else {
            ShardedAdmission(self, request, until: until, decided).begin()
        }
    }

    /// A refusal that holds for two copies is marked until neither can arrive any more.
    private func forgetRefusal(of request: AdmissionRequest, _ admission: Admission, _ asked: AskedAs) {
        if case .admitted = admission { return }
        for shard in Set(request.caller.shards) {
            closed[shard].append(
                Acknowledgement(
                    node: asked.node, hold: request.hold, admissibleUntil: asked.until, isDoubtful: true, closedAt: clock.uptime))
        }
    }

    /// Asks for the share of a request that lies in the shard of `accounts`.
    func ask(
        _ request: AdmissionRequest, accounts: [Int], until: Int, isPrimary: Bool, hasEvent: Bool = true,
        _ completion: @escaping (Admission, AskedAs) -> Void
    ) {
        let part = AdmissionPart(
            request: request, accounts: accounts, admissibleUntil: until, isPrimary: isPrimary, hasEvent: hasEvent)
        asked[request.caller.shards[accounts[0]]].append(Asked(part: part, completion: completion))
        scheduleFlush()
    }

    /// Hands the outcome over, with the hold where there is one or may be one.
    func finish(_ request: AdmissionRequest, _ admission: Admission, _ asked: AskedAs, _ completion: Admitted) {
        if request.dry { return completion(admission, nil) }
        switch admission {
        case .admitted:
            names.opened(under: asked.node)
            return completion(admission, Hold(request, node: asked.node, admissibleUntil: asked.until))
        case .failed(let failure) where failure.mayHaveBeenCarriedOut:
            names.opened(under: asked.node)
            return completion(admission, Hold(request, node: asked.node, admissibleUntil: asked.until))
        default:
            openHolds -= 1
            completion(admission, nil)
        }
    }

    private func scheduleFlush() {
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        link.atEndOfTick { self.flush() }
    }

    private func flush() {
        isFlushScheduled = false
        for shard in asked.indices {
            while !asked[shard].isEmpty { flushAdmissions(shard) }
            while !ended[shard].isEmpty { flushSettlements(shard) }
        }
    }

    private func flushAdmissions(_ shard: Int) {
        let node = identity.name
        let part = asked[shard].takeFirst(Self.batch).filter { mayAsk($0, as: node) }
        guard !part.isEmpty else { return }
        let command = AdmissionPart.command(
            for: part.map(\.part), node: node, shard: shard, keys: keys, at: clock.microseconds, in: &spans)
        link.send(command) { result in self.decided(part, node, result) }
    }

    /// A name opens nothing before it is registered, and a question is asked again only under the name under which it was sent.
    private func mayAsk(_ question: Asked, as node: String) -> Bool {
        if let name = question.part.request.sentUnder, name != node {
            question.completion(.failed(.unknown), question.asked(by: name))
            return false
        }
        if identity.mayOpenHolds { return true }
        question.completion(.failed(.unavailable("this node has not joined the cluster yet")), question.asked(by: node))
        return false
    }

    private func decided(_ part: [Asked], _ node: String, _ result: Result<RedisReply, StoreFailure>) {
        switch result {
        case .failure(let failure):
            for each in part { each.completion(.failed(failure), each.asked(by: node)) }
        case .success(let reply):
            var answers = ScriptAnswers(reply)
            for each in part {
                switch each.part.answer(answers.take()) {
                case .decided(let admission): each.completion(admission, each.asked(by: node))
                case .late(let now): askAgain(each, node, now: now)
                case .fenced:
                    identity.wasFenced(node)
                    each.completion(.failed(.unavailable("this node was taken for dead and joins anew")), each.asked(by: node))
                }
            }
        }
    }

    /// Redis's clock is elsewhere than this node thought: once more with what it says.
    private func askAgain(_ late: Asked, _ node: String, now: Int) {
        clock.heard(now * 1000)
        spans = CalendarSpans()
        guard late.attempts < 2 else {
            return late.completion(.failed(.unavailable("the store's clock does not stand still")), late.asked(by: node))
        }
        let old = late.part
        let part = AdmissionPart(
            request: old.request, accounts: old.accounts, admissibleUntil: now + Self.admissible, isPrimary: old.isPrimary,
            hasEvent: old.hasEvent)
        asked[old.request.caller.shards[old.accounts[0]]].append(
            Asked(part: part, attempts: late.attempts + 1, completion: late.completion))
        scheduleFlush()
    }

    /// What the caller holds right now, and what a rolling window of it has left; a reading for people. Nil where Redis does not say.
    package func reading(of caller: CachedKey, showing window: Limit?, _ completion: @escaping (Int?, MeterReading?) -> Void) {
        let account = caller.accounts[window?.account ?? 0]
        let command = RedisCommand.windows(account, window.map { [($0, caller.ring(of: $0))] } ?? [])
        link.send(command) { result in
            guard case .success(let reply) = result, reply.array != nil else { return completion(nil, nil) }
            completion(
                reply.integer(at: 0), window.map { MeterReading(remaining: $0.cap - reply.integer(at: 1), reset: reply.integer(at: 2)) })
        }
    }

    // MARK: Settlement

    /// Ends a hold; the completion comes when Redis has it, or when it is known that it has not.
    package func settle(_ settlement: Settlement, _ completion: @escaping (Settled) -> Void) {
        close(settlement) { settled in
            if case .failed = settled {
            } else {
                self.openHolds -= 1
                self.names.closed(under: settlement.node)
            }
            completion(settled)
        }
    }

    /// Gives a hold back of which nobody knows whether it is open, however long that takes.
    package func abandon(_ hold: consuming Hold) {
        keepTrying(Settlement(abandoning: hold))
    }

    /// Keeps settlements whose callers have given up; called again whenever the link comes back.
    package func keepTrying(_ settlement: Settlement) {
        openHolds -= 1
        names.closed(under: settlement.node)
        release(settlement)
    }

    /// Settles what nobody waits for, however long that takes.
    func release(_ settlement: Settlement) {
        owed.append(settlement)
        retryUnacknowledged()
    }

    /// Sends again what nobody waits for, as far as the link carries it.
    package func retryUnacknowledged() {
        guard link.isUsable else { return }
        for each in owed.take(Self.batch, at: clock.uptime) {
            close(each.settlement) { settled in
                switch settled {
                case .failed(.fault(let why)):
                    self.refused(each, why)
                    self.retryUnacknowledged()
                case .failed: self.owed.putBack(each)
                default:
                    self.accepted(each)
                    if case .done = settled, each.settlement.charges.isEmpty { self.noteMove(of: each.settlement.caller) }
                    self.retryUnacknowledged()
                }
            }
        }
    }

    private func refused(_ each: OwedSettlements.Owed, _ why: String) {
        guard owed.refuse(each, at: clock.uptime) else { return }
        logger.error(
            "Redis refuses to give back what a call holds; it is tried again until it does",
            metadata: ["hold": "\(each.settlement.hold)", "account": "\(each.settlement.caller.id)", "error": "\(why)"])
    }

    private func accepted(_ each: OwedSettlements.Owed) {
        guard owed.acknowledge(each) else { return }
        logger.notice("everything that Redis refused to give back has been given back", metadata: ["givenUp": "\(owed.dropped)"])
    }

    /// What went back of a call that no event tells of is in no order and sum yet. A note that is lost is made up for by the round over all keys.
    private func noteMove(of caller: CachedKey) {
        link.send(RedisCommand("SADD", keys.touchedKeys(caller.shards[0]), caller.id)) { _ in }
    }

    private func close(_ settlement: Settlement, _ completion: @escaping (Settled) -> Void) {
        if settlement.caller.isInOneShard {
            end(SettlementPart(settlement: settlement, accounts: settlement.caller.everyAccount), completion)
        } else {
            ShardedSettlement(self, settlement, completion).begin()
        }
    }

    func end(_ part: SettlementPart, _ completion: @escaping (Settled) -> Void) {
        ended[part.settlement.caller.shards[part.accounts[0]]].append(Ended(part: part, completion: completion))
        scheduleFlush()
    }

    private func flushSettlements(_ shard: Int) {
        let part = ended[shard].takeFirst(settlementsOfOneScript(ended[shard]))
        let done = takeAcknowledgements(of: shard)
        let command = SettlementPart.command(
            for: part.map(\.part), acknowledging: done, shard: shard, keys: keys, releasableUntil: clock.milliseconds + Self.releasable)
        link.send(command) { result in self.settled(part, done, shard, result) }
    }

    /// How many of the first settlements one script carries.
    private func settlementsOfOneScript(_ ended: [Ended]) -> Int {
        var (count, bytes) = (0, 0)
        while count < min(Self.batch, ended.count), bytes < Self.batchBytes {
            bytes += ended[count].part.settlement.memory.keptBytes
            count += 1
        }
        return count
    }

    private func settled(_ part: [Ended], _ done: [Acknowledgement], _ shard: Int, _ result: Result<RedisReply, StoreFailure>) {
        switch result {
        case .failure(let failure):
            for mark in done { closed[shard].append(mark) }
            for each in part { each.completion(.failed(failure)) }
        case .success(let reply):
            var answers = ScriptAnswers(reply)
            for each in part {
                switch each.part.answer(answers.take()) {
                case .late(let now): endAgain(each, shard, now: now)
                case .settled(let settled):
                    if case .failed = settled {} else if each.part.isAcknowledged { acknowledge(each.part.settlement, in: shard) }
                    each.completion(settled)
                }
            }
        }
    }

    /// Redis's clock is elsewhere than this node thought: once more with what it says.
    private func endAgain(_ late: Ended, _ shard: Int, now: Int) {
        clock.heard(now * 1000)
        guard late.attempts < 2 else { return late.completion(.failed(.unavailable("the store's clock does not stand still"))) }
        ended[shard].append(Ended(part: late.part, attempts: late.attempts + 1, completion: late.completion))
        scheduleFlush()
    }

    /// Lets Redis forget what it remembers of a closed hold, once no late copy can arrive any more.
    func acknowledge(_ settlement: Settlement, in shard: Int) {
        closed[shard].append(
            Acknowledgement(
                node: settlement.node, hold: settlement.hold, admissibleUntil: settlement.admissibleUntil,
                isDoubtful: settlement.isDoubtful,
                closedAt: clock.uptime))
    }

    private func takeAcknowledgements(of shard: Int) -> [Acknowledgement] {
        closed[shard].takeDue(clock, most: Self.acknowledgements)
    }

    /// Called every second: settles what is owed, and lets Redis forget the marks of closed holds where no settlement carries them along.
    package func sweep() {
        retryUnacknowledged()
        guard link.isUsable else { return }
        for shard in closed.indices {
            // A link that carries other shards may refuse this one at once.
            var isRefused = false
            while !isRefused, case let done = takeAcknowledgements(of: shard), !done.isEmpty {
                let command = SettlementPart.command(for: [], acknowledging: done, shard: shard, keys: keys, releasableUntil: 0)
                link.send(command) { result in
                    guard case .failure = result else { return }
                    isRefused = true
                    for mark in done { self.closed[shard].append(mark) }
                }
            }
        }
    }
}

extension Array {
    /// Removes and returns the first elements, `count` at most.
    fileprivate mutating func takeFirst(_ count: Int) -> [Element] {
        if self.count <= count {
            defer { removeAll(keepingCapacity: true) }
            return self
        }
        defer { removeFirst(count) }
        return Array(prefix(count))
    }
}
