// The audit log as it is written, and warnings of expiries in it, through the real binary.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("The stream of the audit log")
    struct AuditStreamTests {
        private static func open(_ node: ClusterNode, _ query: String = "", key: String = GateClient.adminKey) async throws -> RawConnection
        {
            let connection = try await RawConnection(port: node.port)
            await connection.send(
                "GET /admin/events\(query) HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nX-Admin-Key: \(key)\r\n\r\n")
            try await eventually("the stream is open", within: .seconds(10)) { connection.text.contains("event: connected") }
            return connection
        }

        @Test(
            "F-AUDIT-08: streams on each node hear what is done on any, those of some types these alone; a viewer may listen until the key is revoked; a node that stops ends its streams with a reason"
        )
        func stream() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                #expect(try await cluster[0].admin("/admin/events").status == 400)
                #expect(try await cluster[0].get("/admin/events", headers: [("Accept", "text/event-stream")]).status == 401)
                let viewer = try await cluster[0].order("/admin/keys", ["name": "eyes", "role": "viewer"])["key"]?.string ?? ""
                let (here, there) = (try await Self.open(cluster.nodes[0], key: viewer), try await Self.open(cluster.nodes[1]))
                let some = try await Self.open(cluster.nodes[1], "?types=key.revoked,key.topup")
                #expect(here.text.contains("content-type: text/event-stream") || here.text.contains("Content-Type: text/event-stream"))
                #expect(some.text.contains(#""filters":"key.revoked,key.topup""#) && here.text.contains(#""filters":"all""#))
                for number in 0..<6 {
                    _ = try await cluster[number].createKey(["name": .string("made \(number)"), "alias": .string("m\(number)")])
                }
                try await cluster[0].order("/topup", ["key": "m3", "credits": 5])
                for connection in [here, there] {
                    try await eventually("it has heard all", within: .seconds(10)) {
                        connection.text.split(separator: "event: audit").count == 8
                    }
                    #expect((0..<6).allSatisfy { connection.text.contains("\"made \($0)\"") })
                }
                try await eventually("it has heard of the top-up", within: .seconds(10)) { some.text.contains("key.topup") }
                #expect(!some.text.contains("key.created"))
                try await cluster[1].order("/admin/keys/revoke", ["key": .string(viewer)])
                try await eventually("who is revoked hears no more", within: .seconds(40), every: .milliseconds(100)) {
                    here.text.contains("The admin key was revoked") && here.text.contains("0\r\n\r\n")
                }
                try await eventually("others hear of it", within: .seconds(10)) { there.text.contains("admin_key.revoked") }
                #expect(!here.text.contains("admin_key.revoked"), "not even its own end")
                var own: [RawConnection] = []
                for _ in 0..<5 { own.append(try await Self.open(cluster.nodes[0])) }
                try await eventually("the oldest has made room", within: .seconds(10)) { own[0].text.contains("event: end") }
                #expect(own[4].text.contains("event: connected") && !own[4].text.contains("event: end"))
                for connection in own { await connection.close() }
                try await eventually("a silence is broken", within: .seconds(30)) { there.text.contains(": keepalive\n\n") }
                _ = try await cluster.nodes[1].terminate()
                for connection in [there, some] {
                    #expect(connection.text.contains("event: end\ndata: {\"message\":\"The node is stopping"))
                }
                for connection in [here, there, some] { await connection.close() }
            }
        }

        @Test("F-AUDIT-08: a client that has gone gives its seat back at once, and not with the next word to it")
        func gone() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let living = try await Self.open(cluster.nodes[0])
                func connections() async throws -> Int { try await cluster[0].metrics().sum("paygate_connections") }
                let before = try await connections()
                var dead: [RawConnection] = []
                for _ in 0..<3 { dead.append(try await Self.open(cluster.nodes[0])) }
                for connection in dead { await connection.close() }
                try await eventually("their connections are gone", within: .seconds(12), every: .milliseconds(50)) {
                    try await connections() <= before
                }
                // The oldest of the key would have to make room, were the three still counted.
                let fifth = try await Self.open(cluster.nodes[0])
                _ = try await cluster[0].createKey(["name": "news"])
                try await eventually("it hears on", within: .seconds(10)) { living.text.contains("\"news\"") }
                #expect(!living.text.contains("event: end"))
                for connection in [living, fifth] { await connection.close() }
            }
        }

        @Test(
            "F-ALERT-04, F-WH-08: a key that expires soon is told of once for each threshold, over all nodes, to webhooks too, and by the next start where none was alive"
        )
        func warnings() async throws {
            let sink = try await WebhookReceiver()
            let config: JSON = [
                "webhookSsrfAtDelivery": false, "webhookFlushMs": 100, "webhookUrl": .string(sink.url()),
                "expiryScanner": ["intervalSeconds": 60, "thresholds": [600, 3600]],
            ]
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"], config: config) { cluster in
                _ = try await cluster[0].createKey(["name": "soon", "expiresIn": 300, "namespace": "x"])
                _ = try await cluster[1].createKey(["name": "later", "expiresIn": 100_000])
                func look() async throws {
                    let forget = "for _, k in ipairs(redis.call('KEYS', '*expiries:scanned')) do redis.call('DEL', k) end"
                    try await cluster.redis.command("EVAL", forget, "0")
                }
                for (turn, thresholds) in [[3600], [3600, 600]].enumerated() {
                    if turn == 1 {
                        for node in cluster.nodes { try await node.kill9() }
                        try await look()
                        for node in cluster.nodes { try await node.restart() }
                    } else {
                        try await look()
                    }
                    try await eventually("the warning is told", within: .seconds(30), every: .milliseconds(100)) {
                        let told = sink.deliveries().flatMap(\.changes).filter { $0["type"] == "key.expiry_warning" }
                        return Set(told.compactMap { $0["metadata"]?["threshold"]?.int }) == Set(thresholds)
                    }
                }
                for _ in 0..<2 {
                    try await look()
                    try await eventually("somebody has looked", within: .seconds(10), every: .milliseconds(50)) {
                        try await cluster.redis.command("EVAL", "return #redis.call('KEYS', '*expiries:scanned')", "0") == "1"
                    }
                }
                let log = try await cluster[1].admin("/audit?types=key.expiry_warning").json
                #expect(log["total"] == 2 && log["events"]?[0]?["metadata"]?["name"] == "soon", "\(log.text)")
                #expect(log["events"]?[1]?["metadata"]?["namespace"] == "x")
                let scanner = try await cluster[0].admin("/keys/expiring").json["scanner"]
                #expect(scanner?["enabled"] == true && scanner?["intervalSeconds"] == 60 && scanner?["thresholds"] == [3600, 600])
                #expect(scanner?["notifiedCount"] == 2)
            }
            try await sink.end()
        }
    }
}
