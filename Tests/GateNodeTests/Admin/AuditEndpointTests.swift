// The routes of the audit log.

@testable import GateNode
import HTTPTypes
import MCPWire
import Testing

@Suite("Audit routes")
struct AuditEndpointTests {
    @Test("F-AUDIT-10: the log is queried by type, time and actor, exported whole as JSON and CSV, and counted; a bad query is refused")
    func routes() async throws {
        try await AdminBench.run { bench in
            for index in 0..<5 { _ = try await bench.createKey(["name": .string("=key \(index)")]) }
            let key = try await bench.createKey(["alias": "topped"])
            _ = try await bench.post("/topup", ["key": "topped", "credits": 7])
            let page = try await bench.get("/audit").json
            #expect(page["total"] == 7 && page["limit"] == 100 && page["offset"] == 0, "\(page.text)")
            let newest = try #require(page["events"]?.arrayValue?.first)
            #expect(newest["type"] == "key.topup" && newest["metadata"]?["keyId"] == .string(key.id))
            #expect(newest["metadata"]?["newBalance"]?.stringValue == "107" && newest["id"]?.intValue ?? 0 > 0)
            let some = try await bench.get("/audit?types=key.created,key.nothing&limit=2&offset=1&actor=DMI").json
            #expect(some["total"] == 6 && some["events"]?.arrayValue?.count == 2, "\(some.text)")
            #expect(try await bench.get("/audit?actor=nobody").json["total"] == 0)
            #expect(try await bench.get("/audit?until=2000-01-01").json["events"]?.arrayValue == [])
            for bad in ["since=soon", "limit=1.5", "limit=x", "offset=-"] {
                #expect(try await bench.get("/audit?" + bad).status == 400, "\(bad)")
            }
            let stats = try await bench.get("/audit/stats").json
            #expect(stats["totalEvents"] == 7 && stats["eventsByType"]?["key.created"] == 6 && stats["eventsLastHour"] == 7)
            let export = try await bench.get("/audit/export").json
            #expect(export["count"] == 7 && export["total"] == 7 && export["limit"] == 7 && export["events"]?.arrayValue?.count == 7)
            let part = try await bench.get("/audit/export?limit=3&offset=6").json
            #expect(part["count"] == 1 && part["total"] == 7 && part["limit"] == 3 && part["offset"] == 6)
            let table = try await bench.get("/audit/export?format=csv&types=key.topup")
            #expect(table.text.hasPrefix("id,timestamp,type,actor,message\r\n") && table.text.split(separator: "\r\n").count == 2)
            #expect(try await bench.send(.get, "/audit").status == 401)
            // What is counted is remembered for a while; a page says nothing that it shows itself is not there.
            let created = "/audit?types=key.created&limit=1"
            #expect(try await bench.get(created).json["total"] == 6)
            let all = try #require(try await bench.get("/audit?limit=1").json["total"]?.intValue)
            _ = try await bench.createKey()
            #expect(try await bench.get(created).json["total"] == 6)
            #expect(try await bench.get(created + "&offset=6").json["total"] == 7)
            #expect(try await bench.get("/audit?limit=1").json["total"] == .int(all + 1), "all of it is counted by Redis")
        }
    }
}
