// A hold that Redis refuses to give back is given back when it does not any more.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Releases that Redis refuses")
struct RefusedReleaseTests {
    @Test("A missing right heals: what could not be given back meanwhile is, when an operator has granted it (M1, M5)")
    func missingRight() async throws {
        let server = try await RedisServer()
        let node = try await TestNode(on: server)
        let caller = try await node.makeKey(credits: 10)
        let call = TestCall(caller: caller, price: 3)
        #expect(await node.admit(call).isAdmitted)
        try await server.command("ACL", "SETUSER", "default", "-evalsha", "-eval")
        await node.giveUp(call)
        try await eventually("it is refused") { try await !server.command("ACL", "LOG").isEmpty }
        try await server.command("ACL", "SETUSER", "default", "+evalsha", "+eval")
        try await node.drain()
        #expect(try await node.credits(caller) == 10)
        #expect(try await node.openHolds() == 0)
    }

    @Test("Whatever the words of a refusal are, the release is kept, counted and tried again until it stands (M1, M5)")
    func unknownWords() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let (call, other) = (TestCall(caller: caller, price: 3), TestCall(caller: try await node.makeKey(credits: 10), price: 3))
        for each in [call, other] { #expect(await node.admit(each).isAdmitted) }
        try await node.send("HSET", caller.accounts[0], "credits", "seven")
        for each in [call, other] { await node.giveUp(each) }
        try await eventually("one is refused") { await node.refused.times > 0 }
        try await eventually("the other is given back meanwhile") { try await node.credits(other.caller) == 10 }
        #expect(await node.refused.waiting == 1)
        #expect(await node.withLedger { $0.backlog } == 1)
        try await node.send("HSET", caller.accounts[0], "credits", "7")
        try await node.drain()
        #expect(try await node.credits(caller) == 10)
        #expect(try await node.openHolds() == 0)
        let refused = await node.refused
        #expect(refused.waiting == 0 && refused.dropped == 0)
    }

    @Test("Who does not know us any more, or lets us do less, is away until it does again (F25)")
    func words() {
        for text in [
            "NOAUTH Authentication required.", "NOPERM this user has no permissions to run the 'evalsha' command",
            "ERR Error running script (call to f_1): @user_script:1: -NOPERM this user has no permissions",
        ] { #expect(StoreFailure(errorText: text) == .unavailable(text)) }
        #expect(StoreFailure(errorText: "ERR upstream failure") == .fault("ERR upstream failure"))
        #expect(StoreFailure.isMoved(errorText: "NOAUTH Authentication required."), "a new connection says the password again")
    }

    @Test("Refused releases are tried ever more seldom, and their number is bounded: the oldest goes")
    func bounds() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1)
        var owed = OwedSettlements()
        for index in 0..<(OwedSettlements.mostRefused + 10) {
            owed.append(node.abandonment(TestCall(caller: caller, hold: "h\(index)")))
            for each in owed.take(1, at: 0) {
                let isFirst = owed.refuse(each, at: 0)
                #expect(isFirst == (index == 0), "said once")
            }
        }
        #expect(owed.count == OwedSettlements.mostRefused && owed.dropped == 10)
        let early = owed.taken(at: OwedSettlements.firstPause - 1)
        #expect(early == nil)
        var now = OwedSettlements.firstPause
        var first = try #require(owed.take(1, at: now).first)
        #expect(first.settlement.hold == "h10")
        for each in owed.take(.max, at: now) { _ = owed.acknowledge(each) }
        for seconds in [2, 4, 8, 16, 30, 30] {
            let isFirst = owed.refuse(first, at: now)
            #expect(!isFirst)
            now += seconds * 1_000_000
            let early = owed.taken(at: now - 1)
            #expect(early == nil)
            first = try #require(owed.take(1, at: now).first)
        }
        let wasLast = owed.acknowledge(first)
        #expect(wasLast && owed.count == 0 && owed.troubled == 0)
    }
}

extension OwedSettlements {
    /// The next one that may be sent.
    fileprivate mutating func taken(at uptime: Int) -> String? { take(1, at: uptime).first?.settlement.hold }
}

extension TestNode {
    /// What Redis has refused of what the ledger owes it.
    fileprivate var refused: (waiting: Int, times: Int, dropped: Int) {
        get async { await withLedger { $0.refused } ?? (0, 0, 0) }
    }
}
