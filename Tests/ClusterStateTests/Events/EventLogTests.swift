// The log as it is read back, whatever version of the node has written it.

@testable import ClusterState
import GateDomain
import Testing

@Suite("The log of calls")
struct EventLogTests {
    @Test("Events with unknown tags, missing ones or a later format are read as far as they are known; what is no event is passed over")
    func versions() async throws {
        let node = try await TestNode()
        let separator = "\u{1f}"
        func add(_ credits: String, _ parts: [String], _ more: [String] = []) async throws {
            try await node.send(["XADD", node.keys.usage(0), "*", "c", credits, "e", parts.joined(separator: separator)] + more)
        }
        try await add("1", ["1", "k=key_1", "t=search", "o=ok", "m=5", "q=r1"])
        try await add("2", ["1", "t=search", "zz=what", "nonsense", "o=ok"], ["h", "hold", "future", "field"])
        try await add("3", ["9", "t=later", "o=stolen"])
        try await add("4", ["not a format", "t=x"])
        try await node.send("XADD", node.keys.usage(0), "*", "e", "1\(separator)t=x")
        let events = try await node.events()
        #expect(events.map(\.credits) == [1, 2, 3])
        #expect(events.map(\.event.tool) == ["search", "search", "later"])
        #expect(events.map(\.event.outcome) == [.ok, .ok, .unknown])
        #expect(events[0].event.requestID == "r1" && events[0].event.milliseconds == 5 && events[1].event.keyID.isEmpty)
    }

    @Test("The streams of all shards are merged by time, page by page, and none of them is read twice", arguments: [1, 8])
    func merged(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let event = CallEvent(keyID: "", tool: "t", outcome: .ok, milliseconds: 0, requestID: "r").packed
        let fill = "for i = 1, 2500 do redis.call('XADD', KEYS[1], (i * 2 + ARGV[1] % 2) .. '-' .. ARGV[1] + 1, 'c', i, 'e', ARGV[2]) end"
        for shard in 0..<shards {
            try await node.send("EVAL", fill, "1", node.keys.usage(shard), String(shard), String(decoding: event, as: UTF8.self))
        }
        let events = try await node.events()
        #expect(events.count == 2500 * shards)
        #expect(zip(events, events.dropFirst()).allSatisfy { $0.time <= $1.time })
        #expect(
            try await EventLog(store: node.store).pages(since: 4000).reduce(into: [LoggedCall]()) { $0 += $1 }.allSatisfy {
                $0.time >= 4000
            })
    }
}
