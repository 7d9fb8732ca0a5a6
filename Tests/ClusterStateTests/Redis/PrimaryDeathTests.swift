// What takes several steps over several shards: the primary dies between any two of them, with the node or without it.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import Testing

@Suite("Death of a primary between two steps")
struct PrimaryDeathTests {
    struct Moment: Sendable, CustomStringConvertible {
        let death: FailingStore.Death
        let step: Int

        var description: String { "\(death) after \(step)" }

        static func all(_ steps: [Int]) -> [Moment] {
            FailingStore.Death.allCases.flatMap { death in steps.map { Moment(death: death, step: $0) } }
        }
    }

    /// Each moment with a pair of its own, some at a time.
    static func each(
        _ moments: [Moment], shards: Int,
        _ body: @escaping @Sendable (TestNode, @escaping @Sendable () -> FailingStore, Moment) async throws -> Void
    ) async throws {
        try await concurrently(moments.count, workers: 4) { index in
            let pair = try await ReplicaPair()
            let node = try await TestNode(on: pair.primary, port: pair.proxy.port, shards: shards)
            try await body(node, { FailingStore(node, pair, moments[index].death, after: moments[index].step) }, moments[index])
            try await pair.end()
        }
    }

    @Test(
        "M7: a transfer over two shards is made once, whichever step the primary, or the node with it, dies at, and answered alike when it is asked for again"
    )
    func transfer() async throws {
        try await Self.each(Moment.all([0, 1, 2]), shards: 16) { node, failing, moment in
            let (from, to) = (
                try await node.makeKey(credits: 50, home: 1).record.id, try await node.makeKey(credits: 0, home: 2).record.id
            )
            let store = failing()
            _ = try? await Transfers(store: store).move(20, from: from, to: to, .test("op", "f"))
            #expect(store.hasDied, "\(moment)")
            let transfers = Transfers(store: node.store)
            let later = try await node.time() / 1000 + Transfers.patience + 2000
            for _ in 0..<2 { try await transfers.seeToDue(at: later) }
            let hasBegun = moment.death != .withTheNode || moment.step > 0
            #expect(try await node.directory.account(from).credits == (hasBegun ? 30 : 50), "\(moment)")
            #expect(try await node.directory.account(to).credits == (hasBegun ? 20 : 0), "\(moment)")
            #expect(try await transfers.move(20, from: from, to: to, .test("op", "f")) == TransferBalances(from: 30, to: 20), "\(moment)")
            #expect(try await node.send("ZCARD", node.keys.reserved(1)).integer == 0, "\(moment)")
        }
    }

