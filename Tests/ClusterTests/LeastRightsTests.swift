// The features of two nodes with the rights that docs/redis.md gives them, in each kind of store; Redis itself says whether one was missing.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Least rights")
    struct LeastRightsTests {
        enum Store: String, Sendable, CaseIterable {
            case single, sentinel, cluster
        }

        @Test(
            "B42: on one Redis, behind Sentinels and on a Redis Cluster, a node does all that it does with the documented rights and no others, and so do the check and the move of a store",
            arguments: Store.allCases)
        func documented(_ store: Store) async throws {
            let (watched, cluster) = (
                store == .sentinel ? try await SentinelGroup() : nil, store == .cluster ? try await ClusterGroup() : nil
            )
            let sink = try await WebhookReceiver()
            sink.reply { path, _ in path.contains("broken") ? .status(500) : .status(200) }
            let (target, replica) = (try await RedisServer(), try await RedisServer())
            try await replica.follow(target)
            let own = (watched?.url ?? cluster?.url).map { ["--redis-url", $0, "--min-replicas-ack", "1"] } ?? []
            let flags =
                own + [
                    "--redis-shards", "8", "--redis-to", target.url, "--webhook-url", sink.url(), "--webhook-retries", "0",
                    "--max-concurrent-per-tool", "50", "--max-concurrent-per-key", "50", "--rate-limit", "1000",
                ]
            let config: JSON = ["webhookSsrfAtDelivery": false, "webhookFlushMs": 100]
            try await GateCluster.run(nodes: 2, flags, config: config, liftsRate: false) { gate in
                let keys = try await concurrently(4) { try await gate[$0].createKey(["namespace": "a", "tags": ["owner": "x"]]) }
                try await Self.order(gate, keys, sink)
                try await Self.call(gate, keys)
                try await Self.read(gate, keys)
                async let open = gate[1].attempt("slow", ["seconds": 60], key: keys[0])
                try await eventually("a call is open") { try await gate[0].admin("/admin/concurrency").json["inFlight"] != .null }
                try await Task.sleep(for: .milliseconds(500))
                try await gate.nodes[1].kill9()
                _ = await open
                try await eventually("it is resolved", within: .seconds(20)) {
                    try await gate[0].metrics().sum("paygate_reaped_calls_total") == 1
                }
                try await gate.nodes[1].restart()
                try await eventually("mail is delivered", within: .seconds(20)) { !sink.taken().isEmpty }
                let url = watched?.url ?? cluster?.url ?? gate.redis.url
                let check = try await Program.storeCheck(url)
                #expect(check.status == 0, "\(check)")
                let move = try Program.storeMove(url, target.url)
                #expect(try await move.waitForExit(within: .seconds(120)) == 0, "\(move.log)")
                try await eventually("calls are served there", within: .seconds(20)) { await gate[0].echo(key: keys[2]).isServed }
                let servers = (watched?.servers ?? []) + (cluster?.servers ?? []) + [gate.redis, target, replica]
                try await servers.expectNoRefusals()
                for index in watched?.ports.indices ?? 0..<0 {
                    #expect(try await watched?.ask(index, "ACL", "LOG").contains("username") == false)
                }
            }
            try await watched?.end()
            try await cluster?.end()
            for server in [target, replica] { try await server.kill9() }
        }

        private static func order(_ gate: GateCluster, _ keys: [String], _ sink: WebhookReceiver) async throws {
            let (key, other): (JSON, JSON) = (.string(keys[0]), .string(keys[1]))
            let team = try #require(try await gate[0].order("/teams", ["name": "a", "budget": 100_000])["team"]?["id"]?.string)
            let orders: [(String, JSON)] = [
                ("/teams/assign", ["teamId": .string(team), "apiKey": key]), ("/teams/update", ["teamId": .string(team), "name": "b"]),
                ("/topup", ["key": key, "credits": 5]), ("/keys/transfer", ["from": key, "to": other, "credits": 7]),
                ("/keys/transfer", ["from": other, "to": .string(keys[3]), "credits": 7]),
                ("/keys/reserve", ["key": key, "credits": 5, "ttlSeconds": 1]), ("/keys/alias", ["key": key, "alias": "name"]),
                ("/keys/quota", ["key": key, "dailyCallLimit": 500]), ("/keys/tags", ["key": key, "tags": ["a": "b"]]),
                ("/keys/notes", ["key": key, "text": "note"]), ("/keys/expiry", ["key": other, "expiresIn": 1000]),
                ("/keys/auto-topup", ["key": key, "threshold": 10, "amount": 20]), ("/keys/suspend", ["key": other]),
                ("/keys/resume", ["key": other]), ("/keys/rotate", ["key": .string(keys[3])]),
                ("/keys/schedule", ["key": other, "action": "revoke", "executeAt": "2100-01-01T00:00:00Z"]),
                ("/keys/templates", ["name": "one"]), ("/keys/clone", ["key": key]), ("/tokens", ["key": key]),
                ("/keys/webhook", ["key": key, "webhookUrl": .string(sink.url("/broken"))]),
                ("/webhooks/filters", ["events": ["*"], "url": .string(sink.url("/broken")), "name": "f"]),
                ("/maintenance", ["enabled": true]), ("/maintenance", ["enabled": false]),
                ("/admin/keys", ["name": "test", "role": "viewer"]),
                ("/admin/tools/schema", ["tool": "echo", "schema": ["type": "object"]]), ("/config/reload", [:]),
            ]
            for (turn, (path, body)) in orders.enumerated() {
                let answer = try await gate[turn].admin(path, body)
                #expect((200..<300).contains(answer.status), "POST \(path): \(answer.status) \(answer.text)")
            }
        }

        private static func call(_ gate: GateCluster, _ keys: [String]) async throws {
            for turn in 0..<12 {
                #expect(await gate[turn].echo(key: keys[turn % 2]).isServed)
                let repeated = await gate[turn].echo("once", key: keys[0], headers: [("X-Idempotency-Key", "order-\(turn / 2)")])
                #expect(repeated.isServed)
            }
            _ = try await gate[0].batch([("echo", ["text": "a"]), ("add", ["a": 1, "b": 2])], key: keys[0])
            #expect(await gate[1].echo(key: "pg_nobody").isServed == false)
            let greeting: JSON = [
                "protocolVersion": "2025-06-18", "capabilities": [:], "clientInfo": ["name": "test", "version": "1"],
            ]
            let opened = try await gate[0].rpc("initialize", greeting, key: keys[0])
            let session = try #require(opened.header("Mcp-Session-Id"))
            let headers: GateClient.Headers = [("Mcp-Session-Id", session), ("X-API-Key", keys[0])]
            #expect(try await gate[1].rpc("tools/list", [:], key: keys[0], headers: [("Mcp-Session-Id", session)]).status == 200)
            #expect(try await gate[1].send("DELETE", "/mcp", headers: headers).status < 300)
        }

        private static func read(_ gate: GateCluster, _ keys: [String]) async throws {
            let orders = ["name", "credits", "lastUsedAt", "totalSpent", "totalCalls"].map { "/keys?sortBy=\($0)" }
            let pages =
                orders + [
                    "/keys", "/keys?namespace=a", "/keys?active=true&sortBy=credits", "/keys?namePrefix=te&sortBy=name", "/keys/stats",
                    "/keys/expiring?within=3600", "/keys/notes?key=\(keys[0])", "/keys/schedule", "/keys/templates", "/keys/export",
                    "/keys/activity?key=\(keys[0])", "/keys/health?key=\(keys[0])", "/keys/dashboard?key=\(keys[0])",
                    "/keys/compare?keys=\(keys[0]),\(keys[1])", "/keys/quota-status?key=\(keys[0])",
                    "/keys/rate-limit-status?key=\(keys[0])",
                    "/keys/spending-velocity?key=\(keys[0])", "/namespaces", "/pricing", "/usage", "/audit", "/audit/stats",
                    "/audit/export", "/analytics", "/admin/concurrency", "/admin/consumer-retention", "/admin/costs", "/admin/denials",
                    "/admin/error-breakdown", "/admin/guardrails", "/admin/guardrails/violations", "/admin/hourly-traffic", "/admin/keys",
                    "/admin/latency", "/admin/peak-usage", "/admin/request-trends", "/admin/response-time-distribution", "/admin/tasks",
                    "/admin/tool-error-rate", "/admin/tool-popularity", "/admin/tool-profitability", "/admin/tool-revenue",
                    "/admin/tools/schema", "/admin/traffic", "/admin/webhook-health", "/teams", "/tokens/revoked", "/webhooks/dead-letter",
                    "/webhooks/deliveries", "/webhooks/filters", "/webhooks/health", "/webhooks/log", "/webhooks/stats", "/ready",
                    "/health",
                    "/metrics", "/info",
                ]
            for (turn, path) in pages.enumerated() {
                let answer = try await gate[turn].admin(path)
                #expect(answer.status == 200, "GET \(path): \(answer.status) \(answer.text.prefix(300))")
            }
            #expect(try await gate[0].admin("/keys/search", ["tags": ["owner": "x"]]).status == 200)
            #expect(try await gate[1].admin("/webhooks/replay", [:]).status == 200)
            #expect(try await gate[1].admin("/webhooks/test", [:]).status == 200)
        }
    }
}
