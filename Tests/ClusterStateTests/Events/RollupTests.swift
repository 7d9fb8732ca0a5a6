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
            _ = try await Rollups(store: store).advance().get()
            let hasMeddled = isDone.load(ordering: .relaxed)
            #expect(hasMeddled)
        case .afterItIsCounted: _ = try await rollups.advance().get()
        case .afterItIsTrimmed:
            _ = try await rollups.advance().get()
            for shard in 0..<shards { try await node.send("XTRIM", node.keys.usage(shard), "MAXLEN", "0") }
        }
        if moment != .betweenReadingAndCounting { #expect(await node.release(lost).charged == 0) }
        for _ in 0..<3 { _ = try await rollups.advance().get() }
        #expect(try await node.account(caller).spent == 5)
        let table = try await node.sums()
        #expect(table.credits == 5 && table.calls == 2)
        let timed = table.hours.flatMap(\.rows).reduce(0) { $0 + Int($1.sum.timedCalls) }
        let known = table.hours.flatMap(\.rows).reduce(0) { sum, row in
            sum + (table.names.kinds[Int(row.kind)].outcome == .unknown ? 0 : Int(row.sum.calls))
        }
        #expect(timed == known && table.hours.flatMap(\.latencies).reduce(0) { $0 + $1.durations.count } == known)
        if moment != .afterItIsTrimmed {
            let events = try await node.events()
            #expect(events.map(\.credits).sorted() == [0, 5], "a correction is no call")
        }
    }

    @Test("However many nodes make the sums at once, every event counts once", arguments: [1, 4])
    func together(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let callers = try await concurrently(4) { try await node.makeKey(credits: 1000, home: UInt32($0)) }
        var spent = 0
        for number in 0..<200 {
            let call = TestCall(caller: callers[number % 4], price: number % 7)
            #expect(await node.admit(call).isAdmitted)
            spent += try #require(await node.settle(call).charged)
            for _ in 0..<number % 3 { _ = try await node.send(denial: callers[number % 4].record.id, "rate_limited") }
        }
        await withTaskGroup { group in
            for _ in 0..<4 {
                group.addTask { while await (try? Rollups(store: node.store).advance().get()) ?? true {} }
            }
        }
        while try await Rollups(store: node.store).advance().get() {}
        let table = try await node.sums()
        #expect(table.credits == spent && table.calls == 200 + (0..<200).reduce(0) { $0 + $1 % 3 })
    }

    @Test("A reader that has the hours already reads those that have changed, and has what a new one reads")
    func reread() async throws {
        let node = try await TestNode()
        let book = RollupBook(store: node.store)
        let caller = try await node.makeKey(credits: 100)
        for turn in 1...5 {
            let call = TestCall(caller: caller, price: turn)
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call).charged == turn)
            _ = try await Rollups(store: node.store).advance().get()
            let (old, new) = (try await node.sums(book), try await node.sums())
            #expect(old.calls == turn && new.calls == turn && old.credits == new.credits && old.credits == turn * (turn + 1) / 2)
        }
        let name = try #require(try await node.send("KEYS", node.keys.prefix + "*rollup:*").array?.first?.string)
        try await node.send("DEL", name, node.keys.rollupHours(0))
        #expect(try await node.sums(book).calls == 0, "what Redis has forgotten is forgotten")
    }

    @Test("An hour keeps 2,000 rows and 500 tools' durations; the rest is `other`, and no call is lost")
    func crowded() async throws {
        let node = try await TestNode()
        let fill = """
            for i = 1, 5000 do
              redis.call('XADD', KEYS[1], '*', 'c', '2', 'e', '1\\31k=key_' .. i % 2500 .. '\\31t=tool' .. i % 700 .. '\\31o=ok\\31m=' .. i % 300 .. '\\31q=r')
            end
            """
        try await node.send("EVAL", fill, "1", node.keys.usage(0))
        while try await Rollups(store: node.store).advance().get() {}
        let table = try await node.sums()
        #expect(table.calls == 5000 && table.credits == 10_000)
        #expect(table.hours.flatMap(\.latencies).reduce(0) { $0 + $1.durations.count } == 5000)
        for hour in table.hours { #expect(hour.rows.count <= 2001 && hour.latencies.count <= 501) }
        let other = try #require(table.names.tools.firstIndex(of: "other"))
        #expect(table.hours.flatMap(\.rows).contains { $0.tool == Int32(other) && table.names.keys[Int($0.key)] == "other" })
    }

    @Test("A report reads hours of thousands of fields in parts, each whole and once")
    func longHours() async throws {
        let node = try await TestNode()
        let hour = try await node.time() / 3_600_000_000
        for hour in [hour - 700, hour - 3, hour] {
            for start in stride(from: 1, through: 5000, by: 500) {
                let values = (start..<start + 500).map { number in
                    var sum = RollupSum()
                    (sum.calls, sum.credits) = (Int32(number), -number)
                    return (RollupField(tool: "t\(number)", key: "k", kind: RollupKind(outcome: .ok)).text, sum.packed)
                }
                try await node.set(values, of: node.keys.rollup(hour, 0))
            }
            try await node.send("HSET", node.keys.rollupHours(0), String(hour), "1")
        }
        let table = try await node.sums()
        #expect(table.rowCount == 15_000 && table.calls == 3 * 5000 * 5001 / 2 && table.credits == -table.calls)
        #expect(Set(table.hours.map(\.hour)) == [hour - 700, hour - 3, hour])
    }

    @Test("What a node reads before anybody asks is the month, the newest day first, and is not read again; what has changed since is")
    func prepared() async throws {
        let node = try await TestNode(shards: 2)
        let now = try await node.time() / 1000
        func write(_ hour: Int, calls: Int32, _ change: Int) async throws {
            var sum = RollupSum()
            sum.calls = calls
            let name = RollupField(tool: "t", key: "k", kind: RollupKind(outcome: .ok)).text
            try await node.set([(name, sum.packed)], of: node.keys.rollup(hour, hour % 2))
            try await node.send("HSET", node.keys.rollupHours(hour % 2), String(hour), String(change))
        }
        let last = now / 3_600_000
        for hour in last - 100...last { try await write(hour, calls: 2, 1) }
        let scanned = Mutex([String]())
        let store = DyingStore(node.store)
        store.refuses = { command in
            let words = command.words.map { String(decoding: $0, as: UTF8.self) }
            if words[0] == "HSCAN" { scanned.withLock { $0.append(words[1]) } }
            return false
        }
        let book = RollupBook(store: store)
        try await book.prepare(at: now)
        let order = scanned.withLock { $0 }
        #expect(order.count == 101 && Set(order).count == 101)
        #expect(Set(order.prefix(24)).isSubset(of: (last - 24...last).map { node.keys.rollup($0, $0 % 2) }))
        scanned.withLock { $0 = [] }
        #expect(try await node.sums(book).calls == 202)
        #expect(scanned.withLock { $0 }.isEmpty)
        try await write(last - 50, calls: 7, 2)
        #expect(try await node.sums(book).calls == 207)
        #expect(scanned.withLock { $0 } == [node.keys.rollup(last - 50, last % 2)])
    }

    @Test("What is packed is read back; bytes of another format, or broken off, are nothing, and never more than they may be")
    func packing() {
        var sum = RollupSum()
        for (calls, credits, time) in [(1, 7, 3), (1, -1_000_000_000_000, nil), (-1, 0, 70_000)] as [(Int32, Int, Int?)] {
            sum.count(calls, credits: credits, milliseconds: time)
            #expect(RollupSum(packed: sum.packed) == sum && RollupSum(packed: sum.packed + [1, 2, 3]) == sum)
        }
        var durations = DurationHistogram()
        for duration in 0..<3000 { durations.add(duration * duration / 7, calls: duration % 5 - 1) }
        #expect(DurationHistogram(packed: durations.packed) == durations && durations.packed.count < 4096)
        for bytes in [[], [2, 2, 2, 2, 2, 2, 2], Array(sum.packed.dropLast()), [1] + Array(repeating: 0xff, count: 40)] as [[UInt8]] {
            #expect(RollupSum(packed: bytes) == nil)
        }
        for bytes in [[2], [1, 0xff], [1, 1, 2], [1, 0x80, 0x80, 0x80, 0x80, 0x10, 2]] as [[UInt8]] {
            let entries = DurationHistogram(packed: bytes)?.entries ?? []
            #expect(entries.isEmpty, "\(bytes)")
        }
        #expect(RollupField(Array("rows".utf8)) == nil)
        let field = RollupField(tool: "tööl", key: "", kind: RollupKind(outcome: .denied, reason: "rate_limited"))
        #expect(RollupField(Array(field.text.utf8)) == field)
        let composed = RollupField(tool: "\u{e9}", key: nil, kind: RollupKind(outcome: .ok))
        #expect(composed != RollupField(tool: "e\u{301}", key: nil, kind: RollupKind(outcome: .ok)), "names are bytes")
    }
}

extension TestNode {
    /// The sums of the last forty days and of the next hour, as `book` reads them; as a new reader by default.
    fileprivate func sums(_ book: RollupBook? = nil) async throws -> RollupTable {
        let now = try await time() / 1000
        return try await (book ?? RollupBook(store: store)).read(from: now - 40 * 86_400_000, to: now + 3_600_000) { $0 }
    }

    fileprivate func send(denial id: String, _ reason: String) async throws -> RedisReply {
        try await store.send(
            EventLog.note(
                CallEvent(keyID: id, tool: "search", outcome: .denied, reason: reason, milliseconds: 1, requestID: "r"), keys: keys))
    }

    /// Sets fields of a hash to values that are no text.
    fileprivate func set(_ values: [(field: String, value: [UInt8])], of hash: String) async throws {
        var command = RedisCommand("HSET", hash)
        for (field, value) in values {
            command.append(field)
            command.append(value)
        }
        _ = try await store.sendPatiently(command)
    }
}

extension RollupTable {
    fileprivate var calls: Int { hours.flatMap(\.rows).reduce(0) { $0 + Int($1.sum.calls) } }
    fileprivate var credits: Int { hours.flatMap(\.rows).reduce(0) { $0 + $1.sum.credits } }
}
