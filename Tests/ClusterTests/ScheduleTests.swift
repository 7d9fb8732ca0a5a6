// Actions on keys that wait for their time.

import Foundation
import GateTesting
import Testing

extension ClusterTests {
    @Suite("Schedules of keys")
    struct ScheduleTests {
        private static func time(in seconds: Double) -> JSON {
            .string(Date(timeIntervalSinceNow: seconds).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
        }

        @Test(
            "F-KEY-12: scheduled actions are carried out once by all nodes together, bind calls on every node, outlive restarts and rotations, and can be cancelled"
        )
        func carriedOut() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                var keys: [String: String] = [:]
                for name in ["revoke", "suspend", "topup", "cancel"] {
                    keys[name] = try await cluster[0].createKey(credits: 10, ["alias": .string(name)])
                }
                func schedule(_ key: String, _ action: String, in seconds: Double, _ more: [String: JSON] = [:]) async throws -> JSON {
                    try await cluster[0].order(
                        "/keys/schedule",
                        .object(["key": .string(key), "action": .string(action), "executeAt": Self.time(in: seconds)].merging(more) { $1 }))
                }
                let soonest = Date(timeIntervalSinceNow: 8)
                let made = try await schedule("revoke", "revoke", in: 8)
                #expect(made["id"]?.string?.hasPrefix("sched_") == true && made["action"] == "revoke" && made["params"] == nil)
                _ = try await schedule("suspend", "suspend", in: 8)
                for _ in 0..<5 { _ = try await schedule("topup", "topup", in: 8, ["params": ["credits": 7]]) }
                let later = try await schedule("cancel", "revoke", in: 4000)
                let list = try await cluster[1].admin("/keys/schedule").json
                #expect(list["count"] == 8 && list["schedules"]?.array?.last?["id"] == later["id"], "\(list.text)")
                let own = try await cluster[1].admin("/keys/schedule?key=topup").json
                #expect(own["count"] == 5 && own["schedules"]?[0]?["params"] == ["credits": 7])
                let early = await cluster[0].echo(key: keys["revoke"] ?? "")
                if Date() < soonest { #expect(early.isServed, "not before its time") }
                let new = try await cluster[0].order("/keys/rotate", ["key": "revoke"])["newKey"]?.string ?? ""
                try await cluster.nodes[0].kill9()
                try await cluster.nodes[0].restart()
                for node in 0..<2 {
                    try await eventually("revoked", within: .seconds(30)) { await cluster[node].echo(key: new).word == "invalid_api_key" }
                    try await eventually("suspended", within: .seconds(30)) {
                        await cluster[node].echo(key: keys["suspend"] ?? "").word == "key_suspended"
                    }
                }
                try await eventually("nothing waits", within: .seconds(30)) {
                    try await cluster[1].admin("/keys/schedule").json["count"] == 1
                }
                #expect(try await cluster[1].balance(keys["topup"] ?? "").credits == 45, "five top-ups of 7, once each")
                let trail = try await cluster[0].admin("/keys/activity?key=topup").json["events"]?.array ?? []
                #expect(
                    trail.filter { $0["type"] == "schedule.executed" }.count == 5
                        && trail.filter { $0["type"] == "schedule.created" }.count == 5)

                func cancel(_ id: JSON?) async throws -> GateResponse {
                    try await cluster[1].send(
                        "DELETE", "/keys/schedule?id=\(id?.string ?? "")", headers: [("X-Admin-Key", GateClient.adminKey)])
                }
                #expect(try await cancel(later["id"]).json["cancelled"]?["action"] == "revoke")
                #expect(try await cancel(later["id"]).status == 404)
                #expect(try await cancel("sched_x").status == 400)
                #expect(try await cluster[0].admin("/keys/schedule").json["count"] == 0)
                #expect(await cluster[0].echo(key: keys["cancel"] ?? "").isServed)
            }
        }

        @Test(
            "F-KEY-12: bad actions are refused, 20 wait for a key at most, also when two nodes are asked at once, and what cannot be done is passed over"
        )
        func refused() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                _ = try await cluster[0].createKey(credits: 10, ["alias": "k"])
                let bad: [[String: JSON]] = [
                    ["action": "explode"], ["action": .null], ["executeAt": Self.time(in: -1)], ["executeAt": "soon"], ["action": "topup"],
                    ["action": "topup", "params": ["credits": 0]], ["action": "topup", "params": 5], ["key": .null],
                ]
                for change in bad {
                    let body = ["key": "k", "action": "revoke", "executeAt": Self.time(in: 60)].merging(change) { $1 } as [String: JSON]
                    let answer = try await cluster[0].admin("/keys/schedule", .object(body))
                    #expect(answer.status == 400, "\(change): \(answer.text)")
                }
                #expect(
                    try await cluster[0].admin("/keys/schedule", ["key": "nobody", "action": "revoke", "executeAt": Self.time(in: 60)])
                        .status == 404)
                let answers = try await concurrently(30, workers: 4) { turn in
                    try await cluster[turn].admin("/keys/schedule", ["key": "k", "action": "suspend", "executeAt": Self.time(in: 600)])
                        .status
                }
                #expect(answers.filter { $0 == 201 }.count == 20, "\(answers)")
                #expect(try await cluster[1].admin("/keys/schedule?key=k").json["count"] == 20)
                let gone = try await cluster[0].createKey(credits: 10, ["alias": "gone"])
                try await cluster[0].order(
                    "/keys/schedule", ["key": "gone", "action": "topup", "executeAt": Self.time(in: 5), "params": ["credits": 5]])
                try await cluster[0].order("/keys/revoke", ["key": .string(gone)])
                try await eventually("it is passed over", within: .seconds(30)) {
                    try await cluster[1].admin("/keys/schedule?key=gone").json["count"] == 0
                }
                let trail = try await cluster[0].admin("/keys/activity?key=gone").json["events"]?[0]
                #expect(trail?["message"] == "Scheduled action passed over: the key is revoked", "\(trail?.text ?? "")")
            }
        }
    }
}
