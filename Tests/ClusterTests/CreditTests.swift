// Transfers, reservations and automatic top-ups over two nodes of the real binary, and after they have been started again.

import Foundation
import GateTesting
import Testing

extension ClusterTests {
    @Suite("Credits that move")
    struct CreditTests {
        @Test(
            "M7, D17: transfers and calls on two nodes at once move credits and lose none, whoever dies meanwhile; a repetition is answered as the first",
            arguments: [1, 16])
        func transfers(_ shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "\(shards)"]) { cluster in
                let keys = try await concurrently(6) { try await cluster[$0].createKey(credits: 300) }
                let from = try #require(keys.first), to = try #require(keys.last)
                let body: JSON = ["from": .string(from), "to": .string(to), "credits": 25, "memo": "rent"]
                let answers = try await concurrently(8) {
                    try await cluster[$0].order("/keys/transfer", body, headers: [("Idempotency-Key", "once")])
                }
                #expect(Set(answers.map(\.text)).count == 1, "\(answers.map(\.text))")
                #expect(
                    answers[0]["transferred"] == 25 && answers[0]["memo"] == "rent" && answers[0]["message"] == "Transferred 25 credits")
                #expect(answers[0]["from"]?["balance"] == 275 && answers[0]["to"]?["balance"] == 325)
                let other = try await cluster[1].admin(
                    "/keys/transfer", ["from": .string(from), "to": .string(to), "credits": 26], headers: [("Idempotency-Key", "once")])
                #expect(other.status == 422)

