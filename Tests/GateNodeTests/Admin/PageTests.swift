// Pages for everybody, and for operators.

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("The pages")
struct PageTests {
    @Test("F-GATE-02: maintenance closes every node, is announced and audited once, and shows on /health and /ready")
    func maintenance() async throws {
        let redis = try await RedisServer()
        try await AdminBench.run(on: redis) { first in
            try await AdminBench.run(on: redis) { second in
                #expect(try await first.get("/maintenance").json == ["enabled": false, "since": nil])
                #expect(try await first.post("/maintenance", ["enabled": false]).json["enabled"] == false)
                let message = String(repeating: "m", count: 600)
                let on = try await first.post("/maintenance", ["enabled": true, "message": .string(message)]).json
                #expect(on["enabled"] == true && on["message"]?.stringValue?.count == 500)
                await second.node.maintenance.load()
                #expect(second.node.switches.maintenance?.message.count == 500)
                #expect(try await first.post("/maintenance", ["enabled": true, "message": .string(message)]).json["since"] == on["since"])
                #expect(try await second.send(.get, "/health").json["status"] == "maintenance")
                #expect(try await second.send(.get, "/ready").json["checks"]?["notMaintenance"] == false)
                #expect(try await second.post("/maintenance", ["enabled": false]).json == ["enabled": false, "since": nil])
                await first.node.maintenance.load()
                #expect(!first.node.switches.isInMaintenance)
                #expect(try await redis.command("XLEN", first.node.store.keys.audit(0)) == "2")
            }
        }
    }

    @Test("F-HEALTH-01: /health says 503 while the node drains, /livez never does")
    func draining() async throws {
        try await AdminBench.run { bench in
            #expect(try await bench.send(.get, "/health").json["status"] == "healthy")
            bench.node.switches.isLeaving = true
            let health = try await bench.send(.get, "/health")
            #expect(health.status == 503 && health.json["status"] == "draining")
            #expect(try await bench.send(.get, "/livez").status == 200)
        }
    }

    @Test("the index names every path of the table, /info marks those of administrators, robots.txt hides them")
    func index() async throws {
        try await AdminBench.run { bench in
            let root = try await bench.send(.get, "/").json
            #expect(
                root["endpoints"]?["keysRevoke"] == "/keys/revoke" && root["endpoints"]?["mcp"] == "/mcp"
                    && root["endpoints"]?["openapi"] == "/openapi.json")
            #expect(root["endpoints"]?.objectValue?.count == EndpointTable.standard.paths.count)
            #expect(try await bench.send(.get, "/info").json["endpoints"]?["keys"] == "/keys (admin)")
            let robots = try await bench.send(.get, "/robots.txt").text
            for line in ["Allow: /pricing", "Disallow: /keys", "Disallow: /mcp", "Disallow: /metrics"] { #expect(robots.contains(line)) }
        }
    }

    @Test("GET /usage: the record of calls as JSON and as CSV, from a time on, of a namespace")
    func usage() async throws {
        try await AdminBench.run { bench in
            for (namespace, outcome, name) in [("x", CallEvent.Outcome.denied, "=1+1"), ("y", .ok, "plain, \"quoted\"")] {
                let key = KeyRecord(
                    id: "key_\(namespace)", name: name, prefix: "pg_1234567...", masked: "pg_1...", createdAt: 1, namespace: namespace)
                try await bench.node.keys.records.create(key, Operation(audit: .nobody))
                let event = CallEvent(
                    keyID: key.id, tool: "echo", outcome: outcome, reason: outcome == .denied ? "rate_limited" : "", milliseconds: 3,
                    requestID: "req_1")
                _ = try await bench.node.store.send(EventLog.note(event, keys: bench.node.store.keys))
            }
            let all = try await bench.get("/usage").json
            #expect(all["count"] == 2 && all["since"] == "all" && all["events"]?[0]?["denyReason"] == "rate_limited")
            #expect(all["events"]?[0]?["allowed"] == false && all["events"]?[1]?["durationMs"] == 3)
            #expect(try await bench.get("/usage?namespace=Y").json["count"] == 1)
            #expect(try await bench.get("/usage?since=2100-01-01").json["count"] == 0)
            let csv = try await bench.get("/usage?format=csv")
            #expect(csv.header("Content-Type") == "text/csv; charset=utf-8")
            let lines = csv.text.split(separator: "\r\n")
            #expect(lines[0] == "timestamp,apiKey,keyName,tool,creditsCharged,allowed,denyReason" && lines.count == 3)
            #expect(lines[1].contains(#""'=1+1""#) && lines[2].contains(#""plain, ""quoted""""#))
        }
    }

