// What a call costs, and what its headers say of that.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Prices")
    struct PricingTests {
        @Test("F-PRICE-03: 3 KB of arguments at 2 credits and 5 a KB cost 17; less than 1 KB counts as 1 KB; none costs nothing more")
        func inputSurcharge() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1000)
            /// `add` with arguments of exactly so many bytes of compact JSON.
            func arguments(_ bytes: Int) -> JSON {
                let frame: JSON = ["a": 1, "b": 2, "pad": ""]
                return ["a": 1, "b": 2, "pad": .string(String(repeating: "x", count: bytes - frame.bytes.count))]
            }
            var spent = 0
            for (bytes, price) in [(3 * 1024, 17), (3 * 1024 + 1, 18), (1024, 7), (1025, 8), (100, 7)] {
                #expect(try await cluster[1].call("add", arguments(bytes), key: key).outcome.text == "3")
                spent += price
                #expect(try await cluster[0].balance(key).spent == spent, "\(bytes) bytes cost \(price)")
            }
            _ = try await cluster[1].rpc("tools/call", ["name": "add"], key: key)
            #expect(try await cluster[0].balance(key).spent == spent + 2, "without arguments")
        }

        @Test("F-PRICE-04: blanks between the arguments cost nothing: the compact form counts, in bytes of UTF-8")
        func compactForm() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1000)
            let blanks = String(repeating: " \n\t", count: 2000)
            let body =
                #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add","arguments":{"a":\#(blanks)1,\#(blanks)"b":2}}}"#
            #expect(try await cluster[0].post(Array(body.utf8), key: key).outcome.text == "3")
            #expect(try await cluster[0].balance(key).spent == 7)
            let wide = String(repeating: "é", count: 1024)
            #expect(try await cluster[0].call("add", ["a": 1, "b": 2, "pad": .string(wide)], key: key).outcome.text == "3")
            #expect(try await cluster[0].balance(key).spent == 7 + 13, "2 KB and 21 bytes: 2 + ceil(2.02 × 5)")
        }

        @Test("F-PRICE-05, F-HDR-08: the answer's size is charged after it, and X-Output-Surcharge says how much")
        func outputSurcharge() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1000)
            let response = try await cluster[0].call("big", ["kilobytes": 10], key: key)
            let surcharge = try #require(response.integer("X-Output-Surcharge"))
            let result = #"{"isError":false,"content":[{"type":"text","text":""}]}"#.utf8.count + 10 * 1024
            #expect(surcharge == (result * 3 + 1023) / 1024, "ceil(KB × 3) of \(result) bytes")
            let balance = try await cluster[1].balance(key)
            #expect(balance.spent == 1 + surcharge && balance.calls == 1)
            #expect(response.integer("X-Credits-Remaining") == balance.credits)
            #expect(try await cluster[1].usage(of: key).map(\.credits) == [1 + surcharge], "F-PRICE-13")
        }

        @Test("F-PRICE-06: the surcharge is capped at what the key has left; the answer is given all the same; an error costs none")
        func cappedSurcharge() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 10)
            let response = try await cluster[0].call("big", ["kilobytes": 100], key: key)
            #expect(response.outcome.text?.count == 100 * 1024)
            #expect(response.integer("X-Output-Surcharge") == 9 && response.integer("X-Credits-Remaining") == 0)
            #expect(try await cluster[1].balance(key).spent == 10)
            let other = try await cluster[0].createKey(credits: 10)
            let failed = try await cluster[0].call("big", ["kilobytes": -1], key: other)
            #expect(failed.outcome == .failed(code: -32602) && failed.header("X-Output-Surcharge") == nil)
            #expect(try await cluster[1].balance(other).spent == 1)
        }

        @Test("F-PRICE-06: a surcharge does not pass the spending limit")
        func surchargeAndSpendingLimit() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 1000)
            try await cluster[0].order("/limits", ["key": .string(key), "spendingLimit": 5])
            #expect(try await cluster[0].call("big", ["kilobytes": 100], key: key).outcome.isServed)
            #expect(try await cluster[1].balance(key).spent <= 5, "counted toward the spending limit")
        }

        @Test("M11, F-PRICE-06: 40 surcharges at once over all nodes do not pass a daily quota of credits")
        func surchargeAndQuota() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100_000)
            try await cluster[0].order("/keys/quota", ["key": .string(key), "dailyCreditLimit": 20])
            let calls = try await concurrently(40, workers: 40) { turn in
                let response = try await cluster[turn].call("big", ["kilobytes": 100], key: key)
                return (isServed: response.outcome.isServed, surcharge: response.integer("X-Output-Surcharge") ?? 0)
            }
            let served = calls.filter { $0.isServed }
            #expect(try await cluster[1].balance(key).spent == 20)
            #expect(!served.isEmpty && served.reduce(0) { $0 + 1 + $1.surcharge } == 20, "each is told what it was charged: \(served)")
        }

        @Test("F-HDR-04: with a key, the answer says what the key may still do; without one it says nothing of it")
        func globalRateHeaders() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 50)
            for turn in 1...3 {
                let response = try await cluster[turn].call("echo", ["text": "x"], key: key)
                #expect(response.integer("X-RateLimit-Limit") == 100 && response.integer("X-RateLimit-Remaining") == 100 - turn)
                #expect((1...60).contains(response.integer("X-RateLimit-Reset") ?? 0))
                #expect(response.integer("X-Credits-Remaining") == 50 - turn)
            }
            let keyless = try await cluster[0].rpc("tools/list", [:])
            #expect(keyless.header("X-RateLimit-Limit") == nil && keyless.header("X-Credits-Remaining") == nil)
        }

        @Test("F-HDR-05, F-RATE-02: a tool with a limit of its own shows that one, and refuses with Retry-After beyond it")
        func toolRateHeaders() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 50)
            for turn in 1...3 {
                let response = try await cluster[turn].call("slow", ["seconds": 0], key: key)
                #expect(response.outcome.isServed)
                #expect(response.integer("X-RateLimit-Limit") == 3 && response.integer("X-RateLimit-Remaining") == 3 - turn)
            }
            let refused = try await cluster[0].call("slow", ["seconds": 0], key: key)
            #expect(refused.outcome == .denied("tool_rate_limited"), "\(refused.text)")
            #expect((1...60).contains(refused.integer("Retry-After") ?? 0))
            #expect(refused.integer("X-RateLimit-Limit") == 3 && refused.integer("X-RateLimit-Remaining") == 0)
            #expect(await cluster[1].echo(key: key).isServed, "other tools go on")
            #expect(try await cluster[1].balance(key).spent == 4, "F-RATE-03: a refused call costs nothing")
        }

        @Test("F-RATE-01: the hundredth call of a minute is served, the next is refused on every node with Retry-After")
        func globalRate() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 500)
            let tally = Tally(await concurrently(130, workers: 20) { await cluster[$0].echo(key: key) })
            #expect(tally.served == 100 && tally.count("rate_limited") == 30, "\(tally)")
            for client in cluster.clients {
                let refused = try await client.call("echo", ["text": "x"], key: key)
                #expect(refused.outcome == .denied("rate_limited") && (1...60).contains(refused.integer("Retry-After") ?? 0))
                #expect(refused.integer("X-RateLimit-Limit") == 100 && refused.integer("X-RateLimit-Remaining") == 0)
            }
            #expect(try await cluster[0].balance(key).spent == 100)
        }
    }
}