    @Test(
        "A key, its secret and its account are made once, whichever step the primary, or the node with it, dies at; the secret is nobody else's"
    )
    func key() async throws {
        try await Self.each(Moment.all([0, 1, 2, 3]), shards: 16) { node, failing, moment in
            func record(_ home: UInt32) -> KeyRecord {
                KeyRecord(
                    id: AccountID.make("key", home: home).text, name: "name", prefix: "p", masked: "m", createdAt: 1, expiresAt: nil,
                    spendingLimit: 0, teamID: nil)
            }
            let (own, other, secret) = (record(3), record(9), Credential.generate())
            let store = failing()
            try? await KeyDirectory(store: store, origin: "a").create(own, secret: secret, credits: 50, .test("op", "f"))
            #expect(store.hasDied, "\(moment)")
            try await node.directory.create(own, secret: secret, credits: 50, .test("op", "f"))
            #expect(try await node.directory.credentials.owner(ofDigest: Credential.digest(of: secret)) == own.id, "\(moment)")
            let account = try await node.send("HMGET", node.keys.account(own.id), "credits", "granted")
            #expect(account.integer(at: 0) == 50 && account.integer(at: 1) == 50, "\(moment): \(account)")
            await #expect(throws: RecordRefusal.credentialExists) {
                try await node.directory.create(other, secret: secret, credits: 50, .test())
            }
            #expect(try await node.directory.records.read(other.id) == nil, "\(moment)")
        }
    }

    @Test("M13: the hourly sums and the orders of keys have each call once, whichever step the primary, or the node with it, dies at")
    func lists() async throws {
        try await Self.each(Moment.all([1, 5, 9]), shards: 4) { node, failing, moment in
            var callers: [CachedKey] = []
            for home in 0..<3 { callers.append(try await node.makeKey(credits: 100, home: UInt32(home))) }
            for caller in callers {
                let call = TestCall(caller: caller, price: 7)
                #expect(await node.admit(call).isAdmitted)
                #expect(await node.settle(call, [(5, 0)]).charged == 5)
            }
            let store = failing()
            try? await Self.catchUp(store)
            #expect(store.hasDied, "\(moment)")
            try await Self.catchUp(node.store)
            let now = try await node.time() / 1000
            let sums = try await RollupBook(store: node.store).read(from: now - 86_400_000, to: now + 3_600_000) { $0 }
            let rows = sums.hours.flatMap(\.rows)
            #expect(rows.reduce(0) { $0 + $1.sum.credits } == 15 && rows.reduce(0) { $0 + Int($1.sum.calls) } == 3, "\(moment): \(rows)")
            for caller in callers {
                let (id, keys) = (caller.record.id, node.keys)
                let score = try await node.send("ZSCORE", keys.index(KeyAmount.spent.list, keys.shard(of: id)), id)
                #expect(score.integer == 5, "\(moment)")
            }
        }
    }

    static func catchUp(_ store: any CommandStore) async throws {
        let (rollups, orders) = (Rollups(store: store), KeyDirectory(store: store, origin: "").orders)
        while try await rollups.advance().get() {}
        while try await orders.catchUp().get() {}
    }

    @Test(
        "M1, F-TEAM-01: a call that a team in another shard must admit too is charged once in both, between whichever of its steps the primary dies"
    )
    func call() async throws {
        try await concurrently(4, workers: 4) { step in
            let pair = try await ReplicaPair()
            let node = try await TestNode(on: pair.primary, port: pair.proxy.port, shards: 64)
            let caller = try await node.makeKey(credits: 100, team: try await node.makeTeam(budget: 50, home: 40), home: 3)
            let call = TestCall(caller: caller, price: 6, calls: 2)
            func mayDie(_ place: Int) async throws {
                guard place == step else { return }
                try await pair.die()
                try await node.awaitStore()
            }
            try await mayDie(0)
            let (until, now) = (node.clock.milliseconds + Ledger.admissible, node.clock.microseconds)
            let share = AdmissionPart(request: call.request(), accounts: [1], admissibleUntil: until, isPrimary: false)
            _ = try await node.store.sendPatiently(
                AdmissionPart.command(for: [share], node: node.identity.name, shard: caller.shards[1], keys: node.keys, at: now))
            try await mayDie(1)
            #expect(await node.admit(call).isAdmitted, "step \(step)")
            try await mayDie(2)
            let half = SettlementPart(settlement: node.settlement(call, [(3, 0), (1, 0)]), accounts: [0])
            _ = try await node.store.sendPatiently(
                SettlementPart.command(for: [half], acknowledging: [], shard: caller.shards[0], keys: node.keys, releasableUntil: 0))
            try await mayDie(3)
            #expect(await node.settle(call, [(3, 0), (1, 0)]).charged == 4, "step \(step)")
            try await node.drain()
            let (key, team) = (try await node.account(caller), try await node.account(caller, 1))
            #expect(key.credits == 96 && key.spent == 4 && team.spent == 4, "step \(step): \(key), \(team)")
            #expect(try await node.openHolds() == 0, "step \(step)")
            #expect(try await node.events().reduce(0) { $0 + $1.credits } == 4, "step \(step)")
            try await pair.end()
        }
    }
}
