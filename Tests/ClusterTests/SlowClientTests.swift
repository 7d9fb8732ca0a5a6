// Clients that are slow, idle, or gone.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Slow clients")
    struct SlowClientTests {
        @Test(
            "X37: 2,000 idle connections and 150 event streams beside it: a good client is served, p99 within 250 ms, memory bounded, descriptors return"
        )
        func idleConnections() async throws {
            DescriptorLimit.raise()
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                for _ in 0..<50 { _ = await node.client.echo(key: key) }
                let memory = node.program.residentKilobytes, descriptors = node.program.descriptors
                let idle = try await concurrently(2000, workers: 100) { _ in try await RawConnection(port: node.port) }
                let streams = try await concurrently(150, workers: 50) { _ in
                    let stream = try await RawConnection(port: node.port)
                    await stream.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nX-API-Key: \(key)\r\n\r\n")
                    try await stream.waitForAnswer()
                    return stream
                }
                #expect(streams.allSatisfy { $0.statuses == [200] }, "\(Set(streams.map(\.statuses)))")
                #expect(node.program.descriptors >= descriptors + 2150, "all are open")
                var times: [Duration] = []
                for _ in 0..<300 {
                    let response = try await node.client.call("echo", ["text": "hello"], key: key)
                    #expect(response.outcome.isServed)
                    times.append(response.elapsed)
                }
                let p99 = times.sorted()[296]
                #expect(p99 < .milliseconds(250), "p99 \(p99)")
                #expect(node.program.residentKilobytes - memory < 128 << 10)
                for connection in idle + streams { await connection.close() }
                try await eventually("descriptors return", within: .seconds(5)) { node.program.descriptors <= descriptors + 10 }
            }
        }

        @Test("X37: who dribbles a head or a body is cut, and a good client beside them is served")
        func dribblers() async throws {
            try await GateCluster.run(nodes: 1, ["--headers-timeout", "1500", "--request-timeout", "2500"]) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey()
                let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-API-Key: \(key)\r\n"
                let kinds = [
                    ("head", "POST /mcp HTTP/1.1\r\nX-A: ", 1.5), ("body", head + "Content-Length: 1000\r\n\r\n{", 2.5),
                    ("chunked body", head + "Transfer-Encoding: chunked\r\n\r\n", 2.5),
                ]
                let good = try await underLoad(workers: 2, pause: .milliseconds(20), { _ in await node.client.echo(key: key) }) {
                    try await concurrently(60) { index in
                        let (name, start, limit) = kinds[index % kinds.count]
                        let connection = try await RawConnection(port: node.port)
                        await connection.send(start)
                        let begin = ContinuousClock.now
                        while !connection.isEnded, ContinuousClock.now - begin < .seconds(limit + 2) {
                            try await Task.sleep(for: .milliseconds(200))
                            await connection.send(name == "chunked body" ? "1\r\n \r\n" : " ")
                        }
                        #expect(connection.isEnded, "a dribbled \(name) is cut")
                        #expect(connection.statuses.allSatisfy { $0 == 408 }, "\(name): \(connection.text)")
                        await connection.close()
                    }
                }
                #expect(Tally(good).served == good.count)
                #expect(try await node.client.balance(key).spent == good.count)
            }
        }

        @Test(
            "F24: clients that hang up in mid-call leave no slot, no descriptor and no hold behind; each call is charged once and has its event"
        )
        func hangUps() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let key = try await node.client.createKey(credits: 1000)
                for _ in 0..<20 { _ = await node.client.echo(key: key) }
                let descriptors = node.program.descriptors
                let body = #"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","arguments":{"seconds":1}}}"#
                let request =
                    "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-API-Key: \(key)\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                let connections = try await concurrently(50) { _ in
                    let connection = try await RawConnection(port: node.port)
                    await connection.send(request)
                    return connection
                }
                try await eventually("all calls run", within: .seconds(3)) { try await node.client.balance(key).spent == 70 }
                for connection in connections { await connection.close() }
                try await eventually("each call has its event", within: .seconds(5)) { try await node.client.usage(of: key).count == 70 }
                let usage = try await node.client.usage(of: key), balance = try await node.client.balance(key)
                #expect(usage.credits == balance.spent && balance.credits + balance.spent == 1000)
                #expect(try await node.client.get("/health").json["inflight"] == 0)
                #expect(node.program.descriptors <= descriptors + 2)
            }
        }
    }
}
