// All that moves credits, in any order, over three nodes that die in the middle of it: what has to be true is true after every step.

@testable import ClusterState
import Foundation
import GateDomain
import GateTesting
import Testing

/// `MONEY_SEED=7` runs another sequence.
@Suite("Credits in any order")
struct MoneyPropertyTests {
    private static let seeds: [UInt64] =
        ProcessInfo.processInfo.environment["MONEY_SEED"].flatMap { UInt64($0) }.map { [$0] } ?? Array(1...8)

    @Test(
        "M1, M2, M7, M8, M12: after every step of a long random sequence each account is funded = balance + held + spent, never below zero, and the sum of all moves only by top-ups",
        arguments: [1, 16], seeds)
    func anyOrder(shards: Int, seed: UInt64) async throws {
        let world = try await MoneyWorld(shards: shards, seed: seed)
        for step in 0..<130 {
            let what = try await world.step()
            let faults = try await world.faults()
            try #require(faults.isEmpty, "seed \(seed), \(shards) shards, step \(step): \(what): \(faults)")
        }
        try await world.rest()
        let (faults, leftovers) = (try await world.faults(), try await world.leftovers())
        #expect(faults == [] && leftovers == [], "\(faults) \(leftovers)")
    }
}

/// Three nodes, six keys and more that come, two of them in a team, and somebody who does as chance says.
private final class MoneyWorld {
    private struct Member {
        let node: TestNode
        let store: DyingStore
        var directory: KeyDirectory { KeyDirectory(store: store, origin: node.identity.name) }
        var reservations: Reservations { Reservations(store: store) }
        var transfers: Transfers { Transfers(store: store) }
    }

    private let witness: TestNode
    private var members: [Member] = []
    private var callers: [CachedKey] = []
    private let team: TeamRecord
    /// Keys that may have been made later: the names of their accounts, and their credits.
    private var made: [(account: String, credits: Int)] = []
    private var spendingLimit = 150
    private var open: [(call: TestCall, member: String)] = []
    private var dead: [String] = []
    private var reserved: [String] = []
    /// Operations by their names in Redis: top-ups that may have been made, by their amounts.
    private var topUps: [(name: String, amount: Int)] = []
    private var asked: [@Sendable (MemberParts) async -> Void] = []
    private let initial = 600
    private var chance: Chance
    private var count = 0

    /// What an order that is repeated on another node needs of it.
    struct MemberParts: Sendable {
        let directory: KeyDirectory
        let reservations: Reservations
        let transfers: Transfers
    }

