// A primary that the network takes away from its Sentinels and its replica, and not from the nodes, or not from all of them.

import GateTesting
import Synchronization
import Testing

extension ClusterTests {
    @Suite("Sentinel, network cuts")
    struct SentinelCutTests {
        private static let granted = 1_000_000
        private static let price = 3

        /// Neither a Sentinel nor the replica reaches the primary from here on.
        private static func cutOff(_ group: SentinelGroup) async throws {
            let door = try group.doorOfPrimary()
            for user in [SentinelGroup.sentinelUser, SentinelGroup.replicaUser] {
                for direction in [RedisProxy.Direction.requests, .replies] { try await door.set(direction, .severed, on: .user(user)) }
            }
        }

        /// Scripts that nodes have asked of a server.
        private static func scripts(_ server: RedisServer) async throws -> Substring {
            try await server.facts("commandstats")["cmdstat_evalsha"]?.split(separator: ",").first ?? ""
        }

        @Test(
            "F29, M1: a primary that is cut off from its Sentinels and its replica, and from no node, is left for the promoted one and never written to again; with --min-replicas-ack no acknowledged charge is lost, without it those since the cut are, and each account adds up",
            arguments: [0, 1])
        func cutOffPrimary(_ replicas: Int) async throws {
            let group = try await SentinelGroup(isProxied: true)
            let flags = ["--redis-url", group.url, "--price", "\(Self.price)", "--min-replicas-ack", "\(replicas)"]
            try await GateCluster.run(nodes: 2, flags) { cluster in
                let key = try await cluster[0].createKey(credits: Self.granted)
                let old = group.servers[0]
                var own = 0
                func serve(_ node: Int, within limit: Duration) async throws {
                    try await eventually("node \(node) serves", within: limit) {
                        let isServed = await cluster[node].echo(key: key).isServed
                        if isServed { own += 1 }
                        return isServed
                    }
                }
                let outcomes = try await underLoad(workers: 6, pause: .milliseconds(10), { await cluster[$0].echo(key: key) }) {
                    try await eventually("calls are charged") { try await cluster[0].balance(key).calls > 20 }
                    try await Self.cutOff(group)
                    let new = try await group.successor(of: old)
                    if replicas == 0 { for node in 0...1 { try await serve(node, within: .seconds(3)) } }
                    for node in 0...1 {
                        try await eventually("node \(node) has followed", within: .seconds(3)) {
                            try await cluster[node].metrics().sum("paygate_redis_failovers_total") == 1
                        }
                    }
                    let before = try await Self.scripts(old)
                    try await group.doorOfPrimary().heal()
                    try await eventually("the old primary follows the new one", within: .seconds(60), every: .milliseconds(100)) {
                        let facts = try await old.facts("replication")
                        return facts["role"] == "slave" && facts["master_port"] == "\(new.port)" && facts["master_link_status"] == "up"
                    }
                    for node in 0...1 { try await serve(node, within: .seconds(20)) }
                    #expect(try await Self.scripts(old) == before, "nobody has written there")
                }
                let tally = Tally(outcomes)
                let served = tally.served + own
                #expect(tally.count("lost") == 0, "each call gets a definite answer: \(tally)")
                var balance = try await cluster[0].balance(key)
                try await eventually("what is unknown is resolved: \(tally)", within: .seconds(30), every: .milliseconds(100)) {
                    balance = try await cluster[0].balance(key)
                    return balance.credits + balance.spent == Self.granted && balance.spent % Self.price == 0
                        && balance.spent / Self.price <= served + tally.unknown
                }
                let lost = max(0, served - balance.spent / Self.price)
                print("cut off, with \(replicas) replicas to acknowledge: \(lost) acknowledged charges of \(served) were lost, \(tally)")
                #expect(replicas == 0 || lost == 0, "no acknowledged charge is lost: \(balance) for \(tally)")
                let (status, text) = try await Program.storeCheck(group.url)
                #expect(status == 0, "\(text)")
            }
            try await group.end()
        }

        @Test(
            "F29, M2: a node that is cut off together with the old primary stops charging there before another one is promoted, is not ready, and serves from the new one when it hears of it"
        )
        func cutOffNode() async throws {
            let group = try await SentinelGroup(isProxied: true)
            var doors: [RedisProxy] = []
            for port in group.ports { doors.append(try await RedisProxy(to: port)) }
            let url = "redis+sentinel://" + doors.map { "127.0.0.1:\($0.port)" }.joined(separator: ",") + "/" + SentinelGroup.name
            func node(_ name: String, _ url: String) async throws -> ClusterNode {
                let flags = [
                    "--host", "127.0.0.1", "--admin-key", GateClient.adminKey, "--server", "\(Repository.binary) demo-server", "--price",
                    "\(Self.price)", "--rate-limit", "0", "--session-rate-limit", "0", "--public-rate-limit", "0", "--redis-url", url,
                ]
                return try await ClusterNode(name, flags: flags, environment: DocumentedRights.nodes.environment(with: flags))
            }
            let (near, far) = (try await node("near", group.url), try await node("far", url))
            let keys = [try await near.client.createKey(credits: Self.granted), try await near.client.createKey(credits: Self.granted)]
            let last = Mutex(ContinuousClock.now)
            let load: @Sendable (Int) async -> CallOutcome = { turn in
                let outcome = await (turn % 2 == 0 ? near : far).client.echo(key: keys[turn % 2])
                if turn % 2 == 1, outcome.isServed { last.withLock { $0 = .now } }
                return outcome
            }
            let outcomes = try await underLoad(workers: 6, pause: .milliseconds(10), load) {
                try await eventually("calls are charged") { try await far.client.balance(keys[1]).calls > 20 }
                for door in doors {
                    for direction in [RedisProxy.Direction.requests, .replies] { try await door.set(direction, .severed) }
                }
                let cut = ContinuousClock.now
                try await Self.cutOff(group)
                let new = try await group.successor(of: group.servers[0])
                let promotion = ContinuousClock.now
                try await eventually("the near node serves", within: .seconds(3)) { await near.client.echo(key: keys[0]).isServed }
                let (stopped, isStopped) = last.withLock { ($0 - cut, $0 < promotion) }
                print("cut off with the old primary: the last charge \(stopped) after the cut, a promotion after \(promotion - cut)")
                #expect(isStopped, "the last charge of the far node came \(stopped) after the cut, the promotion after \(promotion - cut)")
                #expect(await !far.client.isReady())
                #expect(await far.client.echo(key: keys[1]) == .refused(status: 503))
                for door in doors { try await door.heal() }
                try await eventually("the far node serves", within: .seconds(3)) { await far.client.echo(key: keys[1]).isServed }
                #expect(try await new.facts("replication")["role"] == "master")
            }
            #expect(Tally(outcomes).count("lost") == 0, "\(Tally(outcomes))")
            for key in keys {
                let balance = try await far.client.balance(key)
                #expect(try await near.client.balance(key) == balance, "both ask the same primary")
                #expect(balance.credits + balance.spent == Self.granted && balance.spent % Self.price == 0, "\(balance)")
            }
            for node in [near, far] { try await node.kill9() }
            try await group.end()
        }
    }
}
