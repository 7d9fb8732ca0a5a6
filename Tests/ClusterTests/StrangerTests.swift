// Whoever has no key leaves nothing behind: nothing is written for him, published for him, or counted for each of his addresses.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Strangers")
    struct StrangerTests {
        /// Everything that is sent has this word in it.
        private static let mark = "stranger"

        @Test("X34: whatever is asked without a key, Redis keeps nothing of it and no node hears of it; of a key it does")
        func traces() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                // Of the one revision whose clients send arrays.
                let params: JSON = ["protocolVersion": "2025-03-26", "capabilities": [:], "clientInfo": ["name": "test", "version": "1"]]
                let session = try #require(try await cluster[0].rpc("initialize", params).header("Mcp-Session-Id"))
                for node in cluster.clients { _ = try await node.rpc("tools/list", [:], headers: [("Mcp-Session-Id", session)]) }
                let monitor = try Program("monitor", ["redis-cli", "-p", "\(cluster.redis.port)", "MONITOR"])
                try await monitor.waitForOutput("OK")
                let before = try await cluster.redis.entries
                try await Self.ask(cluster, session: session)
                let grown = try await cluster.redis.entries - before
                #expect(grown < 5, "\(grown) entries of 1,200 requests; nodes have some of their own")
                // The word of one that is written shows that those before it would have been seen.
                #expect(
                    await cluster[0].attempt("echo", ["text": "x"], key: key, headers: [("X-Idempotency-Key", "the-last-one")]).isServed)
                try await monitor.waitForOutput("the-last-one")
                #expect(
                    !monitor.log.contains(Self.mark), "\(monitor.log.split(separator: "\n").filter { $0.contains(Self.mark) }.prefix(3))")
                #expect(Self.cancellations(monitor).isEmpty, "a stranger's cancellation is not published")
                #expect(try await cluster[1].balance(key).spent == 1)

                // A key's own cancellation is, if its id is one that can be found.
                let own: GateClient.Headers = [("Mcp-Session-Id", session), ("X-API-Key", key)]
                let long = JSON.string(String(repeating: "7", count: 500)), longer = JSON.string(String(repeating: "7", count: 500_000))
                #expect(try await cluster[0].post(Self.cancellation(of: longer), headers: own).status == 400)
                #expect(try await cluster[0].post(Self.cancellation(of: long), headers: own).status == 202)
                #expect(try await cluster[0].post(Self.cancellation(of: 7), headers: own).status == 202)
                try await eventually("it is published") { !Self.cancellations(monitor).isEmpty }
                let published = Self.cancellations(monitor)
                #expect(published.count == 1 && published.allSatisfy { $0.utf8.count < 1000 }, "\(published.map { $0.prefix(300) })")
                try await monitor.kill9()
            }
        }

        private static func cancellation(of id: JSON) -> [UInt8] {
            (["jsonrpc": "2.0", "method": "notifications/cancelled", "params": ["requestId": id]] as JSON).bytes
        }

        /// What was published of cancellations.
        private static func cancellations(_ monitor: Program) -> [Substring] {
            monitor.log.split(separator: "\n").filter { $0.uppercased().contains("\"PUBLISH\"") && $0.contains("cancel") }
        }

        /// All methods, with names of every length, with no key and with words that look like one.
        private static func ask(_ cluster: GateCluster, session: String) async throws {
            let methods = [
                "tools/call", "tools/call_batch", "prompts/get", "tasks/get", "tasks/list", "resources/subscribe", "logging/setLevel", mark,
                "completion/complete", "resources/read", "subscriptions/listen", "server/discover", "tasks/update", "resources/unsubscribe",
                "paygate_call_tool", "notifications/\(mark)",
            ]
            let statuses = try await concurrently(240, workers: 16) { turn in
                let name = JSON.string(mark + String(repeating: "n", count: [0, 100, 240, 2000][turn % 4]))
                let params: JSON = [
                    "name": turn % 3 == 0 ? "echo" : name, "arguments": ["text": name], "uri": name, "taskId": name, "level": name,
                    "calls": [["name": name]],
                ]
                let headers: GateClient.Headers = [
                    ("Mcp-Session-Id", session), ("X-Request-Id", "\(mark)-\(turn)"), ("X-Idempotency-Key", "\(mark)-\(turn)"),
                ]
                let key = turn % 2 == 0 ? nil : "pg_\(mark)_\(turn)"
                let answer = try await cluster[turn].rpc(methods[turn % methods.count], params, key: key, headers: headers)
                _ = try await cluster[turn].post(cancellation(of: name), headers: headers)
                let request = HostileClient.request(methods[turn % methods.count], params, id: .string("\(mark)-\(turn)"))
                let response = #"{"jsonrpc":"2.0","id":"ask_\#(mark).0.0.\#(turn).x","result":{}}"#
                let array = try await cluster[turn].post(Array("[\(request),\(response)]".utf8), key: key, headers: headers)
                let alone = try await cluster[turn].post(Array(response.utf8), key: key, headers: headers)
                let later = try await cluster[turn].post(
                    stateless(methods[turn % methods.count], params).bytes, key: key,
                    headers: [
                        ("MCP-Protocol-Version", "2026-07-28"), ("Mcp-Method", methods[turn % methods.count]),
                        ("Mcp-Name", name.string ?? ""),
                        ("Last-Event-ID", "post_\(mark)"), ("X-Idempotency-Key", "\(mark)-\(turn)"),
                    ])
                return [answer.status, array.status, alone.status, later.status]
            }
            #expect(statuses.allSatisfy { $0.allSatisfy { (200..<500).contains($0) } }, "\(Set(statuses))")
            #expect(statuses.contains { $0[1] == 200 }, "arrays are answered: \(Set(statuses))")
        }

        /// A request of the revision 2026-07-28.
        private static func stateless(_ method: String, _ params: JSON) -> JSON {
            let meta: JSON = ["io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": [:]]
            let own: [String: JSON] = [
                "_meta": meta, "requestState": .string("call_\(mark)"), "inputResponses": [mark: [:]],
                "notifications": ["resourceSubscriptions": [.string(mark)]],
            ]
            return [
                "jsonrpc": "2.0", "id": .string(mark), "method": .string(method),
                "params": .object(own.merging(params.object ?? [:]) { $1 }),
            ]
        }

        @Test("F-RATE-04, F-RATE-06: guesses from all addresses of one IPv6 network are the guesses of one")
        func guesses() async throws {
            let flags = ["--admin-rate-limit", "5", "--public-rate-limit", "7", "--trusted-proxies", "127.0.0.1"]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                for (path, refused, most) in [("/keys", 401, 5), ("/pricing", 200, 7)] {
                    let statuses = try await concurrently(24) { turn in
                        let from: GateClient.Headers = [
                            ("X-Forwarded-For", "2001:db8:7:7:\(turn + 1)::\(turn)"), ("X-Admin-Key", "guess-\(turn)"),
                        ]
                        return try await cluster[turn].get(path, headers: from).status
                    }
                    #expect(statuses.count { $0 == refused } == most, "\(path): \(statuses)")
                    #expect(statuses.count { $0 == 429 } == 24 - most, "\(path): \(statuses)")
                    let other = try await cluster[0].get(path, headers: [("X-Forwarded-For", "2001:db8:7:8::1"), ("X-Admin-Key", "guess")])
                    #expect(other.status == refused, "another network is not concerned")
                }
            }
        }
    }
}

extension RedisServer {
    /// Names, and entries of streams.
    fileprivate var entries: Int {
        get async throws {
            let count =
                "local n = redis.call('DBSIZE'); for _, key in ipairs(redis.call('KEYS', '*')) do if redis.call('TYPE', key).ok == 'stream' then n = n + redis.call('XLEN', key) end end; return n"
            return try await Int(command("EVAL", count, "0")) ?? 0
        }
    }
}
