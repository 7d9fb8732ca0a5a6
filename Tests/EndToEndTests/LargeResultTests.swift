// Large results: held once, passed on whole, also to clients that take their time.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Large results")
    struct LargeResultTests {
        private static let megabyte = 1_000_000

        /// `scripts/lib/benchmark/mcp_server.py`; its `huge` answers with so many bytes.
        private final class Server: Sendable {
            let upstream: Upstream
            private let program: Program?

            init(_ kind: String) async throws {
                let script = Repository.file("scripts/lib/benchmark/mcp_server.py")
                guard kind != "stdio" else {
                    (upstream, program) = (.command("python3 \(script) stdio"), nil)
                    return
                }
                let port = FreePort.take()
                let program = try Program("large server", ["python3", script, "http", "\(port)", kind])
                try await program.waitForOutput("Listening on port")
                (upstream, self.program) = (.remote("http://127.0.0.1:\(port)/mcp"), program)
            }

            deinit { program?.signal(9) }
        }

        /// Asks for a large result on a connection of its own.
        private static func ask(
            _ node: ClusterNode, _ bytes: Int, key: String, accept: String = "application/json, text/event-stream", readsLate: Bool = false
        ) async throws -> RawConnection {
            let body = #"{"jsonrpc":"2.0","id":"seven","method":"tools/call","params":{"name":"huge","arguments":{"bytes":\#(bytes)}}}"#
            let connection = try await RawConnection(port: node.port, readsLate: readsLate)
            await connection.send(
                "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAccept: \(accept)\r\nX-API-Key: \(key)\r\n"
                    + "Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
            return connection
        }

        /// The whole answer, as it has to be: nothing before, behind or instead of its text. - Parameter isStream: whether it comes as an event.
        private static func expectWhole(_ connection: RawConnection, _ count: Int, isStream: Bool = false) async throws {
            let opening = #"{"jsonrpc":"2.0","id":"seven","result":{"content":[{"type":"text","text":""#
            let end = #""}],"isError":false}}"# + (isStream ? "\n\n\r\n0\r\n\r\n" : "")
            try await eventually("\(count) bytes come", within: .seconds(90)) { connection.count > count + end.utf8.count }
            // What is behind the text comes with it, or right after.
            try await eventually("the end comes", within: .seconds(90)) {
                connection.bytes.suffix(end.utf8.count).elementsEqual(end.utf8)
            }
            let bytes = connection.bytes
            let head = String(decoding: bytes.prefix(3_000), as: UTF8.self)
            let start = try #require(head.firstRange(of: opening).map { head[..<$0.upperBound].utf8.count }, "\(head)")
            #expect(head.hasPrefix("HTTP/1.1 200 "), "\(head)")
            #expect(bytes.count == start + count + end.utf8.count)
            #expect(stride(from: start, to: start + count, by: 9_973).allSatisfy { bytes[$0] == UInt8(ascii: "x") })
        }

        @Test(
            "issue 14: a result lies in a node's memory once, whatever it comes over, also of eight at once and of eight that nobody reads yet; and it arrives whole, as JSON and as an event",
            arguments: ["stdio", "json", "sse"])
        func memory(_ kind: String) async throws {
            let server = try await Server(kind)
            try await GateCluster.run(nodes: 1, ["--max-response-bytes", "\(64 * Self.megabyte)"], upstream: server.upstream) { cluster in
                let (node, key) = (cluster.nodes[0], try await cluster[0].createKey())
                for _ in 0..<5 { #expect(try await cluster[0].call("echo", key: key).outcome.isServed) }
                let fresh = node.program.residentKilobytes
                func growth(_ work: () async throws -> Void) async throws -> Int {
                    try node.program.forgetPeak()
                    try await work()
                    return (node.program.peakKilobytes - fresh) * 1024
                }
                let one = try await growth {
                    let connection = try await Self.ask(node, 16 * Self.megabyte, key: key)
                    try await Self.expectWhole(connection, 16 * Self.megabyte)
                    await connection.close()
                }
                #expect(one < 16 * Self.megabyte * 17 / 10, "one of 16 MB took \(one / 1024) KB more")
                for readsLate in [false, true] {
                    let eight = try await growth {
                        let connections = try await concurrently(8) { _ in
                            try await Self.ask(node, 4 * Self.megabyte, key: key, readsLate: readsLate)
                        }
                        if readsLate {
                            try await eventually("all eight are there", within: .seconds(90)) {
                                try await cluster[0].usage(of: key).count == 5 + 1 + 8 + 8
                            }
                            for connection in connections { try await connection.read() }
                        }
                        for connection in connections {
                            try await Self.expectWhole(connection, 4 * Self.megabyte)
                            await connection.close()
                        }
                    }
                    #expect(eight < 8 * 4 * Self.megabyte * 17 / 10, "eight of 4 MB took \(eight / 1024) KB more; late: \(readsLate)")
                }
                // The same as an event.
                for size in [70_000, 200_000, 3 * Self.megabyte] {
                    let connection = try await Self.ask(node, size, key: key, accept: "text/event-stream")
                    try await Self.expectWhole(connection, size, isStream: true)
                    await connection.close()
                }
            }
        }

        @Test("A batch passes large results on, each as its server gave it")
        func batch() async throws {
            let server = try await Server("json")
            try await GateCluster.run(nodes: 1, upstream: server.upstream) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                let answer = try await cluster[0].batch(
                    [("huge", ["bytes": 300_000]), ("echo", [:]), ("huge", ["bytes": 100_000])], key: key)
                let results = answer.json["result"]?["results"]?.array
                let sizes = results?.map { $0["result"]?["content"]?[0]?["text"]?.string?.utf8.count }
                #expect(sizes == [300_000, 4, 100_000])
                #expect(answer.json["result"]?["totalCreditsCharged"] == 3 && answer.json["result"]?["remainingCredits"] == 7)
            }
        }
    }
}
