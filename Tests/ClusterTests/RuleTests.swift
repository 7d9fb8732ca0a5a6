// What the operator's rules do to calls, and how they change while the gates run.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Rules")
    struct RuleTests {
        @Test("F-QUOTA-01 to 05: a key's quota, else the gate's, holds exactly over two nodes and a restart; a refund returns it")
        func quota() async throws {
            let config: JSON = ["globalQuota": ["dailyCallLimit": 30, "monthlyCreditLimit": 1000], "refundOnFailure": true]
            try await GateCluster.run(nodes: 2, config: config) { cluster in
                let key = try await cluster[0].createKey()
                for _ in 0..<5 { #expect(await cluster[0].attempt("fail", ["kind": "isError"], key: key).word == "isError") }
                var tally = Tally(await concurrently(80, workers: 16) { await cluster[$0].echo(key: key) })
                #expect(tally.served == 30 && tally.count("daily_call_quota_exceeded") == 50, "\(tally)")
                try await cluster.nodes[1].kill9()
                try await cluster.nodes[1].restart()
                let refused = try await cluster[1].call("echo", ["text": "x"], key: key)
                #expect(refused.outcome.word == "daily_call_quota_exceeded" && refused.header("Retry-After") == nil)

                let answer = try await cluster[0].order("/keys/quota", ["key": .string(key), "dailyCreditLimit": 33])
                #expect(answer["quota"] == ["dailyCallLimit": 0, "monthlyCallLimit": 0, "dailyCreditLimit": 33, "monthlyCreditLimit": 0])
                tally = Tally(await concurrently(60, workers: 16) { await cluster[1 + $0].echo(key: key) })
                #expect(tally.count("daily_credit_quota_exceeded") == 57 && tally.served == 3, "30 are spent on this day: \(tally)")
                try await cluster[0].order("/keys/quota", ["key": .string(key), "remove": true])
                #expect(await cluster[1].echo(key: key).word == "daily_call_quota_exceeded", "the gate's quota holds again")
                #expect(try await cluster[1].admin("/keys/quota", ["key": "nobody"]).status == 404)
            }
        }

        @Test("F-CONC-01: a key has so many open calls over two nodes and no more; a killed node's are given back")
        func concurrency() async throws {
            try await GateCluster.run(nodes: 2, ["--max-concurrent-per-key", "3"]) { cluster in
                let key = try await cluster[0].createKey()
                async let open = concurrently(3) { _ in await cluster[0].attempt("slow", ["seconds": 60], key: key) }
                try await eventually("three calls are open") { try await cluster[1].balance(key).spent == 3 }
                let refused = try await cluster[1].call("echo", ["text": "x"], key: key)
                #expect(refused.outcome == .failed(code: -32005) && refused.integer("Retry-After") == 1)
                #expect(refused.json["error"]?["data"]?["reason"] == "concurrency_limit")
                try await cluster.nodes[0].kill9()
                _ = await open
                try await eventually("the dead node's calls are given back", within: .seconds(12)) {
                    await cluster[1].echo(key: key).isServed
                }
                let tally = Tally(await concurrently(12, workers: 3) { _ in await cluster[1].echo(key: key) })
                #expect(tally.served == 12, "\(tally)")
            }
        }

        @Test(
            "F-CFG-03, V21: a reload on node A binds the first call on node B: price, rate, quota, shadow mode, refunds, free methods, time"
        )
        func reload() async throws {
            let directory = try TemporaryDirectory()
            func write(_ config: JSON) throws -> String { try directory.write(config.text, to: "gate.json") }
            let path = try write(["defaultCreditsPerCall": 1])
            try await GateCluster.run(nodes: 2, ["--config", path]) { cluster in
                let (a, b) = (cluster[0], cluster[1])
                func reload(_ config: JSON) async throws -> JSON {
                    _ = try write(config)
                    return try await a.order("/config/reload", [:])
                }
                let key = try await a.createKey(credits: 1000)
                #expect(try await b.call("echo", ["text": "x"], key: key).integer("X-Credits-Remaining") == 999)
                #expect(try await reload(["defaultCreditsPerCall": 7])["changed"] == ["defaultCreditsPerCall"])
                #expect(try await b.call("echo", ["text": "x"], key: key).integer("X-Credits-Remaining") == 992)

                _ = try await reload([
                    "toolPricing": ["add": ["rateLimitPerMin": 1], "slow": ["timeoutMs": 200, "creditsPerCall": 0]],
                    "refundOnFailure": true,
                ])
                #expect(await b.attempt("add", ["a": 1, "b": 1], key: key).isServed)
                #expect(await a.attempt("add", ["a": 1, "b": 1], key: key).word == "tool_rate_limited")
                #expect(await b.attempt("fail", ["kind": "isError"], key: key).word == "isError")
                #expect(try await b.balance(key).spent == 15, "the failed call was refunded")
                #expect(await b.attempt("slow", ["seconds": 5], key: key) == .failed(code: -32004))

                _ = try await reload(["globalQuota": ["dailyCallLimit": 1]])
                #expect(await b.echo(key: key).isServed)
                #expect(await b.echo(key: key).word == "daily_call_quota_exceeded")
                _ = try await reload(["shadowMode": true])
                #expect(await b.echo(key: key).isServed)
                _ = try await reload(["shadowMode": false, "globalQuota": ["dailyCallLimit": 0], "freeMethods": ["initialize", "ping"]])
                #expect(await b.echo(key: key).isServed)
                try await eventually("a method that is free no more asks for a key", within: .seconds(3)) {
                    try await b.rpc("tools/list", [:]).outcome == .denied("missing_api_key")
                }
                _ = try await reload([
                    "guardrails": ["enabled": true, "rules": [["id": "mail", "pattern": "email", "action": "block", "scope": "input"]]]
                ])
                #expect(await b.echo("me@example.com", key: key) == .failed(code: -32406))

                _ = try write(["defaultCreditsPerCall": -1, "globalQuota": ["dailyCallLimit": "many"]])
                let refused = try await a.admin("/config/reload", [:])
                let fields = refused.json["diagnostics"]?.array?.compactMap { $0["field"]?.string } ?? []
                #expect(
                    refused.status == 400 && Set(fields) == ["defaultCreditsPerCall", "globalQuota.dailyCallLimit"],
                    "F-CFG-05: \(refused.text)")
                let spent = try await a.balance(key).spent
                for client in [a, b] { #expect(await client.echo(key: key).isServed) }
                #expect(try await b.balance(key).spent == spent + 14, "nothing was applied")
            }
        }

        @Test("F-CFG-07: a node that has read the old file and is still starting while it is reloaded elsewhere judges by the new one")
        func reloadDuringStart() async throws {
            let directory = try TemporaryDirectory()
            let path = try directory.write(#"{"defaultCreditsPerCall":1}"#, to: "gate.json")
            try await GateCluster.run(nodes: 1, ["--config", path]) { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                let proxy = try await RedisProxy(to: cluster.redis.port)
                proxy.admitOnly(.number(-1))
                let port = FreePort.take()
                let late = try Program(
                    "late node",
                    [
                        Repository.binary, "wrap", "--port", "\(port)", "--host", "127.0.0.1", "--redis-url", proxy.url, "--config", path,
                        "--rate-limit", "0", "--server", "\(Repository.binary) demo-server",
                    ])
                // It has read its file, and waits for Redis.
                try await late.waitForOutput("waiting for Redis")
                try directory.write(#"{"defaultCreditsPerCall":7}"#, to: "gate.json")
                try await cluster[0].order("/config/reload", [:])
                try await proxy.heal()
                try await late.waitForOutput("Listening on port \(port)")
                let client = GateClient("http://127.0.0.1:\(port)")
                #expect(try await client.call("echo", ["text": "x"], key: key).integer("X-Credits-Remaining") == 93)
                try await late.kill9()
            }
        }

        @Test(
            "F-CFG-05: a node whose own file is not valid keeps its rules through another's reload, serves on, and follows the next valid one"
        )
        func ownFile() async throws {
            let directory = try TemporaryDirectory()
            let paths = try ["a", "b"].map { try directory.write(#"{"defaultCreditsPerCall":2}"#, to: $0 + ".json") }
            let environments = [0: ["PAYGATE_CONFIG": paths[0]], 1: ["PAYGATE_CONFIG": paths[1]]]
            try await GateCluster.run(nodes: 2, environments: environments) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                #expect(await cluster[1].echo(key: key).isServed)
                try directory.write(#"{"defaultCreditsPerCall":5}"#, to: "a.json")
                try directory.write(#"{"defaultCreditsPerCall":"#, to: "b.json")
                try await cluster[0].order("/config/reload", [:])
                #expect(try await cluster[0].call("echo", ["text": "x"], key: key).integer("X-Credits-Remaining") == 993)
                #expect(try await cluster[1].call("echo", ["text": "x"], key: key).integer("X-Credits-Remaining") == 991)
                try directory.write(#"{"defaultCreditsPerCall":5}"#, to: "b.json")
                try await cluster[0].order("/config/reload", [:])
                #expect(try await cluster[1].call("echo", ["text": "x"], key: key).integer("X-Credits-Remaining") == 986)
            }
        }

        @Test("F-GUARD-02, F-GUARD-04: a rule redacts or blocks arguments and answers; what is blocked is never executed and costs nothing")
        func guardrails() async throws {
            let recording = try Recording()
            let rules: JSON = [
                ["id": "cards", "pattern": "credit_card", "action": "redact", "scope": "both"],
                ["id": "ssn", "pattern": "ssn", "action": "block", "scope": "input"],
                ["id": "keys", "pattern": "aws_access_key", "action": "block", "scope": "output", "tools": ["note"]],
            ]
            try await GateCluster.run(nodes: 2, upstream: .recording(recording), config: ["guardrails": ["enabled": true, "rules": rules]])
            { cluster in
                let key = try await cluster[0].createKey(credits: 100)
                func note(_ text: String, on node: Int) async throws -> GateResponse {
                    try await cluster[node].call("note", ["text": .string(text)], key: key)
                }
                #expect(try await note(#"pay "4111 1111 1111 1111" now"#, on: 0).outcome.text == #"pay "[REDACTED]" now"#)
                #expect(recording.calls == [#"pay "[REDACTED]" now"#])
                let blocked = try await note("it is 123-45-6789", on: 1)
                #expect(blocked.outcome == .failed(code: -32406) && blocked.json["error"]?["data"]?["reason"] == "guardrail_blocked: ssn")
                #expect(recording.calls.count == 1, "what is blocked is never executed")
                #expect(try await cluster[0].balance(key).spent == 1)
                let answer = try await note("AKIAIOSFODNN7EXAMPLE", on: 0)
                #expect(answer.outcome == .failed(code: -32406) && !answer.text.contains("AKIA"))
                try await cluster.nodes[1].kill9()
                try await cluster.nodes[1].restart()
                #expect(try await note("it is 123-45-6789", on: 1).outcome == .failed(code: -32406))
            }
        }

        @Test(
            "F-GUARD-02, V21: a rule that is made on one node holds on the other with the first call after the reply, 60 times out of 60, and after a restart"
        )
        func guardrailsAtRunTime() async throws {
            let recording = try Recording()
            try await GateCluster.run(nodes: 2, upstream: .recording(recording)) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                func note(_ text: String, on node: Int) async throws -> GateResponse {
                    try await cluster[node].call("note", ["text": .string(text)], key: key)
                }
                let page = try await cluster[0].admin("/admin/guardrails").json
                #expect(page["enabled"] == false && page["rules"]?.array?.count == 8 && page["stats"]?["totalViolations"] == 0)
                #expect(try await note("4111 1111 1111 1111", on: 1).outcome.isServed, "F-GUARD-03: off by default")
                try await cluster[0].order("/admin/guardrails", ["enabled": true])
                #expect(try await note("4111 1111 1111 1111", on: 1).outcome == .failed(code: -32406))
                for round in 0..<60 {
                    let rule: JSON = [
                        "id": "word", "name": "Project", "pattern": .string("project-\(round)\\b"), "action": "redact", "scope": "input",
                        "redactWith": .string("[\"\(round)\"]"),
                    ]
                    let answer = try await cluster[round].order("/admin/guardrails", ["rule": rule])
                    #expect(answer["rule"]?["active"] == true)
                    let text = try await note("see project-\(round)", on: round + 1).outcome.text
                    guard text == "see [\"\(round)\"]" else {
                        Issue.record("round \(round): \(text ?? "nothing")")
                        break
                    }
                }
                #expect(recording.calls.last == "see [\"59\"]")
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(try await note("see project-59", on: 1).outcome.text == "see [\"59\"]")
                #expect(try await note("4111 1111 1111 1111", on: 0).outcome == .failed(code: -32406))
                #expect(try await cluster[1].admin("/admin/guardrails").json["rules"]?.array?.count == 9)
                // A rule of the configuration's kind, made where others are: nothing of theirs is lost.
                let made = try await concurrently(12, workers: 6) { index in
                    let rule: JSON = ["id": .string("r\(index)"), "name": "R", "pattern": .string("nobody-\(index)"), "action": "log"]
                    return try await cluster[index].admin("/admin/guardrails", ["rule": rule]).status
                }
                #expect(made.allSatisfy { $0 == 200 })
                #expect(try await cluster[0].admin("/admin/guardrails").json["rules"]?.array?.count == 21)
                let imported = try await cluster[0].order(
                    "/admin/guardrails",
                    ["rules": [["id": "only", "name": "Only", "pattern": "ssn", "action": "warn"]], "mode": "replace"])
                #expect(imported == ["imported": 1, "mode": "replace", "totalRules": 1])
                let warned = try await note("123-45-6789 and 4111 1111 1111 1111", on: 1)
                #expect(warned.outcome.isServed && warned.header("X-Guardrail-Warning") == "only")
                #expect(try await cluster[1].send("DELETE", "/admin/guardrails?id=only", headers: Self.admin).json == ["deleted": "only"])
                #expect(try await cluster[0].send("DELETE", "/admin/guardrails?id=only", headers: Self.admin).status == 404)
                #expect(try await note("123-45-6789", on: 0).header("X-Guardrail-Warning") == nil)
                #expect(try await cluster[0].admin("/admin/guardrails").json["rules"] == [])
            }
        }

        @Test(
            "F-GUARD-02, F-GUARD-03: what rules find is a record of its own, the same from every node, filtered, bounded and without what was found"
        )
        func violations() async throws {
            let rules: JSON = [
                ["id": "mail", "name": "Mail", "pattern": "email", "action": "redact"],
                ["id": "ssn", "pattern": "ssn", "action": "block", "scope": "input"],
            ]
            let config: JSON = ["guardrails": ["enabled": true, "rules": rules, "includeContext": true, "maxViolations": 20]]
            try await GateCluster.run(nodes: 2, config: config) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                #expect(try await cluster[0].call("echo", ["text": "to me@example.com"], key: key).outcome.text == "to [REDACTED]")
                #expect(await cluster[1].echo("it is 123-45-6789", key: key) == .failed(code: -32406))
                #expect(await cluster[1].echo("nothing to see", key: key).isServed)
                // A stranger makes the gate write nothing.
                _ = await cluster[1].attempt("echo", ["text": "me@example.com"], key: "pg_nobody")
                try await eventually("two violations are noted") {
                    try await cluster[0].admin("/admin/guardrails/violations").json["total"] == 2
                }
                let page = try await cluster[1].admin("/admin/guardrails/violations?limit=1")
                let newest = page.json["violations"]?[0]
                #expect(
                    page.json["hasMore"] == true && newest?["ruleId"] == "ssn" && newest?["scope"] == "input" && newest?["matchCount"] == 1)
                #expect(newest?["keyPrefix"]?.string == key.prefix(10) + "..." && newest?["tool"] == "echo")
                let all = try await cluster[0].admin("/admin/guardrails/violations").text
                #expect(all.contains("******") && !all.contains("me@example") && !all.contains("123-45"))
                for (query, total) in [
                    ("ruleId=mail", 1), ("action=block", 1), ("tool=nobody", 0), ("since=2020-01-01", 2), ("until=2020-01-01", 0),
                ] {
                    #expect(try await cluster[1].admin("/admin/guardrails/violations?\(query)").json["total"] == .int(total), "\(query)")
                }
                let stats = try await cluster[1].admin("/admin/guardrails").json["stats"]
                #expect(stats?["totalBlocked"] == 1 && stats?["totalRedacted"] == 1 && stats?["byRule"] == ["mail": 1, "ssn": 1])
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                for round in 0..<30 { _ = await cluster[round].echo("123-45-6789", key: key) }
                try await eventually("the record is bounded and full") {
                    try await cluster[1].admin("/admin/guardrails/violations?ruleId=ssn").json["total"] == 20
                }
                #expect(try await cluster[0].send("DELETE", "/admin/guardrails/violations", headers: Self.admin).json == ["cleared": 20])
                #expect(try await cluster[1].admin("/admin/guardrails/violations").json["total"] == 0)

                for (body, word) in Self.badRules {
                    let answer = try await cluster[0].admin("/admin/guardrails", body)
                    #expect(answer.status == 400 && answer.json["error"]?.string?.contains(word) == true, "\(body.text): \(answer.text)")
                }
                #expect(try await cluster[1].admin("/admin/guardrails").json["rules"]?.array?.count == 2, "nothing was changed")
            }
        }

        @Test("F-GUARD-02: what a server says of a call before its answer passes the same rules as the answer")
        func notifications() async throws {
            let server = try HostileServer.stdio()
            let rules: JSON = [
                ["id": "mail", "pattern": "email", "action": "redact", "scope": "output"],
                ["id": "ssn", "pattern": "ssn", "action": "block", "scope": "output", "tools": ["echo"]],
            ]
            try await GateCluster.run(nodes: 1, upstream: server.upstream, config: ["guardrails": ["enabled": true, "rules": rules]]) {
                cluster in
                let key = try await cluster[0].createKey()
                func heard(_ text: String) async throws -> String {
                    _ = try await cluster[0].call("late_log", ["text": .string(text), "seconds": 0.1], key: key)
                    return try await cluster[0].call(
                        "echo", ["text": "x", "seconds": 0.4], key: key, headers: [("Accept", "text/event-stream")]
                    ).text
                }
                let redacted = try await heard("write to me@example.com now")
                #expect(redacted.contains("write to [REDACTED] now") && !redacted.contains("me@example"), "\(redacted)")
                let dropped = try await heard("it is 123-45-6789")
                #expect(!dropped.contains("123-45") && dropped.contains("\"result\""), "\(dropped)")
            }
        }

        private static let admin: GateClient.Headers = [("X-Admin-Key", GateClient.adminKey)]

        /// Bodies that are refused, and a word of the sentence.
        private static let badRules: [(JSON, String)] = [
            ([:], "enabled, rule or rules"), (["rule": ["id": "a", "name": "n", "pattern": "x"]], "action"),
            (["rule": ["name": "n", "pattern": "x", "action": "log"]], "rule.id"),
            (["rule": ["id": "a", "name": "n", "pattern": "(", "action": "log"]], "rule.pattern"),
            (["rule": ["id": "a", "name": "n", "pattern": "(a)\\1", "action": "log"]], "rule.pattern"),
            (["rule": ["id": "a", "name": "n", "pattern": "x", "action": "explode"]], "rule.action"),
            (["rule": ["id": "a b", "name": "n", "pattern": "x", "action": "log"]], "rule.id"),
            (["rule": ["id": "a", "name": "n", "pattern": "x", "flags": "y", "action": "log"]], "rule.flags"),
            (["rule": ["id": "a", "name": "n", "pattern": "x", "action": "log", "tools": "echo"]], "rule.tools"),
            (
                [
                    "rules": [
                        ["id": "a", "name": "n", "pattern": "x", "action": "log"],
                        ["id": "a", "name": "n", "pattern": "y", "action": "log"],
                    ]
                ], "twice"
            ),
            (["rules": .array((0..<33).map { ["id": .string("r\($0)"), "name": "n", "pattern": "x", "action": "log"] })], "32"),
            (["rules": .array((0..<31).map { ["id": .string("r\($0)"), "name": "n", "pattern": "x", "action": "log"] })], "32"),
        ]
    }
}
