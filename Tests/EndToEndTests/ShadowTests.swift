// Shadow mode: everything is decided, nothing is done about it.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite(
        "Shadow mode", .cluster(nodes: 2, ["--shadow", "--rate-limit", "2", "--price", "5", "--log-level", "info", "--log-format", "json"]))
    struct ShadowTests {
        @Test("F-GATE-14: nothing is denied or charged, and the reason that would have been is recorded with the prefix shadow:")
        func reasons() async throws {
            let cluster = try SharedCluster.cluster
            let suspended = try await cluster[0].createKey(credits: 100)
            try await cluster[0].order("/keys/suspend", ["key": .string(suspended)])
            let cases: [(key: String, reason: String)] = [
                (suspended, "shadow:key_suspended"), (try await cluster[0].createKey(credits: 4), "shadow:insufficient_credits"),
                (try await cluster[0].createKey(credits: 100, ["deniedTools": ["echo"]]), "shadow:tool_denied"),
                (try await cluster[0].createKey(credits: 100, ["ipAllowlist": ["192.0.2.1"]]), "shadow:ip_not_allowed"),
            ]
            for (key, reason) in cases {
                let before = try await cluster[0].balance(key)
                #expect(await cluster[1].echo(key: key).isServed, "\(reason)")
                #expect(try await cluster[0].balance(key) == before, "\(reason)")
                let events = try await cluster[0].usage(of: key)
                #expect(events.count == 1 && events[0].credits == 0 && events[0].isAllowed, "\(events.map(\.json.text))")
                #expect(events.first?.json["denyReason"]?.string?.hasPrefix(reason) == true, "\(events.map(\.json.text))")
                let word = String(reason.prefix { $0 != " " })
                try await eventually("the log of node 1 says \(word)", within: .seconds(3)) { cluster.nodes[1].log.contains(word) }
            }
        }

        @Test("F-GATE-14: without a key, and with an unknown one, calls and every other method are served")
        func strangers() async throws {
            let cluster = try SharedCluster.cluster
            #expect(try await cluster[0].call("echo", ["text": "x"], key: nil).outcome.isServed)
            #expect(try await cluster[0].call("echo", ["text": "x"], key: "pg_unknown").outcome.isServed)
            #expect(try await cluster[0].rpc("resources/read", [:]).outcome == .failed(code: -32601))
            #expect(
                try await cluster[0].batch([("echo", ["text": "x"]), ("echo", ["text": "y"])], key: "pg_unknown").json["result"]?[
                    "totalCreditsCharged"] == 0)
            for reason in ["shadow:missing_api_key", "shadow:invalid_api_key"] {
                try await eventually(Comment(rawValue: reason), within: .seconds(2)) {
                    try await cluster[1].usage().contains { $0.json["denyReason"]?.string == reason }
                }
            }
        }

        @Test("F-GATE-14: a key that could pay is not charged either; calls beyond its limit are served and noted")
        func paying() async throws {
            let cluster = try SharedCluster.cluster
            let key = try await cluster[0].createKey(credits: 100)
            for turn in 0..<3 { #expect(await cluster[turn].echo(key: key).isServed) }
            let balance = try await cluster[0].balance(key)
            #expect(balance.credits == 100 && balance.spent == 0 && balance.calls == 0)
            #expect(try await cluster[0].usage(of: key).count == 3)
        }
    }
}
