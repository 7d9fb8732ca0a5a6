// Reports over the hourly sums: what they say is what the ledger moved.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Hourly sums")
    struct RollupTests {
        @Test(
            "M13, F-ANA-04: both reports agree with the ledger to the credit on each node, with a node killed meanwhile and after a restart",
            arguments: [1, 16])
        func exact(_ shards: Int) async throws {
            let flags = ["--price", "3", "--tool-price", "add:5", "--redis-shards", "\(shards)"]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let keys = try await concurrently(4) {
                    try await cluster[$0].createKey(credits: 400, ["namespace": $0 == 0 ? "own" : "default"])
                }
                let outcomes = try await underLoad(
                    workers: 6,
                    {
                        $0 % 3 == 0
                            ? await cluster[$0].attempt("add", ["a": 1, "b": 1], key: keys[$0 % 4])
                            : await cluster[$0].echo(key: keys[$0 % 4])
                    }
                ) {
                    try await Task.sleep(for: .milliseconds(700))
                    try await cluster.nodes[0].kill9()
                    try await Task.sleep(for: .milliseconds(300))
                    try await cluster.nodes[0].restart()
                    try await Task.sleep(for: .milliseconds(300))
                }
                let served = Tally(outcomes).served
                #expect(served > 50)
                let rest = await concurrently(600, workers: 16) { await cluster[$0].echo(key: keys[$0 % 4]) }
                let tally = Tally(outcomes + rest)
                #expect(tally.count("insufficient_credits") > 0)
                for client in cluster.clients {
                    try await eventually("the sums have come up with the ledger", within: .seconds(15), every: .milliseconds(100)) {
                        let spent = try await concurrently(4) { try await client.balance(keys[$0]).spent }.reduce(0, +)
                        let (tools, hours) = (try await client.report("tool-popularity"), try await client.report("hourly-traffic"))
                        let events = try await client.usage()
                        return tools.credits == spent && hours["summary"]?["totalCredits"] == .int(spent) && events.credits == spent
                            && hours["summary"]?["totalRequests"] == .int(events.count)
                    }
                }
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                let reports = try await concurrently(2) { try await cluster[$0].report("tool-popularity") }
                #expect(reports[0]["tools"] == reports[1]["tools"] && reports[0]["summary"] == reports[1]["summary"])
                let tools = reports[0]["tools"]?.array ?? []
                #expect(Set(tools.compactMap { $0["tool"]?.string }) == ["echo", "add"] && tools.allSatisfy { $0["uniqueConsumers"] == 4 })
                let own = try await cluster[0].report("tool-popularity?namespace=own")
                #expect(try await cluster[1].balance(keys[0]).spent == own.credits, "a namespace is looked up when it is read")
                let traffic = try await cluster[1].report("hourly-traffic")
                let denied = (traffic["hours"]?.array ?? []).reduce(0) { $0 + ($1["denied"]?.int ?? 0) }
                #expect(try await cluster[0].usage().filter { !$0.isAllowed }.count == denied)
            }
        }

        @Test(
            "X34: where a server's list breaks off, names that it has not told count for one tool, `unknown`, and crowd out no tool that there is"
        )
        func madeUpTools() async throws {
            let server = try HostileServer.stdio()
            try server.set(.incomplete, true)
            try await GateCluster.run(nodes: 1, ["--tool-price", "raw:5"], upstream: server.upstream) { cluster in
                let poor = try await cluster[0].createKey(credits: 1)
                let rich = try await cluster[0].createKey(credits: 100)
                #expect(await cluster[0].attempt("echo", ["text": "x"], key: poor).isServed)
                _ = await concurrently(2300, workers: 32) { await cluster[0].attempt("no-such-tool-\($0)", key: poor) }
                for _ in 0..<3 { #expect(await cluster[0].attempt("raw", ["text": "{\"content\":[]}"], key: rich).isServed) }
                try await eventually("all calls are counted", within: .seconds(15), every: .milliseconds(200)) {
                    try await cluster[0].report("hourly-traffic")["summary"]?["totalRequests"] == 2304
                }
                let tools = try await cluster[0].report("tool-popularity")["tools"]?.array ?? []
                #expect(tools.first { $0["tool"] == "raw" }?["totalCredits"] == 15, "\(tools)")
                let traffic = try await cluster[0].report("hourly-traffic")
                let names = (traffic["hours"]?.array ?? []).compactMap { $0["uniqueTools"]?.int }
                #expect(names.allSatisfy { $0 <= 3 }, "echo, raw and unknown: \(names)")
            }
        }

        @Test("X34: an hour has at most 2,000 rows of tools and keys; what is beyond them counts for `other`, and nothing is lost")
        func bounded() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                _ = try await concurrently(2100, workers: 32) { _ in
                    let key = try await cluster[0].createKey(credits: 1)
                    #expect(await cluster[0].echo(key: key).isServed)
                }
                try await eventually("all calls are counted", within: .seconds(15), every: .milliseconds(200)) {
                    try await cluster[0].report("hourly-traffic")["summary"]?["totalRequests"] == 2100
                }
                #expect(try await cluster[0].report("hourly-traffic")["summary"]?["totalCredits"] == 2100)
                let rows =
                    "local n = 0; for _, key in ipairs(redis.call('KEYS', '*rollup:*')) do n = n + redis.call('HGET', key, 'rows') end; return n"
                let made = try await Int(cluster.redis.command("EVAL", rows, "0")) ?? 0
                #expect((1900...4000).contains(made), "2,000 an hour, and it may have struck: \(made)")
            }
        }

        @Test("X37: a slow reader of /usage costs no memory, hinders nobody, and gets the whole record")
        func slowReader() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                for _ in 0..<300 {
                    let calls = (0..<100).map { (tool: "echo", arguments: ["text": "\($0)"] as JSON) }
                    _ = try await node.client.batch(calls, key: key)
                }
                let whole = try await node.client.admin("/usage")
                #expect(whole.json["count"] == 30_000)
                let memory = node.program.residentKilobytes
                let slow = try await concurrently(6) { _ in
                    let connection = try await RawConnection(port: node.port, readsLate: true)
                    await connection.send(
                        "GET /usage HTTP/1.1\r\nHost: localhost\r\nX-Admin-Key: \(GateClient.adminKey)\r\nConnection: close\r\n\r\n")
                    return connection
                }
                let tally = Tally(await concurrently(300, workers: 4) { _ in await node.client.echo(key: key) })
                #expect(tally.served == 300, "\(tally)")
                let piled = node.program.residentKilobytes - memory
                #expect(
                    piled < 6 * whole.body.count / 2048,
                    "what nobody reads is not piled up: \(piled) KB for 6 times \(whole.body.count / 1024) KB")
                for connection in slow.dropFirst(2) { await connection.close() }
                for connection in slow.prefix(2) { try await connection.read() }
                try await eventually("who reads on gets all of it", within: .seconds(20)) {
                    slow.prefix(2).allSatisfy { $0.isEnded && $0.statuses == [200] && $0.count > whole.body.count }
                }
            }
        }
    }
}

extension GateClient {
    fileprivate func report(_ path: String) async throws -> JSON {
        let response = try await admin("/admin/" + path)
        guard response.status == 200 else { throw KitFailure("GET /admin/\(path): \(response.status) \(response.text)") }
        return response.json
    }
}

extension JSON {
    /// The credits of all tools.
    fileprivate var credits: Int { self["tools"]?.array?.reduce(0) { $0 + ($1["totalCredits"]?.int ?? 0) } ?? -1 }
}
