// `gate-node store move` by the real binary: a store of one Redis is moved into a Redis Cluster under load, and back.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Store move")
    struct StoreMoveTests {
        private static let granted = 1_000_000
        private static let shards = 16

        /// What makes the copying last: names with an end, in all shards.
        private static func fill(_ redis: RedisServer, _ count: Int) async throws {
            let script = """
                for i = 1, \(count) do
                  redis.call('SET', 'pg:{' .. i % \(shards) .. '}:op:fill:' .. i, string.rep('x', 200), 'PX', 3600000)
                end
                """
            try await redis.command("EVAL", script, "0")
        }

        private static func names(_ group: ClusterGroup) async throws -> Int {
            var count = 0
            for server in group.servers { count += Int(try await server.command("DBSIZE")) ?? 0 }
            return count
        }

        @Test(
            "M1: a store is moved into a Redis Cluster while two nodes charge and top up, by a mover that is killed and run again: no call is lost, none is charged twice, the nodes go over without a restart, every account is the same, and the way back is as good"
        )
        func live() async throws {
            let group = try await ClusterGroup(replicas: 0)
            let flags = ["--price", "3", "--redis-shards", "\(Self.shards)", "--redis-to", group.url]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let keys = try await concurrently(4) { try await cluster[$0].createKey(credits: Self.granted) }
                let team = try #require(try await cluster[0].order("/teams", ["name": "a", "budget": 1_000_000])["team"]?["id"]?.string)
                try await cluster[0].order("/teams/assign", ["teamId": .string(team), "apiKey": .string(keys[0])])
                try await cluster[1].order("/keys/reserve", ["key": .string(keys[1]), "credits": 11, "ttlSeconds": 3600])
                try await Self.fill(cluster.redis, 12_000)
                var toppedUp = 0
                let outcomes = try await underLoad(
                    workers: 8, pause: .milliseconds(10), { await cluster[$0].echo(key: keys[$0 / 2 % 4]) }
                ) {
                    try await eventually("calls are charged") { try await cluster[0].balance(keys[0]).calls > 5 }
                    let first = try Program.storeMove(cluster.redis.url, group.url)
                    try await eventually("a part has been copied", within: .seconds(30), every: .milliseconds(20)) {
                        try await Self.names(group) > 1000
                    }
                    try await first.kill9()
                    for node in 0...1 { #expect(await cluster[node].echo(key: keys[2]).isServed, "the old store is the one") }
                    let second = try Program.storeMove(cluster.redis.url, group.url)
                    for _ in 0..<20 where second.isRunning {
                        if (try? await cluster[1].topUp(keys[3], 1)) != nil { toppedUp += 1 }
                        try await Task.sleep(for: .milliseconds(100))
                    }
                    let status = try await second.waitForExit(within: .seconds(120))
                    #expect(status == 0 && second.log.contains("Moved: "), "\(second.log)")
                    print(second.log)
                    for node in 0...1 {
                        try await eventually("node \(node) has gone over", within: .seconds(10)) {
                            try await cluster[node].get("/health").json["redis"]?["primaries"] == 3
                        }
                    }
                    let before = try await cluster[0].balance(keys[0]).calls
                    try await eventually("calls are charged there") { try await cluster[1].balance(keys[0]).calls > before + 10 }
                }
                let tally = Tally(outcomes)
                #expect(tally.count("lost") == 0 && tally.served > 40, "\(tally)")
                #expect(tally.unknown <= 16, "calls wait while the store is closed: \(tally)")
                let spent = try await eventuallySpent(3 * (tally.served + 2), by: keys, on: cluster)
                #expect(spent == 3 * (tally.served + 2), "each call that was served is charged once: \(tally)")
                #expect(
                    try await cluster.redis.command("SET", "pg:{0}:probe", "?").contains("NOREPLICAS"), "the old store takes no write")
                let life = try #require(Int(try await group.owner(of: ClusterSlot.of("{1}")).command("PTTL", "pg:{1}:op:fill:1")))
                #expect((1...3_600_000).contains(life))
                for node in 0...1 {
                    var sum = 0
                    for key in keys {
                        let balance = try await cluster[node].balance(key)
                        sum += balance.credits + balance.spent
                    }
                    #expect(sum == 4 * Self.granted - 11 + toppedUp, "nothing is lost or made")
                }
                let (status, text) = try await Program.storeCheck(group.url)
                #expect(status == 0 && text.contains("in \(Self.shards) shards: keys 4, teams 1"), "\(text)")

                try await cluster.nodes[0].kill9()
                try await cluster.nodes[0].restart()
                #expect(await cluster[0].echo(key: keys[0]).isServed, "a node that starts with both URLs begins where the store is")
                let again = try Program.storeMove(cluster.redis.url, group.url)
                #expect(try await again.waitForExit(within: .seconds(30)) == 0 && again.log.contains("moved before"), "\(again.log)")
                let used = try Program.storeMove(group.url, cluster.redis.url)
                #expect(
                    try await used.waitForExit(within: .seconds(30)) == 69 && used.log.contains("has been used by gates"), "\(used.log)")

                // Somebody else's store is not closed by a move to where this one is, nor is this one by a move to itself.
                let other = try await RedisServer()
                try await other.command("HSET", "pg:{0}:secrets", "shards", "\(Self.shards)", "session", "another")
                for source in [other.url, group.url] {
                    let wrong = try Program.storeMove(source, group.url)
                    #expect(try await wrong.waitForExit(within: .seconds(30)) == 69, "\(wrong.log)")
                    #expect(wrong.log.contains("the target holds another store, or is the same one"), "\(wrong.log)")
                }
                for server in [other] + group.servers {
                    #expect(try await server.command("CONFIG", "GET", "min-replicas-to-write").hasSuffix("\n0"))
                }
                let astray = try Program(
                    "node",
                    [
                        Repository.binary, "wrap", "--port", "0", "--server", "\(Repository.binary) demo-server", "--redis-url", other.url,
                        "--redis-to", group.url,
                    ])
                #expect(try await astray.waitForExit(within: .seconds(30)) == 1 && astray.log.contains("another store"), "\(astray.log)")
                try await other.kill9()

                let balances = try await concurrently(4) { try await cluster[1].balance(keys[$0]) }
                for node in cluster.nodes { _ = try await node.terminate() }
                let last = try await RedisServer()
                // As a mover leaves them that dies when it has closed, or opened again, some of them.
                for server in group.servers.dropFirst() { try await server.command("CONFIG", "SET", "min-replicas-to-write", "1000000") }
                try await last.command("SET", "pg:{0}:move:under-way", "0")
                try await last.command("HSET", "pg:{0}:account:key_0000000000000000", "version", "1", "granted", "5")
                let back = try Program.storeMove(group.url, last.url)
                #expect(try await back.waitForExit(within: .seconds(120)) == 0, "\(back.log)")
                let node = try await ClusterNode(
                    "node of the last store",
                    flags: [
                        "--host", "127.0.0.1", "--server", "\(Repository.binary) demo-server", "--admin-key", GateClient.adminKey,
                        "--redis-url", last.url,
                    ])
                for (key, balance) in zip(keys, balances) { #expect(try await node.client.balance(key) == balance) }
                #expect(await node.client.echo(key: keys[3]).isServed)
                let whole = try await Program.storeCheck(last.url)
                #expect(whole.status == 0, "\(whole)")
                try await node.kill9()
                try await last.kill9()
            }
            try await group.end()
        }

        /// What keys have spent in all, once that is what it should be or has had ten seconds.
        private func eventuallySpent(_ wanted: Int, by keys: [String], on cluster: GateCluster) async throws -> Int {
            var spent = 0
            for _ in 0..<100 {
                spent = 0
                for key in keys { spent += try await cluster[1].balance(key).spent }
                if spent == wanted { break }
                try await Task.sleep(for: .milliseconds(100))
            }
            return spent
        }

        /// Where a store may come from besides one Redis.
        enum Source: String, Sendable, CaseIterable {
            case cluster, sentinel
        }

        @Test(
            "M1: a store is moved from a Redis Cluster, or from behind Sentinels, to one Redis with a replica while two nodes charge: every call is served, and charged once",
            arguments: Source.allCases)
        func fromAnyKind(_ source: Source) async throws {
            let group = source == .cluster ? try await ClusterGroup(replicas: 0) : nil
            let watched = source == .sentinel ? try await SentinelGroup(replicas: 0) : nil
            let (target, replica) = (try await RedisServer(), try await RedisServer())
            try await replica.follow(target)
            let url = try #require(group?.url ?? watched?.url)
            let flags = ["--price", "3", "--redis-shards", "8", "--redis-url", url, "--redis-to", target.url]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let keys = try await concurrently(4) { try await cluster[$0].createKey(credits: Self.granted) }
                let outcomes = try await underLoad(
                    workers: 12, pause: .milliseconds(2), { await cluster[$0].echo(key: keys[$0 / 2 % 4]) }
                ) {
                    try await eventually("calls are charged") { try await cluster[0].balance(keys[0]).calls > 5 }
                    let mover = try Program.storeMove(url, target.url)
                    #expect(try await mover.waitForExit(within: .seconds(120)) == 0, "\(mover.log)")
                    for node in 0...1 {
                        try await eventually("node \(node) has gone over", within: .seconds(10)) {
                            let metrics = try await cluster[node].metrics()
                            return metrics.sum("paygate_redis_server_up", "role=\"primary\"") == 1
                                && metrics.sum("paygate_redis_server_up", "role=\"sentinel\"") == 0
                        }
                    }
                    let before = try await cluster[0].balance(keys[0]).calls
                    try await eventually("calls are charged there") { try await cluster[1].balance(keys[0]).calls > before + 10 }
                }
                let tally = Tally(outcomes)
                #expect(tally.count("lost") == 0 && tally.unknown <= 24, "calls wait while the store is closed: \(tally)")
                let spent = try await eventuallySpent(3 * tally.served, by: keys, on: cluster)
                #expect(spent == 3 * tally.served, "each call that was served is charged once: \(tally)")
                let (status, text) = try await Program.storeCheck(target.url)
                #expect(status == 0 && text.contains("in 8 shards: keys 4,"), "\(text)")
            }
            try await group?.end()
            try await watched?.end()
            for server in [target, replica] { try await server.kill9() }
        }

        @Test("A call that is repeated while the store is closed waits for its answer, as others do")
        func replayed() async throws {
            let target = try await RedisServer()
            try await GateCluster.run(nodes: 1, ["--redis-to", target.url]) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                func call() async -> CallOutcome {
                    await cluster[0].attempt("echo", ["text": "once"], key: key, headers: [("X-Idempotency-Key", "k")])
                }
                #expect(await call().isServed)
                var outcome = CallOutcome.refused(status: 0)
                // It waits for 1.2 s, in which a slow machine may not have opened it.
                for _ in 0..<5 where !outcome.isServed {
                    try await cluster.redis.command("CONFIG", "SET", "min-replicas-to-write", "1000000")
                    async let replay = call()
                    try await cluster.redis.command("SET", "pg:{0}:probe", "?")
                    try await cluster.redis.command("CONFIG", "SET", "min-replicas-to-write", "0")
                    outcome = await replay
                }
                #expect(outcome.isServed)
                #expect(try await cluster[0].balance(key).calls == 1)
            }
            try await target.kill9()
        }

        @Test("A store is open a moment later when the target stands still while it is closed, and the move goes on when the target does")
        func stalled() async throws {
            let target = try await RedisServer()
            try await GateCluster.run(nodes: 1, ["--redis-to", target.url]) { cluster in
                let key = try await cluster[0].createKey(credits: 1000)
                let source = cluster.redis
                func isClosed() async throws -> Bool {
                    try await source.command("CONFIG", "GET", "min-replicas-to-write").hasSuffix("1000000")
                }
                // A replica that never has everything is waited for while the source is closed, which is seen then.
                let replica = try await RedisServer()
                try await replica.follow(target)
                replica.pause()
                let mover = try Program.storeMove(source.url, target.url)
                try await eventually("the store is closed", within: .seconds(20), every: .milliseconds(1)) { try await isClosed() }
                target.pause()
                try await eventually("the store is open", within: .seconds(3), every: .milliseconds(10)) { try await !isClosed() }
                try await eventually("a call is served") { await cluster[0].echo(key: key).isServed }
                // For longer than the lease.
                try await Task.sleep(for: .milliseconds(4500))
                #expect(try await !isClosed(), "it stays open")
                replica.resume()
                target.resume()
                let status = try await mover.waitForExit(within: .seconds(60))
                let (text, closed) = (mover.log, try await isClosed())
                #expect(status == 0 ? text.contains("Moved: ") && closed : status == 69 && !closed, "\(text)")
                try await replica.kill9()
            }
            try await target.kill9()
        }

        @Test("A move that cannot be is refused in one sentence and changes nothing; a node does not start on a store that is none yet")
        func refused() async throws {
            let target = try await RedisServer()
            try await GateCluster.run(nodes: 1) { cluster in
                let rows: [(arguments: [String], status: Int32, says: String)] = [
                    ([cluster.redis.url], 64, "second URL"), ([], 1, "No store is named"),
                    ([cluster.redis.url, cluster.redis.url], 69, "has been used by gates"),
                    ([target.url, cluster.redis.url], 69, "No gate has used"),
                    ([cluster.redis.url, target.url], 69, "1 of 1 nodes do not know of the target"),
                    ([cluster.redis.url, target.url + "/1"], 69, "different databases"),
                ]
                for row in rows {
                    let program = try Program("store move", [Repository.binary, "store", "move"] + row.arguments)
                    #expect(try await program.waitForExit(within: .seconds(30)) == row.status, "\(row.arguments): \(program.log)")
                    #expect(program.log.contains(row.says), "\(row.arguments): \(program.log)")
                }
                #expect(try await target.command("EXISTS", "pg:{0}:secrets", "pg:{0}:move:under-way", "pg:{0}:move:arrived") == "0")
                #expect(try await cluster.redis.command("CONFIG", "GET", "min-replicas-to-write").hasSuffix("0"))
                // Somebody's names are not taken away, nor what another store's move or a living node has made of the target.
                let flags = [cluster.redis.url, target.url]
                func isRefused(_ words: String) async throws {
                    let program = try Program.storeMove(flags[0], flags[1])
                    #expect(try await program.waitForExit(within: .seconds(30)) == 69 && program.log.contains(words), "\(program.log)")
                }
                try await target.command("SET", "pg:{0}:own", "kept")
                try await isRefused("the target has names that begin with 'pg:'")
                try await target.command("MSET", "pg:{0}:move:under-way", "0", "pg:{0}:move:source", "another")
                try await isRefused("a move of another store into the target has not ended")
                try await target.command("DEL", "pg:{0}:move:source")
                try await target.command("HSET", "pg:{0}:nodes", "stranger", "9000000000000000")
                try await isRefused("the target is used by gates")
                #expect(try await target.command("GET", "pg:{0}:own") == "kept")
                try await target.command("DEL", "pg:{0}:own", "pg:{0}:nodes")
                // A closed store that nobody moves has been moved elsewhere.
                try await target.command("DEL", "pg:{0}:move:under-way")
                try await cluster.redis.command("CONFIG", "SET", "min-replicas-to-write", "1000000")
                try await isRefused("the source is closed")
                try await cluster.redis.command("CONFIG", "SET", "min-replicas-to-write", "0")
                try await target.command("SET", "pg:{0}:move:under-way", "0")
                let node = try Program(
                    "node",
                    [Repository.binary, "wrap", "--port", "0", "--server", "\(Repository.binary) demo-server", "--redis-url", target.url])
                #expect(try await node.waitForExit(within: .seconds(20)) == 69 && node.log.contains("is under way"), "\(node.log)")
                try await target.command("DEL", "pg:{0}:move:under-way")
            }
            try await target.kill9()
        }
    }
}
