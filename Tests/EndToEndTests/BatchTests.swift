// tools/call_batch: all or nothing at the door, each for itself afterwards.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Batches")
    struct BatchTests {
        @Test("F-BATCH-03, F-BATCH-07: the results stand in the order of the calls, each with its tool and price; the sums are right")
        func shape() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            let calls: [(String, JSON)] = [
                ("slow", ["seconds": 0.3]), ("echo", ["text": "second"]), ("add", ["a": 1, "b": 2]), ("fail", ["kind": "isError"]),
                ("fail", ["kind": "error"]),
            ]
            let response = try await cluster[1].batch(calls, key: key, id: "the batch")
            #expect(response.json["id"] == "the batch")
            let result = try #require(response.json["result"], "\(response.text)")
            let results = try #require(result["results"]?.array)
            #expect(results.map { $0["tool"]?.string } == ["slow", "echo", "add", "fail", "fail"])
            #expect(results.map { $0["creditsCharged"]?.int } == [1, 1, 7, 1, 1])
            #expect(results[1]["result"]?["content"]?[0]?["text"] == "second" && results[2]["result"]?["content"]?[0]?["text"] == "3")
            #expect(results[3]["result"]?["isError"] == true && results[4]["error"]?["code"] == -32603 && results[4]["result"] == nil)
            #expect(result["totalCreditsCharged"] == 11 && result["remainingCredits"] == 89)
            #expect(response.integer("X-Credits-Remaining") == 89)
            let balance = try await cluster[0].balance(key)
            #expect(balance.spent == 11 && balance.calls == 5, "F-BATCH-07: totalCalls grows by n")
            #expect(try await cluster[0].usage(of: key).map(\.credits).sorted() == [1, 1, 1, 1, 7], "one event a call")
        }

        @Test("F-BATCH-03: the calls of a batch run at once")
        func parallel() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let response = try await cluster[0].batch(Array(repeating: ("slow", ["seconds": 1]), count: 3), key: key)
            #expect(response.json["result"]?["totalCreditsCharged"] == 3)
            #expect(response.elapsed < .seconds(2.8), "\(response.elapsed)")
        }

        @Test("F-BATCH-01, F-GATE-20: one refused call refuses the batch, nothing is charged or run, and failedIndex names it")
        func refused() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 2, upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 10, ["deniedTools": ["leave"]])
                let response = try await cluster[1].batch([("note", ["text": "a"]), ("note", ["text": "b"]), ("leave", [:])], key: key)
                let error = response.json["error"]
                #expect(error?["code"] == -32402 && error?["message"] == "Payment required: tool_denied", "\(response.text)")
                #expect(error?["data"]?["failedIndex"] == 2 && error?["data"]?["totalCreditsRequired"] == 3)
                #expect(error?["data"]?["remainingCredits"] == 10 && error?["data"]?["x402"]?["creditsRequired"] == 3, "\(response.text)")
                let poor = try await cluster[0].createKey(credits: 2)
                let tooDear = try await cluster[0].batch(Array(repeating: ("note", ["text": "c"]), count: 3), key: poor)
                #expect(tooDear.outcome == .denied("insufficient_credits: need 3, have 2"), "\(tooDear.text)")
                #expect(
                    tooDear.json["error"]?["data"]?["totalCreditsRequired"] == 3 && tooDear.json["error"]?["data"]?["remainingCredits"] == 2
                )
                #expect(recording.calls.isEmpty)
                #expect(try await cluster[0].balance(key).credits == 10)
                #expect(try await cluster[1].balance(poor).credits == 2)
            }
        }

        @Test("F-RATE-08: a batch of n takes n places of the window, of a tool's too, or none")
        func rate() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let slow: (Int) -> [(String, JSON)] = { Array(repeating: ("slow", ["seconds": 0]), count: $0) }
            #expect(try await cluster[0].batch(slow(2), key: key).status == 200)
            let refused = try await cluster[1].batch(slow(2), key: key)
            #expect(refused.outcome == .denied("tool_rate_limited"), "\(refused.text)")
            #expect(try await cluster[1].call("slow", ["seconds": 0], key: key).outcome.isServed, "the refused batch took no place")
            #expect(try await cluster[0].balance(key).spent == 3)
        }
    }
}
