// How many calls may be open at once: of a key and of a tool, as configured and as set while the gate runs.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Concurrency")
    struct ConcurrencyTests {
        @Test(
            "F-CONC-01: a tool has so many open calls over all keys and nodes and no more; operators see them; a killed node's are given back",
            arguments: [1, 16])
        func perTool(shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--max-concurrent-per-tool", "3", "--redis-shards", "\(shards)"]) { cluster in
                let keys = try await concurrently(2) { try await cluster[$0].createKey(credits: 1000) }
                async let doomed = concurrently(2) { _ in await cluster[0].attempt("slow", ["seconds": 60], key: keys[0]) }
                async let open = cluster[1].attempt("slow", ["seconds": 60], key: keys[1])
                try await eventually("three calls are open") { try await cluster.snapshot(1)["totalInflight"] == 3 }
                let masks = keys.map { "\($0.prefix(7))...\($0.suffix(4))" }
                let snapshot = try await cluster.snapshot(0)
                #expect(snapshot["byKey"] == [masks[0]: 2, masks[1]: 1], "\(snapshot.text)")
                #expect(snapshot["byTool"] == ["slow": 3] && snapshot["truncated"] == false)
                #expect(snapshot["byKeyTool"] == [masks[0] + ":slow": 2, masks[1] + ":slow": 1])
                for (node, key) in keys.enumerated() {
                    let refused = try await cluster[node].call("slow", ["seconds": 0], key: key)
                    #expect(refused.status == 200 && refused.outcome == .failed(code: -32005) && refused.integer("Retry-After") == 1)
                    #expect(refused.json["error"]?["message"] == "Too many calls at once: concurrency_limit")
                    #expect(refused.json["error"]?["data"]?["reason"] == "concurrency_limit")
                    #expect(refused.integer("X-Credits-Remaining") == (node == 0 ? 998 : 999), "\(refused.text)")
                    #expect(await cluster[node].echo(key: key).isServed, "another tool")
                    let batch = try await cluster[node].batch([("echo", ["text": "x"]), ("slow", ["seconds": 0])], key: key)
                    #expect(batch.outcome == .failed(code: -32005) && batch.json["error"]?["data"]?["failedIndex"] == 1)
                }
                try await cluster.nodes[0].kill9()
                _ = await doomed
                try await eventually("the dead node's calls are given back", within: .seconds(15)) {
                    await cluster[1].attempt("slow", ["seconds": 0], key: keys[0]).isServed
                }
                #expect(try await cluster.snapshot(1)["byTool"] == ["slow": 1])
                try await cluster.nodes[0].restart()
                let two = try await cluster[0].batch([("slow", ["seconds": 0]), ("slow", ["seconds": 0])], key: keys[0])
                let three = try await cluster[0].batch(Array(repeating: ("slow", ["seconds": 0]), count: 3), key: keys[0])
                #expect(two.outcome.isServed && three.outcome == .failed(code: -32005), "one is still open on the other node")
                try await cluster.nodes[1].kill9()
                _ = await open
            }
        }

        @Test("F-CONC-01, V21: limits that are set on one node bind the other at once, outlive both, and leave the configuration alone")
        func runtime() async throws {
            let directory = try TemporaryDirectory()
            let path = try directory.write(#"{"maxConcurrentPerKey":2,"defaultCreditsPerCall":1}"#, to: "gate.json")
            try await GateCluster.run(nodes: 2, ["--config", path]) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                try await cluster.expectLimits(perKey: 2, perTool: 0, on: 1)
                // A file that was changed and not reloaded is not read for it.
                try directory.write(#"{"maxConcurrentPerKey":9,"defaultCreditsPerCall":5}"#, to: "gate.json")
                let answer = try await cluster[0].order("/admin/concurrency", ["maxConcurrentPerTool": 1])
                #expect(answer == ["limits": ["maxConcurrentPerKey": 2, "maxConcurrentPerTool": 1]])
                #expect(await cluster[1].echo(key: key).isServed)
                #expect(try await cluster[1].balance(key).spent == 1, "the price is the old one")
                async let lost = cluster[1].attempt("slow", ["seconds": 60], key: key)
                try await eventually("a call is open") { try await cluster.snapshot(0)["totalInflight"] == 1 }
                #expect(await cluster[0].attempt("slow", ["seconds": 0], key: key) == .failed(code: -32005))

                // Two operators at once lose nothing of each other.
                async let one = cluster[0].order("/admin/concurrency", ["maxConcurrentPerKey": 3])
                async let two = cluster[1].order("/admin/concurrency", ["maxConcurrentPerTool": 2])
                _ = try await (one, two)
                for node in 0..<2 { try await cluster.expectLimits(perKey: 3, perTool: 2, on: node) }
                for body: JSON in [
                    ["maxConcurrentPerTool": -1], ["maxConcurrentPerTool": true], ["maxConcurrentPerKey": "2"],
                    ["maxConcurrentPerTool": 1_000_000_001], ["maxConcurrentPerKey": 1, "maxConcurrentPerTool": [1]],
                ] {
                    let refused = try await cluster[0].admin("/admin/concurrency", body)
                    #expect(
                        refused.status == 400 && refused.json["error"]?.string?.hasPrefix("Invalid maxConcurrentPer") == true,
                        "\(body.text)")
                }
                for node in cluster.nodes { try await node.kill9() }
                _ = await lost
                for node in cluster.nodes { try await node.restart() }
                for node in 0..<2 { try await cluster.expectLimits(perKey: 3, perTool: 2, on: node) }
                try await eventually("the dead node's call is given back", within: .seconds(15)) {
                    try await cluster.snapshot(0)["byTool"] == [:]
                }
                async let open = concurrently(2) { _ in await cluster[0].attempt("slow", ["seconds": 60], key: key) }
                try await eventually("two calls are open") { try await cluster.snapshot(1)["totalInflight"] == 2 }
                #expect(await cluster[1].attempt("slow", ["seconds": 0], key: key) == .failed(code: -32005))

                // The nodes have read the new file as they started; a reload leaves what is set, null gives it back.
                try await cluster[0].order("/config/reload", [:])
                try await cluster.expectLimits(perKey: 3, perTool: 2, on: 1)
                let given = try await cluster[1].order("/admin/concurrency", ["maxConcurrentPerKey": .null, "maxConcurrentPerTool": .null])
                #expect(given == ["limits": ["maxConcurrentPerKey": 9, "maxConcurrentPerTool": 0]])
                try await cluster.expectLimits(perKey: 9, perTool: 0, on: 0)
                #expect(await cluster[1].attempt("slow", ["seconds": 0], key: key).isServed)
                let nothing = try await cluster[0].order("/admin/concurrency", [:])
                #expect(nothing == given, "nothing given, nothing changed")
                try await cluster.nodes[0].kill9()
                _ = await open
            }
        }
    }
}

extension GateCluster {
    fileprivate func snapshot(_ node: Int) async throws -> JSON {
        try await self[node].admin("/admin/concurrency").json["snapshot"] ?? .null
    }

    fileprivate func expectLimits(perKey: Int, perTool: Int, on node: Int, sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let limits = try await self[node].admin("/admin/concurrency").json["limits"]
        #expect(limits == ["maxConcurrentPerKey": .int(perKey), "maxConcurrentPerTool": .int(perTool)], sourceLocation: sourceLocation)
    }
}
