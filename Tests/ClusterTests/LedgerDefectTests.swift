// Defects of the ledger that were shown once, as promises: what is common to their tests, and calls that nobody may be charged for.

import GateTesting
import Testing

extension ClusterTests {
    /// One test a defect, through the real binary, a real Redis, and faults between them.
    @Suite("Ledger defects")
    struct LedgerDefectTests {}
}

extension GateCluster {
    /// So many calls are made and settled by node `index`, in batches of 100, by a key of their own.
    func settleOthers(_ count: Int, on index: Int) async throws {
        let key = try await self[index].createKey(credits: 1_000_000)
        let calls: [(tool: String, arguments: JSON)] = Array(repeating: ("add", ["a": 1, "b": 2]), count: 100)
        let words = try await concurrently(count / 100, workers: 4) { _ in try await self[index].batch(calls, key: key).outcome.word }
        #expect(words.allSatisfy { $0 == "served" }, "the others are served: \(Set(words))")
    }

    /// Credits that a key has spent, as node `index` says, are these, soon and from then on the same on the ledger and in `/usage`.
    func expectSpent(
        _ spent: Int, by key: String, on index: Int, within limit: Duration = .seconds(4), sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        try await eventually("\(spent) credits are spent", within: limit, sourceLocation: sourceLocation) {
            try await self[index].balance(key).spent == spent
        }
        #expect(try await self[index].usage(of: key).credits == spent, "M13: /usage equals the ledger", sourceLocation: sourceLocation)
    }
}

extension ClusterTests.LedgerDefectTests {
    @Test("M5, M13: a call answered “nothing was charged” is not charged, also when 10,400 others were settled meanwhile")
    func lateRelease() async throws {
        try await GateCluster.run(nodes: 2, proxied: [0]) { cluster in
            let key = try await cluster[1].createKey(credits: 100)
            async let call = cluster[0].call("slow", ["seconds": 0.3], key: key)
            try await eventually("the call is admitted", within: .seconds(3)) { try await cluster[1].balance(key).credits == 99 }
            try await cluster.proxy(0).set(.replies, .swallowed)
            let answer = try await call
            #expect(answer.status == 503 && answer.header("Retry-After") != nil, "\(answer.status) \(answer.text)")
            try await cluster.settleOthers(10_400, on: 1)
            try await cluster.proxy(0).heal()
            try await cluster.expectSpent(0, by: key, on: 1, within: .seconds(6))
        }
    }

    @Test("F26, F29: settling 32 holds that a failover has lost fails nobody else's call")
    func lostHolds() async throws {
        let replica = try await RedisServer()
        try await GateCluster.run(nodes: 2, ["--threads", "1"], proxied: [0, 1]) { cluster in
            try await cluster.settleOthers(10_400, on: 1)
            let key = try await cluster[1].createKey(credits: 100), other = try await cluster[1].createKey()
            for node in 0...1 { #expect(await cluster[node].echo(key: other).isServed) }
            try await replica.follow(cluster.redis)
            try await replica.command("REPLICAOF", "NO", "ONE")
            // Owned by this test, which waits for its end.
            let lost = Task { await concurrently(32) { _ in await cluster[0].attempt("slow", ["seconds": 1.5], key: key) } }
            try await eventually("all are admitted", within: .seconds(3)) { try await cluster[1].balance(key).credits == 68 }
            for node in 0...1 {
                try cluster.proxy(node).redirect(to: replica.port)
                try await cluster.proxy(node).cut()
            }
            try await eventually("the other node serves", within: .seconds(1)) { await cluster[1].echo(key: other).isServed }
            let others = try await underLoad(workers: 2, pause: .milliseconds(5), { _ in await cluster[1].echo(key: other) }) {
                let ends = await lost.value
                #expect(ends.allSatisfy { !$0.isServed }, "M4: \(Tally(ends))")
            }
            #expect(Tally(others).served == others.count, "F26: \(Tally(others))")
            try await cluster.expectSpent(0, by: key, on: 1)
        }
        try await replica.kill9()
    }

    @Test("D18: a batch of which a part was refunded is executed and charged once under one idempotency key")
    func partlyRefundedBatch() async throws {
        try await GateCluster.run(nodes: 2, ["--refund-on-failure", "--price", "10"]) { cluster in
            let key = try await cluster[0].createKey(credits: 100)
            let calls: [(tool: String, arguments: JSON)] = [("echo", ["text": "x"]), ("fail", ["kind": "isError"])]
            var results: [JSON?] = []
            for turn in 0..<3 {
                let response = try await cluster[turn].batch(calls, key: key, headers: [("X-Idempotency-Key", "order-1")])
                results.append(response.json["result"]?["results"])
            }
            #expect(results[0] != nil && results.allSatisfy { $0 == results[0] }, "the same result")
            try await cluster.expectSpent(10, by: key, on: 1, within: .milliseconds(500))
        }
    }

    @Test("M5: with --unknown-calls keep, a node that was taken for dead does not say “nothing was charged” of what is charged")
    func keptAndDenied() async throws {
        try await GateCluster.run(nodes: 2, ["--unknown-calls", "keep", "--price", "10"]) { cluster in
            let key = try await cluster[1].createKey(credits: 100)
            async let call = cluster[0].call("slow", ["seconds": 1], key: key)
            try await eventually("the call is admitted", within: .seconds(3)) { try await cluster[1].balance(key).credits == 90 }
            cluster.nodes[0].pause()
            try await eventually("the call is resolved", within: .seconds(9)) {
                try await cluster[1].usage(of: key).contains(where: \.isUnknown)
            }
            cluster.nodes[0].wake()
            let answer = try await call
            let spent = try await cluster[1].balance(key).spent
            let saysNothingCharged = answer.text.contains("nothing was charged")
            #expect(
                spent == 10 && !saysNothingCharged || spent == 0 && !answer.outcome.isServed,
                "\(spent) spent, answered \(answer.status) \(answer.text)")
            try await cluster.expectSpent(spent, by: key, on: 1)
        }
    }

