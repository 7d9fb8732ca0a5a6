// Sums of keys are what a walk over all of them would find, whoever keeps them and however often.

@testable import ClusterState
import GateDomain
import GateTesting
import Synchronization
import Testing

@Suite("Sums of keys")
struct KeySumsTests {
    private static let day = 86_400_000

    /// What the sums have to be, made by reading every key.
    private static func expected(_ node: TestNode, _ ids: [String]) async throws -> (
        rows: [KeySums.Row: KeySums.Amounts], days: [Int: KeySums.Day]
    ) {
        let now = try await node.time() / 1000
        var (rows, days): ([KeySums.Row: KeySums.Amounts], [Int: KeySums.Day]) = ([:], [:])
        for (key, account) in zip(try await node.directory.records.read(ids), try await node.directory.accounts(ids)) {
            let state: KeySums.State =
                switch key.state {
                case .revoked: .revoked
                case .suspended: .suspended
                case .active: key.isExpired(at: now) ? .expired : .active
                }
            var sum = rows[KeySums.Row(state, in: key.namespace)] ?? KeySums.Amounts()
            (sum.keys, sum.credits) = (sum.keys + 1, sum.credits + account.credits)
            (sum.spent, sum.calls) = (sum.spent + account.spent, sum.calls + account.calls)
            rows[KeySums.Row(state, in: key.namespace)] = sum
            guard state == .active || state == .expired else { continue }
            var cohort = days[key.createdAt / day] ?? KeySums.Day()
            (cohort.keys, cohort.spent) = (cohort.keys + 1, cohort.spent + account.spent)
            if account.calls > 0 { cohort.used += 1 }
            days[key.createdAt / day] = cohort
        }
        return (rows, days)
    }

    private static func expectTrue(_ node: TestNode, _ ids: [String], _ comment: Comment) async throws {
        let sums = try #require(try await KeySums.read(from: node.store), "\(comment): they are there")
        let expected = try await expected(node, ids)
        #expect(sums.rows == expected.rows, comment)
        #expect(sums.days == expected.days, comment)
    }

    private static func make(_ node: TestNode, _ count: Int, createdAt: Int = 1_700_000_000_000) async throws -> [CachedKey] {
        var made: [CachedKey] = []
        for number in 0..<count {
            let secret = Credential.generate()
            let record = KeyRecord(
                id: AccountID.make("key", home: UInt32(number)).text, name: "name", prefix: Credential.shortMask(secret),
                masked: Credential.longMask(secret), createdAt: createdAt + number % 3 * day,
                expiresAt: number % 7 == 6 ? 1_700_000_000_000 : nil, namespace: "space-\(number % 2)")
            try await node.directory.create(record, secret: secret, credits: 100 + number, .test())
            made.append(CachedKey(Policy(key: record, rules: .test), keys: node.keys))
        }
        return made
    }

    /// What the node that makes the hourly sums does, over and over until nothing is left.
    private static func catchUp(_ store: any CommandStore) async throws {
        let (rollups, orders) = (Rollups(store: store), KeyDirectory(store: store, origin: "").orders)
        while try await rollups.advance().get() {}
        while try await orders.catchUp().get() {}
    }

    private static func build(_ node: TestNode) async throws {
        while try await KeySums.read(from: node.store) == nil { _ = try await node.directory.orders.upkeep(at: 0).get() }
    }

