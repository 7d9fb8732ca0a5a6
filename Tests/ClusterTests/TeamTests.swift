// Teams: a second account that the calls of many keys must pass, in one shard and in several.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Teams")
    struct TeamTests {
        @Test(
            "F-TEAM-01, F-TEAM-02, F-TEAM-04, M2: three keys of a team spend its budget over two nodes exactly, whatever they have themselves, also after a restart",
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

        @Test(
            "F-TEAM-01, M13: a key that joins and leaves under load is charged to the team that it is in, call by call; each member's share is exact",
            arguments: [1, 16])
        func shares(_ shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--price", "2", "--redis-shards", "\(shards)"]) { cluster in
                let teams = try await concurrently(2) {
                    try await cluster[$0].createTeam(["name": "t", "quota": ["dailyCalls": 1_000_000]])
                }
                let key = try await cluster[0].createKey(credits: 1_000_000)
                let resident = try await cluster.keys(2, in: teams[0], credits: 10_000)
                for _ in 0..<3 { #expect(await cluster[1].echo(key: key).isServed) }
                let calls = Mutex<[Span]>([])
                // Where the key certainly is: nil for nowhere.
                var stays: [(team: Int?, span: Span)] = []
                let load = try await underLoad(
                    workers: 6,
                    { turn in
                        let begin = ContinuousClock.now
                        let outcome = await cluster[turn].echo(key: turn % 6 == 5 ? resident[turn % 2] : key)
                        if outcome.isServed, turn % 6 != 5 { calls.withLock { $0.append(Span(begin: begin, end: .now)) } }
                        return outcome
                    }
                ) {
                    for turn in 0..<6 {
                        let order: JSON = ["teamId": .string(teams[turn % 2]), "apiKey": .string(key)]
                        for (path, team) in [("/teams/assign", turn % 2), ("/teams/remove", Int?.none)] {
                            try await cluster[turn + (team == nil ? 1 : 0)].order(path, order)
                            let begin = ContinuousClock.now
                            let before = calls.withLock { $0.count }
                            try await eventually("some calls are made") { calls.withLock { $0.count } >= before + 10 }
                            stays.append((team, Span(begin: begin, end: .now)))
                        }
                    }
                    try await cluster[0].order("/teams/assign", ["teamId": .string(teams[0]), "apiKey": .string(key)])
                    try await cluster[1].order("/teams/remove", ["teamId": .string(teams[0]), "apiKey": .string(key)])
                    try await cluster[0].order("/teams/assign", ["teamId": .string(teams[1]), "apiKey": .string(key)])
                }
                #expect(Tally(load).served == load.count, "\(Tally(load))")
                let all = calls.withLock { $0 }
                func certain(_ team: Int?) -> Int {
                    let spans = stays.filter { $0.team == team }.map(\.span)
                    return all.count { call in spans.contains { $0.begin < call.begin && call.end < $0.end } }
                }
                for node in cluster.nodes { try await node.kill9() }
                for node in cluster.nodes { try await node.restart() }
                let balance = try await cluster[0].balance(key)
                #expect(balance.calls == all.count + 3 && balance.spent == balance.calls * 2)
                // It is a member of the second; of the first it is a former one.
                let usage = try await concurrently(2) { try await cluster[$0].admin("/teams/usage?teamId=\(teams[$0])").json }
                let share = usage[1]["members"]?.array?.first
                let inSecond = share?["totalCalls"]?.int ?? -1
                #expect(usage[1]["members"]?.array?.count == 1 && share?["totalSpent"] == .int(inSecond * 2), "\(usage[1].text)")
                #expect(usage[1]["totalSpent"] == share?["totalSpent"] && usage[1]["formerMembersSpent"] == 0)
                let inFirst = (usage[0]["formerMembersSpent"]?.int ?? -1) / 2
                let residents = try await concurrently(2) { try await cluster[$0].balance(resident[$0]) }
                #expect(usage[0]["members"]?.array?.compactMap { $0["totalSpent"]?.int }.sorted() == residents.map(\.spent).sorted())
                #expect(usage[0]["totalSpent"] == .int(inFirst * 2 + residents.reduce(0) { $0 + $1.spent }), "\(usage[0].text)")
                let outside = balance.calls - inFirst - inSecond
                for (count, team) in [(inFirst, 0), (inSecond, 1), (outside - 3, Int?.none)] {
                    #expect(
                        count >= certain(team) && certain(team) > 0, "\(count) in \(String(describing: team)), certainly \(certain(team))")
                    let others = [Int?.some(0), 1, nil].filter { $0 != team }.reduce(0) { $0 + certain($1) }
                    #expect(count <= all.count - others)
                }
                // The team's quota counts as its account does.
                let list = try await cluster[1].admin("/teams").json["teams"]?.array ?? []
                for team in list where team["id"] == .string(teams[1]) { #expect(team["quotaDailyCalls"] == .int(inSecond)) }
                // Back in the first it goes on where it was.
                try await cluster[0].order("/teams/remove", ["teamId": .string(teams[1]), "apiKey": .string(key)])
                try await cluster[1].order("/teams/assign", ["teamId": .string(teams[0]), "apiKey": .string(key)])
                #expect(await cluster[0].echo(key: key).isServed)
                let again = try await cluster[1].admin("/teams/usage?teamId=\(teams[0])").json
                #expect(
                    again["formerMembersSpent"] == 0 && again["members"]?.array?.contains { $0["totalCalls"] == .int(inFirst + 1) } == true)
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

/// From one moment to another.
private struct Span {
    let begin: ContinuousClock.Instant
    let end: ContinuousClock.Instant
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
