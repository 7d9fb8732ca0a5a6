// Admin keys over nodes and restarts.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Admin keys")
    struct AdminRoleTests {
        @Test(
            "F-ADMIN-06, F-ADMIN-10: an admin key made on one node has its role on the other; revoked, it opens nothing there from the reply on"
        )
        func revoked() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let kept = try await cluster[0].adminKey("viewer")
                #expect(try await cluster[1].asked("/keys", by: kept) == 200)
                #expect(try await cluster[1].asked("/admin/keys", by: kept) == 403)
                let late = try await concurrently(60, workers: 6) { round in
                    let (a, b) = (cluster[round], cluster[round + 1])
                    let key = try await a.adminKey("super_admin")
                    guard try await b.asked("/admin/keys", by: key) == 200 else { return true }
                    try await a.order("/admin/keys/revoke", ["key": .string(key)])
                    return try await b.asked("/admin/keys", by: key) != 401
                }
                #expect(!late.contains(true))
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                for client in cluster.clients {
                    #expect(try await client.asked("/keys", by: kept) == 200)
                    #expect(try await client.send("POST", "/keys", headers: [("X-Admin-Key", kept)]).status == 403)
                }
                #expect(try await cluster[1].admin("/admin/keys").json["keys"]?.array?.contains { $0["lastUsedAt"]?.string != nil } == true)
            }
        }

        @Test("F-ADMIN-10: whoever is revoked while the body of its request is on its way has changed nothing by it")
        func lateBodies() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let orders: [(path: String, body: JSON)] = [
                    ("/admin/keys", ["name": "late", "role": "super_admin"]), ("/topup", ["key": .string(key), "credits": 7]),
                ]
                for order in orders {
                    let secret = try await cluster[0].adminKey("super_admin")
                    let body = order.body.text
                    let head =
                        "POST \(order.path) HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Admin-Key: \(secret)\r\nContent-Type: application/json\r\n"
                        + "Content-Length: \(body.utf8.count)\r\n\r\n"
                    let connection = try await RawConnection(port: cluster.nodes[0].port)
                    await connection.send(head + body.prefix(1))
                    try await eventually("the head has proved who it is", within: .seconds(10)) {
                        let keys = try await cluster[1].admin("/admin/keys").json["keys"]?.array ?? []
                        return keys.contains { $0["active"] == true && $0["name"] == "test" && $0["lastUsedAt"]?.string != nil }
                    }
                    try await cluster[1].order("/admin/keys/revoke", ["key": .string(secret)])
                    await connection.send(String(body.dropFirst()))
                    try await connection.waitForAnswer()
                    #expect(connection.statuses == [401], "\(order.path): \(connection.text)")
                    await connection.close()
                }
                let names = try await cluster[1].admin("/admin/keys").json["keys"]?.array?.compactMap { $0["name"]?.string }
                #expect(names?.contains("late") == false)
                #expect(try await cluster[1].balance(key).credits == 100)
            }
        }

        @Test("F-ADMIN-07: the bootstrap key replaces itself on every node, and the old one stays out after a restart with it")
        func rotated() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let other = try await cluster[0].adminKey("super_admin")
                let refused = try await cluster[0].send("POST", "/admin/keys/rotate-bootstrap", headers: [("X-Admin-Key", other)])
                #expect(refused.status == 403)
                let answer = try await cluster[0].order("/admin/keys/rotate-bootstrap", [:])
                let new = try #require(answer["newKey"]?.string)
                #expect(new.wholeMatch(of: /admin_[0-9a-f]{32}/) != nil)
                func expectReplaced() async throws {
                    for client in cluster.clients {
                        #expect(try await client.asked("/admin/keys", by: GateClient.adminKey) == 401)
                        #expect(try await client.asked("/admin/keys", by: new) == 200)
                    }
                }
                try await expectReplaced()
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                try await expectReplaced()
                #expect(cluster.nodes.allSatisfy { $0.log.contains("the key of the start holds no more") })
            }
        }
    }
}

extension GateClient {
    /// Makes an admin key and returns its secret.
    fileprivate func adminKey(_ role: String) async throws -> String {
        let answer = try await order("/admin/keys", ["name": "test", "role": .string(role)])
        guard let key = answer["key"]?.string else { throw KitFailure("POST /admin/keys answered without a key") }
        return key
    }

    /// What a page says to an admin key.
    fileprivate func asked(_ path: String, by key: String) async throws -> Int {
        try await get(path, headers: [("X-Admin-Key", key)]).status
    }
}
