// Teams: a second account that the calls of many keys must pass, in one shard and in several.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Teams")
    struct TeamTests {
        @Test(
            "F-TEAM-01, F-TEAM-02, M2: three keys of a team spend its budget over two nodes exactly, whatever they have themselves, also after a restart",
            arguments: [1, 16])
        func budget(_ shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--price", "3", "--redis-shards", "\(shards)"]) { cluster in
                let team = try await cluster[0].createTeam(["name": "research", "budget": 100])
                let keys = try await cluster.keys(3, in: team, credits: 1000)
                let outcomes = await concurrently(240, workers: 24) { await cluster[$0].echo(key: keys[$0 % 3]) }
                let tally = Tally(outcomes)
                #expect(tally.served == 33 && tally.count("team_budget_exceeded") == 207, "\(tally)")
                try await cluster.expectAgreement(team, keys, spent: 99)

                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                #expect(await cluster[1].echo(key: keys[0]).word == "team_budget_exceeded")
                try await cluster[0].order("/teams/update", ["teamId": .string(team), "budget": 102])
                #expect(await cluster[1].echo(key: keys[0]).isServed, "V21: the change binds the other node at once")
                #expect(await cluster[0].echo(key: keys[1]).word == "team_budget_exceeded")
                try await cluster.expectAgreement(team, keys, spent: 102)
            }
        }

        @Test("F-TEAM-01, V21: a key comes into one team at most and out of it again, and each order binds the other node at once")
        func membership() async throws {
            try await GateCluster.run(nodes: 2, ["--redis-shards", "16"]) { cluster in
                let team = try await cluster[0].createTeam(["name": "a", "budget": 1, "tags": ["x": "1", "y": "2"]])
                let other = try await cluster[0].createTeam(["name": "b", "quota": ["dailyCalls": 1]])
                let key = try await cluster[0].createKey(credits: 100)
                let pair: JSON = ["teamId": .string(team), "apiKey": .string(key)]
                #expect(await cluster[1].echo(key: key).isServed)
                try await cluster[0].order("/teams/assign", pair)
                #expect(await cluster[1].echo(key: key).isServed)
                #expect(await cluster[1].echo(key: key).word == "team_budget_exceeded")
                let taken = try await cluster[1].admin("/teams/assign", ["teamId": .string(other), "key": .string(key)])
                #expect(taken.status == 409 && taken.json["error"] == "key_already_in_team")
                try await cluster[0].order("/teams/assign", pair)
                try await cluster[0].order("/teams/remove", pair)
                #expect(await cluster[1].echo(key: key).isServed)
                #expect(try await cluster[1].admin("/teams/remove", pair).status == 404)

                try await cluster[1].order("/teams/assign", ["teamId": .string(other), "key": .string(key)])
                #expect(await cluster[0].echo(key: key).isServed)
                #expect(await cluster[1].echo(key: key).word == "team_daily_call_limit", "F-DENY-04")
                let list = try await cluster[0].admin("/teams").json
                #expect(list["count"] == 2 && list["teams"]?[0]?["totalSpent"] == 1 && list["teams"]?[1]?["quotaDailyCalls"] == 1)
                #expect(list["teams"]?[1]?["memberKeys"]?.array?.count == 1)
                try await cluster[0].order("/teams/update", ["teamId": .string(team), "tags": ["x": .null, "z": "3"]])
                #expect(try await cluster[1].admin("/teams").json["teams"]?[0]?["tags"] == ["y": "2", "z": "3"])
                try await cluster[0].order("/teams/delete", ["teamId": .string(other)])
                #expect(await cluster[1].echo(key: key).isServed)
                #expect(try await cluster[1].admin("/teams/usage?teamId=\(other)").status == 404)
                #expect(try await cluster[1].admin("/teams/assign", ["teamId": .string(other), "key": .string(key)]).status == 404)
                try await cluster[1].order("/teams/assign", pair)
            }
        }

        @Test("F-TEAM-01: a team has 100 keys, however many are put into it at once")
        func capacity() async throws {
            try await GateCluster.run(nodes: 2) { cluster in
                let team = try await cluster[0].createTeam(["name": "full"])
                let keys = try await concurrently(104, workers: 8) { try await cluster[$0].createKey(credits: 1) }
                let answers = try await concurrently(104, workers: 8) {
                    try await cluster[$0].admin("/teams/assign", ["teamId": .string(team), "apiKey": .string(keys[$0])])
                }
                let refused = answers.filter { $0.status == 409 && $0.json["error"] == "team_full" }
                #expect(refused.count >= 4 && answers.filter { $0.status == 200 }.count == 104 - refused.count)
                let members = 104 - refused.count
                #expect(members <= 100)
                #expect(try await cluster[1].admin("/teams/usage?teamId=\(team)").json["memberCount"] == .int(members))
                let (out, late) = (
                    try #require(answers.firstIndex { $0.status == 200 }), try #require(answers.firstIndex { $0.status == 409 })
                )
                try await cluster[0].order("/teams/remove", ["teamId": .string(team), "apiKey": .string(keys[out])])
                try await cluster[1].order("/teams/assign", ["teamId": .string(team), "apiKey": .string(keys[late])])
            }
        }

        @Test("M1, F30: on 16 shards a node that is killed in mid-call leaves the team and its keys in agreement")
        func death() async throws {
            try await GateCluster.run(nodes: 2, ["--price", "5", "--redis-shards", "16"]) { cluster in
                let team = try await cluster[0].createTeam(["name": "t", "budget": 100_000])
                let keys = try await cluster.keys(4, in: team, credits: 10_000)
                async let open = concurrently(4) { await cluster[0].attempt("slow", ["seconds": 60], key: keys[$0]) }
                try await eventually("the calls are admitted") { try await cluster[1].teamSpent(team) == 20 }
                let outcomes = try await underLoad(workers: 8, { await cluster[$0].echo(key: keys[$0 % 4]) }) {
                    try await Task.sleep(for: .milliseconds(500))
                    try await cluster.nodes[0].kill9()
                    try await Task.sleep(for: .milliseconds(500))
                }
                _ = await open
                #expect(Tally(outcomes).served > 50)
                try await eventually("no hold is left", within: .seconds(15)) {
                    let spent = try await concurrently(4) { try await cluster[1].balance(keys[$0]).spent }
                    let usage = try await cluster[1].usage()
                    let total = spent.reduce(0, +)
                    return try await cluster[1].teamSpent(team) == total && usage.credits == total && usage.filter(\.isUnknown).count >= 4
                }
                try await cluster.nodes[0].restart()
                let spent = try #require(try await cluster[0].teamSpent(team))
                #expect(spent >= Tally(outcomes).served * 5)
                try await cluster.expectAgreement(team, keys, spent: spent)
            }
        }

        @Test("a store keeps the number of shards that it was first used with: a node that is told another one takes it, and says so")
        func shards() async throws {
            let redis = try await RedisServer()
            let flags = [
                "--server", "\(Repository.binary) demo-server", "--host", "127.0.0.1", "--admin-key", GateClient.adminKey, "--redis-url",
                redis.url,
            ]
            let first = try await ClusterNode("first", flags: flags + ["--redis-shards", "16"])
            let second = try await ClusterNode("second", flags: flags)
            let keys = try await concurrently(8) { try await [first, second][$0 % 2].client.createKey(credits: 10) }
            for (index, key) in keys.enumerated() { #expect(await [second, first][index % 2].client.echo(key: key).isServed) }
            #expect(second.log.contains("another number of shards") && !first.log.contains("another number of shards"))
            #expect(try await redis.command("HGET", "pg:{0}:secrets", "shards") == "16")
            for node in [first, second] { try await node.kill9() }
            try await redis.kill9()
        }
    }
}