    private struct Chance: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = (state ^ (state >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    init(shards: Int, seed: UInt64) async throws {
        chance = Chance(state: seed)
        witness = try await TestNode(id: "witness", shards: shards)
        team = try await witness.makeTeam(budget: Self.budget, home: 7)
        for index in 0..<6 {
            let caller = try await witness.makeKey(
                credits: 100, spendingLimit: index == 5 ? spendingLimit : 0, team: Self.members.contains(index) ? team : nil,
                home: UInt32(index / 2))
            if index < 2 {
                try await witness.directory.edit(caller.record.id, in: [.active], .test()) {
                    $0.autoTopUp = AutoTopUp(threshold: 30, amount: 11, maxDaily: index == 0 ? 9 : 0)
                }
            }
            callers.append(caller)
            try await readAgain(index)
        }
        for _ in 0..<3 { try await join() }
        await witness.membership().beat()
    }

    /// Which keys are in the team, and what it may spend.
    private static let (members, budget) = (2...3, 90)

    /// Takes a key's policy from its record as it is now, as a node does when it hears of a change.
    private func readAgain(_ index: Int) async throws {
        guard let record = try await witness.directory.records.read(callers[index].record.id) else { return }
        callers[index] = CachedKey(Policy(key: record, team: record.teamID == nil ? nil : team, rules: .test), keys: witness.keys)
    }

    private func join() async throws {
        count += 1
        let node = try await TestNode(prefix: witness.keys.prefix, id: "node-\(count)", shards: witness.keys.shards)
        await node.membership().beat()
        let store = DyingStore(node.store)
        store.repeatCommands()
        members.append(Member(node: node, store: store))
    }

    private func pick(_ range: Range<Int>) -> Int { Int.random(in: range, using: &chance) }

    // MARK: Moves

    /// - Returns: what was done.
    func step() async throws -> String {
        let place = pick(0..<members.count)
        let member = members[place]
        // Now and then the node dies in the middle of what it is told.
        let dies = pick(0..<12) == 0
        if dies { member.store.dies(after: pick(0..<4), answering: pick(0..<2) == 0) }
        var what = try await act(on: member)
        if dies {
            try await kill(place)
            what += ", and its node dies"
        }
        return what
    }

    private func act(on member: Member) async throws -> String {
        let (index, amount) = (pick(0..<callers.count), pick(1..<40))
        let key = callers[index].record.id
        switch pick(0..<15) {
        case 0...2: return try await call(on: member, callers[index], price: pick(0..<20))
        case 3: return await settle(on: member)
        case 4: return await order(on: member, topUp: key, amount)
        case 5, 6:
            let to = callers[(index + pick(1..<callers.count)) % callers.count].record.id
            await order(on: member) { [operation = operation()] in _ = try? await $0.transfers.move(amount, from: key, to: to, operation) }
            return "a transfer of \(amount)"
        case 7:
            // Some have no time at all.
            let seconds = [0, 60, 60][pick(0..<3)]
            let made = try? await member.reservations.reserve(key, credits: amount, seconds: seconds, memo: "m", operation())
            if let made { reserved.append(made.reservation.id) }
            return "a reservation of \(amount)"
        case 8:
            guard !reserved.isEmpty else { return "nothing" }
            let (id, committing) = (reserved[pick(0..<reserved.count)], pick(0..<2) == 0)
            await order(on: member) { [operation = operation()] in _ = try? await $0.reservations.end(id, committing: committing, operation)
            }
            return committing ? "a commit" : "a release"
        case 9:
            let ahead = [0, 10_000][pick(0..<2)]
            try? await member.transfers.seeToDue(at: try await witness.time() / 1000 + ahead)
            return "what is due is seen to"
        case 10:
            // What was ordered before is ordered again, wherever.
            guard !asked.isEmpty else { return "nothing" }
            await asked[pick(0..<asked.count)](parts(of: member))
            return "an order is repeated"
        case 11:
            await member.store.repeatLate(pick(0..<1000))
            return "a late copy arrives"
        case 12: return try await change(index, on: member, revoking: pick(0..<3) == 0)
        case 13: return await makeKey(amount, on: member)
        default:
            spendingLimit += pick(0..<3) * amount
            await order(on: member) { [operation = operation(), limit = spendingLimit, key = callers[5].record.id] in
                try? await $0.directory.edit(key, in: [.active], operation) { $0.spendingLimit = max($0.spendingLimit, limit) }
            }
            try await readAgain(5)
            return "a spending limit of \(spendingLimit)"
        }
    }

    /// Gives a key another secret, or revokes it; what it has stays.
    private func change(_ index: Int, on member: Member, revoking: Bool) async throws -> String {
        let (key, operation, secret) = (callers[index].record.id, operation(), Credential.generate())
        // Those that are watched stay.
        guard revoking, index >= 6 else {
            await order(on: member) { _ = try? await $0.directory.rotate(key, to: secret, operation) }
            try await readAgain(index)
            return "another secret"
        }
        await order(on: member) { try? await $0.directory.edit(key, in: [.active], operation) { $0.state = .revoked } }
        return "a key is revoked"
    }

    private func makeKey(_ credits: Int, on member: Member) async -> String {
        guard callers.count < 10 else { return "nothing" }
        let secret = Credential.generate()
        let record = KeyRecord(
            id: AccountID.make("key", home: UInt32(callers.count)).text, name: "made", prefix: Credential.shortMask(secret),
            masked: Credential.longMask(secret), createdAt: 1_700_000_000_000)
        let caller = CachedKey(Policy(key: record, rules: .test), keys: witness.keys)
        callers.append(caller)
        made.append((caller.accounts[0], credits))
        await order(on: member) { [operation = operation()] in
            try? await $0.directory.create(record, secret: secret, credits: credits, operation)
        }
        return "a key with \(credits)"
    }

    private func operation() -> ClusterState.Operation { .test("op\(pick(0..<1_000_000_000))", "f") }

    private func parts(of member: Member) -> MemberParts {
        MemberParts(directory: member.directory, reservations: member.reservations, transfers: member.transfers)
    }

    /// Gives an order, at times two nodes at once.
    private func order(on member: Member, _ body: @escaping @Sendable (MemberParts) async -> Void) async {
        asked.append(body)
        let (here, there) = (parts(of: member), parts(of: members[pick(0..<members.count)]))
        guard pick(0..<4) == 0 else { return await body(here) }
        async let one: Void = body(here)
        async let other: Void = body(there)
        _ = await (one, other)
    }

    private func order(on member: Member, topUp key: String, _ amount: Int) async -> String {
        let operation = operation()
        topUps.append((witness.keys.operation(key, "\(key):\(operation.id)"), amount))
        await order(on: member) { _ = try? await $0.directory.topUp(key, credits: amount, operation) }
        return "a top-up of \(amount)"
    }

    private func call(on member: Member, _ caller: CachedKey, price: Int) async throws -> String {
        let call = TestCall(caller: caller, price: price)
        let admission = await member.node.admit(call)
        if admission.isAdmitted { open.append((call, member.node.identity.name)) }
        return "a call for \(price): \(admission.word)"
    }

    private func settle(on member: Member) async -> String {
        let own = open.indices.filter { open[$0].member == member.node.identity.name }
        guard !own.isEmpty else { return "nothing" }
        let call = open.remove(at: own[pick(0..<own.count)]).call
        switch pick(0..<4) {
        case 0: _ = await member.node.release(call)
        case 1: _ = await member.node.settle(call, [(call.price, pick(1..<30))])
        case 2: _ = await member.node.settle(call, [(0, 0)], returned: 1)
        default: _ = await member.node.settle(call)
        }
        return "a call ends"
    }

    /// A node dies with all that it has open; the others find that out, and another one comes.
    private func kill(_ place: Int) async throws {
        let name = members.remove(at: place).node.identity.name
        open.removeAll { $0.member == name }
        dead.append(name)
        try await witness.send("HSET", witness.keys.nodes, name, String(try await witness.time() - 4_500_000))
        let membership = witness.membership(refund: pick(0..<2) == 0)
        await membership.beat()
        try await join()
    }

    // MARK: What has to be true

    /// What is not as it has to be.
    func faults() async throws -> [String] {
        var (faults, sum): ([String], Int) = ([], 0)
        for (index, caller) in callers.enumerated() {
            let id = caller.record.id
            let values = try await witness.send("HMGET", caller.accounts[0], "credits", "spent", "granted", "held")
            let (credits, spent, granted, held) = (
                values.integer(at: 0), values.integer(at: 1), values.integer(at: 2), values.integer(at: 3)
            )
            let entries = SetAside.read(try await witness.send("HGETALL", witness.keys.reservations(of: id)))
            // In Redis what is reserved stands in `spent` as well.
            if credits + spent != granted {
                faults.append("key \(index): \(credits) left + \(held) held + \(spent - held) spent is not \(granted)")
            }
            if credits < 0 || held < 0 || spent < held || granted < 0 { faults.append("key \(index): below zero: \(values)") }
            if index == 5, spent > spendingLimit { faults.append("key \(index): \(spent) spent of \(spendingLimit)") }
            let reserved = entries.filter { $0.kind == .reservation }.reduce(0) { $0 + $1.reservation.credits }
            if reserved != held { faults.append("key \(index): \(held) held, reservations of \(reserved)") }
            if !entries.isEmpty, try await witness.send("ZSCORE", witness.keys.reserved(caller.shards[0]), id).string == nil {
                faults.append("key \(index): what is set aside is on no schedule")
            }
            sum += granted
            for entry in entries where entry.kind == .transfer {
                let to = String(entry.reservation.memo.split(separator: " ")[0])
                let mark = try await witness.send("HGET", witness.keys.operation(to, "transfer:" + entry.reservation.id), "credits").string
                if mark == nil { sum += entry.reservation.credits }
            }
        }
        var funded = initial
        for key in made where try await witness.send("EXISTS", key.account).integer == 1 { funded += key.credits }
        for topUp in topUps where try await witness.send("EXISTS", topUp.name).integer == 1 { funded += topUp.amount }
        for shard in 0..<witness.keys.shards {
            for entry in try await witness.send("XRANGE", witness.keys.audit(shard), "-", "+").array ?? []
            where entry.array?.last?.array?.last?.string?.contains("t=key.auto_topped_up") == true { funded += 11 }
        }
        if try await teamSpent() > Self.budget { faults.append("the team has spent \(try await teamSpent()) of \(Self.budget)") }
        if sum != funded { faults.append("all accounts have \(sum), and were given \(funded)") }
        return faults
    }

    private func teamSpent() async throws -> Int {
        Int(try await witness.send("HGET", witness.keys.account(team.id), "spent").string ?? "0") ?? -1
    }

    // MARK: Rest

    /// Everything that is open comes to its end.
    func rest() async throws {
        for (call, name) in open {
            for member in members where member.node.identity.name == name {
                // A Redis that is late on a busy machine has not settled it, or has not said so: a repetition does no harm.
                try await eventually("an open call is settled") {
                    if case .failed = await member.node.settle(call) { false } else { true }
                }
            }
        }
        for name in dead {
            // Whoever resolves them may have been interrupted likewise.
            try await eventually("calls of a dead node are resolved") {
                if try await witness.openHolds(of: name) == 0 { return true }
                await witness.membership().beat()
                return false
            }
        }
        try await Transfers(store: witness.store).seeToDue(at: try await witness.time() / 1000 + 10_000)
        for caller in callers {
            for one in try await Reservations(store: witness.store).open(of: caller.record.id, at: 0) {
                _ = try await Reservations(store: witness.store).end(one.id, committing: pick(0..<2) == 0, .test())
            }
        }
    }

    /// What is still under way, and charges that have no event and no commit.
    func leftovers() async throws -> [String] {
        var left: [String] = []
        for (index, caller) in callers.enumerated() {
            let entries = SetAside.read(try await witness.send("HGETALL", witness.keys.reservations(of: caller.record.id)))
            if !entries.isEmpty { left.append("key \(index): \(entries.count) are open") }
            if try await witness.send("HGET", caller.accounts[0], "held").integer ?? 0 != 0 {
                left.append("key \(index): something is held")
            }
        }
        var charged = 0
        for shard in 0..<witness.keys.shards {
            for entry in try await witness.send("XRANGE", witness.keys.usage(shard), "-", "+").array ?? [] {
                let fields = entry.array?.last?.fields ?? [:]
                guard let event = CallEvent(packed: Array((fields["e"] ?? "").utf8)) else { continue }
                if Self.members.contains(where: { callers[$0].record.id == event.keyID }) { charged += Int(fields["c"] ?? "") ?? 0 }
            }
        }
        if try await teamSpent() != charged { left.append("the team has spent \(try await teamSpent()), its keys were charged \(charged)") }
        for member in members where try await member.node.openHolds() > 0 { left.append("\(member.node.identity.name) has open calls") }
        return left
    }
}
