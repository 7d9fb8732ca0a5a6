// Readings of rolling windows, beside the admissions that fill them.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Readings of windows")
struct WindowReadingTests {
    private static func limit(_ name: String, cap: Int = 5, window: Int = Limit.minute) -> Limit {
        Limit(name: name, window: .rolling(window), cap: cap)
    }

    @Test("F-RATE-03: a reading says what the last admission said, and uses nothing up", arguments: [1, 16])
    func reading(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let caller = try await node.makeKey(credits: 10)
        let (limit, other) = (Self.limit("calls"), Self.limit("calls:other", cap: 2))
        #expect(try await node.directory.windows(of: caller.record.id, [limit, other]).map(\.used) == [0, 0])
        var last: MeterReading?
        for _ in 0..<3 {
            guard case .admitted(_, let meters) = await node.admit(TestCall(caller: caller, limits: [(limit, 1)])) else {
                Issue.record("not admitted")
                return
            }
            last = meters.first
        }
        let before = try await node.send("HGET", caller.accounts[0], "m:calls")
        for _ in 0..<20 {
            let readings = try await node.directory.windows(of: caller.record.id, [limit, other])
            #expect(readings.map(\.used) == [3, 0] && readings.map(\.remaining) == [2, 2])
            #expect(readings[0].remaining == last?.remaining && (1...Limit.minute).contains(readings[0].reset))
            #expect(readings[1].reset == Limit.minute)
        }
        #expect(try await node.send("HGET", caller.accounts[0], "m:calls") == before)
        #expect(await node.admit(TestCall(caller: caller, limits: [(limit, 2)])).isAdmitted)
        #expect(try await node.directory.windows(of: caller.record.id, [limit])[0].remaining == 0)
        #expect(try await node.directory.windows(of: "key_0000000000000000", [limit])[0].used == 0, "of a key that is not there")
    }

    @Test("what has left the window is not told, and of many limits all are")
    func leaving() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 10)
        let short = Self.limit("calls", window: 30_000)
        #expect(await node.admit(TestCall(caller: caller, limits: [(short, 3)])).isAdmitted)
        try await Task.sleep(for: .milliseconds(40))
        #expect(try await node.directory.windows(of: caller.record.id, [short])[0].used == 0)
        let many = (0..<120).map { Self.limit("calls:\($0)") } + [Limit(name: "calls.day", window: .calendar(.day), cap: 1)]
        let readings = try await node.directory.windows(of: caller.record.id, many)
        #expect(readings.map(\.limit.name) == (0..<120).map { "calls:\($0)" })
    }
}
