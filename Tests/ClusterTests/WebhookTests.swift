// Webhooks through real nodes: what was charged is told, whatever dies or fails on the way.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Webhooks")
    struct WebhookTests {
        /// Sinks on the loopback, and no long waits for a whole batch.
        private static let config: JSON = ["webhookSsrfAtDelivery": false, "webhookFlushMs": 100]

        @Test(
            "W41, F-WH-19: every charge is told at least once, signed, under one id, though sinks fail and each node is killed; a refusal never is"
        )
        func atLeastOnce() async throws {
            let sink = try await WebhookReceiver()
            sink.reply { _, before in before % 5 == 1 ? .status(503) : .status(200) }
            let flags = ["--webhook-url", sink.url(), "--webhook-secret", "of the tests", "--redis-shards", "4"]
            try await GateCluster.run(nodes: 2, flags, config: Self.config) { cluster in
                let key = try await cluster[0].createKey()
                let poor = try await cluster[0].createKey(credits: 1)
                _ = await concurrently(3, workers: 1) { await cluster[$0].echo(key: poor) }
                // Whichever of the two delivers is killed, with calls going on over the other one.
                for round in 0..<2 {
                    _ = try await underLoad(workers: 3, pause: .milliseconds(20), { _ in await cluster[1 - round].echo(key: key) }) {
                        try await Task.sleep(for: .milliseconds(600))
                        try await cluster.nodes[round].kill9()
                        try await Task.sleep(for: .milliseconds(300))
                    }
                    try await cluster.nodes[round].restart()
                }
                let charged = try await cluster[0].usage().filter(\.isAllowed)
                #expect(charged.count > 20)
                let expected = Set(charged.compactMap { $0.json["requestId"]?.string })
                try await eventually("every charge is told", within: .seconds(40), every: .milliseconds(200)) {
                    expected.isSubset(of: sink.taken().compactMap { $0["requestId"]?.string })
                }
                let told = sink.taken()
                #expect(Set(told.compactMap { $0["requestId"]?.string }) == expected, "and nothing else is")
                let ids = Dictionary(grouping: told) { $0["id"]?.string ?? "" }
                #expect(ids.count == charged.count && ids.values.allSatisfy { Set($0.map(\.text)).count == 1 }, "one id, one event")
                #expect(
                    told.allSatisfy {
                        $0["allowed"] == true && $0["creditsCharged"] == 1 && $0["tool"] == "echo" && $0["keyName"] == "test"
                    })
                let all = sink.deliveries()
                #expect(all.allSatisfy { $0.isSigned(with: "of the tests") && $0.usage.count + $0.changes.count <= 10 })
                #expect(all.contains { $0.headers["x-paygate-retry"] == "1" } && all.first?.headers["x-paygate-retry"] == nil)
                #expect(all.allSatisfy { $0.headers["content-type"] == "application/json" && $0.json["sentAt"]?.string != nil })
                #expect(
                    sink.deliveries().flatMap(\.changes).contains { $0["type"] == "key.created" && $0["metadata"]?["credits"] == 1_000_000 }
                )
            }
            try await sink.end()
        }

        @Test(
            "F-WH-05, F-WH-06, F-WH-12, F-WH-13: what fails for good is a dead letter until it is replayed; what waits while paused survives a restart"
        )
        func deadAndPaused() async throws {
            let sink = try await WebhookReceiver()
            sink.reply { _, _ in .status(500) }
            try await GateCluster.run(nodes: 2, ["--webhook-url", sink.url(), "--webhook-retries", "1"], config: Self.config) { cluster in
                let key = try await cluster[0].createKey()
                #expect(await cluster[0].echo(key: key).isServed)
                try await eventually("nobody takes it", within: .seconds(20), every: .milliseconds(100)) {
                    try await cluster[1].page("/webhooks/dead-letter")["deadLetters"]?.array?.contains {
                        $0["events"]?.array?.contains { $0["tool"] == "echo" } == true
                    } == true
                }
                let letters = try await cluster[0].page("/webhooks/dead-letter")["deadLetters"]?.array ?? []
                #expect(
                    letters.allSatisfy { $0["attempts"] == 2 && $0["lastError"] == "HTTP status 500" && $0["url"]?.string == sink.url() })
                let health = try await cluster[1].page("/webhooks/health")
                #expect(health["status"] == "degraded" && health["configured"] == true)
                let log = try await cluster[0].page("/webhooks/log?success=false")
                #expect(log["entries"]?[0]?["statusCode"] == 500 && log["entries"]?.array?.contains { $0["attempt"] == 2 } == true)

                try await cluster[1].order("/webhooks/pause", [:])
                #expect(try await cluster[0].order("/webhooks/pause", [:])["paused"] == true)
                sink.reply { _, _ in .status(200) }
                for _ in 0..<3 { #expect(await cluster[1].echo(key: key).isServed) }
                try await eventually("they wait", within: .seconds(10)) {
                    (try await cluster[0].page("/webhooks/stats")["bufferedEvents"]?.int ?? 0) >= 3
                }
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(try await cluster[0].page("/webhooks/stats")["paused"] == true && sink.taken().isEmpty)
                let replayed = try await cluster[0].order("/webhooks/replay", ["indices": [0, 999]])
                #expect(replayed["replayed"] == 1 && replayed["remaining"]?.int == letters.count - 1)
                #expect(try await cluster[0].order("/webhooks/replay", [:])["remaining"] == 0)
                #expect((try await cluster[1].order("/webhooks/resume", [:])["flushedEvents"]?.int ?? 0) >= 4)
                try await eventually("all of it is told", within: .seconds(20), every: .milliseconds(100)) {
                    Set(sink.taken().compactMap { $0["id"]?.string }).count == 4
                }
                try await eventually("and counted", within: .seconds(10)) {
                    let stats = try await cluster[0].page("/webhooks/stats")
                    return stats["bufferedEvents"] == 0 && stats["deadLetterCount"] == 0
                        && stats["filters"]?["perUrl"]?["default"]?["totalDelivered"] == stats["totalDelivered"]
                }
                #expect(try await cluster[0].page("/webhooks/deliveries?success=true&limit=1")["entries"]?[0]?["success"] == true)
            }
            try await sink.end()
        }

        @Test(
            "F-WH-10, F-WH-15: filters and keys have sinks of their own, on every node from the reply on; one that never answers holds up no other"
        )
        func filters() async throws {
            let sink = try await WebhookReceiver()
            sink.reply { path, _ in path == "/slow" ? .silence : .status(202) }
            try await GateCluster.run(nodes: 2, ["--webhook-url", sink.url()], config: Self.config) { cluster in
                let own = try await cluster[0].createKey(), other = try await cluster[0].createKey()
                let prefix = String(own.prefix(10))
                try await cluster[1].order(
                    "/webhooks/filters", ["events": ["*"], "url": .string(sink.url("/slow")), "secret": "hidden", "name": "slow"])
                let filter = try await cluster[0].order(
                    "/webhooks/filters",
                    ["events": ["usage"], "url": .string(sink.url("/usage")), "keyPrefixes": [.string(prefix)]])
                try await cluster[1].order(
                    "/webhooks/filters", ["events": ["credit.transfer"], "url": .string(sink.url("/moves")), "keyPrefixes": []])
                try await cluster[0].order(
                    "/keys/webhook", ["apiKey": .string(other), "webhookUrl": .string(sink.url("/key")), "webhookSecret": "of a key"])
                #expect(try await cluster[1].page("/keys/webhook?key=" + other)["webhookSecret"] == "***")
                for index in 0..<4 { #expect(await cluster[index].echo(key: index % 2 == 0 ? own : other).isServed) }
                try await cluster[0].order("/keys/transfer", ["from": .string(own), "to": .string(other), "credits": 5])
                try await eventually("each sink has its events", within: .seconds(20), every: .milliseconds(50)) {
                    sink.taken().count == 4 && sink.taken("/usage").count == 2 && sink.taken("/key").count == 2
                        && sink.deliveries("/moves").flatMap(\.changes).count == 1
                }
                #expect(sink.taken("/usage").allSatisfy { $0["apiKey"]?.string == prefix })
                #expect(sink.deliveries("/usage").allSatisfy { $0.headers["x-paygate-signature"] == nil && $0.changes.isEmpty })
                #expect(sink.deliveries("/key").allSatisfy { $0.isSigned(with: "of a key") })
                #expect(sink.deliveries("/moves").flatMap(\.changes).first?["type"] == "key.credits_transferred")
                let asked = sink.deliveries("/slow").map { ($0.usage + $0.changes).compactMap { $0["id"]?.string } }
                #expect(Set(asked).count == 1, "and is asked for one batch alone")
                let listed = try await cluster[1].page("/webhooks/filters")
                #expect(listed["count"] == 3 && !listed.text.contains("hidden") && listed["filters"]?[0]?["secret"] == "***")

                let id = try #require(filter["id"]?.string)
                #expect(id.wholeMatch(of: /wf_[0-9a-f]{16}/) != nil)
                try await cluster[1].order("/webhooks/filters/update", ["id": .string(id), "active": false])
                #expect(await cluster[0].echo(key: own).isServed)
                try await eventually("the others go on", within: .seconds(10)) { sink.taken().count == 5 }
                #expect(try await cluster[0].order("/webhooks/filters/delete", ["id": .string(id)])["ok"] == true)
                #expect(try await cluster[1].admin("/webhooks/filters/delete", ["id": .string(id)]).status == 404)
                let gone = try await cluster[1].send(
                    "DELETE", "/keys/webhook?apiKey=" + other, headers: [("X-Admin-Key", GateClient.adminKey)])
                #expect(gone.status == 200)
                #expect(await cluster[0].echo(key: other).isServed)
                try await eventually("the others go on", within: .seconds(10)) { sink.taken().count == 6 }
                #expect(sink.taken("/usage").count == 2 && sink.taken("/key").count == 2)
            }
            try await sink.end()
        }

        @Test(
            "F-SEC-01, F-WH-14, F-WH-16, X-37: private addresses are refused when set and when sent to, in every form; redirects are failures"
        )
        func addresses() async throws {
            let sink = try await WebhookReceiver()
            try await GateCluster.run(nodes: 1, ["--webhook-url", sink.url(), "--webhook-retries", "0"], config: ["webhookFlushMs": 100]) {
                cluster in
                let hosts = [
                    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
                    "[::ffff:7f00:1]",
                    "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "[::]", "[fe80::1]", "[fd00::1]",
                    "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "224.0.0.1", "255.255.255.255", "user:password@127.0.0.1",
                ]
                let key = try await cluster[0].createKey()
                for host in hosts {
                    let url = JSON.string("http://\(host):\(sink.port)/all")
                    let filter = try await cluster[0].admin("/webhooks/filters", ["events": ["*"], "url": url])
                    #expect(filter.status == 400 && filter.text.contains("Invalid url."), "\(host): \(filter.text)")
                    let hook = try await cluster[0].admin("/keys/webhook", ["apiKey": .string(key), "webhookUrl": url])
                    #expect(hook.status == 400 && !hook.text.contains("password"), "\(host): \(hook.text)")
                }
                let test = try await cluster[0].order("/webhooks/test", ["message": "hello"])
                #expect(test["success"] == false && test["statusCode"] == nil && test["error"]?.string?.contains("private") == true)
                try await eventually("it is not sent", within: .seconds(10)) {
                    try await cluster[0].page("/webhooks/log")["entries"]?[0]?["statusCode"] == 0
                }
                #expect(sink.deliveries().isEmpty && cluster.nodes[0].log.contains("webhookUrl"))
            }
            sink.reply { _, _ in .redirect("/elsewhere") }
            try await GateCluster.run(nodes: 1, ["--webhook-url", sink.url(), "--webhook-secret", "s"], config: Self.config) { cluster in
                let test = try await cluster[0].order("/webhooks/test", ["message": "hello"])
                #expect(test["success"] == false && test["statusCode"] == 302 && test["url"]?.string == sink.url())
                let request = try #require(sink.deliveries().first { $0.headers["x-paygate-test"] == "1" })
                #expect(request.changes.first?["type"] == "alert.fired" && request.changes.first?["metadata"]?["message"] == "hello")
                #expect(request.isSigned(with: "s") && sink.deliveries("/elsewhere").isEmpty)
            }
            try await GateCluster.run(nodes: 1) { cluster in
                let (stats, health) = (try await cluster[0].page("/webhooks/stats"), try await cluster[0].page("/admin/webhook-health"))
                #expect(stats["configured"] == false && health["status"] == "not_configured")
                for path in ["pause", "resume", "test"] { #expect(try await cluster[0].admin("/webhooks/" + path, [:]).status == 400) }
            }
            try await sink.end()
        }

        @Test("F-WH-16: a name that means another address after it was checked leads to the one that was, or to none")
        func pinned() async throws {
            let names = try #require(try await ChangingNames(), "needs a C compiler")
            let sink = try await WebhookReceiver()
            // Whoever looked the name up once more for the connection would come here.
            let other = try await WebhookReceiver(host: "127.0.0.2", port: sink.port)
            try names.set("one.test", to: ["127.0.0.1", "127.0.0.2"])
            let url = "http://one.test:\(sink.port)/one"
            try await GateCluster.run(
                nodes: 1, ["--webhook-url", url, "--webhook-retries", "0"], config: Self.config, environments: [0: names.environment]
            ) { cluster in
                let test = try await cluster[0].order("/webhooks/test", ["message": "hello"])
                #expect(test["success"] == true, "\(test.text)")
                #expect(!sink.deliveries("/one").isEmpty && other.deliveries("/one").isEmpty)
                #expect(try names.lookUps(of: "one.test") == 1, "it is looked up once for the check and the connection")
                // Allowed while the filter is made, the metadata of a cloud when something is sent.
                try names.set("two.test", to: ["127.0.0.1", "169.254.169.254"])
                try await cluster[0].order(
                    "/webhooks/filters", ["events": ["key.created"], "url": .string("http://two.test:\(sink.port)/two")])
                #expect(try names.lookUps(of: "two.test") == 1)
                _ = try await cluster[0].createKey()
                try await eventually("it is not sent", within: .seconds(20), every: .milliseconds(100)) {
                    let entries = try await cluster[0].page("/webhooks/log")["entries"]?.array ?? []
                    return entries.contains { $0["error"]?.string?.contains("private, local or reserved") == true }
                }
                #expect(sink.deliveries("/two").isEmpty && other.deliveries("/two").isEmpty)
            }
            try await sink.end()
            try await other.end()
        }

        @Test("F-WH-01, F-WH-05, W41: batches of a sink come in their order over few connections, though some fail and a node is killed")
        func order() async throws {
            let sink = try await WebhookReceiver()
            sink.reply { _, before in before % 12 == 3 ? .status(500) : .status(200) }
            try await GateCluster.run(nodes: 2, ["--webhook-url", sink.url()], config: Self.config) { cluster in
                let key = try await cluster[1].createKey()
                try await cluster[1].order("/webhooks/pause", [:])
                _ = await concurrently(250, workers: 8) { await cluster[$0].echo(key: key) }
                try await cluster[1].order("/webhooks/resume", [:])
                try await eventually("some are told", within: .seconds(20)) { sink.taken().count >= 50 }
                try await cluster.nodes[0].kill9()
                _ = await concurrently(20, workers: 2) { _ in await cluster[1].echo(key: key) }
                try await eventually("all are told", within: .seconds(40), every: .milliseconds(100)) {
                    Set(sink.taken().compactMap { $0["id"]?.string }).count >= 270
                }
                var seen: Set<String> = []
                let ids = sink.taken().compactMap { $0["id"]?.string }.filter { seen.insert($0).inserted }
                let places = ids.compactMap { id in id.wholeMatch(of: /evt_u0-(\d+)-(\d+)/).map { (Int($0.1) ?? 0, Int($0.2) ?? 0) } }
                #expect(places.count == ids.count && zip(places, places.dropFirst()).allSatisfy { $0 < $1 }, "none overtakes another")
                #expect(sink.deliveries().allSatisfy { $0.usage.count + $0.changes.count <= 10 })
                #expect(sink.connections < sink.deliveries().count / 2, "\(sink.connections) connections")
            }
            try await sink.end()
        }

        @Test("F-WH-12: what a full queue drops is counted in the stats and on the metrics page, and told in the log, once in a while")
        func dropped() async throws {
            let sink = try await WebhookReceiver()
            try await GateCluster.run(nodes: 1, config: Self.config) { cluster in
                let key = try await cluster[0].createKey(["alias": "busy"])
                try await cluster[0].order("/keys/webhook", ["apiKey": "busy", "webhookUrl": .string(sink.url())])
                try await cluster[0].order("/webhooks/pause", [:])
                // Two fill its queue of a thousand, a hundred at a time.
                let calls = 12
                let body: JSON = [
                    "jsonrpc": "2.0", "id": 1, "method": "tools/call_batch",
                    "params": ["calls": .array(Array(repeating: ["name": "echo", "arguments": ["text": "x"]], count: 100))],
                ]
                for _ in 0..<calls { #expect(try await cluster[0].post(body.bytes, key: key).status == 200) }
                try await eventually("the rest is dropped", within: .seconds(30)) {
                    try await cluster[0].page("/webhooks/stats")["droppedEvents"]?.int ?? 0 >= 100 * calls - 1000
                }
                let dropped = try await cluster[0].page("/webhooks/stats")["droppedEvents"]?.int ?? 0
                let page = try await cluster[0].get("/metrics").text
                #expect(page.contains("paygate_webhook_events_total{outcome=\"dropped\"} \(dropped)"), "\(dropped)")
                try await eventually("and told", within: .seconds(20)) { cluster.nodes[0].log.contains("queues of webhooks are full") }
                #expect(cluster.nodes[0].log.split(separator: "queues of webhooks are full").count <= 4)
                #expect(cluster.nodes[0].log.contains("hook_"), "with the name of the sink")
            }
            try await sink.end()
        }

        @Test("F-WH-10: fifty filters and no more, though two nodes are asked at once; each answers for its own fault")
        func capacity() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "4"], config: Self.config) { cluster in
                let statuses = try await concurrently(60, workers: 16) { turn in
                    try await cluster[turn].admin(
                        "/webhooks/filters", ["events": ["usage"], "url": .string("http://127.0.0.1:9/\(turn)"), "active": false]
                    ).status
                }
                #expect(statuses.filter { $0 == 201 }.count == 50 && statuses.filter { $0 == 400 }.count == 10, "\(statuses)")
                #expect(try await cluster[1].page("/webhooks/filters")["count"] == 50)
                let first = try #require(try await cluster[0].page("/webhooks/filters")["filters"]?[0]?["id"]?.string)
                try await cluster[1].order("/webhooks/filters/delete", ["id": .string(first)])
                let prefixes = JSON.array(Array(repeating: "pg_", count: 51))
                let url = JSON.string("http://127.0.0.1:9/")
                for bad: [String: JSON] in [
                    ["keyPrefixes": prefixes], ["keyPrefixes": [.string(String(repeating: "x", count: 201))]], ["keyPrefixes": [""]],
                ] {
                    let body = bad.merging(["events": ["usage"], "url": url]) { given, _ in given }
                    let refused = try await cluster[0].admin("/webhooks/filters", .object(body))
                    #expect(refused.status == 400 && refused.text.contains("keyPrefixes"), "\(refused.text)")
                }
                #expect(
                    try await cluster[0].admin("/webhooks/filters", ["events": ["usage"], "url": url]).status == 201, "there is room again")
                for indices: JSON in [[-1], [999_999_999_999], [-5, 3, 77]] {
                    let replayed = try await cluster[0].order("/webhooks/replay", ["indices": indices])
                    #expect(replayed["replayed"] == 0 && replayed["remaining"] == 0, "\(indices.text): what is no place is passed over")
                }
                for indices: JSON in [["a"], [1.5], 3, "all", [true]] {
                    let refused = try await cluster[0].admin("/webhooks/replay", ["indices": indices])
                    #expect(refused.status == 400 && refused.text.contains("indices"), "\(indices.text)")
                }
            }
        }

        @Test(
            "F-WH-20, F-WH-07, F-WH-15: an expiry is told once over all nodes and restarts, a top-up with the balance, a transfer to both keys' sinks"
        )
        func told() async throws {
            let sink = try await WebhookReceiver()
            try await GateCluster.run(nodes: 3, ["--webhook-url", sink.url(), "--redis-shards", "4"], config: Self.config) { cluster in
                let (from, to) = (try await cluster[0].createKey(credits: 10), try await cluster[1].createKey(credits: 5))
                try await cluster[0].order("/keys/webhook", ["apiKey": .string(to), "webhookUrl": .string(sink.url("/to"))])
                try await cluster[0].order("/topup", ["key": .string(from), "credits": 7])
                try await cluster[1].order("/keys/transfer", ["from": .string(from), "to": .string(to), "credits": 3])
                func changes(_ type: String, _ path: String = "/all") -> [JSON] {
                    var seen: Set<String> = []
                    return sink.deliveries(path).filter(\.isTaken).flatMap(\.changes).filter { change in
                        change["type"]?.string == type && seen.insert(change["id"]?.string ?? "").inserted
                    }
                }
                try await eventually("both are told", within: .seconds(20)) {
                    changes("key.topup").count == 1 && changes("key.credits_transferred", "/to").count == 1
                }
                #expect(
                    changes("key.topup").first?["metadata"]?["newBalance"] == 17
                        && changes("key.topup").first?["metadata"]?["creditsAdded"] == 7)
                let received = try #require(changes("key.credits_transferred", "/to").first?["metadata"])
                #expect(
                    received["toBalance"] == 8 && received["fromBalance"] == nil, "what another key has is nobody's business: \(received)")
                #expect(changes("key.credits_transferred").first?["metadata"]?["fromBalance"] == 14)

                func expire(_ key: String) async throws {
                    try await cluster[0].order("/keys/expiry", ["key": .string(key), "expiresIn": 1])
                }
                for key in [from, to] { try await expire(key) }
                try await eventually("each expiry is told", within: .seconds(20)) { changes("key.expired").count == 2 }
                #expect(await cluster[2].echo(key: from).word == "api_key_expired")
                let event = try #require(changes("key.expired", "/to").first)
                #expect(event["metadata"]?["name"] == "test" && event["metadata"]?["keyMasked"]?.string?.hasPrefix(to.prefix(7)) == true)
                #expect(event["metadata"]?["expiresAt"]?.string != nil && event["actor"] == "system")
                for node in cluster.nodes[..<2] {
                    try await node.kill9()
                    try await node.restart()
                }
                // Extended, it lives again, and its next expiry is another one; a revoked key has none.
                let gone = try await cluster[0].createKey(credits: 1, ["expiresIn": 2])
                try await cluster[0].order("/keys/revoke", ["key": .string(gone)])
                try await expire(from)
                let last = try await cluster[0].createKey(credits: 1, ["expiresIn": 3])
                try await eventually("they are told", within: .seconds(30)) {
                    changes("key.expired").contains { $0["metadata"]?["keyMasked"]?.string?.hasSuffix(last.suffix(4)) == true }
                }
                #expect(changes("key.expired").count == 4 && changes("key.expired", "/to").count == 1)
            }
            try await sink.end()
        }

        @Test("F-WH-19: a node that is stopped tells what it still knows, and events of the time without a sink are nobody's")
        func farewell() async throws {
            let sink = try await WebhookReceiver()
            let config: JSON = ["webhookSsrfAtDelivery": false, "webhookFlushMs": 60_000]
            try await GateCluster.run(nodes: 1, config: config) { cluster in
                let key = try await cluster[0].createKey()
                #expect(await cluster[0].echo(key: key).isServed)
                try await eventually("nobody is to hear of it") {
                    let last = try await cluster.redis.command("XREVRANGE", "pg:{0}:usage", "+", "-", "COUNT", "1").prefix { $0 != "\n" }
                    return try await cluster.redis.command("HGET", "pg:{0}:webhooks:cursors", "u0").hasPrefix(last) && !last.isEmpty
                }
                try await cluster[0].order("/webhooks/filters", ["events": ["usage"], "url": .string(sink.url())])
                for _ in 0..<3 { #expect(await cluster[0].echo(key: key).isServed) }
                #expect(try await cluster.nodes[0].terminate() == 0)
                #expect(sink.taken().count == 3)
            }
            try await sink.end()
        }
    }
}

extension GateClient {
    fileprivate func page(_ path: String) async throws -> JSON {
        let response = try await admin(path)
        guard response.status == 200 else { throw KitFailure("GET \(path): \(response.status) \(response.text)") }
        return response.json
    }
}
