// A node dies in what takes several steps over several shards, and then the primary; those that find the one dead may meet the other's death.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import Testing

extension PrimaryDeathTests {
    /// A call over two shards of four, as far as its node has come with it.
    private struct Cut {
        static let (price, charged, credits) = (6, 4, 100)
        let pair: ReplicaPair
        let node: TestNode
        let caller: CachedKey
        let call: TestCall

        /// - Parameter step: commands of admission and settlement that were answered: in the team's shard, the key's, the key's, the team's.
        init(after step: Int) async throws {
            pair = try await ReplicaPair()
            node = try await TestNode(on: pair.primary, port: pair.proxy.port, shards: 4)
            let dead = try await TestNode(on: pair.primary, port: pair.proxy.port, prefix: node.keys.prefix, id: "dead", shards: 4)
            caller = try await node.makeKey(credits: Self.credits, team: try await node.makeTeam(budget: 50, home: 2), home: 3)
            call = TestCall(caller: caller, price: Self.price, calls: 2)
            let (until, now) = (dead.clock.milliseconds + Ledger.admissible, dead.clock.microseconds)
            for place in [1, 0].prefix(step) {
                let part = AdmissionPart(request: call.request(), accounts: [place], admissibleUntil: until, isPrimary: place == 0)
                _ = try await dead.store.send(
                    AdmissionPart.command(for: [part], node: "dead", shard: caller.shards[place], keys: dead.keys, at: now))
            }
            let settlement = dead.settlement(call, [(3, 1), (0, 0)])
            let decision = SettlementDecision(charged: [Self.charged, 0], returned: 0, isGivenBack: false)
            for place in [0, 1].prefix(max(0, step - 2)) {
                let part = SettlementPart(settlement: settlement, accounts: [place], following: place == 1 ? decision : nil)
                _ = try await dead.store.send(
                    SettlementPart.command(
                        for: [part], acknowledging: [], shard: caller.shards[place], keys: dead.keys,
                        releasableUntil: dead.clock.milliseconds + Ledger.releasable))
            }
            await dead.membership().leave()
        }

        /// What both accounts say that was spent, once nothing is open.
        func expect(spent: Int, _ comment: Comment) async throws {
            let (key, team) = (try await node.account(caller), try await node.account(caller, 1))
            #expect(key.credits == Self.credits - spent && key.spent == spent && team.spent == spent, "\(comment): \(key), \(team)")
            #expect(try await node.openHolds(of: "dead") == 0, comment)
            #expect(try await node.events().reduce(0) { $0 + $1.credits } == spent, comment)
        }
    }

    @Test(
        "M1, F-TEAM-01, D20: a call over two shards whose node dies between any two of its steps, and then the primary, is resolved alike in both by another node, refunded or kept"
    )
    func callThenPrimary() async throws {
        try await concurrently(10, workers: 4) { number in
            let (step, refunds) = (number / 2, number % 2 == 0)
            let cut = try await Cut(after: step)
            try await cut.pair.die()
            try await cut.node.awaitStore()
            await cut.node.membership(refund: refunds).beat()
            let spent = [0, 0, refunds ? 0 : Cut.price, Cut.charged, Cut.charged][step]
            try await cut.expect(spent: spent, "step \(step), refund \(refunds)")
            try await cut.pair.end()
        }
    }

    @Test(
        "M1, F-TEAM-01: whoever resolves the calls of a dead node meets the death of the primary at any of its steps, or dies with it: in both shards the call is charged once, or in none"
    )
    func resolution() async throws {
        // Four fences; what ends the call in the key's shard, and finds out there and follows in the team's; four words of farewell.
        let moments = FailingStore.Death.allCases.flatMap { death in (0..<10).map { (death: death, step: $0) } }
        try await concurrently(moments.count, workers: 4) { number in
            let (death, step) = moments[number]
            for settled in [2, 3] {
                let cut = try await Cut(after: settled)
                let failing = FailingStore(cut.node, cut.pair, death, after: step)
                _ = try? await Reaper(store: failing, node: "dead", refunds: false).run()
                #expect(failing.hasDied, "\(death) after \(step)")
                // The next beat of any node; the dead one is on its list still.
                await cut.node.membership(refund: false).beat()
                try await cut.expect(spent: settled == 2 ? Cut.price : Cut.charged, "\(death) after \(step) of \(settled)")
                try await cut.pair.end()
            }
        }
    }

    @Test(
        "Lists, reports and the record of calls over all shards are whole while the primary dies at any of their steps; where the node dies with it, none is given in part, and the next one has all"
    )
    func readings() async throws {
        try await Self.each(Moment.all([0, 3, 7, 11, 15, 19]), shards: 4) { node, failing, moment in
            for home in 0..<8 {
                let call = TestCall(caller: try await node.makeKey(credits: 100, home: UInt32(home)), price: 7)
                #expect(await node.admit(call).isAdmitted)
                #expect(await node.settle(call, [(5, 0)]).charged == 5)
            }
            try await Self.catchUp(node.store)
            let now = try await node.time() / 1000
            let store = failing()
            do {
                #expect(try await Readings(store, at: now) == .whole, "\(moment)")
                #expect(moment.death != .withTheNode, "\(moment): a part of it is nothing")
            } catch {
                #expect(moment.death == .withTheNode, "\(moment): \(error)")
            }
            #expect(store.hasDied, "\(moment)")
            #expect(try await Readings(node.store, at: now) == .whole, "\(moment), asked again")
        }
    }

    /// What lists, reports and the record of calls come to.
    private struct Readings: Equatable {
        var (listed, ordered, spent, logged, hourly) = (8, 8, 40, 40, 40)

        static let whole = Readings()

        private init() {}

        init(_ store: any CommandStore, at now: Int) async throws {
            let keys = KeyDirectory(store: store, origin: "a")
            let ids = try await keys.records.ids(.ascending, offset: 0, count: 100)
            var walk = try await OrderWalk(.amount(.spent, from: 1, to: nil), .descending, in: store)
            (listed, ordered) = (Set(ids).count, try await walk.next(100).count)
            spent = try await keys.accounts(ids).reduce(0) { $0 + $1.spent }
            logged = 0
            for try await page in EventLog(store: store).pages() { logged += page.reduce(0) { $0 + $1.credits } }
            let sums = try await RollupBook(store: store).read(from: now - 86_400_000, to: now + 3_600_000) { $0 }
            hourly = sums.hours.flatMap(\.rows).reduce(0) { $0 + $1.sum.credits }
        }
    }
}
