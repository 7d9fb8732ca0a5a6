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
            "sortBy=name&order=asc": ["C", "a", "b"], "suspended=true": ["b"], "suspended=false": ["C", "a"], "active=false": [],
            "namePrefix=c": ["C"], "minCredits=20": ["C", "a"], "maxCredits=20": ["C", "b"], "minCredits=11&maxCredits=25": ["C"],
            "namespace=x&limit=1&offset=1": ["a"], "offset=2": ["a"], "offset=9": [], "limit=0": ["C"], "expired=true": [],
        ]
        try await AdminBench.run { bench in
            try await fill(bench)
            for (query, expected) in expectations {
                let answer = try await bench.get("/keys?\(query)")
                #expect(names(answer) == expected, "\(query)")
            }
        }
    }

    @Test("refuses what it does not know")
    func refused() async throws {
        try await AdminBench.run { bench in
            for query in ["sortBy=secret", "order=up", "limit=ten", "active=yes", "group=g"] {
                let answer = try await bench.get("/keys?\(query)")
                #expect(answer.status == 400, "\(query)")
            }
        }
    }

    @Test("an order or a filter that no list knows is refused where more than 100,000 keys would be gone through, and told how to ask")
    func bounded() async throws {
        try await AdminBench.run { bench in
            _ = try await bench.createKey(["name": "one", "namespace": "small"])
            let index = bench.node.store.keys.index(KeyRecord.kind, 0)
            let fill = "for i = 1, 100000 do redis.call('ZADD', KEYS[1], i, 'key_' .. i) end"
            _ = try await bench.redis.command("EVAL", fill, "1", index)
            for query in ["sortBy=name", "sortBy=credits&order=asc", "namePrefix=o", "minCredits=1", "suspended=false"] {
                let refused = try await bench.get("/keys?\(query)")
                #expect(refused.status == 400 && refused.error?.hasPrefix("100001 keys would have") == true, "\(query): \(refused.text)")
                #expect(names(try await bench.get("/keys?namespace=small&\(query)")) == ["one"], "\(query)")
            }
            #expect(try await bench.get("/keys?limit=1&order=asc&offset=100000").json["total"] == 100_001)
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
            #expect(richest["total"] == 1295 && richest["keys"]?[0]?["name"] == "n1298")
            let count = try await KeyTotals.count(bench.node.keys, at: 1)
            #expect(count.active == made && count.credits == made * (made - 1) / 2 && count.all.total == made)
        }
    }
}
