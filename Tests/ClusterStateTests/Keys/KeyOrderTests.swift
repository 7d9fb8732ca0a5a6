// Orders of keys say what accounts say, whoever writes them, and may be read from any place.

@testable import ClusterState
import GateDomain
import GateTesting
import Testing

@Suite("Orders of keys")
struct KeyOrderTests {
    /// All keys in an order, in pages of `count` that each begin behind the one before.
    private static func read(
        _ order: KeyOrder, _ direction: OrderWalk.Direction = .ascending, in store: any CommandStore, count: Int = 500
    ) async throws -> [KeyPlace] {
        var places: [KeyPlace] = []
        while true {
            var walk = try await OrderWalk(order, direction, after: places.last, in: store)
            let page = try await walk.next(count)
            if page.isEmpty { return places }
            places += page
        }
    }

    /// That each order by money has all keys as their accounts are.
    private static func expectTrue(_ node: TestNode, _ ids: [String], _ comment: Comment) async throws {
        let accounts = Dictionary(uniqueKeysWithValues: zip(ids, try await node.directory.accounts(ids)))
        for amount in KeyAmount.allCases {
            let expected = accounts.map { id, account in
                switch amount {
                case .credits: KeyPlace(number: account.credits, id: id)
                case .spent: KeyPlace(number: account.spent, id: id)
                case .calls: KeyPlace(number: account.calls, id: id)
                case .used: KeyPlace(number: account.lastUsedAt ?? 0, id: id)
                }
            }
            let order = KeyOrder.amount(amount, from: nil, to: nil)
            #expect(try await read(order, in: node.store, count: 3) == expected.sorted(), "\(amount): \(comment)")
            #expect(try await read(order, .descending, in: node.store, count: 3) == expected.sorted().reversed(), "\(amount): \(comment)")
        }
    }

    /// What the node that makes the hourly sums does every second, over and over until nothing is left.
    private static func catchUp(_ store: any CommandStore) async throws {
        let (rollups, orders) = (Rollups(store: store), KeyDirectory(store: store, origin: "").orders)
        while try await rollups.advance().get() {}
        while try await orders.catchUp().get() {}
    }