    @Test("D20: with --unknown-calls keep, a call whose node was killed and its retry under one idempotency key are charged once at most")
    func keptAndRetried() async throws {
        let recording = try Recording()
        try await GateCluster.run(nodes: 2, ["--unknown-calls", "keep", "--price", "10"], upstream: .recording(recording)) { cluster in
            let key = try await cluster[1].createKey(credits: 100)
            let call: @Sendable (Int) async throws -> GateResponse = { node in
                try await cluster[node].call("wait", ["text": "w", "seconds": 2], key: key, headers: [("X-Idempotency-Key", "order-1")])
            }
            async let first = try? call(0)
            try await eventually("the call is executed", within: .seconds(3)) { recording.calls.count == 1 }
            try await cluster.nodes[0].kill9()
            #expect(await first == nil)
            let retry = try await call(1)
            #expect(retry.elapsed < .seconds(15).patiently, "a definite answer: \(retry.status) \(retry.text)")
            try await eventually("all is resolved", within: .seconds(5)) {
                let balance = try await cluster[1].balance(key)
                return balance.credits + balance.spent == 100
            }
            #expect(try await cluster[1].balance(key).spent <= 10, "the retry was answered \(retry.status) \(retry.text)")
            #expect(try await cluster[1].usage(of: key).credits == cluster[1].balance(key).spent)
        }
    }

    @Test("M13: what a batch with surcharges has cost is one number: in the ledger, in /usage, in /metrics and in its answer")
    func batchSurcharge() async throws {
        let prices: JSON = ["toolPricing": ["big": ["creditsPerCall": 1, "creditsPerKbOutput": 3]]]
        try await GateCluster.run(nodes: 1, config: prices) { cluster in
            let key = try await cluster[0].createKey(credits: 20)
            let response = try await cluster[0].batch([("big", ["kilobytes": 10]), ("big", ["kilobytes": 10])], key: key)
            try await cluster.expectSpent(20, by: key, on: 0)
            #expect(response.json["result"]?["totalCreditsCharged"] == 20 && response.json["result"]?["remainingCredits"] == 0)
            let parts = response.json["result"]?["results"]?.array?.compactMap { $0["creditsCharged"]?.int } ?? []
            #expect(parts.count == 2 && parts.reduce(0, +) == 20, "\(parts)")
            #expect(try await cluster[0].metrics().sum("paygate_credits_charged_total") == 20)
        }
    }

    @Test(
        "M4, F33: an answer that was charged arrives whole, also with `Connection: close` and a client that reads late",
        arguments: [false, true])
    func lateReader(endsItsSide: Bool) async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            let key = try await cluster[0].createKey()
            let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"big","arguments":{"kilobytes":8200}}}"#
            let connection = try await RawConnection(port: cluster.nodes[0].port, readsLate: true)
            await connection.send(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nX-API-Key: \(key)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
            )
            if endsItsSide { try await connection.endSending() }
            try await eventually("the call is charged", within: .seconds(5)) { try await cluster[0].usage(of: key).credits == 1 }
            try await Task.sleep(for: .milliseconds(500))
            try await expectWhole(connection)
        }
    }

    @Test("F33: a long list of the router arrives whole, also with `Connection: close` and a client that reads late")
    func lateReaderOfUsage() async throws {
        try await GateCluster.run(nodes: 1) { cluster in
            try await cluster.settleOthers(10_000, on: 0)
            let long = try await cluster[0].admin("/usage").text.utf8.count
            let connection = try await RawConnection(port: cluster.nodes[0].port, readsLate: true)
            await connection.send(
                "GET /usage HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Admin-Key: \(GateClient.adminKey)\r\n\r\n")
            try await Task.sleep(for: .milliseconds(1500))
            try await expectWhole(connection, atLeast: long)
        }
    }

    private func expectWhole(_ connection: RawConnection, atLeast bytes: Int = 8200 * 1024) async throws {
        try await connection.read()
        try await eventually("the connection is ended", within: .seconds(10)) { connection.isEnded }
        #expect(connection.text.hasPrefix("HTTP/1.1 200"))
        #expect(connection.count > bytes, "\(connection.count) bytes arrived of \(bytes)")
        #expect(connection.text.hasSuffix("}") || connection.text.hasSuffix("\r\n0\r\n\r\n"))
    }
}
