// The hourly sums against the ledger, when a charge that was written is taken back.

@testable import ClusterState
import GateDomain
import GateTesting
import Synchronization
import Testing

@Suite("Hourly sums of what is taken back")
struct RollupTests {
    enum Moment: CaseIterable {
        case beforeItIsRead, betweenReadingAndCounting, afterItIsCounted, afterItIsTrimmed
    }

    /// Lets something happen between the reading of a page and what is made of it.
    private struct MeddlingStore: CommandStore {
        let store: RedisStore
        let meddle: @Sendable () async -> Void
        var keys: RedisKeys { store.keys }

        func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply { try await store.send(command) }
        func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] { try await store.sendAll(commands) }
        func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
            await meddle()
            return try await store.sendPatiently(command)
        }
    }

    @Test(
        "M13: a release that comes late leaves one call without credits in the sums, whenever it comes", arguments: Moment.allCases, [1, 8])
    func released(_ moment: Moment, shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let caller = try await node.makeKey(credits: 100)
        let (kept, lost) = (TestCall(caller: caller, price: 5), TestCall(caller: caller, price: 7))
        for call in [kept, lost] {
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call).charged == call.price)
        }
        let rollups = Rollups(store: node.store)
        switch moment {
        case .beforeItIsRead: break
        case .betweenReadingAndCounting:
            let isDone = Atomic(false)
            let store = MeddlingStore(store: node.store) {
                guard !isDone.exchange(true, ordering: .relaxed) else { return }
                _ = await node.release(lost)
            }
            _ = try await Rollups(store: store).advance()
            let hasMeddled = isDone.load(ordering: .relaxed)
            #expect(hasMeddled)
        case .afterItIsCounted: _ = try await rollups.advance()
        case .afterItIsTrimmed:
            _ = try await rollups.advance()
            for shard in 0..<shards { try await node.send("XTRIM", node.keys.usage(shard), "MAXLEN", "0") }
        }
        if moment != .betweenReadingAndCounting { #expect(await node.release(lost).charged == 0) }
        for _ in 0..<3 { _ = try await rollups.advance() }
        #expect(try await node.account(caller).spent == 5)
        let now = try await node.time() / 1000
        let rows = try await rollups.rows(from: now - 3_600_000, to: now + 3_600_000)
        #expect(rows.reduce(0) { $0 + $1.credits } == 5)
        #expect(rows.reduce(0) { $0 + $1.calls } == 2)
        #expect(rows.reduce(0) { $0 + $1.durations.count } == rows.reduce(0) { $0 + ($1.outcome == .unknown ? 0 : $1.calls) })
        if moment != .afterItIsTrimmed {
            let events = try await node.events()
            #expect(events.map(\.credits).sorted() == [0, 5], "a correction is no call")
        }
    }

    @Test("A report reads hours of thousands of fields in parts, each whole and once")
    func longHours() async throws {
        let node = try await TestNode()
        let fill = """
            for i = 1, 5000 do redis.call('HSET', KEYS[1], 't' .. i .. '\\31' .. 'k' .. '\\31ok\\31\\31c', i, 't' .. i .. '\\31k\\31ok\\31\\31v', 2) end
            """
        for hour in [1, 3, 4] { try await node.send("EVAL", fill, "1", node.keys.rollup(hour, 0)) }
        let rows = try await Rollups(store: node.store).rows(from: 0, to: 6 * 3_600_000)
        #expect(rows.count == 15_000)
        #expect(rows.reduce(0) { $0 + $1.calls } == 3 * 5000 * 5001 / 2)
        #expect(rows.reduce(0) { $0 + $1.credits } == 30_000)
        #expect(Set(rows.map(\.hour)) == [1, 3, 4])
    }
}
