// Upstreams that die, and callers that share one.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Upstreams")
    struct UpstreamFaultTests {
        @Test("F33: callers that share one child and choose equal ids get their own answers, with their ids as they wrote them")
        func equalIDs() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let keys = try await concurrently(2) { try await cluster[$0].createKey() }
                let ids: [JSON] = [1, "1", 0, -1, 9_007_199_254_740_991, "", "a\"b\\c\n", "ünï", "1.0"]
                let answers = try await concurrently(360) { index in
                    let id = ids[index / 4 % ids.count], tool = index % 5 == 0 ? "slow" : "echo"
                    let arguments: JSON = tool == "slow" ? ["seconds": 0.05] : ["text": "call \(index)"]
                    let response = try await cluster[0].call(tool, arguments, key: keys[index % 2], id: id)
                    let isOwn = tool == "slow" ? response.outcome.isServed : response.outcome.text == "call \(index)"
                    return isOwn && response.json["id"] == id
                }
                #expect(answers.allSatisfy { $0 }, "\(answers.count { !$0 }) of \(answers.count) answers were not their caller's")
            }
        }

        @Test("F33: an id comes back byte for byte", arguments: ["1.0", "1e3", "12345678901234567890123", #""\u0041""#, "-0"])
        func exactID(_ id: String) async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let key = try await cluster[0].createKey()
                let body = #"{"jsonrpc":"2.0","id":\#(id),"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello"}}}"#
                let response = try await cluster[0].post(Array(body.utf8), key: key)
                #expect(response.outcome.isServed && response.text.contains("\"id\":\(id)"), "\(response.text)")
            }
        }

        @Test(
            "F32, M6: when the upstream dies, calls in flight fail within 2 s and are refunded; it is back within 3 s; garbage on its output does no harm"
        )
        func death() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 2, ["--refund-on-failure", "--price", "10"], upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                async let waiting = concurrently(3) { _ in try await cluster[0].call("wait", ["text": "w", "seconds": 60], key: key) }
                try await eventually("the calls run", within: .seconds(3)) { recording.calls.count == 3 }
                let death = ContinuousClock.now
                #expect(await cluster[0].attempt("leave", key: key) == .failed(code: -32603))
                let responses = try await waiting
                #expect(ContinuousClock.now - death < .seconds(2).patiently)
                #expect(responses.allSatisfy { $0.outcome == .failed(code: -32603) })
                #expect(await cluster[1].attempt("note", ["text": "n"], key: key).isServed, "F26: the other node has its own child")
                for node in 0...1 {
                    try await eventually("M6: the refund", within: .seconds(1)) { try await cluster[node].balance(key).credits == 90 }
                }
                try await eventually("the upstream is back", within: .seconds(3) - (ContinuousClock.now - death)) {
                    await cluster[0].attempt("note", ["text": "n"], key: key).isServed
                }
            }
        }

        @Test(
            "F32: in a crash loop calls fail fast and cost nothing, starts stay below 5 a second, /ready says so, and it recovers by itself within 12 s"
        )
        func crashLoop() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 1, ["--refund-on-failure"], upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                try recording.crashAtStart(true)
                _ = await cluster[0].attempt("leave", key: key)
                try await Task.sleep(for: .milliseconds(300))
                for _ in 0..<20 {
                    let response = try await cluster[0].call("note", ["text": "n"], key: key)
                    #expect(response.elapsed < .seconds(1).patiently && !response.outcome.isServed)
                    try await Task.sleep(for: .milliseconds(150))
                }
                #expect(try await cluster[0].get("/ready").status == 503)
                #expect(try await cluster[0].get("/health").status == 200)
                let starts = recording.starts
                #expect(starts.allSatisfy { start in starts.count { $0 >= start && $0 < start + 1 } <= 5 }, "\(starts)")
                #expect(starts.count > 2, "it keeps trying")
                #expect(try await cluster[0].balance(key).credits == 100)
                try recording.crashAtStart(false)
                try await eventually("it recovers by itself", within: .seconds(12)) {
                    await cluster[0].attempt("note", ["text": "n"], key: key).isServed
                }
                #expect(await cluster[0].isReady())
            }
        }
    }
}
