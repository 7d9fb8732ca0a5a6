// A cluster in one thread: nodes, clients, admins and a real Redis, moved one step at a time by decisions that can be had again.

@testable import ClusterState
import GateDomain
import Foundation
import LuaScripts

/// One history while it is made.
///
/// The world's own time never steps; Redis's clock is that time plus an offset which moves may change.
final class World {
    let redis: HistoryRedis
    let plan: HistoryPlan
    /// A defect that is put back.
    let oldRule: OldRule?
    let keys: RedisKeys
    private(set) var nodes: [SimulatedNode] = []
    private(set) var calls: [SimulatedCall] = []
    private(set) var trace: [String] = []
    private(set) var violations: [String] = []
    /// Keys whose suspension an admin was told of, and that nobody has begun to resume.
    private(set) var barred: Set<String> = []
    let keyIDs: [String]
    let teamID: String
    /// Credits that were put into each key, as far as an admin was told so.
    private(set) var granted: [String: Int] = [:]
    /// Top-ups that were sent and not acknowledged: they may have been applied.
    private(set) var doubtful: [String: Int] = [:]
    /// Resumptions under way.
    private var resuming: [String: Int] = [:]
    /// Microseconds of the world's own time.
    private(set) var now = 0
    private var clockOffset: Int
    private var flightCount = 0
    /// Commands of broken connections that may still arrive.
    private var strays: [Flight] = []
    private var timers: [(due: Int, owner: AnyObject?, work: () -> Void)] = []
    private var nodeCount = 0
    private(set) var admissions: [String: [Int]] = [:]

    init(_ redis: HistoryRedis, _ plan: HistoryPlan, seed: UInt64, oldRule: OldRule? = nil) throws {
        self.oldRule = oldRule
        self.redis = redis
        self.plan = plan
        var random = SeededRandom(seed: seed ^ 0x1d5)
        keys = RedisKeys(prefix: "h:", shards: plan.shards)
        func id(_ kind: String) -> String {
            let digits = String(random.next(), radix: 16)
            return kind + "_" + String(repeating: "0", count: 16 - digits.count) + digits
        }
        teamID = id("team")
        keyIDs = (0..<plan.keys).map { _ in id("key") }
        clockOffset = 1_760_000_000_000_000 + random.below(86_400) * 1_000_000
        _ = redis.ask("FLUSHALL")
        redis.clock.microseconds = clockOffset
        for _ in 0..<plan.nodes { _ = addNode() }
        try prepare()
    }

    private func prepare() throws {
        guard let node = nodes.first else { return }
        for each in nodes { each.store.isCalm = true }
        let operation = Operation(id: "setup", audit: AuditEntry(type: "t", actor: "a", message: "m", metadata: []))
        let (teamID, budget, keyIDs, plan) = (teamID, plan.teamBudget, keyIDs, plan)
        let (teams, keyRecords) = (RecordStore<TeamRecord>(store: node.store, origin: "setup"), node.keyRecords)
        node.start {
            try? await teams.create(TeamRecord(id: teamID, name: "team", budget: budget, createdAt: 1), operation)
            for (index, id) in keyIDs.enumerated() {
                let record = KeyRecord(
                    id: id, name: "k", prefix: "p", masked: "m", createdAt: 1, teamID: index < plan.teamed ? teamID : nil)
                try? await keyRecords.create(
                    record, account: ["credits": String(plan.credits), "granted": String(plan.credits), "spent": "0", "calls": "0"],
                    Operation(id: "setup\(index)", audit: operation.audit))
            }
        }
        node.executor.run()
        for id in keyIDs { granted[id] = plan.credits }
        for each in nodes {
            let membership = each.membership
            each.start { await membership.beat() }
            each.executor.run()
            each.store.isCalm = false
        }
    }

    private func addNode() -> SimulatedNode {
        nodeCount += 1
        let node = SimulatedNode("n\(nodeCount)", self)
        nodes.append(node)
        return node
    }

    // MARK: What the parts ask of the world

    func flight(_ command: RedisCommand, _ completion: ((Result<RedisReply, StoreFailure>) -> Void)?, sentAt: Int? = nil) -> Flight {
        flightCount += 1
        return Flight(number: flightCount, command: command, sentAt: sentAt ?? now, completion: completion)
    }

    func later(_ microseconds: Int, of owner: AnyObject, _ work: @escaping () -> Void) {
        timers.append((now + microseconds, owner, work))
    }

