// The routes of the audit log.

import ClusterState
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
            // Of types the log is known, of an actor it is counted now and then; a page says nothing that it shows itself is not there.
            let created = "/audit?types=key.created&limit=1"
            #expect(try await bench.get(created).json["total"] == 6)
            let all = try #require(try await bench.get("/audit?limit=1").json["total"]?.intValue)
            let ofAdmin = created + "&actor=admin"
            let counted = try #require(try await bench.get(ofAdmin).json["total"]?.intValue)
            _ = try await bench.createKey()
            #expect(try await bench.get(created).json["total"] == 7)
            #expect(try await bench.get(ofAdmin).json["total"] == .int(counted))
            #expect(try await bench.get(ofAdmin + "&offset=6").json["total"] == 7)
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
        "F-AUDIT-08: a further stream of one admin key ends its oldest; where all seats are taken who has most gives one up to who has fewer, so that eight keys keep no ninth out; a seat that nobody reads from is free again"
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
            for number in 0..<AuditFeed.capacity - AuditFeed.share {
                others.append(try #require(try await listen("b\(number / AuditFeed.share)")))
            }
            // 32 go on now, four of each of eight keys.
            for _ in 0..<AuditFeed.share - 1 { others.append(try #require(try await listen("c"))) }
            #expect(try await listen("c") == nil, "who has three takes none from who has four")
            for number in 0..<40 {
                guard let seat = try await listen("d\(number)") else { break }
                others.append(seat)
            }
            #expect(try await listen("e") == nil, "until those who were told have gone, there is room for none who is about to end")
            own = []
            others = []
            await feed.leave(last)
            try await eventually("all are free", within: .seconds(30)) { await !feed.isInUse }
        }
    }

    @Test("F-AUDIT-10: what the log adds up to is read once, then what is new alone, and what Redis has dropped is dropped")
    func figures() async throws {
        try await AdminBench.run { bench in
            let (store, book, log) = (bench.node.store, AuditBook(store: bench.node.store), bench.node.store.keys.audit(0))
            func write(_ type: String, _ place: String) async throws {
                var command = RedisCommand("XADD", log, place, "e")
                command.append(AuditEntry(type: type, actor: "a", message: "m", metadata: []).packed)
                _ = try await store.sendPatiently(command)
            }
            #expect(try await book.figures(at: 0) == AuditBook.Figures())
            let now = 100_000_000
            for number in 0..<1100 {
                try await write(number % 10 == 0 ? "key.created" : "key.topup", "\(now - 90_000_000 + number * 80_000)-1")
            }
            let first = try await book.figures(at: now)
            #expect(first.total == 1100 && first.types == ["key.created": 110, "key.topup": 990])
            #expect(first.oldest == 10_000_000 && first.newest == 10_000_000 + 1099 * 80_000)
            #expect(first.lastHour == (0..<1100).filter { 90_000_000 - $0 * 80_000 < 3_600_000 }.count)
            #expect(first.lastDay == (0..<1100).filter { 90_000_000 - $0 * 80_000 < 86_400_000 }.count)
            let before = await store.meter().commands
            try await write("key.revoked", "\(now)-1")
            _ = try await store.sendPatiently(RedisCommand("XTRIM", log, "MAXLEN", "=", "600"))
            let second = try await book.figures(at: now)
            // Both writes, five questions about the log, one page of it.
            #expect(await store.meter().commands - before <= 8, "what was read is not read again")
            #expect(second.total == 600 && second.types.values.reduce(0, +) == 600 && second.types["key.revoked"] == 1)
            #expect(second == (try await AuditBook(store: store).figures(at: now)))
            _ = try await store.sendPatiently(RedisCommand("DEL", log))
            try await write("key.created", "5-1")
            #expect(try await book.figures(at: now).types == ["key.created": 1], "another log is read from its beginning")
            let stats = try await bench.get("/audit/stats").json
            #expect(stats["totalEvents"] == 1 && stats["eventsByType"] == ["key.created": 1], "\(stats.text)")
        }
    }
}
