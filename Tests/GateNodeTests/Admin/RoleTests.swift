// Who may do what, over the whole table of routes; and what becomes of the keys that say so.

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("Roles of administrators")
struct RoleTests {
    /// The role that a route has to ask for (F-ADMIN-02, F-ADMIN-03): reading is for viewers, unless it shows secrets; everything else is for
    /// admins, unless it changes nothing; admin keys are for super admins.
    static func expected(of endpoint: Endpoint) -> AdminRole {
        if endpoint.path == "/admin/keys" || endpoint.path.hasPrefix("/admin/keys/re") || endpoint.path.hasPrefix("/admin/keys/rotate") {
            return .superAdmin
        }
        let showsSecrets = ["/keys/export", "/admin/backup"]
        let changesNothing = ["/keys/search", "/requests/dry-run", "/requests/dry-run/batch"]
        if endpoint.method == .get { return showsSecrets.contains(endpoint.path) ? .admin : .viewer }
        return changesNothing.contains(endpoint.path) ? .viewer : .admin
    }

    @Test("F-ADMIN-02, F-ADMIN-03: every route declares the role that it needs", arguments: EndpointTableTests.guarded)
    func declared(_ endpoint: Endpoint) throws {
        #expect(endpoint.requirement.leastRole == Self.expected(of: endpoint))
        #expect(endpoint.failures.contains { $0.code == 401 } && endpoint.failures.contains { $0.code == 503 })
        #expect(endpoint.failures.contains { $0.code == 403 } == (Self.expected(of: endpoint) > .viewer))
    }

    @Test("F-ADMIN-02, F-ADMIN-08: each role is let through to its own routes and to no other, and who is refused changes nothing")
    func walk() async throws {
        try await AdminBench.run { bench in
            var secrets: [AdminRole: String] = [:]
            for role in AdminRole.allCases {
                let made = try await bench.post("/admin/keys", ["name": .string("of \(role)"), "role": .string(role.rawValue)])
                #expect(made.status == 201)
                secrets[role] = made.json["key"]?.stringValue
            }
            for role in AdminRole.allCases {
                let secret = try #require(secrets[role])
                let before = try await bench.state()
                for endpoint in EndpointTableTests.guarded {
                    let required = try #require(endpoint.requirement.leastRole)
                    let key = "key_0123456789abcdef"
                    let body = endpoint.takesBody ? JSONValue.object(EndpointTableTests.good(endpoint, key: key)).bytes : nil
                    // Whoever is let in is asked for something that nobody has, so that the next one finds what this one found.
                    if role >= required, endpoint.method != .get || !endpoint.audits.isEmpty { continue }
                    let answer = try await bench.send(
                        endpoint.method, endpoint.path, ["X-Admin-Key": secret, "Content-Type": "application/json"], bytes: body)
                    if role >= required {
                        #expect(![401, 403].contains(answer.status), "\(role) \(endpoint.path): \(answer.text.prefix(200))")
                    } else {
                        #expect(answer.status == 403 && answer.error == "Insufficient permissions", "\(role) \(endpoint.path)")
                        #expect(answer.json["requiredRole"]?.stringValue == required.rawValue, "\(endpoint.path)")
                        #expect(answer.json["currentRole"]?.stringValue == role.rawValue, "\(endpoint.path)")
                    }
                }
                #expect(try await bench.state() == before, "\(role)")
            }
            // And they may change what is theirs to change.
            let admin = try #require(secrets[.admin])
            for endpoint in EndpointTableTests.writers where endpoint.requirement.leastRole == .admin {
                let body = JSONValue.object(EndpointTableTests.good(endpoint, key: "nobody"))
                let answer = try await bench.post(endpoint.path, body, headers: ["X-Admin-Key": admin])
                #expect(![401, 403].contains(answer.status), "\(endpoint.path): \(answer.text.prefix(200))")
            }
        }
    }

