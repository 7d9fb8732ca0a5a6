// Scheduled actions, by nodes that die in the middle of them and by several at once.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Scheduled actions")
struct ScheduleTests {
    private static func entry(_ action: KeySchedules.Action, of key: String, isUnderWay: Bool = false) -> KeySchedules.Entry {
        KeySchedules.Entry(
            id: KeySchedules.makeEntryID(of: key), action: action, credits: action == .topup ? 7 : 0, executeAt: 1000, createdAt: 1,
            isUnderWay: isUnderWay)
    }

    @Test("F-KEY-12: wherever its node dies, and whoever goes on, a scheduled top-up is made once", arguments: [true, false])
    func dying(answering: Bool) async throws {
        let node = try await TestNode(shards: 4)
        for commands in 0..<16 {
            let key = try await node.makeKey(credits: 10).record.id
            let schedules = Schedules(node.directory)
            try await schedules.add(Self.entry(.topup, of: key), to: key, .test())
            let dying = DyingStore(node.store)
            dying.repeatCommands()
            dying.dies(after: commands, answering: answering)
            try? await Schedules(KeyDirectory(store: dying, origin: "dying")).seeToDue(at: 2000)
            async let one: Void = schedules.seeToDue(at: 2000)
            async let other: Void = Schedules(KeyDirectory(store: node.store, origin: "other")).seeToDue(at: 2000)
            _ = try await (one, other)
            for turn in 0..<8 { await dying.repeatLate(turn) }
            try await schedules.seeToDue(at: 2000)
            #expect(try await node.directory.account(key).credits == 17, "dead after \(commands) commands")
            #expect(try await schedules.pending(of: key) == [])
        }
    }

    @Test("F-KEY-12: a shard that is away delays what is scheduled for its own keys alone")
    func awayShard() async throws {
        let node = try await TestNode(shards: 4)
        var keys: [String] = []
        for home in 0..<8 {
            let key = try await node.makeKey(credits: 10, home: UInt32(home)).record.id
            try await Schedules(node.directory).add(Self.entry(.topup, of: key), to: key, .test())
            keys.append(key)
        }
        let store = DyingStore(node.store)
        let tag = node.keys.prefix + "{2}:"
        store.refuses = { command in command.words.contains { String(decoding: $0, as: UTF8.self).hasPrefix(tag) } }
        await #expect(throws: RecordRefusal.self) { try await Schedules(KeyDirectory(store: store, origin: "one")).seeToDue(at: 2000) }
        for (home, key) in keys.enumerated() {
            #expect(try await node.directory.account(key).credits == (home % 4 == 2 ? 10 : 17), "of home \(home)")
        }
        try await Schedules(node.directory).seeToDue(at: 2000)
        for key in keys { #expect(try await node.directory.account(key).credits == 17) }
    }

    @Test(
        "F-KEY-12: nothing is done before its time; what a node has begun with is not cancelled any more, and what was cancelled is not done"
    )
    func order() async throws {
        let node = try await TestNode()
        let key = try await node.makeKey(credits: 10).record.id
        let schedules = Schedules(node.directory)
        let (kept, begun) = (Self.entry(.revoke, of: key), Self.entry(.suspend, of: key, isUnderWay: true))
        for entry in [kept, begun] { try await schedules.add(entry, to: key, .test()) }
        try await schedules.seeToDue(at: 999)
        #expect(try await schedules.pending(of: key).count == 2)
        #expect(try await schedules.cancel(kept.id, of: key, .test()) == kept)
        await #expect(throws: RecordRefusal.state(Schedules.isUnderWay)) { try await schedules.cancel(begun.id, of: key, .test()) }
        await #expect(throws: RecordRefusal.missing) { try await schedules.cancel(kept.id, of: key, .test()) }
        try await schedules.seeToDue(at: 1000)
        #expect(try await node.directory.records.read(key)?.state == .suspended)
        // Somebody resumes it: an action that was done is not done again.
        try await node.directory.edit(key, in: [.suspended], .test()) { $0.state = .active }
        try await schedules.seeToDue(at: 1000)
        #expect(try await node.directory.records.read(key)?.state == .active)
        #expect(try await schedules.pending().schedules.allSatisfy { $0.keyID != key })
    }
}
