// Who the primary is, out of what Sentinels say: majority, epoch, and for how long.

@testable import ClusterState
import NIOCore
import Testing

@Suite("The election of a primary, as a node sees it")
struct SentinelElectionTests {
    private static let a = RedisPrimary(host: "a", port: 1, epoch: 4)
    private static let b = RedisPrimary(host: "b", port: 2, epoch: 5)

    private static func at(_ milliseconds: Int64) -> NIODeadline { .uptimeNanoseconds(10_000_000_000) + .milliseconds(milliseconds) }

    /// Tells of what each Sentinel has answered at a moment.
    private static func hear(
        _ election: inout PrimaryElection, _ primary: RedisPrimary, from sentinels: [Int], at moment: Int64, downAfter: Int = 1000
    ) -> [Bool] {
        sentinels.map {
            election.heard(SentinelAnswer(primary, downAfter: downAfter), from: $0, askedAt: at(moment), now: at(moment + 1))
        }
    }

    @Test("Nothing is decided before a majority has answered")
    func majority() {
        var election = PrimaryElection(sentinels: 3)
        #expect(Self.hear(&election, Self.a, from: [0, 0], at: 0) == [false, false])
        #expect(election.primary == nil)
        #expect(Self.hear(&election, Self.a, from: [2], at: 10) == [true])
        #expect(election.primary == Self.a && election.end == Self.at(1000), "until the older of the two words has run out")
    }

    @Test("The Sentinel that has promoted is believed at once, one that is late never leads back")
    func epochs() {
        var election = PrimaryElection(sentinels: 3)
        _ = Self.hear(&election, Self.a, from: [0, 1, 2], at: 0)
        #expect(Self.hear(&election, Self.b, from: [1], at: 100) == [true])
        #expect(Self.hear(&election, Self.a, from: [0, 2, 0, 2], at: 200) == [false, false, false, false])
        #expect(election.primary == Self.b)
        #expect(Self.hear(&election, Self.b, from: [0, 2], at: 300) == [false, false])
        #expect(election.primary == Self.b && election.end == Self.at(1300))
    }

    @Test("A majority of a lower epoch is not followed, and said; its word does not prolong what is known")
    func outdone() {
        var election = PrimaryElection(sentinels: 3)
        _ = Self.hear(&election, Self.b, from: [0, 1, 2], at: 0)
        let end = election.end
        _ = Self.hear(&election, RedisPrimary(host: "a", port: 1, epoch: 0), from: [0, 1, 2], at: 2000)
        #expect(election.primary == Self.b && election.isOutdone && election.end == end)
    }

    @Test(
        "While a Sentinel promotes another one nothing is written to the primary; if it gives that up, or is gone, the primary holds again")
    func promoting() {
        var election = PrimaryElection(sentinels: 3)
        _ = Self.hear(&election, Self.a, from: [0, 1, 2], at: 0)
        let promoting = SentinelAnswer(Self.a, downAfter: 1000, isPromoting: true)
        #expect(!election.heard(promoting, from: 0, askedAt: Self.at(100), now: Self.at(101)) && election.end < Self.at(0))
        _ = Self.hear(&election, Self.a, from: [1, 2], at: 200)
        #expect(election.end < Self.at(0), "the others do not know of it")
        var other = election
        _ = Self.hear(&election, Self.a, from: [0], at: 300)
        #expect(election.end == Self.at(1200), "it has given up")
        _ = Self.hear(&other, Self.a, from: [1, 2], at: 1200)
        #expect(other.end == Self.at(2200), "it is gone")
        #expect(Self.hear(&other, Self.b, from: [0], at: 1300) == [true] && other.end > Self.at(1300))
    }

    @Test(
        "A primary that a majority of the Sentinels misses holds until they may vote for another one, however often they name it meanwhile")
    func silence() {
        var election = PrimaryElection(sentinels: 3)
        _ = Self.hear(&election, Self.a, from: [0, 1, 2], at: 0)
        #expect(election.end == Self.at(1000))
        for moment in stride(from: Int64(200), through: 2000, by: 200) {
            // Two have heard it last at 100, the third hears it on.
            for (sentinel, heard) in [(0, 100), (1, 100), (2, moment)] {
                let answer = SentinelAnswer(Self.a, downAfter: 1000, silence: Int(moment - heard))
                let isNew = election.heard(answer, from: sentinel, askedAt: Self.at(moment), now: Self.at(moment + 1))
                #expect(!isNew)
            }
        }
        #expect(election.end == Self.at(1100))
        #expect(Self.hear(&election, Self.b, from: [1], at: 2100) == [true], "the one that has promoted is believed at once all the same")
        #expect(election.end > Self.at(2100))
    }

    @Test("A minority neither chooses nor prolongs, however often it answers")
    func minority() {
        var election = PrimaryElection(sentinels: 5)
        _ = Self.hear(&election, Self.a, from: [0, 1, 2], at: 0)
        #expect(election.end == Self.at(1000))
        for moment in stride(from: Int64(100), through: 5000, by: 100) {
            _ = Self.hear(&election, Self.a, from: [0, 1], at: moment)
        }
        #expect(election.end == Self.at(1000), "two of five")
        #expect(Self.hear(&election, Self.b, from: [0, 1], at: 6000) == [false, false])
        #expect(election.primary == Self.a)
    }

    @Test("Sentinels that were set up anew with the same epoch are followed when most of them agree")
    func sameEpoch() {
        var election = PrimaryElection(sentinels: 3)
        let other = RedisPrimary(host: "c", port: 3, epoch: 4)
        _ = Self.hear(&election, Self.a, from: [0, 1, 2], at: 0)
        #expect(Self.hear(&election, other, from: [0, 1], at: 100) == [false, true])
        #expect(election.primary == other)
    }

    @Test("An answer that changes between its two addresses is none, and refusals are told apart")
    func answers() throws {
        func address(_ port: String) -> RedisReply { .array([.bytes(Array("h".utf8)), .bytes(Array(port.utf8))]) }
        let facts = ["config-epoch", "7", "down-after-milliseconds", "500", "last-ok-ping-reply", "20"].map {
            RedisReply.bytes(Array($0.utf8))
        }
        let answer = try SentinelAnswer([address("1"), .array(facts), address("1")])
        #expect(answer.primary == RedisPrimary(host: "h", port: 1, epoch: 7) && answer.downAfter == 500 && answer.silence == 20)
        #expect(throws: SentinelRefusal.changing) { try SentinelAnswer([address("1"), .array(facts), address("2")]) }
        #expect(throws: SentinelRefusal.unknownName) {
            try SentinelAnswer([.null, .error("ERR No such master with that name"), .null])
        }
        #expect(throws: SentinelRefusal.credentials) { try SentinelAnswer([.error("NOAUTH Authentication required.")]) }
        #expect(throws: SentinelRefusal.forbidden("SENTINEL")) { try SentinelAnswer([.error("NOPERM this user has no permissions")]) }
    }
}
