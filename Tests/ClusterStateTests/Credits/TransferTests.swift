// Transfers: both legs or neither, in one shard and over two, whoever dies between.

@testable import ClusterState
import GateDomain
import LuaScripts
import Testing

@Suite("Transfers")
struct TransferTests {
    @Test("M7, M12: a transfer that is asked for many times at once, on two nodes, is made once, and answered alike", arguments: [1, 16])
    func once(shards: Int) async throws {
        let one = try await TestNode(shards: shards)
        let other = try await TestNode(prefix: one.keys.prefix, id: "node-b", shards: shards)
        let (from, to) = (try await one.makeKey(credits: 100, home: 1).record.id, try await one.makeKey(credits: 5, home: 2).record.id)
        let answers = try await withThrowingTaskGroup(of: TransferBalances.self) { group in
            for index in 0..<16 {
                let store = index % 2 == 0 ? one.store : other.store
                group.addTask { try await Transfers(store: store).move(30, from: from, to: to, .test("once", "f")) }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(answers.allSatisfy { $0 == TransferBalances(from: 70, to: 35) }, "\(answers)")
        #expect(try await one.directory.account(from).credits == 70)
        #expect(try await one.directory.account(to).credits == 35)
        await #expect(throws: RecordRefusal.operationReused) {
            _ = try await Transfers(store: one.store).move(31, from: from, to: to, .test("once", "g"))
        }
        await #expect(throws: CreditRefusal.insufficient(available: 70, held: 0, requested: 71)) {
            _ = try await Transfers(store: one.store).move(71, from: from, to: to, .test())
        }
        let audit = try await one.send("XREVRANGE", one.keys.audit(one.keys.shard(of: from)), "+", "-", "COUNT", "1")
        let entry = audit.array?.first?.array?.last?.array?.last?.string ?? ""
        #expect(entry.contains(".fromBalance=70") && entry.contains(".toBalance=35"), "\(entry)")
        #expect(try await one.send("ZCARD", one.keys.reserved(one.keys.shard(of: from))).integer == 0, "nothing is left on its way")
    }

    @Test(
        "A receiver that is revoked, expired, full or gone gets nothing, and the sender keeps all; the operation may be tried again",
        arguments: [1, 16])
    func refused(shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        let (from, transfers) = (try await node.makeKey(credits: 100, home: 1).record.id, Transfers(store: node.store))
        let (expired, revoked, full) = (
            try await node.makeKey(credits: 0, expiresAt: try await node.time() / 1000, home: 2),
            try await node.makeKey(credits: 0, home: 2),
            try await node.makeKey(credits: Credits.balanceCeiling, home: 2)
        )
        for (field, change) in [("credits", "-50"), ("spent", "50")] { try await node.send("HINCRBY", full.accounts[0], field, change) }
        try await node.change(revoked) { $0.state = .revoked }
        for to in [expired.record.id, revoked.record.id, full.record.id, "key_0000000200000000"] {
            for _ in 0..<2 {
                await #expect(throws: (any Error).self) { _ = try await transfers.move(10, from: from, to: to, .test("same" + to, "f")) }
                #expect(try await node.directory.account(from).credits == 100)
            }
        }
        try await node.change(revoked) { $0.state = .suspended }
        #expect(try await transfers.move(10, from: from, to: revoked.record.id, .test("same" + revoked.record.id, "f")).to == 10)
        try await node.change(revoked) { $0.state = .revoked }
        await #expect(throws: (any Error).self) { _ = try await transfers.move(1, from: revoked.record.id, to: from, .test()) }
    }

    @Test(
        "M7: a node that dies after any of the steps leaves a transfer that others finish, once; its client is answered when it asks again")
    func death() async throws {
        let node = try await TestNode(shards: 16)
        for commands in 0...3 {
            for isAnswered in [true, false] {
                let (from, to) = (
                    try await node.makeKey(credits: 50, home: 1).record.id, try await node.makeKey(credits: 0, home: 2).record.id
                )
                let dying = DyingStore(node.store)
                dying.dies(after: commands, answering: isAnswered)
                _ = try? await Transfers(store: dying).move(20, from: from, to: to, .test("op", "f"))
                // The command in which it died has arrived, if it was sent.
                let hasBegun = commands > 0 || !isAnswered
                let transfers = Transfers(store: node.store)
                let now = try await node.time() / 1000
                try await transfers.seeToDue(at: now + Transfers.patience - 2000)
                try await transfers.seeToDue(at: now + Transfers.patience + 2000)
                try await transfers.seeToDue(at: now + Transfers.patience + 2000)
                let (sender, receiver) = (try await node.directory.account(from), try await node.directory.account(to))
                #expect(sender.credits == (hasBegun ? 30 : 50) && receiver.credits == (hasBegun ? 20 : 0), "died after \(commands)")
                #expect(try await transfers.move(20, from: from, to: to, .test("op", "f")) == TransferBalances(from: 30, to: 20))
                #expect(try await node.send("ZCARD", node.keys.reserved(1)).integer == 0)
            }
        }
    }

    @Test("A transfer to a shard that does not answer waits there, and delays no reservation of its sender")
    func waiting() async throws {
        let node = try await TestNode(shards: 16)
        let (from, to) = (try await node.makeKey(credits: 50, home: 1).record.id, try await node.makeKey(credits: 0, home: 2).record.id)
        let dying = DyingStore(node.store)
        dying.dies(after: 1, answering: true)
        _ = try? await Transfers(store: dying).move(20, from: from, to: to, .test("op", "f"))
        _ = try await Reservations(store: node.store).reserve(from, credits: 30, seconds: 0, memo: "", .test())
        let broken = DyingStore(node.store)
        broken.refuses = { $0.script == .deliver }
        try await Transfers(store: broken).seeToDue(at: try await node.time() / 1000 + 10_000)
        #expect(try await node.directory.account(from).credits == 30)
        #expect(try await node.directory.account(to).credits == 0)
        try await Transfers(store: node.store).seeToDue(at: try await node.time() / 1000 + 10_000)
        #expect(try await node.directory.account(to).credits == 20)
    }

    @Test("F-CREDIT-05: a shard that is away delays what is set aside of its own keys alone, and transfers to it")
    func awayShard() async throws {
        let node = try await TestNode(shards: 4)
        let reservations = Reservations(store: node.store)
        var keys: [String] = []
        for home in 0..<8 {
            let key = try await node.makeKey(credits: 10, home: UInt32(home)).record.id
            _ = try await reservations.reserve(key, credits: 4, seconds: 0, memo: "", .test())
            keys.append(key)
        }
        let store = DyingStore(node.store)
        let tag = node.keys.prefix + "{2}:"
        store.refuses = { command in command.words.contains { String(decoding: $0, as: UTF8.self).hasPrefix(tag) } }
        let now = try await node.time() / 1000 + 1000
        try await Transfers(store: store).seeToDue(at: now)
        for (home, key) in keys.enumerated() {
            #expect(try await node.directory.account(key).credits == (home % 4 == 2 ? 6 : 10), "of home \(home)")
        }
        store.refuses = { _ in true }
        await #expect(throws: StoreFailure.self) { try await Transfers(store: store).seeToDue(at: now) }
        try await Transfers(store: node.store).seeToDue(at: now)
        for key in keys { #expect(try await node.directory.account(key).credits == 10) }
    }
}
