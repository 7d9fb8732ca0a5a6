// The moves of a history: what clients, servers, nodes and the network do.

@testable import ClusterState
import Foundation
import GateDomain
import LuaScripts

extension World {
    /// Makes one move, if it can be made; `choice` says everything else about it.
    func make(_ move: Move, choice: UInt64) {
        var random = SeededRandom(seed: choice)
        switch move {
        case .call: call(&random, retry: false)
        case .retry: call(&random, retry: true)
        case .serverAnswer: serverAnswer(&random)
        case .cancel: running.isEmpty ? () : calls.last { !$0.isOver && $0.node.condition == .running }?.cancel()
        case .tick: random.any(of: running.filter(\.link.hasTicks))?.link.runTicks()
        case .arrive: random.any(of: nodes.filter { $0.condition != .dead && $0.link.undelivered != nil })?.link.undelivered.map(arrive)
        case .hear: random.any(of: running.filter(\.link.canHear))?.link.hear()
        case .refuse: random.any(of: nodes.filter { $0.condition != .dead && $0.link.undelivered != nil })?.link.undelivered.map(refuse)
        case .arriveLate:
            loseOldStrays()
            guard !strays.isEmpty else { break }
            arrive(strays.remove(at: random.below(strays.count)))
        case .pass: pass(random.pick([1, 10, 60, 300, 700]) * 1000)
        case .passLong: pass(random.pick([1_200, 4_500, 20_000, 61_000, 1_800_000]) * 1000)
        case .beat: random.any(of: running).map(beat)
        case .sweep: random.any(of: running)?.ledger.sweep()
        case .cut:
            guard let node = random.any(of: nodes.filter { $0.condition != .dead }) else { break }
            note("the connection of \(node.name) breaks")
            let lost = node.link.cut()
            // Each command that was on its way arrives some time, or never.
            if random.chance(60) { strays += lost }
        case .stop:
            guard running.count > 1, let node = random.any(of: running) else { break }
            note("\(node.name) is stopped")
            node.condition = .stopped
        case .faint:
            guard running.count > 1, let node = random.any(of: running) else { break }
            note("\(node.name) is stopped for long")
            node.condition = .stopped
            // Long enough to be taken for dead, while the others beat in time.
            for _ in 0..<6 {
                for other in running { beat(other) }
                flush()
                pass(1_000_000)
            }
        case .wake: random.any(of: nodes.filter { $0.condition == .stopped }).map(wake)
        case .kill:
            let alive = nodes.filter { $0.condition != .dead }
            guard alive.count > 1, let node = random.any(of: alive) else { break }
            kill(node, strays: random.chance(60))
        case .join:
            guard nodes.count < 6 else { break }
            let node = addNode()
            note("\(node.name) joins")
            beat(node)
        case .clockBack: step(-random.pick([1, 30, 120, 3700]))
        case .clockForth: step(random.pick([1, 30, 120]))
        case .suspend, .resume, .edit: change(move, &random)
        case .topUp: topUp(&random)
        case .credits: moveCredits(&random)
        case .news: random.any(of: running).map { tell($0, &random) }
        case .damage: damage(&random)
        case .due: random.any(of: running).map { seeToDue($0, at: $0.clock.milliseconds) }
        }
        for node in nodes { node.settleDown() }
        checkBalances()
    }

    func wake(_ node: SimulatedNode) {
        note("\(node.name) wakes")
        node.condition = .running
        node.link.checkTime()
    }

    private func kill(_ node: SimulatedNode, strays keeps: Bool) {
        note("\(node.name) dies")
        node.condition = .dead
        let listed = redis.ask("HGETALL", keys.nodes).fields
        forgotten.formUnion(node.identity.names.filter { listed[$0] == nil })
        let lost = node.link.die()
        if keeps { strays += lost }
    }

    private func call(_ random: inout SeededRandom, retry: Bool) {
        guard calls.count < 60, !running.isEmpty else { return }
        let request: ClientRequest
        if retry {
            let old = calls.filter { $0.request.idempotencyKey != nil }
            guard !old.isEmpty else { return }
            request = random.pick(old).request
        } else {
            let tools = random.chance(20) ? (0..<(2 + random.below(2))).map { _ in random.pick(plan.tools) } : [random.pick(plan.tools)]
            request = ClientRequest(key: random.pick(keyIDs), tools: tools, idempotencyKey: random.chance(40) ? "idem-\(calls.count)" : nil)
        }
        let call = SimulatedCall(calls.count, request, on: random.pick(running), self)
        calls.append(call)
        note("\(call.requestID) to \(call.node.name) by \(request.key.suffix(4)) \(request.tools) \(request.idempotencyKey ?? "")")
        call.begin()
    }

