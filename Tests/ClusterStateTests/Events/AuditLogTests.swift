// The audit log of several shards, read as one.

@testable import ClusterState
import GateDomain
import Testing

@Suite("Audit log")
struct AuditLogTests {
    private static func write(_ entry: AuditEntry, in shard: Int, at place: String, _ node: TestNode) async throws {
        var command = RedisCommand("XADD", node.keys.audit(shard), place, "e")
        command.append(entry.packed)
        _ = try await node.store.send(command)
    }

    @Test(
        "F-AUDIT-10: all shards together, the newest first, each entry once under a number of its own, filtered by type, time and actor",
        arguments: [1, 4])
    func merged(_ shards: Int) async throws {
        let node = try await TestNode(shards: shards)
        for number in 0..<1200 {
            let type = number % 3 == 0 ? "key.created" : "key.topup"
            let entry = AuditEntry(type: type, actor: number % 2 == 0 ? "Root" : "other", message: "\(number)", metadata: [("name", "x")])
            try await Self.write(entry, in: number % shards, at: "\(1000 + number / 8)-\(number % 8)", node)
        }
        func read(_ filter: AuditLog.Filter = AuditLog.Filter()) async throws -> [AuditLog.Entry] {
            var entries: [AuditLog.Entry] = []
            try await AuditLog(store: node.store).forEach(filter) { entries.append($0) }
            return entries
        }
        let all = try await read()
        #expect(all.count == 1200 && Set(all.map(\.change.message)).count == 1200 && Set(all.map(\.number)).count == 1200)
        #expect(zip(all, all.dropFirst()).allSatisfy { $0.change.time >= $1.change.time })
        #expect(all.first?.change.metadata.first?.1 == "x" && all.first?.change.time == 1149)
        #expect(try await read(AuditLog.Filter(types: ["key.created"])).count == 400)
        #expect(try await read(AuditLog.Filter(actor: "rOO")).count == 600)
        let some = try await read(AuditLog.Filter(since: 1010, until: 1019))
        #expect(some.count == 80 && some.allSatisfy { (1010...1019).contains($0.change.time) })
        #expect(try await read(AuditLog.Filter(since: 5000)).isEmpty)
    }
}
