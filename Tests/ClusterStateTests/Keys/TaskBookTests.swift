// What is known of tasks, heard late and twice, and when their servers are asked.

@testable import ClusterState
import GateDomain
import Testing

@Suite("The book of tasks")
struct TaskBookTests {
    private static func task(
        _ name: String, of key: String = "key_0000000000000001", status: TaskRecord.Status = .working, lifetime: Int? = nil,
        at now: Int = 1_000
    ) -> TaskRecord {
        TaskRecord(
            TaskID(key: key, name: name), taskID: "id \(name)", server: "s", tool: "t", session: "", client: "", capabilities: 0,
            keyPrefix: "pg_", node: "n", status: status, lifetime: lifetime, at: now)
    }

    @Test(
        "A task is asked about ever more seldom, up to every ten minutes, just before its server forgets it, and no more when that is past")
    func times() {
        #expect(TaskCommands.next(for: Self.task("a"), at: 1_000) == 31_000)
        #expect(TaskCommands.next(for: Self.task("a", lifetime: 10_000), at: 1_000) == 9_000)
        #expect(TaskCommands.next(for: Self.task("a", lifetime: 10_000), at: 9_500) == 39_500)
        #expect(!TaskCommands.isOver(Self.task("a", lifetime: 10_000), at: 10_999))
        #expect(TaskCommands.isOver(Self.task("a", lifetime: 10_000), at: 11_000))
        #expect(!TaskCommands.isOver(Self.task("a"), at: 80_000_000) && TaskCommands.isOver(Self.task("a"), at: 86_400_000))
    }

    @Test(
        "F-EXTRA-02: the first end of a task stays whatever is heard late, one that was unknown may still be heard of, and what has gone back counts once",
        arguments: [1, 4])
    func ends(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let (book, commands) = (TaskBook(store: node.store), TaskCommands(keys: node.keys))
        let tasks = (0..<4).map { Self.task("name\($0)", of: "key_000000000000000\($0)", at: 1_000 + $0) }
        for task in tasks { for command in commands.make(task) { _ = try await node.store.send(command) } }
        #expect(try await book.all().map(\.id) == tasks.reversed().map(\.id))
        #expect(try await book.due(at: 30_999, count: 10).isEmpty)
        #expect(Set(try await book.due(at: 31_003, count: 10)) == Set(tasks.map(\.id)))
        try await book.hear(.failed, of: tasks[0], at: 2_000)
        try await book.hear(.working, of: tasks[0], at: 2_001)
        try await book.hear(.completed, of: tasks[0], at: 2_002)
        try await book.hear(.unknown, of: tasks[1], at: 2_000)
        #expect(try await book.read(tasks[1].id)?.status == .unknown)
        try await book.hear(.cancelled, of: tasks[1], at: 2_000)
        try await book.hear(.working, of: tasks[2], at: 2_000)
        #expect(try await book.read(tasks.map(\.id)).map(\.status) == [.failed, .cancelled, .working, .working])
        #expect(try await book.read(tasks[2].id)?.inquiries == 1)
        try await book.unschedule(tasks[0].id)
        #expect(Set(try await book.due(at: 100_000, count: 10)) == Set(tasks[2...].map(\.id)))
        for _ in 0..<2 { _ = try await node.store.send(commands.refunded(7, charge: "one", of: tasks[0].id)) }
        _ = try await node.store.send(commands.refunded(2, charge: "two", of: tasks[0].id))
        let failed = try #require(try await book.read(tasks[0].id))
        #expect(failed.creditsRefunded == 9)
        #expect(try await book.charges(of: [failed]).first?.charged == 9)
        let order = ClusterState.Operation.test("order", "cancel")
        #expect(try await !book.hasCancelled(tasks[3].id, order))
        for _ in 0..<2 { try await book.cancel(tasks[3].id, order) }
        #expect(try await book.hasCancelled(tasks[3].id, order))
        #expect(try await node.send("XLEN", node.keys.audit(node.keys.shard(of: tasks[3].id.key))).integer == 1, "M12: told once")
        await #expect(throws: RecordRefusal.operationReused) { try await book.cancel(tasks[3].id, .test("order", "another")) }
        #expect(try await book.due(at: 0, count: 10) == [tasks[3].id])
        #expect(try await book.read(tasks[3].id)?.isToBeCancelled == true)
        // Made again under its name: another task.
        for command in commands.make(tasks[0]) { _ = try await node.store.send(command) }
        #expect(try await book.read(tasks[0].id)?.status == .working)
        #expect(try await book.read(tasks[0].id)?.creditsRefunded == 0)
        for command in commands.forget(tasks[0].id) { _ = try await node.store.send(command) }
        #expect(try await book.all().count == 3)
    }