    private func serverAnswer(_ random: inout SeededRandom) {
        let open = calls.filter { !$0.waiting.isEmpty && $0.node.condition == .running && !$0.isOver }
        guard let call = random.any(of: open) else { return }
        let part = random.pick(call.waiting.sorted())
        let outcome: PartOutcome =
            random.chance(70)
            ? .result(isError: false, bytes: random.pick([10, 900, 3000]))
            : random.pick([.rpcError, .result(isError: true, bytes: 9), .timedOut, .unavailable, .lost])
        note("\(call.requestID) part \(part): \(outcome)")
        call.serverAnswers(part, outcome)
    }

    func arrive(_ flight: Flight) { arrived(flight, redis.result(of: flight.command)) }

    /// All of them, one after another; sent at once where what they are judged by stands still meanwhile.
    func arrive(_ flights: [Flight]) {
        guard flights.count > 1, !flights.contains(where: { $0.command.script == .edit }) else { return flights.forEach(arrive) }
        for (flight, result) in zip(flights, redis.results(of: flights.map(\.command))) { arrived(flight, result) }
    }

    private func arrived(_ flight: Flight, _ result: Result<RedisReply, StoreFailure>) {
        switch result {
        case .success(let reply): observe(flight, reply)
        case .failure(let failure): violate("a command fails: \(failure)")
        }
        flight.reply = result
    }

    /// Something between the node and Redis answers in its place, in words of its own.
    private func refuse(_ flight: Flight) {
        note("\(flight.command.script.map { "\($0)" } ?? "a command") is refused")
        flight.reply = .failure(StoreFailure(errorText: "ERR upstream failure"))
    }

    /// Commands of broken connections arrive some time, or never; where Redis's clock has stepped back nothing tells a very late one.
    func loseOldStrays() {
        strays.removeAll { now - $0.sentAt > (hasSteppedBack ? 9_000_000 : 300_000_000) }
    }

    /// Tells the model what has arrived.
    private func observe(_ flight: Flight, _ reply: RedisReply) {
        moment += 1
        if Self.isWireShown {
            print(
                now / 1000, flight.command.script.map { "\($0)" } ?? "",
                flight.command.words.dropFirst(flight.command.script == nil ? 0 : 2).map { String(decoding: $0, as: UTF8.self) }, "->",
                reply.brief)
        }
        switch flight.command.script {
        case .admit:
            for (asked, answer) in zip(flight.command.askedAdmissions, ScriptAnswers(reply)) {
                let isNew = !model.isOpened(asked.hold)
                model.admitted(
                    asked, answer, at: LedgerModel.Moment(clock: now + clockOffset, passed: now + leaps), isDamaged: !damaged.isEmpty)
                judge(asked, answer, isNew: isNew)
            }
        case .settle:
            for (asked, answer) in zip(flight.command.askedSettlements, ScriptAnswers(reply)) {
                model.settled(asked, answer, isDamaged: !damaged.isEmpty)
            }
        case .edit:
            let asked = flight.command.askedEdit
            if asked.id == RulesVersion.name, reply.status == 0 { madeRules = max(madeRules, reply.integer(at: 1)) }
            if records.edited(asked, reply, at: moment) { for node in nodes { node.news.append(asked.id) } }
            records.violations.forEach(violate)
        default: return
        }
        model.violations.forEach(violate)
    }

    /// Whether every command is printed.
    private static let isWireShown = ProcessInfo.processInfo.environment["HISTORY_WIRE"] != nil
}

extension SeededRandom {
    /// One of them, if there is any.
    mutating func any<Element>(of elements: [Element]) -> Element? { elements.isEmpty ? nil : pick(elements) }
}

extension RedisReply {
    /// For people.
    var brief: String {
        switch self {
        case .null: "nil"
        case .integer(let value): "\(value)"
        case .bytes(let bytes): String(decoding: bytes.prefix(60), as: UTF8.self)
        case .array(let elements): "[" + elements.map(\.brief).joined(separator: " ") + "]"
        case .error(let text): "error \(text)"
        }
    }
}
