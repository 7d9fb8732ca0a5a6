// Calls and orders that are sent more than once.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Idempotency")
    struct IdempotencyTests {
        @Test("D17: duplicates that run at once on three nodes are executed and charged once; each gets the one result or 409")
        func atOnce() async throws {
            let recording = try Recording()
            try await GateCluster.run(["--price", "5"], upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let responses = try await concurrently(30) { index in
                    try await cluster[index].call(
                        "wait", ["text": "once", "seconds": 0.5], key: key, id: .string("caller \(index)"),
                        headers: [("X-Idempotency-Key", "order-1")])
                }
                #expect(recording.calls == ["once"])
                #expect(responses.allSatisfy { $0.status == 200 || $0.status == 409 })
                let served = responses.enumerated().filter { $0.element.outcome.isServed }
                #expect(!served.isEmpty)
                #expect(served.allSatisfy { $0.element.outcome.text == "once" })
                #expect(served.allSatisfy { $0.element.json["id"] == .string("caller \($0.offset)") }, "F33: each gets its own id back")
                let balance = try await cluster[1].balance(key)
                #expect(balance.spent == 5 && balance.calls == 1)
            }
        }

        @Test("D17: a finished call is replayed by any node with the caller's own id, for free, in a batch too")
        func afterwards() async throws {
            let recording = try Recording()
            try await GateCluster.run(upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let ids: [JSON] = [1, "1", "a \"quoted\" id", 9_007_199_254_740_991, -5, "ü"]
                for (turn, id) in ids.enumerated() {
                    let response = try await cluster[turn].call(
                        "note", ["text": "n"], key: key, id: id, headers: [("X-Idempotency-Key", "k")])
                    #expect(response.outcome.text == "n" && response.json["id"] == id)
                }
                #expect(recording.calls == ["n"])
                for turn in 0..<3 {
                    let calls = [("note", ["text": "b1"] as JSON), ("note", ["text": "b2"])]
                    let response = try await cluster[turn].batch(calls, key: key, id: .int(turn), headers: [("X-Idempotency-Key", "b")])
                    #expect(response.json["result"]?["totalCreditsCharged"] == 2 && response.json["id"] == .int(turn))
                }
                #expect(recording.calls.sorted() == ["b1", "b2", "n"])
                #expect(try await cluster[2].balance(key).spent == 3)
                #expect(try await cluster[1].usage(of: key).credits == 3)
            }
        }

        @Test("D18: the same key with another payload is refused with 4xx on every node, not executed and not charged")
        func anotherPayload() async throws {
            let recording = try Recording()
            try await GateCluster.run(upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let first = try await cluster[0].call("note", ["text": "first"], key: key, headers: [("X-Idempotency-Key", "k")])
                #expect(first.outcome.isServed)
                for turn in 0..<3 {
                    let other = try await cluster[turn].call("note", ["text": "other"], key: key, headers: [("X-Idempotency-Key", "k")])
                    #expect(other.status == 409 || other.status == 422, "\(other.status) \(other.text)")
                    let otherTool = try await cluster[turn].call("wait", ["text": "first"], key: key, headers: [("X-Idempotency-Key", "k")])
                    #expect(otherTool.status == 409 || otherTool.status == 422)
                }
                #expect(recording.calls == ["first"])
                #expect(try await cluster[1].balance(key).spent == 1)
            }
        }

        @Test("D19: an idempotency key belongs to its API key: no replay, no blocking, no disclosure to another; JSON-RPC ids are none")
        func scope() async throws {
            let recording = try Recording()
            try await GateCluster.run(upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100), stranger = try await cluster[1].createKey(credits: 100)
                #expect(await cluster[0].attempt("note", ["text": "mine"], key: key, headers: [("X-Idempotency-Key", "k")]).text == "mine")
                #expect(
                    await cluster[1].attempt("note", ["text": "theirs"], key: stranger, headers: [("X-Idempotency-Key", "k")]).text
                        == "theirs")
                let denied = try await cluster[2].call(
                    "note", ["text": "mine"], key: "pg_" + String(repeating: "0", count: 48), headers: [("X-Idempotency-Key", "k")])
                #expect(denied.outcome.word == "invalid_api_key" && !denied.text.contains("mine"))
                for turn in 0..<3 { #expect(await cluster[turn].attempt("note", ["text": "same id"], key: key, id: 7).isServed) }
                #expect(recording.calls == ["mine", "theirs", "same id", "same id", "same id"])
                #expect(try await cluster[0].balance(key).spent == 4)
            }
        }

        @Test("D17, D18: a top-up that is sent twenty times with one Idempotency-Key, to three nodes, is credited once")
        func topUps() async throws {
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                try await concurrently(20) { try await cluster[$0].topUp(key, 50, operation: "payment-1") }
                #expect(try await cluster[1].balance(key).credits == 150)
                let other = try await cluster[2].admin(
                    "/topup", ["key": .string(key), "credits": 60], headers: [("Idempotency-Key", "payment-1")])
                #expect((400..<500).contains(other.status))
                #expect(try await cluster[0].balance(key).credits == 150)
            }
        }
    }
}