    @Test(
        "after calls, top-ups, transfers and reservations of every kind each order has what the accounts have, whenever the node that follows dies",
        arguments: [1, 4])
    func follow(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        var callers: [CachedKey] = []
        for number in 0..<9 { callers.append(try await node.makeKey(credits: 100 + number % 3, home: UInt32(number))) }
        let ids = callers.map(\.record.id)
        try await Self.expectTrue(node, ids, "as they were made")
        let (transfers, reservations) = (Transfers(store: node.store), Reservations(store: node.store))
        for round in 0..<12 {
            let call = TestCall(caller: callers[round % 9], price: 1 + round)
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call, [(round, 0)]).charged == round)
            _ = try await node.directory.topUp(ids[(round + 3) % 9], credits: 7, .test())
            _ = try await transfers.move(2, from: ids[(round + 1) % 9], to: ids[(round + 5) % 9], .test())
            let held = try await reservations.reserve(ids[round % 7], credits: 3, seconds: 60, memo: "", .test()).reservation
            if round % 3 < 2 { _ = try await reservations.end(held.id, committing: round % 3 == 0, .test()) }
            let dying = DyingStore(node.store)
            dying.repeatCommands()
            dying.dies(after: round, answering: round % 2 == 0)
            try? await Self.catchUp(dying)
            try await Self.catchUp(node.store)
            for turn in 0..<5 { await dying.repeatLate(turn) }
            try await Self.expectTrue(node, ids, "round \(round)")
        }
    }

    @Test("a call that is given back after it was charged is given back in the orders too")
    func takenBack() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 50)
        for early in [true, false] {
            let call = TestCall(caller: caller, price: 5)
            #expect(await node.admit(call).isAdmitted)
            #expect(await node.settle(call, [(5, 0)]).charged == 5)
            if early { try await Self.catchUp(node.store) }
            _ = await node.abandon(call)
            try await Self.catchUp(node.store)
            try await Self.expectTrue(node, [caller.record.id], "after the release")
        }
    }

    @Test(
        "of thousands with one and the same number each is met once, whatever the pages, and a part has both its ends", arguments: [1, 4])
    func ties(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let ids = (0..<2600).map { "key_" + String($0 * 7919 % 2600 + 0x1000_0000, radix: 16) + "00000000" }
        let made = ids.enumerated().map { KeyPlace(number: $0.offset < 2500 ? 100 : $0.offset, id: $0.element) }
        _ = try await node.store.sendAll(
            made.map { RedisCommand("ZADD", node.keys.index(KeyAmount.credits.list, node.keys.shard(of: $0.id)), "\($0.number)", $0.id) })
        let all = KeyOrder.amount(.credits, from: nil, to: nil)
        #expect(try await Self.read(all, in: node.store, count: 331) == made.sorted())
        #expect(try await Self.read(all, .descending, in: node.store, count: 331) == made.sorted().reversed())
        for (from, to) in [(100, 100), (101, 2550), (nil, 99), (2599, nil), (2600, 9_007_199_254_740_991), (5, 4)] as [(Int?, Int?)] {
            let part = KeyOrder.amount(.credits, from: from, to: to)
            let expected = made.filter { $0.number >= from ?? 0 && $0.number <= to ?? .max }.sorted()
            #expect(try await OrderWalk(part, .ascending, in: node.store).total == expected.count)
            #expect(try await Self.read(part, .descending, in: node.store) == expected.reversed(), "\(from ?? 0) to \(to ?? 0)")
        }
        var walk = try await OrderWalk(all, .ascending, in: node.store)
        try await walk.skip(2400)
        #expect(walk.left == 200)
        #expect(try await walk.next(9) == Array(made.sorted()[2400..<2409]))
        try await walk.skip(1000)
        #expect(try await walk.next(1).isEmpty && walk.left == 0)
    }

    @Test(
        "names are in order byte by byte, whatever the letters, follow a change, and a beginning finds those that have it",
        arguments: [1, 4])
    func names(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let names = ["zeta", "Alpha", "alpha 2", "ÄRGER", "ärgern", "a", "Z", "日本", "", String(repeating: "é", count: 200)]
        var words: [KeyPlace] = []
        for (number, name) in names.enumerated() {
            let key = try await node.makeKey(credits: 1, home: UInt32(number))
            try await node.change(key) { $0.name = name }
            try await node.change(key) { $0.tags = ["a": "b"] }
            words.append(KeyPlace(word: Array(KeyRecord.word(ofName: name, id: key.record.id).utf8)))
        }
        #expect(try await Self.read(.name(prefix: ""), in: node.store, count: 3) == words.sorted())
        #expect(try await Self.read(.name(prefix: ""), .descending, in: node.store, count: 3) == words.sorted().reversed())
        for (prefix, count) in [("a", 3), ("alpha", 2), ("ärger", 2), ("日", 1), ("b", 0), (String(repeating: "é", count: 128), 1)] {
            #expect(try await Self.read(.name(prefix: prefix), in: node.store, count: 2).count == count, "\(prefix)")
            #expect(try await OrderWalk(.name(prefix: prefix), .ascending, in: node.store).total == count, "\(prefix)")
        }
        #expect(words.sorted()[1].id.hasPrefix("key_"))
    }

    @Test(
        "a store that is older than the orders comes to have them in steps, wherever a node dies, and again when they are gone; expiries of its keys are told, but not those of long ago",
        arguments: [1, 4])
    func build(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let (now, day) = (try await node.time() / 1000, 24 * 3_600_000)
        var ids: [String] = []
        for number in 0..<450 {
            let caller = try await node.makeKey(
                credits: number, expiresAt: number < 3 ? [now + day, now - 1000, now - 2 * day][number] : nil, home: UInt32(number))
            ids.append(caller.record.id)
        }
        func forget() async throws {
            for shard in 0..<shards {
                for list in KeyAmount.allCases.map(\.list) + [KeyRecord.names, KeyRecord.untold] {
                    try await node.send("DEL", node.keys.index(list, shard))
                }
            }
        }
        try await forget()
        #expect(try await !node.directory.orders.isBuilt())
        for turn in 0..<2 {
            var deaths = 0
            try await eventually("the orders are made", within: .seconds(30), every: .milliseconds(1)) {
                deaths += 5
                let dying = DyingStore(node.store)
                dying.repeatCommands()
                dying.dies(after: deaths, answering: deaths % 2 == 0)
                _ = try? await KeyDirectory(store: dying, origin: "").orders.upkeep(at: now).get()
                if deaths > 40 { _ = try await node.directory.orders.upkeep(at: now).get() }
                return try await node.directory.orders.isBuilt()
            }
            try await Self.expectTrue(node, ids, "turn \(turn)")
            #expect(try await Self.read(.name(prefix: "name"), in: node.store).count == 450)
            #expect(try await node.directory.records.count(in: KeyRecord.untold) == 2)
            try await forget()
            _ = try await node.directory.orders.upkeep(at: now).get()
        }
    }

    @Test("what a node of an earlier version has made or changed is found by the round that never ends")
    func olderNodes() async throws {
        let node = try await TestNode()
        let orders = node.directory.orders
        var ids: [String] = []
        for number in 0..<5 { ids.append(try await node.makeKey(credits: number).record.id) }
        while try await !orders.isBuilt() { _ = try await orders.upkeep(at: 0).get() }
        try await node.send("DEL", node.keys.index(KeyRecord.list(ofNamespace: "default"), 0))
        let first = try #require(try await Self.read(.name(prefix: ""), in: node.store).first)
        try await node.send("ZREM", node.keys.index(KeyRecord.names, 0), String(decoding: first.member, as: UTF8.self))
        try await node.send("HSET", node.keys.account(ids[0]), "credits", "99")
        for _ in 0..<3 { _ = try await orders.upkeep(at: 0).get() }
        #expect(try await Self.read(.name(prefix: ""), in: node.store).count == 5)
        #expect(try await node.directory.records.count(in: KeyRecord.list(ofNamespace: "default")) == 5)
        try await Self.expectTrue(node, ids, "after a round")
        #expect(try await orders.isBuilt())
    }
}
