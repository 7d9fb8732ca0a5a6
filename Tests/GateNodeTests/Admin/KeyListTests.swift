// GET /keys, on few keys and on many.

import ClusterState
import GateDomain
@testable import GateNode
import GateTesting
import MCPWire
import Testing

@Suite("The list of keys")
struct KeyListTests {
    private func names(_ answer: Answer) -> [String] {
        (answer.json["keys"] ?? answer.json).arrayValue?.compactMap { $0["name"]?.stringValue } ?? []
    }

    /// Keys a, b and c in their order of creation.
    private func fill(_ bench: AdminBench) async throws {
        for (name, credits, namespace) in [("a", 30, "x"), ("b", 10, "y"), ("C", 20, "x")] {
            let key = try await bench.createKey(["name": .string(name), "credits": .int(Int64(credits)), "namespace": .string(namespace)])
            if name == "b" { _ = try await bench.post("/keys/suspend", ["key": .string(key.id)]) }
            try await Task.sleep(for: .milliseconds(3))
        }
    }

    @Test("X-31: is a plain array, newest first, with a namespace too, and a page with anything else")
    func forms() async throws {
        try await AdminBench.run { bench in
            try await fill(bench)
            let all = try await bench.get("/keys")
            #expect(names(all) == ["C", "b", "a"] && all.json.arrayValue != nil)
            let some = try await bench.get("/keys?namespace=X")
            #expect(names(some) == ["C", "a"] && some.json.arrayValue != nil)
            let page = try await bench.get("/keys?limit=2").json
            #expect(page["total"] == 3 && page["limit"] == 2 && page["offset"] == 0 && page["hasMore"] == true)
            #expect(
                !all.text.contains("pg_" + String(repeating: "0", count: 8))
                    && all.json[0]?["keyPrefix"]?.stringValue?.hasSuffix("...") == true)
        }
    }

    @Test("orders and filters")
    func queries() async throws {
        let expectations: KeyValuePairs = [
            "order=asc": ["a", "b", "C"], "sortBy=credits": ["a", "C", "b"], "sortBy=credits&order=asc": ["b", "C", "a"],
            "sortBy=name&order=asc": ["a", "b", "C"], "suspended=true": ["b"], "suspended=false": ["C", "a"], "active=false": [],
            "namePrefix=c": ["C"], "minCredits=20": ["C", "a"], "maxCredits=20": ["C", "b"], "minCredits=11&maxCredits=25": ["C"],
            "namespace=x&limit=1&offset=1": ["a"], "offset=2": ["a"], "offset=9": [], "limit=0": ["C"], "expired=true": [],
        ]
        try await AdminBench.run { bench in
            try await fill(bench)
            // Before the orders of a store are there, and with them.
            for hasOrders in [false, true] {
                if hasOrders { try await bench.makeOrders() }
                for (query, expected) in expectations {
                    let answer = try await bench.get("/keys?\(query)")
                    #expect(names(answer) == expected, "\(query)")
                }
                for sorting in ["createdAt", "name", "credits", "lastUsedAt", "totalSpent", "totalCalls"] {
                    for rest in ["", "&order=asc", "&minCredits=5&suspended=false"] {
                        let query = "/keys?sortBy=\(sorting)\(rest)"
                        var (paged, next) = ([String](), JSONValue.string(""))
                        while let cursor = next.stringValue {
                            let page = try await bench.get(query + "&limit=1" + (cursor.isEmpty ? "" : "&cursor=\(cursor)"))
                            paged += names(page)
                            #expect(page.json["hasMore"] == .bool(page.json["nextCursor"] != .null))
                            next = page.json["nextCursor"] ?? .null
                        }
                        #expect(paged == names(try await bench.get(query)), "\(query)")
                        #expect(paged.count == (rest.contains("min") ? 2 : 3))
                    }
                }
            }
        }
    }

    @Test(
        "a filter by credits shows no key whose account does not meet it by now, on every way that a page is found; a beginning of a name is compared to its end, however long it is"
    )
    func exact() async throws {
        try await AdminBench.run { bench in
            try await fill(bench)
            let (id, keys) = (try await bench.createKey(["name": "d", "credits": 3000, "namespace": "x"]).id, bench.node.store.keys)
            try await bench.makeOrders()
            // What a call does that the orders have not followed yet.
            let account = RedisCommand("HSET", keys.account(id), "credits", "15")
            _ = try await bench.node.store.sendPatiently(account)
            for query in [
                "", "&sortBy=credits", "&sortBy=name&order=asc", "&namespace=x", "&suspended=false", "&namePrefix=d", "&expired=false",
            ] {
                let answer = try await bench.get("/keys?minCredits=20" + query)
                #expect(answer.status == 200 && !names(answer).contains("d"), "\(query): \(answer.text)")
            }
            #expect(Set(names(try await bench.get("/keys?minCredits=20&namespace=x"))) == ["a", "C"])

            let begin = String(repeating: "é", count: 140)
            for end in ["one", "two"] { _ = try await bench.createKey(["name": .string(begin + end)]) }
            let text = String(repeating: "%C3%89", count: 140)
            for sorting in ["createdAt", "name", "credits"] {
                #expect(names(try await bench.get("/keys?sortBy=\(sorting)&namePrefix=\(text)tw")) == [begin + "two"], "\(sorting)")
                #expect(names(try await bench.get("/keys?sortBy=\(sorting)&namePrefix=\(text)")).count == 2, "\(sorting)")
                #expect(names(try await bench.get("/keys?sortBy=\(sorting)&namePrefix=\(text)x")) == [], "\(sorting)")
            }
        }
    }

    @Test("refuses what it does not know")
    func refused() async throws {
        try await AdminBench.run { bench in
            for query in [
                "sortBy=secret", "order=up", "limit=ten", "active=yes", "group=g", "cursor=x", "cursor=credits.desc.1.61",
                "sortBy=name&cursor=name.asc.0.61", "cursor=createdAt.desc.-1.61", "cursor=createdAt.desc.1.6",
                "offset=1&cursor=createdAt.desc.1.61",
            ] {
                let answer = try await bench.get("/keys?\(query)")
                #expect(answer.status == 400, "\(query)")
            }
        }
    }

    /// 30,000 keys in all orders and some lists, of which a few are there.
    private func fillIndexes(_ bench: AdminBench) async throws {
        func index(_ list: String) -> String { bench.node.store.keys.index(list, 0) }
        let lists = [KeyRecord.kind, KeyRecord.living, KeyRecord.list(ofNamespace: "x")] + KeyAmount.allCases.map(\.list)
        let names = ([KeyRecord.names] + lists).map(index)
        for part in 0..<6 {
            let fill =
                "for i = \(part * 5000 + 1), \(part * 5000 + 5000) do for k = 2, #KEYS do redis.call('ZADD', KEYS[k], i, 'key_' .. i) end "
                + "redis.call('ZADD', KEYS[1], 0, 'name ' .. i .. '\\031key_' .. i) end"
            _ = try await bench.redis.command(["EVAL", fill, String(names.count)] + names)
        }
        _ = try await bench.node.store.sendPatiently(RedisCommand("HSET", bench.node.store.keys.keyOrders(0), "built", "1"))
    }

    @Test("whatever the order and the filter, a request looks at 20,000 keys at most, says where to go on, and what it does not know")
    func bounded() async throws {
        try await AdminBench.run { bench in
            _ = try await bench.createKey(["name": "one", "namespace": "x"])
            try await fillIndexes(bench)
            _ = try await bench.createKey(["name": "two", "namespace": "x", "credits": 50_000])
            for query in [
                "sortBy=name&namePrefix=o", "sortBy=credits&order=asc&maxCredits=100&namePrefix=on", "namePrefix=one&suspended=false",
            ] {
                let page = try await bench.get("/keys?\(query)")
                #expect(names(page) == ["one"] && page.json["nextCursor"] == .null, "\(query): \(page.text)")
            }
            // Of these no part is small: the order is gone through, in requests that are bounded.
            let before = await bench.node.store.meter().commands
            for (query, expected) in [
                ("active=true&namespace=x", ["two", "one"]), ("sortBy=credits&namespace=x&suspended=false&order=asc", ["one", "two"]),
                ("sortBy=totalCalls&active=true&order=asc", ["one", "two"]), ("minCredits=100&namespace=x&sortBy=name", ["two", "one"]),
            ] {
                var (found, next, requests) = ([String](), JSONValue.string(""), 0)
                while let cursor = next.stringValue {
                    let page = try await bench.get("/keys?\(query)" + (cursor.isEmpty ? "" : "&cursor=\(cursor)"))
                    #expect(page.status == 200 && page.json["totalIsExact"] == .bool(query.contains("Calls")), "\(page.text)")
                    found += names(page)
                    next = page.json["nextCursor"] ?? .null
                    requests += 1
                }
                #expect(
                    (query.contains("Calls") ? found.sorted() : found) == expected && (2...20).contains(requests),
                    "\(query): \(found) in \(requests)")
            }
            #expect(await bench.node.store.meter().commands > before)
            let deep = try await bench.get("/keys?sortBy=credits&suspended=false&offset=25000")
            #expect(deep.status == 400 && deep.error?.hasPrefix("Invalid offset") == true)
            for sorting in ["createdAt", "name", "credits", "lastUsedAt", "totalSpent", "totalCalls"] {
                let before = await bench.node.store.meter().commands
                let page = try await bench.get("/keys?sortBy=\(sorting)&order=asc&limit=10&offset=20000").json
                #expect(page["total"] == 30_002 && page["totalIsExact"] == true && page["hasMore"] == true, "\(sorting)")
                #expect(await bench.node.store.meter().commands - before < 40, "\(sorting)")
            }
            let found = try await bench.post("/keys/search", ["tags": ["a": "b"]]).json
            #expect(found["count"] == 0)
            _ = try await bench.node.store.sendPatiently(RedisCommand("DEL", bench.node.store.keys.keyOrders(0)))
            let early = try await bench.get("/keys?sortBy=name")
            #expect(early.status == 503 && early.header("Retry-After") == "60", "\(early.text)")
            #expect(try await bench.get("/keys?limit=1&order=asc&offset=30000").json["total"] == 30_002)
        }
    }

    @Test("design 2.8: reads a page of the default order alone, however many keys there are; walks in strides otherwise")
    func scale() async throws {
        try await AdminBench.run { bench in
            let made = 1300
            for index in 0..<made {
                let record = "key_\(index)", keys = bench.node.store.keys
                _ = try await bench.node.store.sendAll([
                    RedisCommand("HSET", keys.record(record), "state", "active", "version", "1", "name", "n\(index)"),
                    RedisCommand("HSET", keys.account(record), "credits", "\(index)", "spent", "0", "calls", "0"),
                    RedisCommand("ZADD", keys.index(KeyRecord.kind, keys.shard(of: record)), "\(index)", record),
                ])
            }
            let before = await bench.node.store.meter().commands
            let page = try await bench.get("/keys?limit=10&offset=100").json
            #expect(await bench.node.store.meter().commands - before < 40)
            #expect(page["total"] == .int(Int64(made)) && page["keys"]?[0]?["name"] == "n1199")
            #expect(try await bench.get("/keys").json.arrayValue?.count == 500)
            let richest = try await bench.get("/keys?sortBy=credits&minCredits=5&limit=3&offset=1").json
            #expect(richest["total"] == 1295 && richest["totalIsExact"] == true && richest["keys"]?[0]?["name"] == "n1298")
            let count = try #require(try await KeyTotals.count(bench.node.keys, at: 1))
            #expect(count.active == made && count.credits == made * (made - 1) / 2 && count.all.total == made)
            #expect(count.namespaces["default"]?.total == made, "F-KEY-16")
        }
    }
}

