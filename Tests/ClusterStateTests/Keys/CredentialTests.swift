// Credentials of every kind are stored and looked up in one way, which calls and the admin API share.

@testable import ClusterState
import GateDomain
import NIOCore
import Testing

@Suite("Credentials")
struct CredentialTests {
    private struct Doors {
        let node: TestNode
        let cache: KeyCache

        init() async throws {
            node = try await TestNode()
            cache = KeyCache(link: node.way, on: node.loop, keys: node.keys, rules: .test) { _ in }
        }

        /// What a secret opens: the key's id at the door of calls, and at that of the admin API by any kind of credential.
        func opened(by secret: String) async throws -> (calls: String?, admin: String?) {
            let lookup = await withCheckedContinuation { continuation in
                node.loop.execute { cache.assumeIsolated { $0.load(secret) { continuation.resume(returning: $0) } } }
            }
            let kinds = Set(Credential.Kind.allCases)
            let admin = try await node.directory.credentials.proof(by: secret, of: kinds)?.key.id
            guard case .found(let key) = lookup else { return (nil, admin) }
            return (key.id, admin)
        }

        func put(_ name: String, _ fields: [String: String]) async throws {
            for (field, value) in fields { try await node.send("HSET", name, field, value) }
        }

        /// A token of a key, as `POST /tokens` makes it.
        func makeToken(of key: String, _ secret: String, tools: [String] = []) async throws -> CredentialRecord {
            let record = CredentialRecord(
                Credential(
                    digest: Credential.digest(of: secret), kind: .token, keyID: key, tools: tools,
                    expiresAt: try await node.time() / 1000 + 600_000), label: "l", createdAt: 5)
            try await node.directory.credentials.records.create(record, .test())
            return record
        }
    }

    @Test("the secret of a key and a token open the same key at both doors; only what is asked for will do at the second")
    func bothDoors() async throws {
        let doors = try await Doors()
        let (secret, text) = (Credential.generate(), "pgt_some.token")
        let id = try await doors.node.makeKey(credits: 1, secret: secret).record.id
        let token = try await doors.makeToken(of: id, text, tools: ["a"])
        for shown in [secret, text] {
            let opened = try await doors.opened(by: shown)
            #expect(opened.calls == id && opened.admin == id, "\(shown)")
            #expect(await doors.cache.owner(of: shown) == id, "what counts for the key counts for what lends it")
        }
        #expect(await doors.cache.owner(of: secret + "0") == nil)
        let credentials = doors.node.directory.credentials
        #expect(try await credentials.proof(by: text, of: [.token])?.credential == token.credential)
        #expect(try await credentials.proof(by: text, of: [.key]) == nil, "a token is for calls alone")
        #expect(try await credentials.proof(by: id, of: Set(Credential.Kind.allCases)) == nil, "an id proves nothing")
        #expect(await doors.cache.remembered(text)?.policy.loan == token.credential)
        #expect(await doors.cache.remembered(secret)?.policy.loan == nil)
    }

    @Test("what the version before has stored is read: names without a format, tokens that do not say their kind")
    func earlier() async throws {
        let doors = try await Doors()
        let id = try await doors.node.makeKey(credits: 1).record.id
        let (keys, end) = (doors.node.keys, try await doors.node.time() / 1000 + 600_000)
        try await doors.put(keys.credential(Credential.digest(of: "old secret")), ["owner": id, "kind": "key"])
        try await doors.put(keys.credential(Credential.digest(of: "older secret")), ["owner": id])
        try await doors.put(keys.credential(Credential.digest(of: "pgt_imported")), ["owner": id, "kind": "key"])
        try await doors.put(
            keys.record(CredentialRecord.id(of: Credential.digest(of: "pgt_old"))),
            [
                "key": id, "allowed": "a\nb", "label": "l", "created": "5", "expires": String(end), "revoked": "0", "reason": "",
                "version": "1",
            ])
        for shown in ["old secret", "older secret", "pgt_imported", "pgt_old"] {
            let opened = try await doors.opened(by: shown)
            #expect(opened.calls == id && opened.admin == id, "\(shown)")
        }
        let token = await doors.cache.remembered("pgt_old")?.policy.loan
        #expect(token?.tools == ["a", "b"] && token?.expiresAt == end && token?.kind == .token)
    }

