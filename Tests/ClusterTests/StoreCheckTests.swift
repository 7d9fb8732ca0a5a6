// `gate-node store check` by the real binary: what two nodes have made under load is clean, and each kind of damage is told in one sentence.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Store check")
    struct StoreCheckTests {
        @Test(
            "M1: while two nodes charge, reserve, transfer, rotate and rename, when one of them is killed, and after it, a store adds up; a right to read is enough for the check",
            arguments: [1, 16])
        func clean(_ shards: Int) async throws {
            try await GateCluster.run(nodes: 2, ["--price", "3", "--redis-shards", "\(shards)"]) { cluster in
                let team = try #require(
                    try await cluster[0].order("/teams", ["name": "research", "budget": 100_000])["team"]?["id"]?.string)
                let keys = try await concurrently(6) { try await cluster[$0].createKey(credits: 100_000) }
                for key in keys.prefix(3) {
                    try await cluster[0].order("/teams/assign", ["teamId": .string(team), "apiKey": .string(key)])
                }
                try await cluster.redis.command(
                    "ACL", "SETUSER", "reader", "on", ">look", "resetchannels", "resetkeys", "%R~pg:*", "-@all", "+@read", "+@connection")
                let address = "127.0.0.1:\(cluster.redis.port)"
                let outcomes = try await underLoad(
                    workers: 12, pause: .milliseconds(5),
                    { turn in
                        let key = keys[turn % 6]
                        switch turn % 16 {
                        case 13:
                            _ = try? await cluster[turn].admin("/keys/reserve", ["key": .string(key), "credits": 5, "ttlSeconds": 2])
                        case 14:
                            let pair: JSON = ["from": .string(key), "to": .string(keys[(turn + 1) % 6]), "credits": 7]
                            _ = try? await cluster[turn].admin("/keys/transfer", pair)
                        case 15:
                            _ = try? await cluster[turn].admin("/keys/alias", ["key": .string(key), "alias": .string("name-\(turn % 5)")])
                        default: return await cluster[turn].echo(key: key)
                        }
                        return .refused(status: 200)
                    }
                ) {
                    let during = try await Program.storeCheck("redis://reader:look@\(address)")
                    #expect(during.status == 0 && during.text.contains("All adds up."), "\(during)")
                    async let slow = cluster[0].attempt("slow", ["seconds": 60], key: keys[0])
                    try await eventually("a call is open") {
                        try await Program.storeCheck(cluster.redis.url, "--json").text.contains("\"openCalls\":0") == false
                    }
                    try await cluster.nodes[0].kill9()
                    _ = await slow
                    let dead = try await Program.storeCheck(cluster.redis.url)
                    #expect(dead.status == 0, "the calls of a node that has just died belong to it: \(dead)")
                    let rotated = try await cluster[1].order("/keys/rotate", ["key": .string(keys[5])])
                    #expect(rotated["newKey"] != nil)
                }
                #expect(Tally(outcomes).served > 20, "\(Tally(outcomes))")
                let after = try await Program.storeCheck("--redis-url", cluster.redis.url, "--json")
                #expect(after.status == 0, "\(after)")
                for part in ["\"clean\":true", "\"findings\":[]", "\"keys\":6", "\"teams\":1", "\"credentials\":7", "\"shards\":\(shards)"]
                {
                    #expect(after.text.contains(part), "\(part): \(after.text)")
                }
            }
        }

        @Test("Each kind of damage is told in one sentence and ends the check with 65; what cannot be read ends it with 69")
        func damaged() async throws {
            try await GateCluster.run(nodes: 1, ["--price", "3"]) { cluster in
                let (redis, gate) = (cluster.redis, cluster[0])
                func ids() async throws -> Set<String> {
                    Set(
                        try await redis.command("ZRANGE", "pg:{0}:index:keys", "0", "-1").split(whereSeparator: \.isNewline).map(
                            String.init))
                }
                var (id, secret): ([String: String], [String: String]) = ([:], [:])
                for name in ["rich", "held", "due", "spent", "gone", "lost", "unlisted", "named", "locked", "left", "member"] {
                    let before = try await ids()
                    secret[name] = try await gate.createKey(credits: 100, ["name": .string(name)])
                    id[name] = try await ids().subtracting(before).first
                }
                func key(_ name: String) throws -> String { try #require(id[name]) }
                func own(_ kind: String, _ name: String) throws -> String { "pg:{0}:\(kind):" + (try key(name)) }
                for name in ["held", "due"] {
                    try await gate.order("/keys/reserve", ["key": .string(secret[name] ?? ""), "credits": 7, "ttlSeconds": 3600])
                }
                for _ in 0..<3 { #expect(await gate.echo(key: secret["spent"] ?? "").isServed) }
                try await gate.order("/keys/alias", ["key": .string(secret["named"] ?? ""), "alias": "bee"])
                let team = try #require(try await gate.order("/teams", ["name": "a"])["team"]?["id"]?.string)
                try await gate.order("/teams/assign", ["teamId": .string(team), "apiKey": .string(secret["member"] ?? "")])
                let clean = try await Program.storeCheck(redis.url)
                #expect(clean.status == 0, "\(clean)")
                try await cluster.nodes[0].kill9()

                let digest = try await redis.command("SMEMBERS", own("credentials", "locked"))
                let lost = try await redis.command("SMEMBERS", own("credentials", "lost"))
                let reservation = try #require(
                    try await redis.command("HKEYS", own("reservations", "held")).split(whereSeparator: \.isNewline).first)
                try await redis.command("HINCRBY", own("account", "rich"), "credits", "5")
                try await redis.command("HDEL", own("reservations", "held"), String(reservation))
                try await redis.command("ZREM", "pg:{0}:reserved", key("due"))
                try await redis.command("HINCRBY", own("account", "spent"), "spent", "-3")
                try await redis.command("HINCRBY", own("account", "spent"), "credits", "3")
                try await redis.command("DEL", own("account", "gone"))
                try await redis.command("DEL", own("record", "lost"))
                try await redis.command("ZREM", "pg:{0}:index:keys", key("unlisted"))
                try await redis.command("HSET", "pg:{0}:alias:bee", "owner", "key_0000000000000000")
                try await redis.command("DEL", "pg:{0}:credential:" + digest)
                try await redis.command("RENAME", own("credentials", "left"), "pg:{3}:credentials:" + (try key("left")))
                try await redis.command("SREM", "pg:{0}:members:" + team, key("member"))
                try await redis.command("HINCRBY", "pg:{0}:account:" + team, "spent", "2")
                try await redis.command("HSET", "pg:{0}:open:ghost", "!", "1", "h1", "o\u{2}rest", "h2", "nonsense")
                try await redis.command("SET", "pg:{0}:alias:broken", "text")
                try await redis.command("XADD", "pg:{0}:usage", "*", "z", "1")
                let expected = [
                    "\(try key("rich")): Funded with 100, but balance 105 + held 0 + spent 0 are 5 too many.",
                    "\(try key("held")): Held are 7 credits, but its open reservations are of 0.",
                    "\(try key("due")): It has credits set aside and stands on no schedule, so nobody gives them back.",
                    "\(try key("spent")): The record of calls has charges of 9 credits, but the account says that it has spent 6.",
                    "\(try key("gone")): It has a record and no account.",
                    "\(try key("lost")): It has an account and no record.",
                    "\(try key("lost")): It has a list of secrets and no record.",
                    "\(lost): The secret with the SHA-256 leads to \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.living: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.namespace:default: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.names: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.by:credits: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.by:spent: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.by:calls: It lists \(try key("lost")), which is not there.",
                    "pg:{0}:index:keys.by:used: It lists \(try key("lost")), which is not there.",
                    "\(try key("unlisted")): It stands in no index, so lists and reports leave it out.",
                    "\(try key("named")): Its alias 'bee' leads to key_0000000000000000.",
                    "bee: The alias leads to key_0000000000000000, which is not there.",
                    "\(try key("locked")): Its secret with the SHA-256 \(digest) leads to nobody.",
                    "\(try key("left")): No secret leads to it, so nobody can use it.",
                    "pg:{3}:credentials:\(try key("left")): It lies in shard 3 of a store that has 1.",
                    "\(try key("member")): It belongs to \(team), whose list of members leaves it out.",
                    "\(team): It has spent 2 credits, but the shares of its keys are 0.",
                    "ghost: A call of this node is open in shard 0, and no node knows it any more, so nobody ends what is open.",
                    "ghost: Its call h2 in shard 0 cannot be read, so nobody can end it.",
                    "pg:{0}:alias:broken: It, or what belongs to it, is of another type than it should be.",
                ]
                let (status, text) = try await Program.storeCheck(redis.url)
                #expect(status == 65, "\(text)")
                let lines = text.split(separator: "\n").map(String.init)
                for sentence in expected { #expect(lines.contains(sentence), "not told: \(sentence)") }
                let others = lines.filter { line in !expected.contains(line) }
                #expect(others.count == 2 && others[0].contains("of the record of calls cannot be read."), "\(others)")
                #expect(others.last?.hasSuffix("\(expected.count + 1) things do not add up.") == true, "\(others)")
                let json = try await Program.storeCheck(redis.url, "--json")
                #expect(json.status == 65 && json.text.contains("\"rule\":\"money\"") && json.text.contains("\"clean\":false"))

                try await redis.command("ACL", "SETUSER", "poor", "on", ">hunter2", "~*", "-@all", "+@connection", "+hmget")
                let refusals: [(arguments: [String], status: Int32, says: String)] = [
                    ([], 1, "No store is named."), (["http://a"], 1, "redisUrl"), (["a", "--redis-url", redis.url], 64, "not both"),
                    ([redis.url, "--redis-key-prefix", "other:"], 69, "No gate has used this store"),
                    (["redis://127.0.0.1:\(redis.port)", "--redis-user", "poor", "--redis-password", "hunter2"], 69, "NOPERM"),
                    (["redis+cluster://127.0.0.1:\(redis.port)"], 69, "is no server of a Redis Cluster"),
                ]
                for row in refusals {
                    let program = try Program("store check", [Repository.binary, "store", "check"] + row.arguments)
                    #expect(try await program.waitForExit(within: .seconds(30)) == row.status, "\(row.arguments): \(program.log)")
                    #expect(program.log.contains(row.says) && !program.log.contains("hunter2"), "\(row.arguments): \(program.log)")
                    try await program.kill9()
                }
            }
        }

        @Test("A store behind Sentinels is read by the primary that they name")
        func sentinel() async throws {
            let group = try await SentinelGroup(replicas: 0)
            try await GateCluster.run(nodes: 1, ["--redis-url", group.url]) { cluster in
                let key = try await cluster[0].createKey(credits: 10)
                #expect(await cluster[0].echo(key: key).isServed)
                let (status, text) = try await Program.storeCheck("--redis-url-file", try cluster.file(group.url))
                #expect(status == 0 && text.contains("keys 1,") && text.contains("calls on record 1."), "\(text)")
            }
            try await group.end()
        }
    }
}

extension GateCluster {
    /// A file that holds a text.
    fileprivate func file(_ text: String) throws -> String { try redis.directory.write(text, to: "url") }
}
