// The routes of the audit log.

@testable import GateNode
import GateTesting
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

    @Test("times before 1970 are times before everything, wherever a time is asked for")
    func early() async throws {
        try await AdminBench.run { bench in
            let key = try await bench.createKey()
            let (old, year) = ("1960-01-01T00:00:00Z", "0001-01-01T00:00:00Z")
            for (path, names) in [
                ("/audit", ["since", "until"]), ("/audit/export", ["since", "until"]),
                ("/admin/guardrails/violations", ["since", "until"]),
                ("/usage", ["since"]), ("/webhooks/log", ["since"]), ("/keys/activity?key=\(key.id)", ["since"]),
                ("/admin/costs", ["since", "to"]), ("/admin/tool-popularity", ["from", "to"]), ("/analytics", ["to"]),
            ] {
                for name in names {
                    for time in [old, year] {
                        let answer = try await bench.get(path + (path.contains("?") ? "&" : "?") + "\(name)=\(time)")
                        #expect(answer.status == 200, "\(path) \(name): \(answer.text)")
                    }
                }
                if names.contains("until") {
                    let answer = try await bench.get(path + "?until=\(old)").json
                    #expect((answer["events"] ?? answer["violations"])?.arrayValue == [], "\(path)")
                }
            }
        }
    }

    @Test(
        "F-AUDIT-08: a further stream of one admin key ends its oldest, so that those whose clients have gone keep nobody out; as many keys as there is room for listen beside each other, and a seat that nobody reads from is free again"
    )
    func seats() async throws {
        try await AdminBench.run { bench in
            let feed = AuditFeed(bench.node.store)
            func listen(_ administrator: String) async throws -> AuditFeed.Seat? {
                try await feed.listen(for: administrator) { _ in true }
            }
            var own: [AuditFeed.Seat] = []
            for _ in 0..<2 * AuditFeed.share { own.append(try #require(try await listen("a"))) }
            for seat in own.prefix(AuditFeed.share) {
                var signals: [AuditFeed.Signal] = []
                for await signal in seat.signals { signals.append(signal) }
                guard signals.count == 1, case .end(let why) = signals[0] else {
                    Issue.record("\(signals)")
                    continue
                }
                #expect(why.contains("streams"))
            }
            #expect(try await listen("a") == nil, "until those who were told have gone")
            await feed.leave(own[0])
            let last = try #require(try await listen("a"))
            var others: [AuditFeed.Seat] = []
            for number in 0..<AuditFeed.capacity - 2 * AuditFeed.share {
                others.append(try #require(try await listen("b\(number / AuditFeed.share)")))
            }
            #expect(try await listen("c") == nil)
            others.removeLast()
            try await eventually("the seat that was dropped is free", within: .seconds(30)) { try await listen("c") != nil }
            own = []
            others = []
            await feed.leave(last)
            try await eventually("all are free", within: .seconds(30)) { await !feed.isInUse }
        }
    }
}
