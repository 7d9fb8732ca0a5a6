// Credits over three nodes: sold once each, given back where due, counted the same everywhere.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Money")
    struct MoneyTests {
        @Test("M2, M3, M9: three nodes sell exactly ⌊B/p⌋ calls of a key and leave B mod p")
        func exactUse() async throws {
            let credits = 1007, price = 3
            try await GateCluster.run(["--price", "\(price)"]) { cluster in
                let key = try await cluster[0].createKey(credits: credits)
                let responses = try await concurrently(3000) { try await cluster[$0].call("echo", ["text": "hello"], key: key) }
                let tally = Tally(responses.map(\.outcome))
                #expect(tally.served == credits / price)
                #expect(tally.served + tally.count("insufficient_credits") == tally.total, "\(tally)")
                #expect(responses.allSatisfy { $0.integer("X-Credits-Remaining").map { $0 >= 0 } ?? false }, "M2: never negative")
                let balance = try await cluster.expectConservation(of: key, granted: credits, price: price, tally)
                #expect(balance.credits == credits % price)
                #expect(balance.calls == credits / price)
            }
        }

        @Test("M1, M6: with failing upstreams and refunds, spent + left = granted and a failed call nets to zero")
        func refunds() async throws {
            let credits = 900, price = 2
            try await GateCluster.run(["--price", "\(price)", "--refund-on-failure"]) { cluster in
                let key = try await cluster[0].createKey(credits: credits)
                let outcomes = await concurrently(1200) { index in
                    let node = cluster[index]
                    return switch Int.random(in: 0..<300) {
                    case 0: await node.attempt("fail", ["kind": "exit"], key: key)
                    case 1...75: await node.attempt("fail", ["kind": "error"], key: key)
                    case 76...150: await node.attempt("fail", ["kind": "isError"], key: key)
                    default: await node.echo(key: key)
                    }
                }
                let tally = Tally(outcomes)
                #expect(tally.unknown == 0, "every failure is definite: \(tally)")
                #expect(tally.served > 100 && tally.count("isError") > 100, "\(tally)")
                try await cluster.expectConservation(of: key, granted: credits, price: price, tally, within: .seconds(1))

                var all = outcomes
                try await eventually("what was refunded can be spent", within: .seconds(30), every: .zero) {
                    let outcome = await cluster[all.count].echo(key: key)
                    all.append(outcome)
                    return outcome.word == "insufficient_credits"
                }
                let balance = try await cluster.expectConservation(of: key, granted: credits, price: price, Tally(all))
                #expect(balance.credits == 0 && balance.calls == credits / price)
            }
        }

        @Test("M10: a batch is admitted and charged as a whole or not at all, over three nodes")
        func wholeBatches() async throws {
            let credits = 1001
            try await GateCluster.run { cluster in
                let key = try await cluster[0].createKey(credits: credits)
                let batches = try await concurrently(600, workers: 32) { index in
                    let size = Int.random(in: 1...8)
                    let calls = (0..<size).map { (tool: "echo", arguments: ["text": "\(index)-\($0)"] as JSON) }
                    let response = try await cluster[index].batch(calls, key: key)
                    return (index: index, size: size, response: response)
                }
                var charged = 0
                for batch in batches {
                    guard let result = batch.response.json["result"] else {
                        #expect(batch.response.outcome.word == "insufficient_credits")
                        #expect(batch.response.json["error"]?["data"]?["totalCreditsRequired"] == .int(batch.size))
                        continue
                    }
                    charged += batch.size
                    #expect(result["totalCreditsCharged"] == .int(batch.size))
                    let texts = result["results"]?.array?.map { $0["result"]?["content"]?[0]?["text"]?.string }
                    #expect(texts == (0..<batch.size).map { "\(batch.index)-\($0)" }, "one result a call, in order")
                }
                let before = try await cluster[1].balance(key)
                #expect(before.spent == charged && before.calls == charged && before.credits == credits - charged)
                let rest = await concurrently(20) { await cluster[$0].echo(key: key) }
                #expect(Tally(rest).served == credits - charged, "what no batch could use is left for single calls")
            }
        }

        @Test("M13: /usage on any node, the ledger and the sum of /metrics show each charge once, also after the death of a node")
        func metering() async throws {
            try await GateCluster.run(["--price", "3"]) { cluster in
                let keys = try await concurrently(4) { try await cluster[$0].createKey(credits: 100 + $0) }
                let outcomes = await concurrently(300) { await cluster[$0].echo(key: keys[$0 % 4]) }
                let tally = Tally(outcomes)
                let balances = try await concurrently(4) { try await cluster[$0].balance(keys[$0]) }
                let spent = balances.reduce(0) { $0 + $1.spent }
                #expect(spent == tally.served * 3)
                let metrics = try await concurrently(3) { try await cluster[$0].metrics() }
                #expect(metrics.reduce(0) { $0 + $1.sum("paygate_credits_charged_total") } == spent)
                #expect(metrics.reduce(0) { $0 + $1.sum("paygate_credits_charged_total", #"tool="echo""#) } == spent)
                let denied = metrics.reduce(0) { $0 + $1.sum("paygate_denials_total", #"reason="insufficient_credits""#) }
                #expect(denied == tally.count("insufficient_credits"))

                try await cluster.nodes[0].kill9()
                for client in cluster.clients.dropFirst() {
                    try await eventually("every call has its one event", within: .seconds(3)) {
                        try await client.usage().count == tally.total
                    }
                    let events = try await client.usage()
                    #expect(events.count == tally.total, "one event a call")
                    #expect(events.filter(\.isAllowed).count == tally.served)
                    #expect(events.credits == spent)
                    for (key, balance) in zip(keys, balances) {
                        #expect(try await client.usage(of: key).credits == balance.spent)
                    }
                }
            }
        }
    }
}