    @Test(
        "after calls, top-ups, transfers, reservations and changes of every kind the sums are those of all keys, whenever the node that follows dies and whatever comes twice or late",
        arguments: [1, 4])
    func follow(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let callers = try await Self.make(node, 9)
        let ids = callers.map(\.record.id)
        #expect(try await KeySums.read(from: node.store) == nil, "nobody has counted yet")
        try await Self.build(node)
        try await Self.expectTrue(node, ids, "as they were made")
        let (transfers, reservations) = (Transfers(store: node.store), Reservations(store: node.store))
        for round in 0..<12 {
            let call = TestCall(caller: callers[round % 6], price: 1 + round)
            if await node.admit(call).isAdmitted { _ = await node.settle(call, [(round, 0)]) }
            _ = try? await node.directory.topUp(ids[(round + 3) % 6], credits: 7, .test())
            _ = try? await transfers.move(2, from: ids[(round + 1) % 6], to: ids[(round + 5) % 6], .test())
            let held = try? await reservations.reserve(ids[round % 5], credits: 3, seconds: 60, memo: "", .test()).reservation
            if let held, round % 3 < 2 { _ = try? await reservations.end(held.id, committing: round % 3 == 0, .test()) }
            try await node.change(callers[round % 9]) { key in
                switch round % 4 {
                case 0: key.namespace = "moved-\(round)"
                case 1: key.state = .suspended
                case 2: key.expiresAt = 1
                default: key.state = round > 8 ? .revoked : .active
                }
            }
            let dying = DyingStore(node.store)
            dying.repeatCommands()
            dying.dies(after: round, answering: round % 2 == 0)
            try? await Self.catchUp(dying)
            try await Self.catchUp(node.store)
            for turn in 0..<5 { await dying.repeatLate(turn) }
            try await Self.expectTrue(node, ids, "round \(round)")
        }
    }

