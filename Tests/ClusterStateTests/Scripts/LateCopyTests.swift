// What arrives late, twice or in the wrong order: it changes nothing, and nothing of it stays behind.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Late copies")
struct LateCopyTests {
    @Test("An admission past its moment is refused; after its settlement, and after that was acknowledged, it opens nothing (M1, M3)")
    func lateAdmission() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 3)
        let until = try await node.time() / 1000 + 300
        let late = node.command(admitting: [call], until: try await node.time() / 1000 - 1)
        #expect(try await node.store.send(late).firstAnswer?.status == 2)
        #expect(try await node.credits(caller) == 10)
        let copy = node.command(admitting: [call], until: until)
        #expect(try await node.store.send(copy).firstAnswer?.status == 0)
        let settling = node.command(settling: [node.settlement(call, [(2, 0)], until: until)])
        for _ in 0..<2 { #expect(try await node.store.send(settling).firstAnswer?.status == 1) }
        #expect(try await node.store.send(copy).firstAnswer?.status == 11)
        #expect(try await node.holds() == (0, 1))
        try await eventually { try await node.time() / 1000 > until }
        _ = try await node.store.send(node.command(settling: [], acknowledging: [call.hold]))
        #expect(try await node.send("HLEN", node.keys.open("node-a", 0)).integer == 1)
        #expect(try await node.store.send(copy).firstAnswer?.status == 2)
        #expect(try await node.store.send(settling).firstAnswer?.status == 0, "a settlement after that finds nothing")
        #expect(try await node.credits(caller) == 8)
        #expect(try await node.events().map(\.credits) == [2])
        #expect(try await node.send("HLEN", node.keys.open("node-a", 0)).integer == 1)
    }

    @Test("An acknowledgement leaves a hold alone that is open all the same, as after a failover that took its settlement along (M1, M5)")
    func acknowledgedOpen() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let calls = [TestCall(caller: caller, price: 3), TestCall(caller: caller, price: 2)]
        _ = try await node.store.send(node.command(admitting: calls))
        let settling = node.command(settling: [node.settlement(calls[1], [(2, 0)])])
        #expect(try await node.store.send(settling).firstAnswer?.status == 6)
        _ = try await node.store.send(node.command(settling: [], acknowledging: calls.map(\.hold) + ["never-there"]))
        #expect(try await node.holds() == (1, 0))
        #expect(try await node.store.send(node.command(settling: [node.abandonment(calls[0])])).firstAnswer?.status == 1)
        #expect(try await node.credits(caller) == 8)
    }

    @Test("A release that comes before its admission keeps that from opening, however late it comes (M1, M5)")
    func releaseFirst() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 3)
        let releasing = node.command(settling: [node.abandonment(call)])
        #expect(try await node.store.send(releasing).firstAnswer?.status == 0)
        #expect(try await node.store.send(node.command(admitting: [call])).firstAnswer?.status == 11)
        #expect(try await node.credits(caller) == 10)
        let old = TestCall(caller: caller, price: 3)
        _ = try await node.store.send(node.command(settling: [node.abandonment(old, until: 1)]))
        #expect(try await node.holds() == (0, 2))
    }

    @Test("A late copy of a release, when its mark has been forgotten, leaves nothing behind (M1, F40)")
    func lateRelease() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 3)
        let now = try await node.time()
        // Sent six seconds ago.
        node.clock.heard(now - 6_000_000)
        let copy = node.command(settling: [node.abandonment(call)])
        node.clock.heard(now)
        #expect(await node.abandon(call).isGone)
        #expect(try await node.holds() == (0, 1))
        _ = try await node.store.send(node.command(settling: [], acknowledging: [call.hold]))
        #expect(try await node.store.send(copy).firstAnswer?.status == 5)
        #expect(try await node.holds() == (0, 0))
    }

    @Test("A release of a node whose clock is elsewhere is asked for again, and keeps a late admission from opening (M1, M5)")
    func releaseOfWrongClock() async throws {
        for offset in [-3_600_000_000, 3_600_000_000] {
            let node = try await TestNode()
            let caller = try await node.makeKey(credits: 10)
            let call = TestCall(caller: caller, price: 3)
            let admission = node.command(admitting: [call], until: try await node.time() / 1000 + 1000)
            node.clock.heard(try await node.time() + offset)
            #expect(await node.abandon(call).isGone)
            #expect(try await node.store.send(admission).firstAnswer?.status == 11)
            #expect(try await node.credits(caller) == 10)
        }
    }

    @Test("Whatever becomes of calls, nothing of them stays behind: marks go by acknowledgement (M1)", arguments: [1, 64])
    func nothingStays(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let team = try await node.makeTeam(budget: 1000, home: 9)
        let limits: [(limit: Limit, amount: Int)] = [(Limit(name: "open", measure: .inFlight, window: .lifetime, cap: 99), 1)]
        for index in 0..<24 {
            let caller = try await node.makeKey(credits: 100, team: index % 2 == 0 ? team : nil)
            let call = TestCall(caller: caller, limits: limits)
            _ = await node.admit(call)
            switch index % 6 {
            case 0, 1: _ = await node.settle(call)
            case 2, 3: await node.giveUp(call)
            default:
                _ = await node.settle(call)
                _ = await node.release(call)
            }
        }
        await node.giveUp(TestCall(caller: try await node.makeKey(credits: 1)))
        #expect(try await node.holds().marks > 0)
        try await node.forgetMarks()
        for shard in 0..<shards { #expect(try await node.send("HLEN", node.keys.open("node-a", shard)).integer == 1) }
        #expect(await node.withLedger { $0.backlog } == 0)
    }

    @Test("A node whose clock is elsewhere is told so, asks again, and its release still keeps a late copy from opening (M1)")
    func wrongClock() async throws {
        for offset in [-3_600_000_000, 3_600_000_000] {
            let node = try await TestNode()
            let caller = try await node.makeKey(credits: 10)
            let day = Limit(name: "day", window: .calendar(.day), cap: 9)
            node.clock.heard(try await node.time() + (offset < 0 ? offset : 86_400_000_000))
            let call = TestCall(caller: caller, price: 3, limits: [(day, 1)])
            let until = await node.admittedUntil(call)
            let now = try await node.time()
            #expect(abs((until ?? 0) - now / 1000) < 10_000, "the moment that the repeated question named")
            #expect(try await node.credits(caller) == 7)
            #expect(abs(node.clock.microseconds - now) < 1_000_000)
        }
    }
}
