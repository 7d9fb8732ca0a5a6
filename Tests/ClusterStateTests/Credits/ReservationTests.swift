// Reservations: credits that are out of the balance until they are committed, released, or their time is over.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Reservations")
struct ReservationTests {
    @Test("M8, F-CREDIT-06: what is reserved is neither to be spent nor spent; a call, a transfer and another reservation cannot have it")
    func effect() async throws {
        let node = try await TestNode()
        let (caller, other) = (try await node.makeKey(credits: 100), try await node.makeKey(credits: 0))
        let (id, reservations) = (caller.record.id, Reservations(store: node.store))
        let (held, available) = try await reservations.reserve(id, credits: 70, seconds: 60, memo: "for a  batch ", .test())
        #expect(available == 30 && held.memo == "for a  batch " && held.expiresAt == held.createdAt + 60_000)
        #expect(await node.admit(TestCall(caller: caller, price: 31)).word == "insufficient_credits")
        #expect(await node.admit(TestCall(caller: caller, price: 10)).credits == 20)
        await #expect(throws: CreditRefusal.insufficient(available: 20, held: 70, requested: 21)) {
            _ = try await reservations.reserve(id, credits: 21, seconds: 60, memo: "", .test())
        }
        await #expect(throws: CreditRefusal.insufficient(available: 20, held: 70, requested: 21)) {
            _ = try await Transfers(store: node.store).move(21, from: id, to: other.record.id, .test())
        }
        let account = try await node.directory.account(id)
        #expect(account.credits == 20 && account.held == 70 && account.spent == 10)
        #expect(try await reservations.open(of: id, at: held.createdAt) == [held])
        #expect(try await reservations.open(at: held.createdAt).found.map(\.reservation) == [held])
        #expect(try await reservations.open(of: id, at: held.expiresAt) == [])
    }

    @Test("A reservation ends once: commit and release answer a repetition as the first, and refuse whatever comes after (M8)")
    func end() async throws {
        let node = try await TestNode()
        let (id, reservations) = (try await node.makeKey(credits: 100).record.id, Reservations(store: node.store))
        func reserve(_ credits: Int) async throws -> Reservation {
            try await reservations.reserve(id, credits: credits, seconds: 60, memo: "m", .test()).reservation
        }
        let (one, two) = (try await reserve(40), try await reserve(50))
        for _ in 0..<2 {
            let (committed, left) = try await reservations.end(one.id, committing: true, .test("c", "f"))
            #expect(committed == one && left == 10)
            let (released, back) = try await reservations.end(two.id, committing: false, .test("r", "f"))
            #expect(released == two && back == 60)
        }
        let account = try await node.directory.account(id)
        #expect(account.credits == 60 && account.held == 0 && account.spent == 40)
        await #expect(throws: CreditRefusal.ended(.committed)) { _ = try await reservations.end(one.id, committing: false, .test()) }
        await #expect(throws: CreditRefusal.ended(.released)) { _ = try await reservations.end(two.id, committing: true, .test()) }
        await #expect(throws: RecordRefusal.operationReused) { _ = try await reservations.end(two.id, committing: true, .test("c", "g")) }
        for unknown in [String(one.id.dropLast()) + "x", "rsv_nothing_at_all", "rsv_1"] {
            await #expect(throws: CreditRefusal.unknownReservation) { _ = try await reservations.end(unknown, committing: true, .test()) }
        }
        #expect(try await node.send("ZCARD", node.keys.reserved(0)).integer == 0)
        #expect(try await node.send("PTTL", node.keys.reservations(of: id)).integer ?? 0 > 0, "what has ended is forgotten after a day")
    }

    @Test("Making a reservation twice makes one, on any node; one id of an operation is never used for two things (M12, D17)")
    func repeated() async throws {
        let one = try await TestNode()
        let other = try await TestNode(prefix: one.keys.prefix, id: "node-b")
        let id = try await one.makeKey(credits: 100).record.id
        let made = try await withThrowingTaskGroup(of: Reservation.self) { group in
            for index in 0..<12 {
                let store = index % 2 == 0 ? one.store : other.store
                group.addTask {
                    try await Reservations(store: store).reserve(id, credits: 9, seconds: 60, memo: "", .test("once", "f")).reservation
                }
            }
            return try await group.reduce(into: Set<String>()) { $0.insert($1.id) }
        }
        #expect(made.count == 1)
        #expect(try await one.directory.account(id).credits == 91)
        await #expect(throws: RecordRefusal.operationReused) {
            _ = try await Reservations(store: one.store).reserve(id, credits: 8, seconds: 60, memo: "", .test("once", "g"))
        }
    }

    @Test("What has had its time is given back by Redis TIME, cannot be committed, and gives way to the next reservation at once (R16, M8)")
    func expiry() async throws {
        let node = try await TestNode(shards: 4)
        let keys = [try await node.makeKey(credits: 10), try await node.makeKey(credits: 10, home: 3)].map(\.record.id)
        let (reservations, transfers) = (Reservations(store: node.store), Transfers(store: node.store))
        let gone = try await reservations.reserve(keys[0], credits: 10, seconds: 0, memo: "", .test()).reservation
        await #expect(throws: CreditRefusal.ended(.expired)) { _ = try await reservations.end(gone.id, committing: true, .test()) }
        #expect(try await node.directory.account(keys[0]).credits == 10)
        for key in keys { _ = try await reservations.reserve(key, credits: 10, seconds: 0, memo: "", .test()) }
        let kept = try await reservations.reserve(keys[0], credits: 4, seconds: 60, memo: "", .test()).reservation
        let now = try await node.time() / 1000
        try await transfers.seeToDue(at: now)
        try await transfers.seeToDue(at: now)
        #expect(try await node.directory.account(keys[0]).held == 4)
        #expect(try await node.directory.account(keys[1]).credits == 10)
        // A node whose clock is ahead gives nothing back before Redis says so.
        try await transfers.seeToDue(at: now + 3_600_000)
        #expect(try await node.directory.account(keys[0]).held == 4)
        #expect(try await reservations.end(kept.id, committing: true, .test()).available == 6)
    }

    @Test("F-CREDIT-05: a key has 50 at once and what has ended is remembered for 50; suspended, revoked and expired keys get none")
    func bounds() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000)
        let (id, reservations) = (caller.record.id, Reservations(store: node.store))
        var made: [Reservation] = []
        for _ in 0..<50 { made.append(try await reservations.reserve(id, credits: 1, seconds: 60, memo: "", .test()).reservation) }
        await #expect(throws: CreditRefusal.tooMany(50)) {
            _ = try await reservations.reserve(id, credits: 1, seconds: 60, memo: "", .test())
        }
        for one in made { _ = try await reservations.end(one.id, committing: true, .test()) }
        for _ in 0..<20 {
            let one = try await reservations.reserve(id, credits: 1, seconds: 60, memo: "", .test()).reservation
            _ = try await reservations.end(one.id, committing: false, .test())
        }
        #expect(try await node.send("HLEN", node.keys.reservations(of: id)).integer ?? 0 <= 51)
        #expect(try await node.directory.account(id).spent == 50)
        for (state, word) in [(KeyState.suspended, "suspended"), (.revoked, "revoked")] {
            try await node.change(caller) { $0.state = state }
            await #expect(throws: CreditRefusal.state(word)) {
                _ = try await reservations.reserve(id, credits: 1, seconds: 9, memo: "", .test())
            }
        }
        let expired = try await node.makeKey(credits: 9, expiresAt: try await node.time() / 1000).record.id
        await #expect(throws: CreditRefusal.state("expired")) {
            _ = try await reservations.reserve(expired, credits: 1, seconds: 9, memo: "", .test())
        }
        await #expect(throws: RecordRefusal.missing) {
            _ = try await reservations.reserve("key_none", credits: 1, seconds: 9, memo: "", .test())
        }
    }

    @Test("F-CREDIT-11: what is reserved counts against the spending limit, so that a commit never passes it")
    func spendingLimit() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1000, spendingLimit: 100)
        let reservations = Reservations(store: node.store)
        let held = try await reservations.reserve(caller.record.id, credits: 80, seconds: 60, memo: "", .test()).reservation
        #expect(await node.admit(TestCall(caller: caller, price: 21)).word == "spending_limit_exceeded")
        #expect(await node.admit(TestCall(caller: caller, price: 20)).isAdmitted)
        await #expect(throws: CreditRefusal.spendingLimit(left: 0)) {
            _ = try await reservations.reserve(caller.record.id, credits: 1, seconds: 60, memo: "", .test())
        }
        _ = try await reservations.end(held.id, committing: true, .test())
        #expect(try await node.directory.account(caller.record.id).spent == 100)
    }

    @Test("Entries of a format that this version does not know are neither read nor dropped")
    func otherFormats() async throws {
        let node = try await TestNode()
        let (id, reservations) = (try await node.makeKey(credits: 10).record.id, Reservations(store: node.store))
        try await node.send("HSET", node.keys.reservations(of: id), "rsv_future", "2 whatever")
        let held = try await reservations.reserve(id, credits: 1, seconds: 60, memo: "", .test()).reservation
        #expect(try await reservations.open(of: id, at: 0) == [held])
        _ = try await reservations.end(held.id, committing: false, .test())
        #expect(try await node.send("HGET", node.keys.reservations(of: id), "rsv_future").string == "2 whatever")
    }
}