extension KeyListTests {
    @Test("what thousands of keys add up to is read from sums and never from the keys, says as of when, and is not told before it is there")
    func sums() async throws {
        try await AdminBench.run { bench in
            let (made, keys, day) = (2100, bench.node.store.keys, 86_400_000)
            for index in 0..<made {
                let record = "key_\(index)"
                _ = try await bench.node.store.sendAll([
                    RedisCommand(
                        "HSET", keys.record(record), "state", index % 10 == 0 ? "revoked" : "active", "version", "1", "name", "n\(index)",
                        "created",
                        "\(index % 2 * day)", "namespace", "space-\(index % 3)", "expires", index % 10 == 1 ? "5" : "0"),
                    RedisCommand("HSET", keys.account(record), "credits", "5", "spent", "3", "calls", index % 10 == 2 ? "0" : "2"),
                    RedisCommand("ZADD", keys.index(KeyRecord.kind, 0), "\(index)", record),
                ])
            }
            let paths = ["/keys/stats", "/namespaces", "/admin/consumer-retention"]
            for path in paths {
                let early = try await bench.get(path)
                #expect(early.status == 503 && early.header("Retry-After") == "5", "\(path): \(early.text)")
            }
            while try await KeySums.read(from: bench.node.store) == nil { _ = try await bench.node.keys.orders.upkeep(at: 0).get() }
            try await bench.node.keys.orders.note(followed: day)
            let before = await bench.node.store.meter().commands
            let answers = try await paths.asyncMap { try await bench.get($0).json }
            #expect(await bench.node.store.meter().commands - before < 30)
            for answer in answers { #expect(answer["asOf"] == "1970-01-02T00:00:00.000Z", "\(answer.text)") }
            let (stats, spaces, cohorts) = (answers[0], answers[1], answers[2])
            for (name, count) in ["total": 2100, "active": 1680, "expired": 210, "revoked": 210, "suspended": 0, "totalCalls": 3780] {
                #expect(stats[name] == .int(Int64(count)), "\(name) in \(stats.text)")
            }
            #expect(stats["totalCreditsRemaining"] == 10_500 && stats["totalCreditsSpent"] == 6300)
            #expect(stats["byNamespace"] == ["space-0": 700, "space-1": 700, "space-2": 700])
            let space = try await bench.get("/keys/stats?namespace=space-1").json
            #expect(space["total"] == 700 && space["totalCreditsRemaining"] == 3500)
            #expect(spaces["count"] == 3 && spaces["namespaces"]?[2]?["activeKeys"] == 630, "\(spaces.text)")
            #expect(cohorts["summary"]?["totalKeys"] == 1890 && cohorts["summary"]?["retainedKeys"] == 1680, "\(cohorts.text)")
            #expect(cohorts["cohorts"]?[0]?["period"] == "1970-01-02" && cohorts["cohorts"]?[0]?["created"] == 1050)
            #expect(cohorts["cohorts"]?[1]?["avgSpend"] == 3)
        }
    }
}

extension Array {
    fileprivate func asyncMap<Value>(_ transform: (Element) async throws -> Value) async rethrows -> [Value] {
        var values: [Value] = []
        for element in self { values.append(try await transform(element)) }
        return values
    }
}

extension AdminBench {
    /// What a running node does in its first seconds.
    fileprivate func makeOrders() async throws {
        while try await !node.keys.orders.isBuilt() { _ = try await node.keys.orders.upkeep(at: 0).get() }
    }
}