    @Test("what is stored today is what the version before reads")
    func older() async throws {
        let doors = try await Doors()
        let secret = Credential.generate()
        let id = try await doors.node.makeKey(credits: 1, secret: secret).record.id
        let name = doors.node.keys.credential(Credential.digest(of: secret))
        #expect(try await doors.node.send("HGETALL", name).fields == ["owner": id, "kind": "key", "format": "1"])
        let token = try await doors.makeToken(of: id, "pgt_x", tools: ["a"])
        let fields = try await doors.node.send("HGETALL", doors.node.keys.record(token.id)).fields
        for field in ["key", "allowed", "label", "created", "expires", "revoked", "reason", "version"] {
            #expect(fields[field] != nil, "\(field)")
        }
        #expect(fields["key"] == id && fields["kind"] == "token" && fields["format"] == "1" && token.id.hasPrefix("token_"))
    }

    @Test(
        "a kind or a format that this version does not know opens nothing, so that a later one may store what opens less",
        arguments: [("kind", "oauth"), ("kind", ""), ("format", "2"), ("format", "0"), ("format", "x")])
    func unknown(_ field: String, _ value: String) async throws {
        let doors = try await Doors()
        let secret = Credential.generate()
        let id = try await doors.node.makeKey(credits: 1, secret: secret).record.id
        let token = try await doors.makeToken(of: id, "pgt_x")
        try await doors.put(doors.node.keys.credential(Credential.digest(of: secret)), [field: value])
        try await doors.put(doors.node.keys.record(token.id), [field: value])
        for shown in [secret, "pgt_x"] {
            let opened = try await doors.opened(by: shown)
            #expect(opened.calls == nil && opened.admin == nil, "\(shown) \(field)=\(value)")
        }
    }

    @Test("a credential that lends a key is no secret of a key, and one of a key lends nothing, wherever it is stored")
    func misplaced() async throws {
        let doors = try await Doors()
        let secret = Credential.generate()
        let id = try await doors.node.makeKey(credits: 1, secret: secret).record.id
        try await doors.put(doors.node.keys.credential(Credential.digest(of: secret)), ["kind": "token"])
        let token = try await doors.makeToken(of: id, "pgt_x")
        try await doors.put(doors.node.keys.record(token.id), ["kind": "key"])
        for shown in [secret, "pgt_x"] {
            let opened = try await doors.opened(by: shown)
            #expect(opened.calls == nil && opened.admin == nil, "\(shown)")
        }
    }

    @Test("revoking raises the key's version, also when it is asked for twice, and a rotation takes the old secret and leaves the token")
    func revocation() async throws {
        let doors = try await Doors()
        let (old, new) = (Credential.generate(), Credential.generate())
        let id = try await doors.node.makeKey(credits: 1, secret: old).record.id
        let (kept, gone) = (try await doors.makeToken(of: id, "pgt_kept"), try await doors.makeToken(of: id, "pgt_gone"))
        let credentials = doors.node.directory.credentials
        #expect(try await credentials.revoke(gone, at: 7, reason: "r", .test()))
        #expect(try await !credentials.revoke(gone, at: 8, reason: "again", .test()))
        #expect(try await doors.node.directory.records.read(id)?.version == 3)
        let stored = try await credentials.records.read(gone.id)
        #expect(stored?.revokedAt == 7 && stored?.revokeReason == "r" && stored?.credential == gone.credential)
        _ = try await doors.node.directory.rotate(id, to: new, .test())
        for (shown, opens) in [(old, false), (new, true), ("pgt_kept", true), ("pgt_gone", false)] {
            let opened = try await doors.opened(by: shown)
            #expect((opened.calls == id) == opens && (opened.admin == id) == opens, "\(shown)")
        }
        #expect(
            try await credentials.digests(of: [try #require(try await doors.node.directory.records.read(id))]) == [
                Credential.digest(of: new)
            ])
        #expect(kept.credential.isExpired(at: .max) && kept.credential.permits("anything"))
    }
}
