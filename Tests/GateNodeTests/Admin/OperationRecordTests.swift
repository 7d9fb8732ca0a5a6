// What every change by an admin leaves behind, over the whole table of routes: one operation record, and one audit entry written with it.

import ClusterState
import GateDomain
@testable import GateNode
@testable import GateSettings
@testable import GateValues
import GateTesting
import HTTPTypes
import MCPWire
import Testing

@Suite("Operation records")
struct OperationRecordTests {
    /// All but the one that needs a server with a task: `TaskBookTests` and `TaskWatchTests` have that.
    private static let changing = EndpointTableTests.guarded.filter {
        $0.method != .get && !$0.audits.isEmpty && $0.path != Endpoint.changeTask.path
    }

    @Test("M12: a route that writes no audit entry changes nothing")
    func silent() {
        let silent = EndpointTableTests.guarded.filter { $0.method != .get && $0.audits.isEmpty }.map(\.path)
        #expect(silent == ["/keys/search"])
    }

    @Test("M12, F-AUDIT-02: each route that changes something leaves one audit entry, of a type that it declares, and an operation record")
    func one() async throws {
        try await Self.run { bench in
            for endpoint in Self.changing {
                let request = try await Self.request(to: endpoint, on: bench)
                let before = try await Traces(bench)
                let answer = try await bench.send(request)
                let after = try await Traces(bench)
                let name = "\(endpoint.method) \(endpoint.path)"
                #expect((200..<300).contains(answer.status), "\(name): \(answer.status) \(answer.text.prefix(200))")
                let types = after.audits.dropFirst(before.audits.count)
                #expect(types.count == 1 && types.allSatisfy(endpoint.audits.contains), "\(name): \(types)")
                #expect(!after.operations.subtracting(before.operations).isEmpty, "\(name) has no operation record")
            }
        }
    }

    @Test("M12: sent twice under one Idempotency-Key it does nothing more, gives the same answer, and is refused for anything else")
    func twice() async throws {
        try await Self.run { bench in
            let named = Self.changing.filter { $0.headers.contains { $0.name == Field.idempotencyKey.name } }
            #expect(named.count >= 9)
            for endpoint in named {
                var request = try await Self.request(to: endpoint, on: bench)
                request.headers["Idempotency-Key"] = "operation-of-\(endpoint.pathName)-\(endpoint.method)"
                let first = try await bench.send(request)
                let before = try await Traces(bench)
                let second = try await bench.send(request)
                let name = "\(endpoint.method) \(endpoint.path)"
                #expect((200..<300).contains(first.status) && second.status == first.status, "\(name): \(second.text.prefix(200))")
                // Of an order that is carried out already a bulk says that it is.
                let isBulk = endpoint.path == Endpoint.bulkKeys.path
                #expect(isBulk ? second.json["succeeded"] == first.json["succeeded"] : second.text == first.text, "\(name): \(second.text)")
                let after = try await Traces(bench)
                #expect(after.audits == before.audits && after.operations == before.operations, "\(name)")
                #expect(after.values == before.values, "\(name)")
            }
        }
    }

    private static func run(_ test: @Sendable (AdminBench) async throws -> Void) async throws {
        try await AdminBench.run(
            adjusting: { settings in
                settings.configPath = "gate.json"
                // One that nothing is sent to.
                settings.webhookUrl = WebhookURL("http://127.0.0.1/hook")
            }, test)
    }

    /// What has to be said to routes that also take a request which asks for no change.
    private static let changes: [String: [String: JSONValue]] = [
        "/keys/acl": ["allowedTools": ["echo"]], "/admin/concurrency": ["maxConcurrentPerKey": 5], "/maintenance": ["enabled": true],
    ]

    /// A request that changes something.
    private static func request(to endpoint: Endpoint, on bench: AdminBench) async throws -> AdminRequest {
        var request = try await EndpointTableTests.request(to: endpoint, on: bench)
        if let more = changes[endpoint.path], let text = request.body.map({ String(decoding: $0, as: UTF8.self) }) {
            guard case .object(var body) = try JSONValue.parse(text) else { throw KitFailure("no object: \(text)") }
            for (name, value) in more { body[name] = value }
            request.body = JSONValue.object(body).bytes
        }
        let (store, webhooks) = (bench.node.store, bench.node.webhooks)
        switch (endpoint.method, endpoint.path) {
        case (.delete, "/keys/webhook"):
            let id = request.path.split(separator: "=").last.map(String.init) ?? ""
            _ = try await bench.post("/keys/webhook", ["key": .string(id), "webhookUrl": "https://1.1.1.1/"])
        case (_, "/webhooks/replay"), (.delete, "/webhooks/dead-letter"):
            for turn in 1...30 {
                let letter = WebhookLetter(
                    sink: WebhookSink.usual, url: "", attempts: 1, lastError: "", firstAttempt: 1, lastAttempt: 1, events: ["{}"],
                    turn: turn)
                var command = RedisCommand("RPUSH", "pg:{0}:webhooks:dead")
                command.append(letter.packed)
                _ = try await store.send(command)
            }
            #expect(try await webhooks.queue.letterCount() >= 30)
        case (.delete, "/admin/guardrails/violations"):
            _ = try await store.send(RedisCommand("XADD", store.keys.violations, "*", "e", "x"))
        default: break
        }
        return request
    }
}

/// What operations have left.
private struct Traces {
    var audits: [String] = []
    var operations: Set<String> = []
    /// What every name holds but those that say who has asked.
    var values: [String: RedisReply] = [:]

    init(_ bench: AdminBench) async throws {
        let keys = bench.node.store.keys
        for shard in 0..<keys.shards {
            let entries = try await bench.node.store.send(RedisCommand("XRANGE", keys.audit(shard), "-", "+")).array ?? []
            for entry in entries {
                guard case .bytes(let packed)? = entry.array?.last?.array?.last else { continue }
                audits.append(AuditEntry(packed: packed)?.type ?? "unknown")
            }
        }
        let names = try await bench.redis.command("--scan").split(separator: "\n").map(String.init)
        operations = Set(names.filter { $0.contains(":op:") })
        let told = names.filter { !$0.contains("visits") && !$0.contains("admins:used") }
        values = Dictionary(zip(told, try await bench.node.store.sendAll(told.map { RedisCommand("DUMP", $0) })), uniquingKeysWith: { $1 })
    }
}