    @Test("F-ADMIN-01, F-ADMIN-04, F-ADMIN-05, F-ADMIN-09: keys are made, shown masked with their last use, and revoked by what names them")
    func life() async throws {
        try await AdminBench.run { bench in
            let made = try await bench.post("/admin/keys", ["name": " ci\nrunner "]).json
            let secret = try #require(made["key"]?.stringValue)
            #expect(secret.wholeMatch(of: /ak_[0-9a-f]{32}/) != nil && made["role"] == "admin" && made["name"] == "ci runner")
            #expect(try await bench.send(.get, "/maintenance", ["X-Admin-Key": secret]).status == 200)
            let list = try await bench.get("/admin/keys")
            let entry = try #require(list.json["keys"]?.arrayValue?.first { $0["name"] == "ci runner" })
            #expect(entry["key"]?.stringValue == secret.prefix(7) + "..." + secret.suffix(4) && entry["createdBy"] == "admin")
            #expect(entry["active"] == true && entry["lastUsedAt"]?.stringValue != nil && !list.text.contains(secret))
            #expect(list.json["count"] == 2 && list.json["keys"]?[0]?["id"] == "bootstrap")
            #expect(!(try await bench.state().joined().contains(secret)))

            let revoked = try await bench.post("/admin/keys/revoke", ["key": try #require(entry["id"])])
            #expect(revoked.status == 200 && revoked.json["revoked"] == true)
            #expect(try await bench.send(.get, "/maintenance", ["X-Admin-Key": secret]).status == 401)
            for (reference, status) in [
                (secret, 400), (entry["key"]?.stringValue ?? "", 400), ("ak_nobody", 404), (AdminBench.adminKey, 400),
            ] {
                #expect(try await bench.post("/admin/keys/revoke", ["key": .string(reference)]).status == status, "\(reference.prefix(4))")
            }
            #expect(try await bench.get("/admin/keys").json["keys"]?[1]?["active"] == false)
            for body: JSONValue in [[:], ["name": ""], ["name": "\n"], ["name": "a", "role": "owner"], ["name": 7]] {
                #expect(try await bench.post("/admin/keys", body).status == 400)
            }
            let audit = try await bench.redis.command("XRANGE", bench.node.store.keys.audit(0), "-", "+")
            #expect(audit.contains("admin_key.created") && audit.contains("admin_key.revoked") && !audit.contains(secret))
        }
    }

    @Test("F-ADMIN-05: of two super admins who are the last and revoke each other at once, one is left, 20 times out of 20")
    func mutual() async throws {
        let redis = try await RedisServer()
        let store = try await AdminBench.store(of: redis)
        let nodes = ["a", "b"].map { AdminKeyDirectory(AdminKeys(bootstrapKey: "boot-key"), store: store, origin: $0) }
        func operation() -> Operation { Operation(audit: AuditEntry(type: "t", actor: "a", message: "", metadata: [])) }
        for round in 0..<20 {
            try await redis.command("FLUSHALL")
            let boot = try #require(try await nodes[0].holder(of: "boot-key", now: round))
            var admins: [Administrator] = []
            for index in 0..<2 {
                let key = AdminKeyEntry(
                    id: "adm_\(index)", name: "\(index)", role: .superAdmin, masked: "m\(index)", createdAt: index, createdBy: "t")
                try await nodes[0].create(key, secret: "secret-\(index)", by: boot, operation())
                admins.append(try #require(try await nodes[1].holder(of: "secret-\(index)", now: round)))
            }
            try await nodes[1].revoke("bootstrap", by: admins[0], operation())
            #expect(try await nodes[0].holder(of: "boot-key", now: round) == nil && boot.key.isBootstrap)
            let outcomes = await withTaskGroup(of: Bool.self) { group in
                for index in 0..<2 {
                    group.addTask { [admins] in (try? await nodes[index].revoke("adm_\(1 - index)", by: admins[index], operation())) != nil
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(outcomes.filter(\.self).count == 1)
            let left = try await nodes[0].list().filter { $0.key.isActive }
            #expect(left.count == 1 && left[0].key.role == .superAdmin)
        }
        await store.stop()
    }

    @Test("a key that nobody can be told from another by is not revoked by its mask, and there is a bound on keys")
    func references() throws {
        var book = AdminKeyBook([:], bootstrap: "00")
        func key(_ id: String, _ mask: String) -> AdminKeyEntry {
            AdminKeyEntry(id: id, name: id, role: .admin, masked: mask, createdAt: 1, createdBy: "t")
        }
        try book.add(key("a", "same"), digest: "01")
        try book.add(key("b", "same"), digest: "02")
        #expect(throws: AdminKeyRefusal.ambiguous) { try book.revoke("same", digest: "xx", by: "00") }
        #expect(try book.revoke("a", digest: "xx", by: "00").id == "a")
        #expect(try book.revoke("same", digest: "xx", by: "00").id == "b")
        #expect(throws: AdminKeyRefusal.lastSuperAdmin) { try book.revoke("bootstrap", digest: "xx", by: "01") }
        for index in 0..<99 { try book.add(key("n\(index)", "m"), digest: "n\(index)") }
        #expect(throws: AdminKeyRefusal.full) { try book.add(key("one too many", "m"), digest: "ff") }
        #expect(AdminKeyBook(book.values, bootstrap: "00") == book)
        #expect(AdminKeyBook(["k:aa": "nonsense"], bootstrap: "00").holder("aa") == nil, "what cannot be read lets nobody in")
    }

    @Test("F-ADMIN-10: whoever is revoked while its order is on the way changes no admin key; nor does one that is no super admin")
    func lateOrders() throws {
        var book = AdminKeyBook([:], bootstrap: "00")
        func key(_ id: String, _ role: AdminRole) -> AdminKeyEntry {
            AdminKeyEntry(id: id, name: id, role: role, masked: id, createdAt: 1, createdBy: "t")
        }
        try book.apply(.add(key("a", .superAdmin), digest: "01"), by: "00")
        try book.apply(.add(key("b", .admin), digest: "02"), by: "01")
        try book.apply(.revoke("a", digest: "xx"), by: "00")
        let before = book
        for actor in ["01", "02", "nobody"] {
            let changes: [AdminKeyChange] = [
                .add(key("c", .superAdmin), digest: "03"), .revoke("b", digest: "xx"),
                .replaceBootstrap(with: key("d", .superAdmin), digest: "04"),
            ]
            for change in changes { #expect(throws: AdminKeyRefusal.notHeld) { try book.apply(change, by: actor) } }
        }
        #expect(book == before)
    }

    @Test("F-ADMIN-08: refused secrets are audited, and a flood of them writes one entry a minute")
    func flood() async throws {
        try await AdminBench.run { bench in
            for index in 0..<50 { #expect(try await bench.send(.get, "/keys", ["X-Admin-Key": "wrong-\(index)"]).status == 401) }
            let audit = bench.node.store.keys.audit(0)
            let (count, entries) = (try await bench.redis.command("XLEN", audit), try await bench.redis.command("XRANGE", audit, "-", "+"))
            #expect(count == "1" && entries.contains("admin.auth_failed"))
        }
    }
}