    func replied(_ call: SimulatedCall) {
        note("\(call.requestID) on \(call.node.name): \(call.reply.map { "\($0)" } ?? "")")
        if case .replayed = call.reply, call.wasBarred, barred.contains(call.request.key) {
            violate("V21: \(call.requestID) got an answer by a suspended key")
        }
    }

    func executed(_ call: SimulatedCall) {
        note("\(call.requestID) reaches its servers")
        if call.wasBarred, barred.contains(call.request.key) { violate("V21: \(call.requestID) was let in by a suspended key") }
    }

    func violate(_ what: String) { violations.append(what) }

    private func note(_ text: @autoclosure () -> String) {
        if trace.count < 4000 { trace.append("\(now / 1000) ms: \(text())") }
    }

    // MARK: Moves

    private var running: [SimulatedNode] { nodes.filter { $0.condition == .running } }

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
        case .arriveLate:
            // No command of a broken connection arrives later than that.
            strays.removeAll { now - $0.sentAt > 9_000_000 }
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
        }
        for node in nodes { node.settleDown() }
        checkBalances()
    }

    private func wake(_ node: SimulatedNode) {
        note("\(node.name) wakes")
        node.condition = .running
        node.link.checkTime()
    }

    private func kill(_ node: SimulatedNode, strays keeps: Bool) {
        note("\(node.name) dies")
        node.condition = .dead
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

    private func arrive(_ flight: Flight) {
        do {
            let reply = try redis.run(flight.command)
            observe(flight, reply)
            flight.reply = .success(reply)
        } catch {
            violate("a command fails: \(error)")
            flight.reply = .failure(error)
        }
    }

    /// Watches what admit.lua lets in, from outside: the times for the windows, and that the key was allowed to.
    private func observe(_ flight: Flight, _ reply: RedisReply) {
        if ProcessInfo.processInfo.environment["HISTORY_WIRE"] != nil {
            print(
                now / 1000, flight.command.script.map { "\($0)" } ?? "",
                flight.command.words.dropFirst(flight.command.script == nil ? 0 : 2).map { String(decoding: $0, as: UTF8.self) }, "->",
                reply.brief)
        }
        guard flight.command.script == .admit, let answers = reply.array else { return }
        for answer in answers where answer.status == 14 { violate("admit.lua faults: \(answer)") }
    }

    private func pass(_ microseconds: Int) {
        let until = now + microseconds
        // Whoever runs hears its clock in time; whoever is stopped hears it when it wakes.
        while let next = nextAlarm, next <= until {
            now = max(now, next)
            redis.clock.microseconds = now + clockOffset
            ring()
        }
        now = until
        redis.clock.microseconds = now + clockOffset
        ring()
    }

    private var nextAlarm: Int? {
        let timed = timers.filter { !isHeld($0.owner) }.map(\.due)
        let waits = running.compactMap { $0.link.waitsSince.map { $0 + SimulatedLink.timeout } }
        return (timed + waits).min()
    }

    private func isHeld(_ owner: AnyObject?) -> Bool {
        nodes.contains { ($0 === owner || $0.store === owner) && $0.condition != .running }
    }

    private func ring() {
        for node in running { node.link.checkTime() }
        let due = timers.filter { $0.due <= now && !isHeld($0.owner) }
        timers.removeAll { $0.due <= now && !isHeld($0.owner) }
        for timer in due { timer.work() }
        for node in nodes { node.settleDown() }
    }

    private func beat(_ node: SimulatedNode) {
        let membership = node.membership
        node.start { await membership.beat() }
    }

    private func step(_ seconds: Int) {
        note("Redis's clock steps \(seconds) s")
        clockOffset += seconds * 1_000_000
        redis.clock.microseconds = now + clockOffset
    }

    // MARK: Admins

    private func change(_ move: Move, _ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id) = (random.pick(running), random.pick(keyIDs))
        let name = "\(move) \(calls.count)"
        let operation = Operation(id: "op\(random.next())", audit: AuditEntry(type: "t", actor: "a", message: name, metadata: []))
        let directory = node.directory
        let limit = random.pick([0, plan.credits / 2, plan.credits])
        note("admin on \(node.name): \(move) \(id.suffix(4))")
        let world = Reference(self)
        if move == .resume { barred.remove(id) }
        resuming[id, default: 0] += move == .resume ? 1 : 0
        node.start {
            do throws(RecordRefusal) {
                switch move {
                case .suspend: try await directory.edit(id, in: [.active], operation) { $0.state = .suspended }
                case .resume: try await directory.edit(id, in: [.suspended], operation) { $0.state = .active }
                default: try await directory.edit(id, in: [.active, .suspended], operation) { $0.spendingLimit = limit }
                }
                if move == .suspend, world.value.resuming[id, default: 0] == 0 { world.value.barred.insert(id) }
            } catch {}
            if move == .resume { world.value.resuming[id, default: 0] -= 1 }
        }
    }

    private func topUp(_ random: inout SeededRandom) {
        guard !running.isEmpty else { return }
        let (node, id, amount) = (random.pick(running), random.pick(keyIDs), 1 + random.below(20))
        let operation = Operation(
            id: "top\(random.next())", fingerprint: "\(amount)", audit: AuditEntry(type: "t", actor: "a", message: "top-up", metadata: []))
        doubtful[id, default: 0] += amount
        let (directory, world) = (node.directory, Reference(self))
        note("admin on \(node.name): \(amount) credits for \(id.suffix(4))")
        node.start {
            // Sent twice under one operation: it counts once.
            let first = try? await directory.topUp(id, credits: amount, operation)
            let again = try? await directory.topUp(id, credits: amount, operation)
            guard first != nil || again != nil else { return }
            world.value.doubtful[id, default: 0] -= amount
            world.value.granted[id, default: 0] += amount
        }
    }

    // MARK: Rest

    /// Ends all faults and lets everything that is owed be done. - Returns: whether the cluster came to rest.
    func heal() -> Bool {
        note("--- heal")
        for node in nodes where node.condition == .stopped { wake(node) }
        // What was on its way for longer than any command is waited for does not arrive any more, or arrives now.
        strays.removeAll { now - $0.sentAt > 9_000_000 }
        while !strays.isEmpty { arrive(strays.removeFirst()) }
        if running.isEmpty { beat(addNode()) }
        for round in 0..<60 {
            for call in calls where !call.waiting.isEmpty && call.node.condition == .running && !call.isOver {
                for part in call.waiting.sorted() { call.serverAnswers(part, .result(isError: false, bytes: 10)) }
            }
            flush()
            for node in running {
                beat(node)
                node.ledger.sweep()
            }
            flush()
            // Once for longer than any command is under way.
            pass(round == 10 ? 61_000_000 : 1_000_000)
            flush()
            if round > 20, isAtRest { return true }
        }
        note("nodes: \(redis.ask("HGETALL", keys.nodes).fields)")
        for node in running {
            let ledger = node.ledger
            note(
                "\(node.name): \(ledger.openHolds) open, \(ledger.backlog) owed, \(ledger.marks) marks, renamed \(node.identity.needsNewName), idle \(node.executor.isIdle)"
            )
        }
        for call in calls where !call.isOver { note("\(call.requestID) on \(call.node.name) is not over, waits for \(call.waiting)") }
        return false
    }

    private func flush() {
        for _ in 0..<10_000 {
            var moved = false
            for node in running {
                if !node.executor.isIdle {
                    node.settleDown()
                    moved = true
                }
                if node.link.hasTicks {
                    node.link.runTicks()
                    moved = true
                }
                while let flight = node.link.undelivered {
                    arrive(flight)
                    moved = true
                }
                while node.link.canHear {
                    node.link.hear()
                    moved = true
                }
            }
            if !moved { return }
        }
        violate("the cluster talks without end")
    }

    private var isAtRest: Bool {
        calls.allSatisfy(\.isOver)
            && running.allSatisfy {
                $0.ledger.backlog == 0 && $0.ledger.marks == 0 && $0.ledger.openHolds == 0 && !$0.identity.needsNewName
            }
            && redis.ask("HLEN", keys.nodes).integer ?? 0 <= running.count + 1
    }

    // MARK: Always

    private func checkBalances() {
        for id in keyIDs {
            let values = redis.ask("HMGET", keys.account(id), "credits", "spent", "limit")
            let (credits, spent) = (values.integer(at: 0), values.integer(at: 1))
            if credits < 0 { violate("M2: \(id.suffix(4)) has \(credits)") }
            if spent < 0 { violate("M1: \(id.suffix(4)) has spent \(spent)") }
        }
    }
}

extension SeededRandom {
    /// One of them, if there is any.
    fileprivate mutating func any<Element>(of elements: [Element]) -> Element? { elements.isEmpty ? nil : pick(elements) }
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
