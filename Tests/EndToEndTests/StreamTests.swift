// GET /mcp: the stream of a session.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Streams", .cluster(nodes: 2))
    struct StreamTests {
        @Test(
            "GET /mcp: the first event is notifications/initialized with the session's id; the head names the session and forbids buffering"
        )
        func firstEvent() async throws {
            let cluster = try SharedCluster.cluster
            let id = try await cluster[0].openSession()
            for node in cluster.nodes {
                let stream = try await LiveStream(on: node, session: id)
                #expect(try await stream.firstEvent() == id, "\(stream.text)")
                let head = stream.text.lowercased()
                #expect(head.contains("content-type: text/event-stream") && head.contains("x-accel-buffering: no"))
                #expect(
                    head.contains("mcp-session-id: \(id)") && head.contains("x-request-id: ")
                        && head.contains("x-content-type-options: nosniff"))
                await stream.close()
            }
        }

        @Test("GET /mcp without Accept: text/event-stream is 405; with an unknown session 404; without a session it gets a new one")
        func refusals() async throws {
            let cluster = try SharedCluster.cluster
            let stream: GateClient.Headers = [("Accept", "text/event-stream")]
            #expect(try await cluster[0].get("/mcp").status == 405)
            #expect(try await cluster[0].get("/mcp", headers: [("Accept", "application/json")]).status == 405)
            #expect(
                try await cluster[0].get("/mcp", headers: stream + [("Mcp-Session-Id", "mcp_sess_" + String(repeating: "1", count: 32))])
                    .status == 404)
            let new = try await LiveStream(on: cluster.nodes[0], session: nil)
            let id = try await new.firstEvent()
            #expect(id.map { $0.hasPrefix("mcp_sess_") && $0.count == 41 } ?? false)
            await new.close()
        }

        @Test(
            "F-MCP-03: a session has three streams over all nodes; the fourth is 429 with Retry-After, and a place that was left can be taken"
        )
        func threeStreams() async throws {
            let cluster = try SharedCluster.cluster
            let id = try await cluster[0].openSession()
            var streams: [LiveStream] = []
            for turn in 0..<3 {
                let stream = try await LiveStream(on: cluster.nodes[turn % 2], session: id)
                #expect(try await stream.firstEvent() == id, "stream \(turn)")
                streams.append(stream)
            }
            let headers: GateClient.Headers = [("Accept", "text/event-stream"), ("Mcp-Session-Id", id)]
            for client in cluster.clients {
                let fourth = try await client.send("GET", "/mcp", headers: headers, within: .seconds(5))
                #expect(fourth.status == 429 && (1...60).contains(fourth.integer("Retry-After") ?? 0), "\(fourth.text)")
            }
            let other = try await LiveStream(on: cluster.nodes[0], session: try await cluster[0].openSession())
            #expect(try await other.firstEvent() != nil, "another session is not concerned")
            await streams[0].close()
            try await eventually("the place is free again", within: .seconds(3), every: .milliseconds(100)) {
                let next = try await LiveStream(on: cluster.nodes[1], session: id)
                defer { streams.append(next) }
                return try await next.firstEvent() == id
            }
            for stream in streams + [other] { await stream.close() }
        }

        @Test("DELETE /mcp ends the session's streams, on whichever node they are")
        func deletion() async throws {
            let cluster = try SharedCluster.cluster
            let id = try await cluster[0].openSession()
            var streams: [LiveStream] = []
            for node in cluster.nodes {
                let stream = try await LiveStream(on: node, session: id)
                #expect(try await stream.firstEvent() == id)
                streams.append(stream)
            }
            #expect(try await cluster[0].endSession(id).status == 200)
            try await eventually("both streams have ended", within: .seconds(3)) { streams.allSatisfy(\.isEnded) }
        }

        @Test("design 6: a stream that its client left costs nothing: the next ones are served, and the node's connections go back")
        func leftStreams() async throws {
            let cluster = try SharedCluster.cluster
            let id = try await cluster[0].openSession()
            let program = cluster.nodes[0].program
            let before = program.descriptors
            for turn in 0..<10 {
                let stream = try await LiveStream(on: cluster.nodes[0], session: id)
                #expect(try await stream.firstEvent() == id, "stream \(turn)")
                await stream.close()
                try await eventually("its connection is closed", within: .seconds(2)) { program.descriptors <= before + 2 }
            }
        }
    }
}