    @Test("F-MCP-18: what completed tasks have cost can go back no more, whatever becomes of a later one of their name, and is still shown")
    func kept() async throws {
        let node = try await TestNode()
        let (book, commands, task) = (TaskBook(store: node.store), TaskCommands(keys: node.keys), Self.task("a"))
        let list = node.keys.taskCharge(of: task.id.key, task.id.name)
        func charges() async throws -> [String] {
            (try await node.store.send(RedisCommand("LRANGE", list, "0", "-1")).array ?? []).compactMap(\.string)
        }
        for turn in 0..<2 {
            for command in commands.make(task) { _ = try await node.store.send(command) }
            // The second word was sent twice, as after a lost answer.
            for word in ["3 a\(turn) 9", "4 b\(turn) 9", "4 b\(turn) 9"] {
                _ = try await node.store.send(RedisCommand("RPUSH", list, word))
            }
            for _ in 0..<2 { try await book.hear(.completed, of: task, at: 2_000) }
            #expect(try await charges().isEmpty)
            let known = try #require(try await book.read(task.id))
            #expect(known.status == .completed && known.creditsKept == 7 && known.creditsRefunded == 0)
            #expect(try await book.charges(of: [known]).first?.charged == 7)
        }
        // Of a failed one nothing is kept, whatever is heard late.
        for command in commands.make(task) { _ = try await node.store.send(command) }
        _ = try await node.store.send(RedisCommand("RPUSH", list, "5 c 9"))
        try await book.hear(.failed, of: task, at: 2_000)
        try await book.hear(.completed, of: task, at: 2_001)
        #expect(try await charges() == ["5 c 9"])
        #expect(try await book.due(at: 100_000, count: 10) == [task.id], "until what it has cost has gone back")
    }

    @Test(
        "A charge that is noted when a task is off the schedule puts it there again, and delays none that is due earlier; so does a cancellation"
    )
    func scheduling() async throws {
        let node = try await TestNode()
        let (book, commands) = (TaskBook(store: node.store), TaskCommands(keys: node.keys))
        let (gone, near) = (Self.task("gone"), Self.task("near", lifetime: 10_000))
        for command in commands.make(gone) + commands.make(near) { _ = try await node.store.send(command) }
        try await book.hear(.unknown, of: gone, at: 1_500)
        for task in [gone, near] { for command in commands.schedule(task.id, at: 2_000) { _ = try await node.store.send(command) } }
        #expect(try await book.due(at: 9_000, count: 10) == [near.id])
        #expect(try await book.due(at: 31_999, count: 10) == [near.id])
        #expect(try await book.due(at: 32_000, count: 10) == [near.id, gone.id])
        #expect(try await book.due(at: 32_000, count: 10, from: 1) == [gone.id])
        try await book.unschedule(gone.id)
        try await book.cancel(gone.id, .test())
        #expect(try await book.due(at: 0, count: 10) == [gone.id])
    }

    @Test("A key with as many tasks as it may have pushes nobody else's off the schedule, however many shards there are")
    func crowd() async throws {
        let node = try await TestNode(shards: 64)
        let (book, commands) = (TaskBook(store: node.store), TaskCommands(keys: node.keys))
        let names = (0..<1_000).map { "key_\(String(repeating: "0", count: 12))\(1_000 + $0)" }
        let own = names.filter { node.keys.shard(of: $0) == node.keys.shard(of: names[0]) }
        try #require(own.count > 1)
        // The other key's task is due last of all.
        let other = Self.task("other", of: own[1], at: 9_000)
        _ = try await node.store.sendAll(commands.make(other))
        for page in 0..<10 {
            _ = try await node.store.sendAll(
                (0..<TaskCommands.mostOfKey / 10).flatMap { commands.make(Self.task("\(page)-\($0)", of: own[0])) })
        }
        #expect(try await book.due(at: 100_000, count: 2_000).count == TaskCommands.mostOfKey + 1)
        #expect(try await book.due(at: 100_000, count: 2_000).contains(other.id))
    }

    @Test("Of two nodes that want to ask about a task one has the turn, and the other when that has given it back")
    func turns() async throws {
        let node = try await TestNode()
        let (book, id) = (TaskBook(store: node.store), TaskID(key: "key_0000000000000001", name: "a"))
        #expect(try await book.takeTurn(id, as: "one"))
        #expect(try await !book.takeTurn(id, as: "other"))
        await book.leaveTurn(id)
        #expect(try await book.takeTurn(id, as: "other"))
    }
}