    @Test("credits of a call that is given up, of which no event tells, are in the sums again with the next look", arguments: [1, 4])
    func givenUp(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let caller = try await Self.make(node, 1)[0]
        let (id, touched) = (caller.record.id, node.keys.touchedKeys(caller.shards[0]))
        try await Self.build(node)
        let (given, other) = (TestCall(caller: caller, price: 40), TestCall(caller: caller, price: 1))
        for call in [given, other] { #expect(await node.admit(call).isAdmitted) }
        _ = await node.settle(other)
        try await Self.catchUp(node.store)
        try await Self.expectTrue(node, [id], "while it is open")
        #expect(try await node.send("SCARD", touched).integer == 0)
        await node.giveUp(given)
        try await eventually("it is noted") { try await node.send("SISMEMBER", touched, id).integer == 1 }
        #expect(try await node.credits(caller) == 99)
        try await Self.catchUp(node.store)
        try await Self.expectTrue(node, [id], "when it has gone back")
    }

    @Test(
        "sums that were lost, or are of an older format, are made anew by one way through all keys, while keys change and nodes die on it; those of a newer one are left alone",
        arguments: [1, 4])
    func begunAnew(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let callers = try await Self.make(node, 450)
        let ids = callers.map(\.record.id)
        for turn in 0..<3 {
            for shard in 0..<shards {
                if turn == 1 { try await node.send("DEL", node.keys.keySums(shard)) }
                if turn == 2 { try await node.send("HSET", node.keys.keySums(shard), "format", "0", "n:a:nobody", "5") }
            }
            #expect(try await KeySums.read(from: node.store) == nil)
            var deaths = 0
            try await eventually("the sums are made", within: .seconds(30), every: .milliseconds(1)) {
                deaths += 5
                let dying = DyingStore(node.store)
                dying.repeatCommands()
                dying.dies(after: deaths, answering: deaths % 2 == 0)
                _ = try? await KeyDirectory(store: dying, origin: "").orders.upkeep(at: 0).get()
                if deaths < 200 { _ = try await node.directory.topUp(ids[deaths * 7 % 450], credits: 1, .test()) }
                if deaths > 40 { _ = try await node.directory.orders.upkeep(at: 0).get() }
                return try await KeySums.read(from: node.store) != nil
            }
            try await Self.catchUp(node.store)
            try await Self.expectTrue(node, ids, "turn \(turn)")
        }
        for shard in 0..<shards { try await node.send("HSET", node.keys.keySums(shard), "format", "2") }
        let before = try await KeySums.read(from: node.store)
        _ = try await node.directory.topUp(ids[0], credits: 1, .test())
        try await Self.catchUp(node.store)
        #expect(try await KeySums.read(from: node.store) == before, "who knows an older format does not count")
        let orders = node.directory.orders
        while try await !orders.isBuilt() { _ = try await orders.upkeep(at: 0).get() }
        for shard in 0..<shards { try await node.send("HDEL", node.keys.keySums(shard), "built") }
        #expect(try await orders.upkeep(at: 0).get() > .zero, "nor does it hurry while others make them")
        #expect(await !orders.haveLostSums())
        try await node.send("DEL", node.keys.keySums(0))
        #expect(await orders.haveLostSums())
    }

    private final class Count: Sendable {
        let value = Mutex(0)
    }

    @Test("while a shard is away the others come to have their orders and sums, and it is asked once a step")
    func upkeepOfOthers() async throws {
        let node = try await TestNode(shards: 4)
        let ids = try await Self.make(node, 6).map(\.record.id)
        let (store, count) = (DyingStore(node.store), Count())
        let tag = node.keys.prefix + "{2}:"
        store.refuses = { command in
            guard command.words.contains(where: { String(decoding: $0, as: UTF8.self).hasPrefix(tag) }) else { return false }
            count.value.withLock { $0 += 1 }
            return true
        }
        let orders = KeyDirectory(store: store, origin: "").orders
        var steps = 1
        while true {
            let step = await orders.upkeep(at: 0)
            #expect(step.failure != nil)
            guard step.left == .zero, steps < 50 else { break }
            steps += 1
        }
        #expect(count.value.withLock { $0 } == steps)
        for shard in 0..<4 {
            for hash in [node.keys.keySums(shard), node.keys.keyOrders(shard)] {
                #expect(try await node.send("HGET", hash, "built").string == (shard == 2 ? nil : "1"), "\(hash)")
            }
        }
        try await Self.build(node)
        try await Self.expectTrue(node, ids, "when it is there again")
    }

    @Test("an expiry that was told of by a server whose clock is ahead counts")
    func toldExpiry() async throws {
        let node = try await TestNode()
        let callers = try await Self.make(node, 2)
        try await Self.build(node)
        let later = try await node.time() / 1000 + 3_600_000
        try await node.change(callers[0]) { ($0.expiresAt, $0.toldExpiry) = (later, later) }
        try await node.change(callers[1]) { ($0.expiresAt, $0.toldExpiry) = (later, later - 1) }
        try await Self.catchUp(node.store)
        let rows = try #require(try await KeySums.read(from: node.store)).rows
        #expect(rows.filter { $0.key.state == .expired }.values.map(\.keys) == [1])
        #expect(rows.filter { $0.key.state == .active }.values.map(\.keys) == [1])
    }

    /// Moves amounts of all rows between their fields, as changes with a carry do, after each page that is read.
    private struct CarryingStore: CommandStore {
        let real: RedisStore
        let rows: [String]
        let turns = Count()
        var keys: RedisKeys { real.keys }

        func send(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply { try await sendPatiently(command) }
        func sendAll(_ commands: [RedisCommand]) async throws(StoreFailure) -> [RedisReply] { try await real.sendAll(commands) }
        func sendPatiently(_ command: RedisCommand) async throws(StoreFailure) -> RedisReply {
            let reply = try await real.sendPatiently(command)
            guard command.words.first.map({ $0.elementsEqual("HSCAN".utf8) }) ?? false else { return reply }
            let turn = turns.value.withLock { value in
                value += 1
                return value
            }
            var change = RedisCommand("HSET", keys.keySums(0))
            for row in rows {
                for word in ["c:\(row)", turn % 2 == 1 ? "0" : "1000000000", "C:\(row)", turn % 2 == 1 ? "1" : "0"] { change.append(word) }
            }
            _ = try await real.sendPatiently(change)
            return reply
        }
    }

    @Test("sums of many rows are read with what one change moves between the fields of a row")
    func carries() async throws {
        let node = try await TestNode()
        let rows = (0..<1500).map { "a:space-\($0)" }
        try await node.send("HSET", node.keys.keySums(0), "format", String(KeySums.format), "built", "1")
        try await node.send(["HSET", node.keys.keySums(0)] + rows.flatMap { ["n:\($0)", "1", "c:\($0)", "1000000000"] })
        let store = CarryingStore(real: node.store, rows: rows)
        let sums = try #require(try await KeySums.read(from: store))
        #expect(store.turns.value.withLock { $0 } > 1, "they are read in several pages")
        #expect(sums.rows.count == 1500 && sums.rows.values.allSatisfy { $0.credits == 1_000_000_000 && $0.keys == 1 })
    }

    @Test("a shard that is away delays the hourly sums, orders and sums of its own keys alone")
    func awayShard() async throws {
        let node = try await TestNode(shards: 4)
        let callers = try await Self.make(node, 6)
        let ids = callers.map(\.record.id)
        try await Self.build(node)
        for caller in callers.prefix(5) {
            let call = TestCall(caller: caller, price: 3)
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call, [(3, 0)]).charged == 3)
        }
        try await node.directory.edit(ids[1], in: [.active], .test()) { $0.namespace = "elsewhere" }
        let store = DyingStore(node.store)
        let tag = node.keys.prefix + "{2}:"
        store.refuses = { command in command.words.contains { String(decoding: $0, as: UTF8.self).hasPrefix(tag) } }
        await #expect(throws: StoreFailure.self) { _ = try await Rollups(store: store).advance().get() }
        await #expect(throws: StoreFailure.self) { _ = try await KeyDirectory(store: store, origin: "").orders.catchUp().get() }
        let sums = try #require(try await KeySums.read(from: node.store))
        #expect(sums.rows.values.reduce(0) { $0 + $1.calls } == 4, "but that of the key in shard 2")
        #expect(sums.rows[KeySums.Row(.active, in: "elsewhere")]?.calls == 1)
        try await Self.catchUp(node.store)
        try await Self.expectTrue(node, ids, "when it is there again")
    }

