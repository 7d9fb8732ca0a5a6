// The mutations of keys and credits: each may arrive twice, and each says why when it is refused.

@testable import ClusterState
import GateDomain
import LuaScripts
import Testing

@Suite("Key and credit scripts")
struct KeyScriptTests {
    @Test("Creating a key twice makes one key; a credential or an alias that is taken is refused (M12)")
    func create() async throws {
        let node = try await TestNode()
        let secret = Credential.generate()
        var record = KeyRecord(
            id: "key_1", name: "one", prefix: "p", masked: "m", createdAt: 5, spendingLimit: 9,
            access: ToolAccess(allowed: ["a\r", "b"], denied: ["c"]), tags: ["x": "y"], alias: "friend")
        for _ in 0..<2 { try await node.directory.create(record, secret: secret, credits: 70, audit: .test) }
        _ = try await node.directory.topUp("key_1", credits: 5, operation: "o", fingerprint: "f", audit: .test)
        try await node.directory.create(record, secret: secret, credits: 70, audit: .test)
        #expect(try await node.directory.account("key_1").credits == 75)
        #expect(try await node.directory.count() == 1)
        for reference in [secret, "friend", "key_1"] { #expect(try await node.directory.find(reference) == record) }
        record.id = "key_2"
        await #expect(throws: KeyRefusal.credentialExists) {
            try await node.directory.create(record, secret: secret, credits: 1, audit: .test)
        }
        await #expect(throws: KeyRefusal.aliasTaken) {
            try await node.directory.create(record, secret: "another", credits: 1, audit: .test)
        }
        #expect(try await node.directory.find("key_2") == nil)
        #expect(try await node.send("XLEN", node.keys.audit).integer == 2)
    }

    @Test("A change that arrives twice is made once, bumps the version once and is audited once (M12)")
    func change() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: 1)
        let keys = [node.keys.record(facts.record.id), facts.balance, node.keys.feed, node.keys.audit]
        let arguments = [
            facts.record.id, node.keys.channel, "me", "audit", "100", "44", "77", ",active,", "operation", "name", "new", "limit", "44",
            "expires", "77",
        ]
        for _ in 0..<2 {
            let reply = try await node.run(.changeKey, keys: keys, arguments)
            #expect(reply == .array([.integer(0), .integer(2)]))
        }
        let record = try #require(try await node.directory.record(id: facts.record.id))
        #expect(record.version == 2 && record.name == "new" && record.spendingLimit == 44 && record.expiresAt == 77)
        let account = try await node.send("HMGET", facts.balance, "version", "limit", "expires")
        #expect(account.array?.compactMap(\.string) == ["2", "44", "77"])
        #expect(try await node.send("XLEN", node.keys.audit).integer == 2)
    }

    @Test("A key in another state is left alone and the state is named; an unknown key is unknown (V23)")
    func changeRefused() async throws {
        let node = try await TestNode()
        let id = try await node.makeKey(credits: 1).record.id
        try await node.directory.change(id, in: [.active], fields: [(.state, "revoked")], audit: .test)
        await #expect(throws: KeyRefusal.state("revoked")) {
            try await node.directory.change(id, in: [.active, .suspended], fields: [(.state, "active")], audit: .test)
        }
        await #expect(throws: KeyRefusal.noSuchKey) {
            try await node.directory.change("key_none", in: [.active], fields: [], audit: .test)
        }
        #expect(try await node.directory.record(id: id)?.version == 2)
    }

    @Test("A top-up is applied once for its operation id, at once and later, on any node (M12, D17, D18)")
    func topUp() async throws {
        let one = try await TestNode()
        let other = try await TestNode(prefix: one.keys.prefix, id: "node-b")
        let id = try await one.makeKey(credits: 10).record.id
        let answers = try await withThrowingTaskGroup(of: Int.self) { group in
            for index in 0..<20 {
                let node = index % 2 == 0 ? one : other
                group.addTask { try await node.directory.topUp(id, credits: 5, operation: "once", fingerprint: "f", audit: .test) }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(answers == [15])
        await #expect(throws: KeyRefusal.operationReused) {
            _ = try await one.directory.topUp(id, credits: 6, operation: "once", fingerprint: "g", audit: .test)
        }
        #expect(try await one.directory.account(id).credits == 15)
    }

    @Test("A balance ends at 2^53 - 1 and stays an exact integer up to there (X35)")
    func ceiling() async throws {
        let node = try await TestNode()
        let facts = try await node.makeKey(credits: Credits.balanceCeiling - 1_000_000_000)
        let id = facts.record.id
        #expect(
            try await node.directory.topUp(id, credits: 1_000_000_000, operation: "a", fingerprint: "", audit: .test)
                == Credits.balanceCeiling)
        #expect(try await node.send("HGET", facts.balance, "credits").string == "9007199254740991")
        await #expect(throws: KeyRefusal.aboveCeiling) {
            _ = try await node.directory.topUp(id, credits: 1, operation: "b", fingerprint: "", audit: .test)
        }
        #expect(
            try await node.directory.topUp(id, credits: 1_000_000_000, operation: "a", fingerprint: "", audit: .test)
                == Credits.balanceCeiling, "a repetition hears what the first heard")
    }

    @Test("A revoked or expired key takes no credits, a suspended one does")
    func topUpStates() async throws {
        let node = try await TestNode()
        let expired = try await node.makeKey(credits: 0, expiresAt: try await node.time() / 1000)
        let suspended = try await node.makeKey(credits: 0)
        try await node.directory.change(suspended.record.id, in: [.active], fields: [(.state, "suspended")], audit: .test)
        func topUp(_ id: String) async throws -> Int {
            try await node.directory.topUp(id, credits: 3, operation: "o" + id, fingerprint: "", audit: .test)
        }
        #expect(try await topUp(suspended.record.id) == 3)
        await #expect(throws: KeyRefusal.state("expired")) { _ = try await topUp(expired.record.id) }
        await #expect(throws: KeyRefusal.noSuchKey) { _ = try await topUp("key_none") }
        try await node.directory.change(suspended.record.id, in: [.suspended], fields: [(.state, "revoked")], audit: .test)
        await #expect(throws: KeyRefusal.state("revoked")) {
            _ = try await node.directory.topUp(suspended.record.id, credits: 3, operation: "p", fingerprint: "", audit: .test)
        }
    }

    @Test("Lists and tags come back as they were written, whatever characters they have")
    func fields() {
        let record = KeyRecord(
            id: "k", name: "n", prefix: "p", masked: "m", createdAt: 1, expiresAt: 7,
            access: ToolAccess(allowed: ["a\r", "\u{301}b", "c d"], denied: ["e\u{1f}"]),
            addresses: ["10.0.0.0/8", "::1"].compactMap(AddressRange.init), tags: ["a": "1=2", "b": ""], alias: "x")
        var fields = Dictionary(uniqueKeysWithValues: record.fields.map { ($0.0.rawValue, $0.1) })
        fields["version"] = "1"
        #expect(KeyRecord(id: "k", fields: fields) == record)
    }
}
