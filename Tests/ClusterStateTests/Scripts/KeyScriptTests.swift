// The mutations of records and credits: each may arrive twice, also after others, and each says why when it is refused.

@testable import ClusterState
import GateDomain
import LuaScripts
import Testing

@Suite("Record and credit scripts")
struct KeyScriptTests {
    @Test("Creating a key twice makes one key; a credential or an alias that is taken is refused, and its names are given back (M12)")
    func create() async throws {
        let node = try await TestNode()
        let secret = Credential.generate()
        var record = KeyRecord(
            id: "key_1", name: "one", prefix: "p", masked: "m", createdAt: 5, spendingLimit: 9,
            access: ToolAccess(allowed: ["a\r", "b"], denied: ["c"]), tags: ["x": "y"], alias: "friend")
        for _ in 0..<2 { try await node.directory.create(record, secret: secret, credits: 70, .test("make")) }
        _ = try await node.directory.topUp("key_1", credits: 5, .test("o", "f"))
        try await node.directory.create(record, secret: secret, credits: 70, .test("make"))
        await #expect(throws: RecordRefusal.contended) {
            try await node.directory.create(record, secret: secret, credits: 70, .test("other"))
        }
        #expect(try await node.directory.account("key_1").credits == 75)
        #expect(try await node.directory.records.count() == 1)
        #expect(try await node.directory.records.ids(count: 9) == ["key_1"])
        for reference in [secret, "friend", "key_1"] { #expect(try await node.directory.find(reference) == record) }
        record.id = "key_2"
        await #expect(throws: RecordRefusal.credentialExists) {
            try await node.directory.create(record, secret: secret, credits: 1, .test())
        }
        await #expect(throws: RecordRefusal.aliasTaken) { try await node.directory.create(record, secret: "another", credits: 1, .test()) }
        record.id = "key_3"
        record.alias = nil
        try await node.directory.create(record, secret: "another", credits: 1, .test())
        #expect(try await node.directory.find("key_2") == nil)
        #expect(try await node.directory.find("another")?.id == "key_3")
        #expect(try await node.send("XLEN", node.keys.audit(0)).integer == 3)
    }

    @Test("A change that arrives twice is made once, bumps the version of record and account once and is audited once (M12)")
    func change() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1)
        for _ in 0..<2 {
            _ = try await node.directory.records.edit(caller.record.id, .test("once")) { (record) throws(RecordRefusal) in
                (record.name, record.spendingLimit, record.expiresAt) = ("new", 44, 77)
            }
        }
        let record = try #require(try await node.directory.records.read(caller.record.id))
        #expect(record.version == 2 && record.name == "new" && record.spendingLimit == 44 && record.expiresAt == 77)
        let account = try await node.send("HMGET", caller.accounts[0], "version", "limit", "expires")
        #expect(account.array?.compactMap(\.string) == ["2", "44", "77"])
        #expect(try await node.send("XLEN", node.keys.audit(0)).integer == 2)
    }

    @Test("Two that change one record at once both change it, one after the other: an edit is compare-and-set")
    func contended() async throws {
        let node = try await TestNode()
        let id = try await node.makeKey(credits: 1).record.id
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<8 {
                group.addTask {
                    _ = try await node.directory.records.edit(id, .test()) { (record) throws(RecordRefusal) in
                        record.tags["t\(index)"] = "x"
                    }
                }
            }
            try await group.waitForAll()
        }
        let record = try #require(try await node.directory.records.read(id))
        #expect(record.tags.count == 8 && record.version == 9)
    }

    @Test("An operation that is repeated after others have followed changes nothing, and is answered as it was (M12, V23)")
    func delayedCopy() async throws {
        let node = try await TestNode()
        let id = try await node.makeKey(credits: 1).record.id
        func put(_ state: KeyState, from old: KeyState, _ operation: String) async throws {
            try await node.directory.edit(id, in: [old], .test(operation)) { (record) throws(RecordRefusal) in record.state = state }
        }
        try await put(.suspended, from: .active, "first")
        try await put(.active, from: .suspended, "resume")
        try await put(.suspended, from: .active, "second")
        try await put(.active, from: .suspended, "resume")
        #expect(try await node.directory.records.read(id)?.state == .suspended)
        try await put(.suspended, from: .active, "second")
        #expect(try await node.directory.records.read(id)?.version == 4)
        #expect(try await node.send("XLEN", node.keys.audit(0)).integer == 4)
        await #expect(throws: RecordRefusal.operationReused) {
            _ = try await node.directory.records.edit(id, .test("resume", "another")) { (record) throws(RecordRefusal) in record.name = "x"
            }
        }
    }

    @Test(
        "A record that is deleted is off its list, its account stays, what was judged by it is stale, and its successor is a later version")
    func delete() async throws {
        let node = try await TestNode()
        let team = try await node.makeTeam(budget: 10)
        let caller = try await node.makeKey(credits: 10, team: team)
        let teams = RecordStore<TeamRecord>(store: node.store, origin: "me")
        #expect(await node.admit(TestCall(caller: caller, price: 3)).isAdmitted)
        for _ in 0..<2 { try await teams.delete(team.id, .test("away")) }
        #expect(try await teams.read(team.id) == nil)
        #expect(try await teams.count() == 0)
        #expect(try await node.account(caller, 1).spent == 3)
        #expect(await node.admit(TestCall(caller: caller)).word == "stale")
        await #expect(throws: RecordRefusal.missing) { try await teams.delete(team.id, .test("again")) }
        try await teams.create(team, .test())
        #expect(try await teams.read(team.id)?.version == 3)
        #expect(await node.admit(TestCall(caller: caller)).word == "stale")
    }

    @Test("A key in another state is left alone and the state is named; an unknown key is unknown (V23)")
    func changeRefused() async throws {
        let node = try await TestNode()
        let id = try await node.makeKey(credits: 1).record.id
        func put(_ state: KeyState, in states: Set<KeyState>, _ id: String) async throws {
            try await node.directory.edit(id, in: states, .test()) { (record) throws(RecordRefusal) in record.state = state }
        }
        try await put(.revoked, in: [.active], id)
        await #expect(throws: RecordRefusal.state("revoked")) { try await put(.active, in: [.active, .suspended], id) }
        await #expect(throws: RecordRefusal.missing) { try await put(.active, in: [.active], "key_none") }
        #expect(try await node.directory.records.read(id)?.version == 2)
    }

    @Test("A top-up is applied once for its operation id, at once and later, on any node (M12, D17, D18)")
    func topUp() async throws {
        let one = try await TestNode()
        let other = try await TestNode(prefix: one.keys.prefix, id: "node-b")
        let id = try await one.makeKey(credits: 10).record.id
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<20 {
                let node = index % 2 == 0 ? one : other
                group.addTask { try await node.directory.topUp(id, credits: 5, .test("once", "f")) }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(answers == [15])
        await #expect(throws: RecordRefusal.operationReused) { _ = try await one.directory.topUp(id, credits: 6, .test("once", "g")) }
        #expect(try await one.directory.account(id).credits == 15)
    }

    @Test("A balance ends far below 2^53 and stays an exact integer up to there (X35)")
    func ceiling() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: Credits.balanceCeiling - 1_000_000_000)
        let id = caller.record.id
        #expect(try await node.directory.topUp(id, credits: 1_000_000_000, .test("a")) == Credits.balanceCeiling)
        #expect(try await node.send("HGET", caller.accounts[0], "credits").string == "9000000000000000")
        await #expect(throws: RecordRefusal.aboveCeiling) { _ = try await node.directory.topUp(id, credits: 1, .test("b")) }
        #expect(
            try await node.directory.topUp(id, credits: 1_000_000_000, .test("a")) == Credits.balanceCeiling,
            "a repetition hears what the first heard")
    }

    @Test(
        "What a key has spent, and what its open calls hold, counts towards its ceiling: nothing it was funded with is forgotten (X35, M1)")
    func ceilingOfALife() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: Credits.balanceCeiling)
        let (spent, open) = (TestCall(caller: caller, price: 10), TestCall(caller: caller, price: 7))
        _ = await node.admit(spent)
        #expect(await node.settle(spent).charged == 10)
        _ = await node.admit(open)
        for amount in [1, 7, 17] {
            await #expect(throws: RecordRefusal.aboveCeiling) {
                _ = try await node.directory.topUp(caller.record.id, credits: amount, .test("t\(amount)"))
            }
        }
        _ = await node.release(open)
        let account = try await node.send("HMGET", caller.accounts[0], "credits", "spent", "granted")
        #expect(account.array?.compactMap(\.string) == ["8999999999999990", "10", "9000000000000000"])
    }

    @Test("Texts that differ only in their Unicode form are different: such a change is stored, and is no repetition of another one")
    func unicodeForms() async throws {
        let node = try await TestNode()
        let caller = try await node.makeKey(credits: 1)
        let (composed, decomposed) = ("caf\u{e9}", "cafe\u{301}")
        for (name, denied) in [("a", composed), ("b", decomposed)] {
            let id = caller.record.id
            _ = try await node.directory.records.edit(id, .test(name, "deny")) { (key) throws(RecordRefusal) in key.access.denied = [denied]
            }
            #expect(try await node.send("HGET", node.keys.record(id), "denied").string?.hasSameBytes(as: denied) == true, "\(name)")
        }
        try await node.send("HSET", node.keys.operation(caller.record.id, "c"), "fingerprint", "keys:\(caller.record.id):" + composed)
        await #expect(throws: RecordRefusal.operationReused) {
            _ = try await node.directory.records.edit(caller.record.id, .test("c", decomposed)) { (_) throws(RecordRefusal) in
                throw .missing
            }
        }
    }

    @Test("F-ALIAS-01: no key is made or brought along with another one's id as its alias, and none that has it stands before that one")
    func aliasThatIsAnID() async throws {
        let node = try await TestNode()
        let victim = try await node.makeKey(credits: 1).record
        var thief = try await node.makeKey(credits: 1).record
        await #expect(throws: RecordRefusal.aliasTaken) { try await node.directory.setAlias(victim.id, of: thief.id, .test()) }
        thief.alias = victim.id
        thief.id = "key_2"
        await #expect(throws: RecordRefusal.aliasTaken) { try await node.directory.create(thief, secret: "pg_thief", credits: 1, .test()) }
        await #expect(throws: RecordRefusal.aliasTaken) {
            try await node.directory.restore(thief, digest: Credential.digest(of: "pg_brought"), .init(credits: 1), .test())
        }
        #expect(try await node.directory.records.read("key_2") == nil)
        for secret in ["pg_thief", "pg_brought"] {
            #expect(try await node.send("EXISTS", node.keys.credential(Credential.digest(of: secret))).integer == 0, "given back")
        }
        // One that an earlier version has let in.
        try await node.directory.records.create(thief, .test())
        try await node.send("HSET", node.keys.alias(victim.id), "owner", thief.id)
        #expect(try await node.directory.find(victim.id)?.id == victim.id)
    }

    @Test("A revoked or expired key takes no credits, a suspended one does")
    func topUpStates() async throws {
        let node = try await TestNode()
        let expired = try await node.makeKey(credits: 0, expiresAt: try await node.time() / 1000)
        let suspended = try await node.makeKey(credits: 0)
        try await node.change(suspended) { $0.state = .suspended }
        func topUp(_ id: String) async throws -> Int { try await node.directory.topUp(id, credits: 3, .test("o" + id)) }
        #expect(try await topUp(suspended.record.id) == 3)
        await #expect(throws: RecordRefusal.state("expired")) { _ = try await topUp(expired.record.id) }
        await #expect(throws: RecordRefusal.missing) { _ = try await topUp("key_none") }
        try await node.change(suspended) { $0.state = .revoked }
        await #expect(throws: RecordRefusal.state("revoked")) {
            _ = try await node.directory.topUp(suspended.record.id, credits: 3, .test("p"))
        }
    }

    @Test("Lists and tags come back as they were written, whatever characters they have")
    func fields() {
        let record = KeyRecord(
            id: "key_1", name: "n", prefix: "p", masked: "m", createdAt: 1, expiresAt: 7,
            access: ToolAccess(allowed: ["a\r", "\u{301}b", "c d"], denied: ["e\u{1f}"]),
            addresses: ["10.0.0.0/8", "::1"].compactMap(AddressRange.init), tags: ["a": "1=2", "b": ""], alias: "x", teamID: "team_1",
            quota: Quota(dailyCalls: 1, monthlyCalls: 2, dailyCredits: 3, monthlyCredits: 4))
        var fields = record.fields
        fields["version"] = "1"
        #expect(KeyRecord(id: "key_1", fields: fields) == record)
    }
}
