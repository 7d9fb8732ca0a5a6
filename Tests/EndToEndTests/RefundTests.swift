// Calls that fail, and what becomes of their credits.

import GateTesting
import Testing

extension EndToEndTests.OneGate {
    @Suite("Refunds")
    struct RefundTests {
        /// The ways in which a call fails, and what its client is told.
        enum Failure: String, CaseIterable, CustomTestStringConvertible {
            case rpcError, isError, timeout, death

            var testDescription: String { rawValue }

            var call: (tool: String, arguments: JSON) {
                switch self {
                case .rpcError: ("fail", ["kind": "error"])
                case .isError: ("fail", ["kind": "isError"])
                case .timeout: ("slow", ["seconds": 20])
                case .death: ("fail", ["kind": "exit"])
                }
            }

            var word: String {
                switch self {
                case .rpcError, .death: "error -32603"
                case .isError: "isError"
                case .timeout: "error -32004"
                }
            }
        }

        @Test(
            "F-CREDIT-02, F-CREDIT-03, M6: with refund-on-failure every kind of failure is given back at once, with its call and in its event"
        )
        func refunded() async throws {
            try await GateCluster.run(nodes: 2, ["--refund-on-failure", "--tool-timeout", "600", "--price", "3"]) { cluster in
                for failure in Failure.allCases {
                    let key = try await cluster[0].createKey(credits: 10)
                    let response = try await cluster[0].call(failure.call.tool, failure.call.arguments, key: key)
                    #expect(response.outcome.word == failure.word, "\(failure): \(response.text)")
                    #expect(response.elapsed < .seconds(2).patiently, "\(failure): \(response.elapsed)")
                    #expect(response.integer("X-Credits-Remaining") == 10, "\(failure)")
                    let balance = try await cluster[1].balance(key)
                    #expect(balance.credits == 10 && balance.spent == 0 && balance.calls == 0, "\(failure): \(balance)")
                    #expect(try await cluster[1].usage(of: key).credits == 0, "\(failure)")
                    try await eventually("the server is back", within: .seconds(3)) { await cluster[0].echo(key: key).isServed }
                }
                let key = try await cluster[0].createKey(credits: 30)
                let batch = try await cluster[1].batch(
                    [("echo", ["text": "x"]), ("fail", ["kind": "isError"]), ("fail", ["kind": "error"])], key: key)
                #expect(
                    batch.json["result"]?["results"]?.array?.map { $0["creditsCharged"]?.int } == [3, 0, 0], "F-BATCH-04: \(batch.text)")
                #expect(batch.json["result"]?["totalCreditsCharged"] == 3 && batch.json["result"]?["remainingCredits"] == 27)
                #expect(try await cluster[0].balance(key).credits == 27)
            }
        }

        @Test(
            "F-CREDIT-01, M6: without it every kind of failure that reached the server is charged, once; a death is unknown, and kept where that is said"
        )
        func kept() async throws {
            try await GateCluster.run(nodes: 2, ["--tool-timeout", "600", "--price", "3", "--unknown-calls", "keep"]) { cluster in
                for failure in Failure.allCases {
                    let key = try await cluster[0].createKey(credits: 10)
                    let response = try await cluster[0].call(failure.call.tool, failure.call.arguments, key: key)
                    #expect(response.outcome.word == failure.word, "\(failure): \(response.text)")
                    let balance = try await cluster[1].balance(key)
                    #expect(balance.credits == 7 && balance.spent == 3 && balance.calls == 1, "\(failure): \(balance)")
                    #expect(try await cluster[1].usage(of: key).credits == 3, "\(failure)")
                    let other = try await cluster[0].createKey(credits: 100)
                    try await eventually("the server is back", within: .seconds(3)) { await cluster[0].echo(key: other).isServed }
                }
            }
        }

        @Test("F-TMO-01: a tool's own timeout wins; the answer comes at it, with -32004, and the late answer reaches nobody")
        func timeout() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey()
            let response = try await cluster[0].call("slow", ["seconds": 1.0], key: key, id: 1)
            #expect(response.outcome == .failed(code: -32004), "\(response.text)")
            #expect((.milliseconds(650)..<Duration.seconds(1.5).patiently).contains(response.elapsed), "\(response.elapsed)")
            for turn in 0..<10 {
                #expect(try await cluster[0].call("echo", ["text": .string("\(turn)")], key: key, id: 1).outcome.text == "\(turn)")
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
