// Nodes that are asked to end.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Shutdown")
    struct ShutdownTests {
        @Test(
            "F31: on SIGTERM /ready turns 503 while the listener is open, new calls are refused, the call in flight finishes, exit 0 within 10 s"
        )
        func graceful() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0], client = node.client
                let key = try await client.createKey()
                async let inFlight = client.attempt("slow", ["seconds": 4], key: key)
                try await eventually("the call is admitted", within: .seconds(3)) { try await client.balance(key).spent == 1 }
                async let status = node.terminate(within: .seconds(10))
                try await eventually("/ready is 503", within: .seconds(1), every: .milliseconds(5)) {
                    try await client.get("/ready").status == 503
                }
                try await eventually("new calls are refused", within: .seconds(4)) { await client.echo(key: key) == .refused(status: 503) }
                #expect(try await client.get("/health").json["status"] == "draining")
                #expect(await inFlight.isServed)
                #expect(try await status == 0)
            }
        }

        @Test("F31: an idle node ends with status 0 within a second of SIGTERM, and so does its upstream")
        func idle() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 1, upstream: .recording(recording)) { cluster in
                let node = cluster.nodes[0]
                let children = node.program.children
                #expect(!children.isEmpty)
                let start = ContinuousClock.now
                #expect(try await node.terminate(within: .seconds(5)) == 0)
                #expect(ContinuousClock.now - start < .seconds(1.5).patiently)
                try await eventually("its upstream has ended", within: .seconds(1)) { children.allSatisfy { !Program.isAlive($0) } }
            }
        }

        @Test(
            "F31: a rolling restart of three nodes behind haproxy under load fails no request and loses no credit", .timeLimit(.minutes(2)))
        func rollingRestart() async throws {
            let granted = 1_000_000
            try await GateCluster.run(["--trusted-proxies", "127.0.0.1"]) { cluster in
                let balancer = try await HAProxy(cluster.nodes)
                let gate = balancer.client
                let key = try await gate.createKey(credits: granted)
                let call: @Sendable (Int) async -> CallOutcome = { turn in
                    turn % 40 == 0 ? await gate.attempt("slow", ["seconds": 0.8], key: key) : await gate.echo(key: key)
                }
                let outcomes = try await underLoad(workers: 16, pause: .milliseconds(5), call) {
                    for node in cluster.nodes {
                        #expect(try await node.terminate(within: .seconds(10)) == 0)
                        try await node.restart()
                        try await eventually("\(node.name) is ready", within: .seconds(5)) { await node.client.isReady() }
                        try await eventually("haproxy uses \(node.name) again", within: .seconds(5)) {
                            try await node.client.metrics().sum("paygate_tool_calls_total") > 0
                        }
                    }
                }
                let tally = Tally(outcomes)
                #expect(tally.served == tally.total && tally.total > 300, "\(tally)")
                try await cluster.expectConservation(of: key, granted: granted, price: 1, tally)
                try await balancer.kill9()
            }
        }
    }
}