                let outcomes = try await underLoad(
                    workers: 12,
                    { turn in
                        if turn % 3 == 0 { return await cluster[turn].echo(key: keys[turn % 6]) }
                        let pair: JSON = ["from": .string(keys[turn % 6]), "to": .string(keys[(turn + 1 + turn % 4) % 6]), "credits": 7]
                        _ = try? await cluster[turn].admin("/keys/transfer", pair)
                        return .refused(status: 200)
                    }
                ) {
                    try await Task.sleep(for: .milliseconds(400))
                    try await cluster.nodes[0].kill9()
                    try await Task.sleep(for: .milliseconds(400))
                }
                #expect(Tally(outcomes).served > 5, "\(Tally(outcomes))")
                try await eventually("what was on its way has arrived, and nothing is held", within: .seconds(20)) {
                    let balances = try await concurrently(6) { try await cluster[1].balance(keys[$0]) }
                    return balances.reduce(0) { $0 + $1.credits + $1.spent } == 1800 && balances.allSatisfy { $0.credits >= 0 }
                }
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                let again = try await cluster[0].order("/keys/transfer", body, headers: [("Idempotency-Key", "once")])
                #expect(again == answers[0], "D18: after a restart as well")
                let balances = try await concurrently(6) { try await cluster[0].balance(keys[$0]) }
                #expect(balances.reduce(0) { $0 + $1.credits + $1.spent } == 1800)
            }
        }

        @Test("M12, D17: each top-up of a bulk with an Idempotency-Key is made once, on whatever node the bulk is repeated")
        func bulk() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let keys = try await concurrently(2) { try await cluster[$0].createKey(credits: 10) }
                let orders: JSON = [
                    ["action": "topup", "key": .string(keys[0]), "credits": 5], ["action": "topup", "key": .string(keys[1]), "credits": 7],
                    ["action": "topup", "key": .string(keys[0]), "credits": 5], ["action": "topup", "key": "nobody", "credits": 1],
                ]
                for turn in 0..<3 {
                    let answer = try await cluster[turn].order(
                        "/keys/bulk", ["operations": orders], headers: [("Idempotency-Key", "bulk")])
                    #expect(answer["succeeded"] == 3 && answer["failed"] == 1, "\(answer.text)")
                    #expect(answer["results"]?[2]?["result"]?["newBalance"] == 20, "\(answer.text)")
                }
                #expect(try await cluster[1].balance(keys[0]).credits == 20)
                #expect(try await cluster[0].balance(keys[1]).credits == 17)
                let create = try await cluster[0].admin(
                    "/keys/bulk", ["operations": [["action": "create"]]], headers: [("Idempotency-Key", "x")])
                #expect(create.status == 400, "\(create.text)")
            }
        }

        @Test("F-TPL-01, F-KEY-07: an automatic top-up is given with a new key, taken from its template, and cloned")
        func madeWithTopUp() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let order: JSON = ["threshold": 2, "amount": 5, "maxDaily": 1]
                try await cluster[0].order("/keys/templates", ["name": "refilled", "credits": 2, "autoTopup": order])
                let own = try await cluster[1].createKey(credits: 2, ["autoTopup": order])
                let made = try await cluster[1].order("/keys", ["template": "refilled"])
                #expect(made["autoTopup"] == order, "\(made.text)")
                let clone = try await cluster[0].order("/keys/clone", ["key": .string(own), "credits": 2])
                for key in [own, made["key"]?.string ?? "", clone["key"]?.string ?? ""] {
                    let tally = Tally(await concurrently(9) { await cluster[$0].echo(key: key) })
                    #expect(tally.served == 7 && tally.count("insufficient_credits") == 2, "\(tally)")
                }
                #expect(try await cluster[0].admin("/keys").json[0]?["autoTopup"] == order)
                for bad: JSON in [["threshold": 2], ["threshold": 0, "amount": 1], "x", ["threshold": 1, "amount": 1, "maxDaily": -1]] {
                    #expect(try await cluster[0].admin("/keys", ["autoTopup": bad]).status == 400)
                }
            }
        }

        @Test("F-CREDIT-04: a transfer to oneself, of too much, of nothing, to nobody or from a revoked key is refused, and moves nothing")
        func refusedTransfers() async throws {
            try await GateCluster.run(nodes: 1, ["--redis-shards", "16"]) { cluster in
                let gate = cluster[0]
                let (rich, poor) = (try await gate.createKey(credits: 50, ["alias": "rich"]), try await gate.createKey(credits: 1))
                func transfer(_ from: String, _ to: String, _ credits: JSON) async throws -> GateResponse {
                    try await gate.admin("/keys/transfer", ["from": .string(from), "to": .string(to), "credits": credits])
                }
                let much = try await transfer("rich", poor, 51)
                #expect(much.status == 400 && much.json["available"] == 50 && much.json["requested"] == 51, "\(much.text)")
                #expect(try await transfer("rich", rich, 1).status == 400)
                #expect(try await transfer(rich, "nobody", 1).status == 404)
                for credits: JSON in [0, -1, 0.5, "5", 1_000_000_001, .null] {
                    #expect(try await transfer(rich, poor, credits).status == 400)
                }
                #expect(try await gate.admin("/keys/transfer", ["to": .string(poor), "credits": 1]).json["error"] == "Missing from")
                #expect(try await transfer("rich", poor, 10.9).json["transferred"] == 10, "fractions are floored")
                try await gate.order("/keys/revoke", ["key": .string(poor)])
                #expect(try await transfer(rich, poor, 1).status == 404)
                #expect(try await transfer(poor, rich, 1).status == 404)
                #expect(try await gate.balance(rich).credits == 40)
            }
        }

        @Test(
            "M8, F-CREDIT-05, F-CREDIT-06: what is reserved on node A cannot be spent on node B, also after a restart, until it is released; a commit spends it, once",
            arguments: [1, 16])
        func reservations(_ shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--price", "10", "--redis-shards", "\(shards)"]) { cluster in
                let key = try await cluster[0].createKey(credits: 100, ["alias": "batch"])
                let name: JSON = ["key": "batch", "credits": 60, "memo": "night run"]
                let made = try await cluster[0].admin("/keys/reserve", name, headers: [("Idempotency-Key", "r")])
                #expect(made.status == 201 && made.json["available"] == 40 && made.json["memo"] == "night run", "\(made.text)")
                #expect(try await cluster[1].admin("/keys/reserve", name, headers: [("Idempotency-Key", "r")]).json == made.json, "D17")
                let id = try #require(made.json["id"]?.string)
                let tally = Tally(await concurrently(12) { await cluster[$0].echo(key: key) })
                #expect(tally.served == 4 && tally.count("insufficient_credits") == 8, "\(tally)")
                let more = try await cluster[1].admin("/keys/reserve", ["key": .string(key), "credits": 1])
                #expect(more.status == 400 && more.json["available"] == 0 && more.json["held"] == 60 && more.json["total"] == 60)

                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(await cluster[1].echo(key: key).word == "insufficient_credits", "it is held by nobody who can die")
                for path in ["/keys/reserve", "/keys/reserve?key=batch"] {
                    let list = try await cluster[1].admin(path).json
                    #expect(list["count"] == 1 && list["totalHeld"] == 60 && list["reservations"]?[0]?["id"] == .string(id), "\(list.text)")
                }
                #expect(try await cluster[1].get("/balance", headers: [("X-API-Key", key)]).json["heldCredits"] == 60)

                let (part, rest) = (try await cluster[0].order("/keys/reserve/release", ["reservationId": .string(id)]), "reservationId")
                #expect(part["released"]?["credits"] == 60)
                let second = try await cluster[1].order("/keys/reserve", ["key": "batch", "credits": 50, "ttlSeconds": 7200])
                let order: JSON = [rest: second["id"] ?? .null]
                let ends = try await concurrently(10) {
                    try await cluster[$0].admin($0 % 3 == 0 ? "/keys/reserve/release" : "/keys/reserve/commit", order)
                }
                #expect(ends.count { $0.status == 200 } == 1 && ends.count { $0.status == 400 } == 9, "one ends it: \(ends.map(\.text))")
                let isCommitted = ends.first { $0.status == 200 }?.json["committed"] != nil
                let balance = try await cluster[0].balance(key)
                #expect(balance.spent == (isCommitted ? 90 : 40) && balance.credits + balance.spent == 100)
                #expect(try await cluster[0].admin("/keys/reserve/commit", ["reservationId": "rsv_0123456789abcdef01234567"]).status == 404)
                try await cluster[0].order("/keys/suspend", ["key": "batch"])
                let refused = try await cluster[1].admin("/keys/reserve", ["key": "batch", "credits": 1])
                #expect(refused.status == 400 && refused.json["error"] == "Key is suspended")
            }
        }

        @Test(
            "M8, R16: the time of a reservation is Redis's: when it is over the credits are free again on every node, and nobody commits it"
        )
        func expiry() async throws {
            let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
            try await GateCluster.run(nodes: 2, ["--price", "10", "--redis-shards", "16"], clock: clock) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let held = try await cluster[0].order("/keys/reserve", ["key": .string(key), "credits": 95, "ttlSeconds": 600])
                #expect(await cluster[1].echo(key: key).word == "insufficient_credits")
                try clock.step(601)
                let late = try await cluster[1].admin("/keys/reserve/commit", ["reservationId": held["id"] ?? .null])
                #expect(late.status == 400 && late.json["error"]?.string?.contains("expired") == true, "\(late.text)")
                let other = try await cluster[0].order("/keys/reserve", ["key": .string(key), "credits": 95, "ttlSeconds": 10])
                #expect(other["available"] == 5)
                try clock.step(11)
                try await eventually("nobody asks for it, and it is given back") { try await cluster[1].balance(key).credits == 100 }
                #expect(await cluster[0].echo(key: key).isServed)
                #expect(try await cluster[1].admin("/keys/reserve").json["count"] == 0)
            }
        }

        @Test(
            "F-CREDIT-09, F-CREDIT-10: calls on two nodes top a key up once a crossing and maxDaily times a UTC day, also after a restart")
        func autoTopUp() async throws {
            let clock = try #require(try await SkewedClock.shared.value, "needs a C compiler").stepping()
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"], clock: clock) { cluster in
                let (often, daily) = (try await cluster[0].createKey(credits: 100), try await cluster[0].createKey(credits: 20))
                for (key, most): (String, JSON) in [(often, 0), (daily, 3)] {
                    #expect(await cluster[1].echo(key: key).isServed)
                    let answer = try await cluster[0].order(
                        "/keys/auto-topup", ["key": .string(key), "threshold": 10, "amount": 100, "maxDaily": most])
                    #expect(answer["autoTopup"] == ["threshold": 10, "amount": 100, "maxDaily": most])
                }
                // 9 are left after the 91st and the 191st call.
                var tally = Tally(await concurrently(249, workers: 24) { await cluster[$0].echo(key: often) })
                #expect(tally.served == 249, "\(tally)")
                #expect(try await cluster[0].balance(often).credits == 50)
                #expect(try await cluster[1].audited("key.auto_topped_up", in: cluster) == 2)

                tally = Tally(await concurrently(400, workers: 24) { await cluster[$0].echo(key: daily) })
                #expect(tally.served == 319 && tally.count("insufficient_credits") == 81, "\(tally)")
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                try await cluster[1].topUp(daily, 5)
                tally = Tally(await concurrently(9) { await cluster[$0].echo(key: daily) })
                #expect(tally.served == 5, "the day's top-ups are still used: \(tally)")
                try clock.step(86_400)
                try await cluster[0].topUp(daily, 5)
                try await eventually("the nodes take calls on the next day") { await cluster[1].echo(key: daily).isServed }
                #expect(try await cluster[0].balance(daily).credits == 104)
                let off = try await cluster[0].order("/keys/auto-topup", ["key": .string(daily), "disable": true])
                #expect(off["autoTopup"] == .null)
                tally = Tally(await concurrently(120, workers: 24) { await cluster[$0].echo(key: daily) })
                #expect(tally.served == 104, "V21: the order binds the other node at once: \(tally)")
                for bad: JSON in [
                    ["threshold": 5], ["amount": 5], ["threshold": 0, "amount": 5], ["threshold": 5, "amount": 100_000_001],
                ] {
                    guard case .object(var body) = bad else { continue }
                    body["key"] = .string(daily)
                    #expect(try await cluster[0].admin("/keys/auto-topup", .object(body)).status == 400)
                }
            }
        }
    }
}

extension GateClient {
    /// How many entries of a type the audit streams have.
    fileprivate func audited(_ type: String, in cluster: GateCluster) async throws -> Int {
        var count = 0
        for shard in 0..<16 {
            let text = try await cluster.redis.command("XRANGE", "pg:{\(shard)}:audit", "-", "+")
            count += text.components(separatedBy: "t=" + type).count - 1
        }
        return count
    }
}
