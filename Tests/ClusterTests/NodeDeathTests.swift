// Nodes that die with calls open.

import GateTesting
import Glibc
import Testing

extension ClusterTests {
    @Suite("Death of a node")
    struct NodeDeathTests {
        @Test(
            "F30, M1: a call whose node is killed is resolved within 10 s, its event says unknown, nothing is charged twice, the others serve on",
            arguments: ["refund", "keep"])
        func inMidCall(_ policy: String) async throws {
            let price = 10, granted = 100_000
            try await GateCluster.run(["--price", "\(price)", "--unknown-calls", policy]) { cluster in
                let key = try await cluster[0].createKey(credits: granted)
                async let open = cluster[0].attempt("slow", ["seconds": 60], key: key)
                try await eventually("the call is admitted", within: .seconds(3)) {
                    try await cluster[1].balance(key).credits == granted - price
                }
                let outcomes = try await underLoad(workers: 4, pause: .milliseconds(20), { await cluster[1 + $0 % 2].echo(key: key) }) {
                    try await cluster.nodes[0].kill9()
                    for node in 1...2 {
                        try await eventually("the event of the call is in /usage of node \(node)", within: .seconds(10)) {
                            try await cluster[node].usage().contains(where: \.isUnknown)
                        }
                    }
                }
                let tally = Tally(outcomes)
                #expect(tally.served == tally.total && tally.total > 50, "F26, F30: the other nodes serve on: \(tally)")
                #expect(await open.word == "lost")
                let unknown = try await cluster[1].usage().filter(\.isUnknown)
                let charged = policy == "keep" ? price : 0
                #expect(unknown.count == 1 && unknown.first?.tool == "slow" && unknown.credits == charged)
                let balance = try await cluster[2].balance(key)
                #expect(balance.spent == tally.served * price + charged && balance.credits + balance.spent == granted)
                #expect(try await cluster[1].usage().credits == balance.spent)
                try await cluster.nodes[0].restart()
                #expect(await cluster[0].echo(key: key).isServed)
            }
        }

        @Test(
            "F30: what a killed node has started ends with it, also a server that does not mind the end of its input or SIGTERM",
            .enabled(if: hasSetpriv))
        func noOrphans() async throws {
            let command = "sh -c \"trap '' TERM; \(Repository.binary) demo-server; sleep 1000\""
            try await GateCluster.run(nodes: 1, upstream: .command(command)) { cluster in
                let key = try await cluster[0].createKey()
                #expect(await cluster[0].echo(key: key).isServed)
                let children = cluster.nodes[0].program.children
                #expect(!children.isEmpty)
                try await cluster.nodes[0].kill9()
                try await eventually("no child is left", within: .seconds(2)) { !children.contains(where: Program.isAlive) }
            }
        }

        private static let hasSetpriv = access("/usr/bin/setpriv", X_OK) == 0

        @Test("D20: the node dies in an idempotent call: a retry elsewhere ends in a definite answer within 15 s, and one charge stands")
        func retryElsewhere() async throws {
            let recording = try Recording()
            try await GateCluster.run(["--price", "10"], upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let call: @Sendable (Int) async -> CallOutcome = { node in
                    await cluster[node].attempt("wait", ["text": "w", "seconds": 2], key: key, headers: [("X-Idempotency-Key", "order-1")])
                }
                async let first = call(0)
                try await eventually("the call is executed", within: .seconds(3)) { recording.calls.count == 1 }
                try await cluster.nodes[0].kill9()
                #expect(await first.word == "lost")
                var turn = 1
                try await eventually("a retry is answered with the result", within: .seconds(15), every: .milliseconds(250)) {
                    turn = 3 - turn
                    return await call(turn).text == "w"
                }
                #expect(await call(1).text == "w" && recording.calls.count <= 2, "what was answered is replayed")
                let balance = try await cluster[1].balance(key)
                #expect(balance.spent == 10 && balance.credits == 90 && balance.calls == 1)
            }
        }

        @Test("M1, M13: nodes that are killed and started again under load lose no credit and no event")
        func repeatedly() async throws {
            let granted = 1_000_000
            try await GateCluster.run(["--price", "3"]) { cluster in
                let key = try await cluster[0].createKey(credits: granted)
                let outcomes = try await underLoad(workers: 12, pause: .milliseconds(5), { await cluster[$0].echo(key: key) }) {
                    for round in 0..<3 {
                        try await Task.sleep(for: .milliseconds(700))
                        try await cluster.nodes[round].kill9()
                        try await cluster.nodes[round].restart()
                    }
                }
                let tally = Tally(outcomes)
                #expect(tally.served > 100, "\(tally)")
                try await cluster.expectConservation(of: key, granted: granted, price: 3, tally, within: .seconds(12))
                try await eventually("every charge has its event, once the holds of the dead are resolved", within: .seconds(12)) {
                    try await cluster[1].usage().credits == cluster[2].balance(key).spent
                }
            }
        }
    }
}
