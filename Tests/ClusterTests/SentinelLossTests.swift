// What a primary takes along that its replica never had, and a replica that hangs.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Sentinel, what is lost with a primary")
    struct SentinelLossTests {
        private static let granted = 100
        private static let price = 3

        /// Waits until the replica has all that the primary has by now.
        private static func copyAll(_ primary: RedisServer, _ replica: RedisServer) async throws {
            let offset = try #require(Int(try await primary.facts("replication")["master_repl_offset"] ?? ""))
            try await eventually("the replica is so far") {
                try await (Int(replica.facts("replication")["slave_repl_offset"] ?? "") ?? 0) >= offset
            }
        }

        @Test(
            "F29, M1, F-CONC-01: a settlement that was lost with its primary leaves no call open for ever, and an admission that was lost charges nothing: both nodes go on under new names, what is left is resolved as unknown, calls under way end under the old ones, and the store adds up"
        )
        func lost() async throws {
            let group = try await SentinelGroup()
            let (primary, replica) = (group.servers[0], group.servers[1])
            let flags = ["--redis-url", group.url, "--price", "\(Self.price)", "--max-concurrent-per-key", "1"]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let (settled, held, kept) = (
                    try await cluster[0].createKey(credits: Self.granted), try await cluster[0].createKey(credits: Self.granted),
                    try await cluster[0].createKey(credits: Self.granted)
                )
                let start = ContinuousClock.now
                async let long = cluster[1].attempt("slow", ["seconds": 18], key: kept)
                async let first = cluster[0].attempt("slow", ["seconds": 3], key: settled)
                for key in [kept, settled] {
                    try await eventually("the call is admitted") { try await cluster[0].balance(key).credits == Self.granted - Self.price }
                }
                try await Self.copyAll(primary, replica)
                // From here on the replica hears nothing, as behind a cut; what it has taken its primary's place with is what it has now.
                try await replica.command("REPLICAOF", "NO", "ONE")
                async let second = cluster[1].attempt("slow", ["seconds": 12], key: held)
                try await eventually("the second call is admitted") {
                    try await cluster[0].balance(held).credits == Self.granted - Self.price
                }
                #expect(await first.isServed, "it was settled, and its client has been told")
                try await group.failOver(.kill)
                for node in 0...1 {
                    try await eventually("node \(node) serves from the replica", within: .seconds(20)) {
                        try await cluster[node].balance(held).credits == Self.granted
                    }
                }
                // An election may fail, and is then held again 20 s later: by that time the call has ended, and nobody could take note of it.
                let isInTime = ContinuousClock.now - start < .seconds(15)
                try await eventually("the lost settlement's call counts as open", within: .seconds(5), every: .milliseconds(50)) {
                    let answer = try await cluster[0].call("echo", ["text": "x"], key: settled)
                    return answer.json["error"]?["data"]?["reason"] == "concurrency_limit"
                }
                var spent = 0
                try await eventually("what the settlement has left is resolved", within: .seconds(30), every: .milliseconds(200)) {
                    if await cluster[0].echo(key: settled).isServed { spent += Self.price }
                    return spent > 0
                }
                let balance = try await cluster[1].balance(settled)
                #expect(balance.spent == spent && balance.credits == Self.granted - spent, "it was given back: \(balance)")
                #expect(try await cluster[1].usage().contains { $0.isUnknown && $0.credits == 0 && $0.tool == "slow" })
                var resolved = 0
                for node in 0...1 { resolved += try await cluster[node].metrics().sum("paygate_reaped_calls_total") }
                #expect(resolved == 1, "calls that are under way are left alone")
                #expect(await second.word == "HTTP 503", "nobody can say of a lost admission what became of it")
                let other = try await cluster[0].balance(held)
                #expect(other.credits == Self.granted && other.spent == 0, "and nothing was charged: \(other)")
                #expect(await cluster[1].echo(key: held).isServed)
                let outcome = await long
                #expect(outcome.isServed || !isInTime, "a call whose hold was there ends as ever, under the old name: \(outcome.word)")
                try await eventually("it is charged if it was served", within: .seconds(20), every: .milliseconds(100)) {
                    try await cluster[0].balance(kept).spent == (outcome.isServed ? Self.price : 0)
                }
                try await eventually("the old names are left", within: .seconds(20), every: .milliseconds(200)) {
                    try await cluster[0].metrics().sum("paygate_nodes") == 2
                }
                let (status, text) = try await Program.storeCheck(group.url)
                #expect(status == 0 && text.contains("open calls 0"), "\(text)")
            }
            try await group.end()
        }

        @Test(
            "With --min-replicas-ack, while the replica hangs, only what has to be acknowledged is refused: readings go on, /health says who does not follow, and calls are served again when it does"
        )
        func hangingReplica() async throws {
            let group = try await SentinelGroup()
            let replica = group.servers[1]
            try await GateCluster.run(
                nodes: 2, ["--redis-url", group.url, "--price", "\(Self.price)", "--min-replicas-ack", "1"]
            ) { cluster in
                let key = try await cluster[0].createKey(credits: Self.granted)
                #expect(await cluster[0].echo(key: key).isServed)
                func entry(_ node: Int) async throws -> JSON? {
                    let servers = try await cluster[node].get("/health").json["redis"]?["servers"]?.array ?? []
                    return servers.first { $0["role"] == "replica" }
                }
                try await eventually("the replica is known, and in step", within: .seconds(20), every: .milliseconds(100)) {
                    let entry = try await entry(0)
                    return entry?["server"] == .string("127.0.0.1:\(replica.port)") && entry?["reachable"] == true
                        && entry?["linked"] == true
                }
                #expect(try await cluster[0].metrics().sum("paygate_redis_replica_linked") == 1)
                replica.pause()
                try await eventually("calls are refused") { await cluster[0].echo(key: key) == .refused(status: 503) }
                for turn in 0..<20 {
                    let balance = try await cluster[turn].balance(key)
                    #expect(balance.credits + balance.spent == Self.granted)
                }
                #expect(await cluster[1].echo(key: key) == .refused(status: 503))
                try await eventually("it is told that the replica is away", within: .seconds(20), every: .milliseconds(100)) {
                    try await entry(1)?["reachable"] == false
                }
                replica.resume()
                for node in 0...1 {
                    try await eventually("node \(node) serves again", within: .seconds(20)) { await cluster[node].echo(key: key).isServed }
                }
                try await eventually("what was served is charged, once") {
                    let balance = try await cluster[0].balance(key)
                    return balance.spent == Self.price * 3 && balance.credits == Self.granted - Self.price * 3
                }
            }
            try await group.end()
        }
    }
}