    @Test("GET /usage: a record of many pages comes whole and in its order, refused calls among the others")
    func longUsage() async throws {
        try await AdminBench.run { bench in
            let (store, count) = (bench.node.store, 2600)
            for namespace in ["even", "odd"] {
                let key = KeyRecord(
                    id: "key_\(namespace)", name: "n", prefix: "pg_1234567...", masked: "pg_1...", createdAt: 1, namespace: namespace)
                try await bench.node.keys.records.create(key, Operation(audit: .nobody))
            }
            let event = { (index: Int, outcome: CallEvent.Outcome) in
                CallEvent(
                    keyID: index.isMultiple(of: 2) ? "key_even" : "key_odd", tool: "tool\(index)", outcome: outcome, milliseconds: 3,
                    requestID: "req_\(index)")
            }
            // Refused calls are rare at first and then many, so that each stream in turn is the longer one.
            for base in stride(from: 0, to: count, by: 100) {
                _ = try await store.sendAll(
                    (base..<base + 100).map { index in
                        let isDenied = index < 1300 ? index.isMultiple(of: 50) : !index.isMultiple(of: 50)
                        var command = RedisCommand(
                            "XADD", isDenied ? store.keys.denials(0) : store.keys.usage(0), "\(1_000_000 + index)-0", "c", "0", "e")
                        command.append(event(index, isDenied ? .denied : .ok).packed)
                        return command
                    })
            }
            let all = try await bench.get("/usage").json
            #expect(all["count"] == .int(Int64(count)))
            #expect(all["events"]?.arrayValue?.compactMap { $0["tool"]?.stringValue } == (0..<count).map { "tool\($0)" })
            let even = try await bench.get("/usage?namespace=even&since=1970-01-01T00:16:42Z").json
            #expect(even["count"] == 300 && even["events"]?[0]?["tool"] == "tool2000")
            let csv = try await bench.get("/usage?format=csv").text.split(separator: "\r\n")
            #expect(csv.count == count + 1 && csv[count].contains("\"tool\(count - 1)\""))
            let pages = try await bench.node.events.pages().reduce(into: []) { $0.append($1.count) }
            #expect(pages.reduce(0, +) == count && pages.count > 2 && pages.allSatisfy { (1...2000).contains($0) })
        }
    }

    @Test("F-MET-01, F-MET-02: every metric of the table is on the page with its help and type; figures of all keys come from a walk aside")
    func metrics() async throws {
        var figures = NodeFigures()
        figures.gate.credits = ["echo": 7]
        figures.queueDepths = ["settlements": 2]
        try await AdminBench.run(figures: figures) { bench in
            _ = try await bench.createKey(["credits": 50])
            let revoked = try await bench.createKey(["credits": 9])
            _ = try await bench.post("/keys/revoke", ["key": .string(revoked.id)])
            _ = try await bench.post("/keys/templates", ["name": "small", "credits": 5])
            try await eventually("the keyTotals is taken", within: .seconds(5)) {
                try await bench.send(.get, "/metrics").text.contains("\npaygate_active_keys_total 1\n")
            }
            let page = try await bench.send(.get, "/metrics")
            #expect(page.header("Content-Type") == "text/plain; version=0.0.4; charset=utf-8")
            #expect(page.text.contains("\npaygate_total_credits_available 50\n"))
            #expect(page.text.contains("\npaygate_templates_total 1\n"))
            #expect(
                page.text.contains(#"paygate_credits_charged_total{tool="echo"} 7"#)
                    && page.text.contains(#"paygate_queue_depth{queue="settlements"} 2"#))
            for metric in Metric.all {
                #expect(
                    page.text.contains("# HELP \(metric.name) \(metric.help)\n# TYPE \(metric.name) \(metric.type)\n"), "\(metric.name)")
            }
            #expect(Set(Metric.all.map(\.name)).count == Metric.all.count)
        }
    }
}

extension AuditEntry {
    fileprivate static let nobody = AuditEntry(type: "test", actor: "test", message: "test", metadata: [])
}