extension GateClient {
    fileprivate func createTeam(_ team: JSON) async throws -> String {
        guard let id = try await order("/teams", team)["team"]?["id"]?.string else {
            throw KitFailure("POST /teams answered without an id")
        }
        return id
    }

    fileprivate func teamSpent(_ team: String) async throws -> Int? {
        try await admin("/teams/usage?teamId=\(team)").json["totalSpent"]?.int
    }
}

extension GateCluster {
    fileprivate func keys(_ count: Int, in team: String, credits: Int) async throws -> [String] {
        try await concurrently(count) { index in
            let key = try await self[index].createKey(credits: credits)
            try await self[index + 1].order("/teams/assign", ["teamId": .string(team), "apiKey": .string(key)])
            return key
        }
    }

    /// The team has spent what its keys have, on every node.
    fileprivate func expectAgreement(_ team: String, _ keys: [String], spent: Int, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        for client in clients {
            let sum = try await concurrently(keys.count) { try await client.balance(keys[$0]).spent }.reduce(0, +)
            let usage = try await client.admin("/teams/usage?teamId=\(team)").json
            #expect(sum == spent && usage["totalSpent"] == .int(spent), "keys \(sum), \(usage.text)", sourceLocation: sourceLocation)
            #expect(usage["memberCount"] == .int(keys.count), sourceLocation: sourceLocation)
        }
    }
}
