// Tasks that nobody asks about, and what admins see of tasks.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Tasks that nobody asks about")
    struct TaskWatchTests {
        private static let meta: JSON = [
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": ["extensions": ["io.modelcontextprotocol/tasks": [:]]],
        ]
        private static let config: JSON = ["toolPricing": ["task": ["creditsPerCall": 3]]]

        private func make(_ task: String, _ node: GateClient, key: String) async throws {
            let made = try await node.stateless(
                "tools/call", ["name": "task", "arguments": ["text": .string(task)]], meta: Self.meta, key: key)
            #expect(made.json["result"]?["taskId"] == .string(task), "\(made.text)")
        }

        /// Has the gate ask about all tasks now.
        private func hurry(_ cluster: GateCluster) async throws {
            try await cluster.redis.alter(
                "zset", containing: "tasks.due",
                "for _, word in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZADD', key, 'XX', 1, word) end")
        }

        private func list(_ node: GateClient, _ query: String = "") async throws -> JSON {
            try await node.admin("/admin/tasks" + query).json
        }

        private func statuses(_ node: GateClient) async throws -> [String: String] {
            let tasks = try await list(node)["tasks"]?.array ?? []
            return Dictionary(
                tasks.map { ($0["taskId"]?.string ?? "", $0["status"]?.string ?? "") }, uniquingKeysWith: { first, _ in first })
        }

        @Test(
            "issue 14, F-MCP-18: a task that failed or was cancelled is paid back once although nobody asks about it, its server is asked by one node alone, and one of which nothing more can be found out is unknown and keeps its charge; /admin/tasks shows all of it on every node"
        )
        func refunds() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 2, upstream: server.upstream, config: Self.config) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                for (turn, task) in ["failed-1", "cancelled-1", "completed-1", "working-1"].enumerated() {
                    try await make(task, cluster[turn % 2], key: keys[0])
                }
                try await make("working-2", cluster[0], key: keys[1])
                for node in cluster.clients {
                    #expect(try await statuses(node).values.sorted() == Array(repeating: "working", count: 5))
                    let all = try await list(node)
                    #expect(all["total"] == 5 && all["nextCursor"] == nil && all["stats"]?["byStatus"] == ["working": 5], "\(all)")
                    let newest = try #require(all["tasks"]?.array?.first { $0["taskId"] == "working-2" })
                    #expect(newest["tool"] == "task" && newest["creditsCharged"] == 3, "\(newest)")
                    #expect(newest["keyPrefix"]?.string.map { keys[1].hasPrefix($0.prefix(8)) } ?? false, "\(newest)")
                    #expect(newest["expiresAt"]?.string != nil && newest["sessionId"] == nil && newest["cancelRequested"] == false)
                }
                try await hurry(cluster)
                try await eventually("what came to nothing is paid back", within: .seconds(30)) {
                    try await statuses(cluster[1]) == [
                        "failed-1": "failed", "cancelled-1": "cancelled", "completed-1": "completed", "working-1": "working",
                        "working-2": "working",
                    ]
                }
                #expect(try await cluster[0].balance(keys[0]).credits == 94)
                #expect(try await cluster[1].balance(keys[1]).credits == 97)
                func asked(_ task: String) -> Int {
                    server.requests.count {
                        $0["message"]?["method"] == "tasks/get" && $0["message"]?["params"]?["taskId"] == .string(task)
                    }
                }
                #expect(asked("failed-1") == 1 && asked("cancelled-1") == 1 && asked("working-1") == 1)
                let failed = try await list(cluster[0], "?taskId=failed-1")
                #expect(failed["tasks"]?[0]?["creditsRefunded"] == 3 && failed["tasks"]?[0]?["creditsCharged"] == 3, "\(failed)")
                #expect(failed["total"] == 1 && failed["stats"]?["total"] == 5 && failed["stats"]?["creditsRefunded"] == 6)
                // Their owner may ask all the same, and gets nothing twice.
                let told = try await cluster[1].stateless(
                    "tasks/get", ["taskId": "failed-1"], meta: Self.meta, key: keys[0], headers: ["Mcp-Name": "failed-1"])
                #expect(told.json["result"]?["status"] == "failed", "\(told.text)")
                #expect(try await cluster[0].balance(keys[0]).credits == 94)

                try await cluster.redis.alter("hash", containing: "tasks:facts", "redis.call('HSET', key, 'until', 1)")
                try await hurry(cluster)
                try await eventually("their server does not keep them any longer", within: .seconds(30)) {
                    try await list(cluster[0])["stats"]?["byStatus"] == ["failed": 1, "cancelled": 1, "completed": 1, "unknown": 2]
                }
                #expect(try await cluster[0].balance(keys[0]).credits == 94)
                #expect(try await cluster[1].balance(keys[1]).credits == 97)
            }
        }

        @Test("issue 14: an admin finds tasks by what they are of, page by page, and has one given up on whichever node it was made")
        func admins() async throws {
            let server = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 2, upstream: server.upstream, config: Self.config) { cluster in
                let keys = try await concurrently(2) { _ in try await cluster[0].createKey(credits: 100) }
                for number in 1...5 { try await make("working-\(number)", cluster[number % 2], key: keys[0]) }
                try await make("cancelled-1", cluster[0], key: keys[1])
                var (names, cursor): ([String], String?) = ([], nil)
                repeat {
                    let page = try await list(cluster[1], "?pageSize=4&status=working" + (cursor.map { "&cursor=\($0)" } ?? ""))
                    names += (page["tasks"]?.array ?? []).compactMap { $0["taskId"]?.string }
                    #expect(page["total"] == 6)
                    cursor = page["nextCursor"]?.string
                } while cursor != nil && names.count < 10
                #expect(names.sorted() == ["cancelled-1"] + (1...5).map { "working-\($0)" })
                #expect(try await list(cluster[0], "?sessionId=none")["total"] == 0)
                #expect(try await list(cluster[0], "?apiKeyPrefix=nobody")["total"] == 0)
                #expect(try await list(cluster[0], "?status=failed")["total"] == 0)
                for query in ["?cursor=x", "?status=lost", "?pageSize=x"] {
                    #expect(try await cluster[0].admin("/admin/tasks" + query).status == 400, "\(query)")
                }
                func post(_ body: JSON) async throws -> GateResponse { try await cluster[1].admin("/admin/tasks", body) }
                #expect(try await post(["action": "cancel"]).status == 400)
                #expect(try await post(["action": "stop", "taskId": "working-1"]).status == 400)
                #expect(try await post(["action": "cancel", "taskId": "nothing"]).status == 404)
                #expect(try await post(["action": "stats"]).json["stats"]?["total"] == 6)
                let named: GateClient.Headers = [("Idempotency-Key", "order-1")]
                let order: JSON = ["action": "cancel", "taskId": "cancelled-1"]
                let cancelled = try await cluster[1].admin("/admin/tasks", order, headers: named)
                #expect(cancelled.status == 200 && cancelled.json["task"]?["status"] == "cancelled", "\(cancelled.text)")
                #expect(cancelled.json["task"]?["cancelRequested"] == true && cancelled.json["task"]?["creditsRefunded"] == 3)
                #expect(server.requests.count { $0["message"]?["method"] == "tasks/cancel" } == 1)
                #expect(try await cluster[0].balance(keys[1]).credits == 100)
                let again = try await post(["action": "cancel", "taskId": "cancelled-1"])
                #expect(again.status == 400 && again.text.contains("has ended"), "\(again.text)")
                let same = try await cluster[0].admin("/admin/tasks", order, headers: named)
                #expect(same.status == 200 && same.json == cancelled.json, "M12: sent twice it answers the same: \(same.text)")
                let told = try await cluster[1].admin("/audit?types=task.cancel_requested").json
                #expect(told["total"] == 1 && told.text.contains("cancelled-1"), "\(told.text)")
            }
        }

        @Test(
            "issue 14: the tasks of a node that died are seen to by another one; those of a process that died with it are unknown, and cost what they cost"
        )
        func death() async throws {
            let remote = try await ScriptedUpstream("scripted_modern_server.py")
            try await GateCluster.run(nodes: 2, upstream: remote.upstream, config: Self.config) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                try await make("failed-1", cluster[0], key: key)
                try await cluster.nodes[0].kill9()
                try await hurry(cluster)
                try await eventually("the other node asks", within: .seconds(40)) { try await cluster[1].balance(key).credits == 100 }
                #expect(try await statuses(cluster[1]) == ["failed-1": "failed"])
            }
            let child = try HostileServer.stdio()
            try await GateCluster.run(nodes: 2, upstream: child.upstream, config: Self.config) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let made = try await cluster[0].call("task", ["text": "x"], key: key)
                let task = try #require(made.json["result"]?["task"]?["taskId"]?.string, "\(made.text)")
                try await hurry(cluster)
                try await eventually("its server works on it", within: .seconds(30)) {
                    try await list(cluster[1])["tasks"]?[0]?["inquiries"] == 1
                }
                #expect(try await statuses(cluster[1]) == [task: "working"])
                try await cluster.nodes[0].kill9()
                try await hurry(cluster)
                try await eventually("nobody knows", within: .seconds(40)) { try await statuses(cluster[1]) == [task: "unknown"] }
                #expect(try await cluster[1].balance(key).credits == 97)
            }
        }

        @Test(
            "F-MCP-18: a task that fails before its charge is noted, as in a batch whose other call takes long, is paid back; so is one whose owner only fetches its result, which is an error; and one of a name whose earlier tasks were completed pays back its own charge alone"
        )
        func lateCharges() async throws {
            let server = try HostileServer.stdio()
            let config: JSON = ["toolPricing": ["task": ["creditsPerCall": 3], "silent": ["creditsPerCall": 0, "timeoutMs": 8000]]]
            try await GateCluster.run(nodes: 1, upstream: server.upstream, config: config) { cluster in
                let keys = try await concurrently(3) { _ in try await cluster[0].createKey(credits: 100) }
                func refunded(_ task: String) async throws -> JSON? { try await list(cluster[0], "?taskId=\(task)")["tasks"]?[0] }
                async let batch = cluster[0].batch(
                    [(tool: "task", arguments: ["text": "failed/early"]), (tool: "silent", arguments: ["text": "x"])], key: keys[0])
                try await eventually("its end is heard", within: .seconds(30)) {
                    // It fails while nothing is due.
                    try? await hurry(cluster)
                    return try await statuses(cluster[0]) == ["early": "failed"]
                }
                let ended = try await batch
                #expect(ended.json["result"]?["results"]?[0]?["creditsCharged"] == 3, "\(ended.text)")
                #expect(try await cluster[0].balance(keys[0]).credits == 100)
                let early = try await refunded("early")
                #expect(early?["creditsRefunded"] == 3 && early?["creditsCharged"] == 3, "\(early as Any)")

                for (task, credits) in [("failed/f", 100), ("completed/c", 97)] {
                    #expect(try await cluster[0].call("task", ["text": .string(task)], key: keys[1]).json["result"]?["task"] != nil)
                    let id = String(task.suffix(1))
                    let result = try await cluster[0].rpc("tasks/result", ["taskId": .string(id)], key: keys[1])
                    #expect(result.json["result"]?["isError"] == .bool(credits == 100), "\(result.text)")
                    try await eventually("what became of it is heard", within: .seconds(30)) {
                        try? await hurry(cluster)
                        return try await statuses(cluster[0])[id] == String(task.dropLast(2))
                    }
                    try await eventually("it is paid back", within: .seconds(30)) {
                        try await cluster[0].balance(keys[1]).credits == credits
                    }
                    if id == "f" { #expect(try await refunded("f")?["creditsRefunded"] == 3) }
                }

                for task in Array(repeating: "completed/d", count: 5) + ["cancelled/d"] {
                    #expect(try await cluster[0].call("task", ["text": .string(task)], key: keys[2]).json["result"]?["task"] != nil)
                    let told = try await cluster[0].rpc("tasks/get", ["taskId": "d"], key: keys[2])
                    #expect(told.json["result"]?["status"] == .string(String(task.dropLast(2))), "\(told.text)")
                }
                #expect(try await cluster[0].balance(keys[2]).credits == 85)
                let last = try await refunded("d")
                #expect(last?["creditsRefunded"] == 3 && last?["creditsCharged"] == 3 && last?["status"] == "cancelled", "\(last as Any)")
            }
        }
    }
}