    @Test(
        "sums that pass what a number of Lua holds are exact; namespaces and days beyond the room are counted together, and apart again where there is some"
    )
    func bounds() async throws {
        let node = try await TestNode()
        var callers = try await Self.make(node, 6)
        var ids = callers.map(\.record.id)
        try await Self.build(node)
        for id in ids {
            try await node.send("HSET", node.keys.account(id), "credits", "9007199254740991", "spent", "9007199254740989")
            try await node.send("SADD", node.keys.touchedKeys(0), id)
        }
        try await Self.catchUp(node.store)
        try await Self.expectTrue(node, ids, "all of them are rich")
        let dummies = (0..<KeySums.mostFields).flatMap { ["n:r:dummy\($0)", "0"] }
        try await node.send(["HSET", node.keys.keySums(0)] + dummies)
        for caller in callers.prefix(4) { try await node.change(caller) { $0.namespace = "new" } }
        callers += try await Self.make(node, 2, createdAt: 400 * Self.day)
        ids = callers.map(\.record.id)
        try await Self.catchUp(node.store)
        let full = try #require(try await KeySums.read(from: node.store))
        #expect(full.rows[KeySums.Row(.active, in: KeySums.others)]?.keys == 4 && full.rows[KeySums.Row(.active, in: "new")] == nil)
        #expect(full.rows[KeySums.Row(.active, in: KeySums.others)]?.credits == 4 * 9_007_199_254_740_991)
        #expect(full.days[KeySums.otherDays]?.keys == 2 && full.days[400] == nil)
        try await node.send(["HDEL", node.keys.keySums(0)] + dummies.filter { $0 != "0" })
        for caller in callers { try await node.change(caller) { $0.name = "again" } }
        try await Self.catchUp(node.store)
        try await Self.expectTrue(node, ids, "there is room again")
    }
}
