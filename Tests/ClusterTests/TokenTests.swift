// Tokens that lend a key, through two gates and a restart.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Scoped tokens")
    struct TokenTests {
        @Test(
            "F-TOKEN-01, F-TOKEN-02, F-TOKEN-03, F-TOKEN-07: a token charges its key, calls its tools and no other, in batches and lists too, on every node"
        )
        func scope() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let (a, b) = (cluster[0], cluster[1])
                let key = try await a.createKey(credits: 10, ["name": "lender", "deniedTools": ["slow"], "alias": "lender"])
                let made = try await a.order(
                    "/tokens", ["key": "lender", "allowedTools": ["echo", "slow"], "label": "for a friend", "ttl": 600])
                #expect(made["parentKey"] == "lender" && made["ttl"] == 600 && made["label"] == "for a friend")
                let token = try #require(made["token"]?.string)
                #expect(token.wholeMatch(of: /pgt_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{43}/) != nil && !token.contains(key))
                #expect(await b.echo(key: token).isServed)
                #expect(await b.attempt("add", ["a": 1, "b": 2], key: token).word == "token_tool_not_allowed")
                #expect(await b.attempt("slow", ["seconds": 0], key: token).word == "tool_denied", "the key's own lists hold too")
                let bearer = try await a.call("echo", ["text": "x"], key: nil, headers: [("Authorization", "Bearer \(token)")])
                #expect(bearer.outcome.isServed)
                let balance = try await a.balance(key)
                #expect(balance.spent == 2 && balance.calls == 2)
                let batch = try await b.batch([("echo", ["text": "x"]), ("add", ["a": 1, "b": 2])], key: token)
                #expect(batch.outcome.word == "token_tool_not_allowed", "\(batch.text)")
                let list = try await b.rpc("tools/list", [:], key: token).json["result"]?["tools"]?.array?.compactMap { $0["name"]?.string }
                #expect(list == ["echo"])
                #expect(await b.attempt("add", ["a": 1, "b": 2], key: key).isServed, "the key itself may call it")

                for path in ["/balance"] {
                    #expect(try await a.get(path, headers: [("X-API-Key", token)]).status == 401, "a token is for calls alone")
                }
                #expect(try await a.admin("/topup", ["key": .string(token), "credits": 1]).status == 404)
                #expect(try await a.admin("/tokens", ["key": .string(token)]).status == 404)
                for forged in [token + "A", String(token.dropLast()), "pgt_", "pgt_.", "pgt_" + String(repeating: "a", count: 3000)] {
                    #expect(await b.echo(key: forged).word == "invalid_api_key")
                    let answer = try await b.admin("/tokens/revoke", ["token": .string(forged)])
                    #expect(answer.status == 409, "\(answer.text)")
                }
                #expect(try await b.admin("/tokens/revoke", ["token": .string(key)]).status == 400)
                for ttl: JSON in [0, -1, .null, "x", 86_401, 1_000_000] {
                    #expect(try await a.admin("/tokens", ["key": "lender", "ttl": ttl]).status == 400, "\(ttl.text)")
                }
                let long = try await a.admin("/tokens", ["key": "lender", "ttl": 0]).json["error"]?.string
                #expect(long == "Invalid ttl. Must be a whole number of 1 to 86400.")
                #expect(try await a.order("/tokens", ["key": "lender", "ttl": 86_400])["ttl"] == 86_400)
            }
        }

        @Test(
            "F-TOKEN-04, F-TOKEN-05, F-TOKEN-06, F-TOKEN-08, V21: a revoked token is dead on the other node with the answer, and after a restart of all"
        )
        func revocation() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let (a, b) = (cluster[0], cluster[1])
                let key = try await a.createKey()
                @Sendable func token() async throws -> String {
                    try #require(try await a.order("/tokens", ["key": .string(key)])["token"]?.string)
                }
                let kept = try await token()
                let words = try await concurrently(40, workers: 8) { round in
                    let token = try await token()
                    guard await cluster[round].echo(key: token).isServed, await cluster[round + 1].echo(key: token).isServed else {
                        return "not served"
                    }
                    try await cluster[round].order("/tokens/revoke", ["token": .string(token), "reason": "test"])
                    return await cluster[round + 1].echo(key: token).word
                }
                #expect(Set(words) == ["invalid_api_key"])
                let token = try await token()
                let revoked = try await a.order("/tokens/revoke", ["token": .string(token), "reason": "lost"])
                let fingerprint = try #require(revoked["fingerprint"]?.string)
                #expect(fingerprint.wholeMatch(of: /[0-9a-f]{64}/) != nil)
                #expect(try await b.admin("/tokens/revoke", ["token": .string(token)]).status == 409)
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(await b.echo(key: token).word == "invalid_api_key")
                #expect(await b.echo(key: kept).isServed)
                let list = try await b.admin("/tokens/revoked").json
                let entry = list["entries"]?.array?.first { $0["fingerprint"]?.string == fingerprint }
                #expect(list["count"] == 41 && entry?["reason"] == "lost" && entry?["expiresAt"] == revoked["expiresAt"])
            }
        }

        @Test("F-TOKEN-02, F-TOKEN-04, F-TOKEN-09: a token ends at its time and leaves nothing behind; it goes the way of its key")
        func ends() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let key = try await cluster[0].createKey()
                func token(_ ttl: Int) async throws -> String {
                    try #require(try await cluster[0].order("/tokens", ["key": .string(key), "ttl": .int(ttl)])["token"]?.string)
                }
                let short = try await token(1), long = try await token(600)
                try await eventually("the token ends", within: .seconds(5)) { await cluster[1].echo(key: short).word == "api_key_expired" }
                #expect(try await cluster[0].admin("/tokens/revoke", ["token": .string(short)]).status == 409)
                let records = try await cluster.redis.command("--scan", "--pattern", "*record:token_*").split(separator: "\n")
                #expect(records.count == 2)
                for record in records {
                    let left = Int(try await cluster.redis.command("PTTL", String(record))) ?? -1
                    #expect((1...700_000).contains(left), "Redis forgets it by itself: \(left)")
                }
                #expect(await cluster[1].echo(key: long).isServed)
                try await cluster[0].order("/keys/suspend", ["key": .string(key)])
                #expect(await cluster[1].echo(key: long).word == "key_suspended")
                try await cluster[0].order("/keys/resume", ["key": .string(key)])
                #expect(await cluster[1].echo(key: long).isServed)
                try await cluster[0].order("/keys/revoke", ["key": .string(key)])
                #expect(await cluster[1].echo(key: long).word == "invalid_api_key")
                #expect(try await cluster[0].admin("/tokens", ["key": .string(key)]).status == 404)
                try await cluster[0].order("/tokens/revoke", ["token": .string(long)])
            }
        }
    }
}
