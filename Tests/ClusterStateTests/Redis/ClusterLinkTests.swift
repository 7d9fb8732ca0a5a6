// The way to a Redis Cluster, piece by piece: slots, what servers say of them, redirections, and the look before the start.

@testable import ClusterState
import GateDomain
import GateTesting
import LuaScripts
import NIOCore
import NIOPosix
import Testing

@Suite("Redis Cluster")
struct ClusterLinkTests {
    private static let here = RedisURL.Server.tcp(host: "10.0.0.9", port: 7000)

    private static func place(_ port: Int) -> RedisURL.Server { .tcp(host: "127.0.0.1", port: port) }

    @Test("A command belongs to the slot of its first key, and to none where it has no key")
    func slots() {
        for name in ["123456789", "pg:{7}:account:x", "{}x", "a{}{b}", "{", "", "pg:{63}:"] {
            #expect(RedisCommand("GET", name).slot == ClusterSlot.of(name), "\(name)")
        }
        var script = RedisCommand(script: .topUp, keys: 2)
        script.append("pg:{5}:account:x")
        script.append("pg:{5}:audit")
        #expect(script.slot == ClusterSlot.of("{5}") && script.withScriptText.slot == script.slot && script.guarded.slot == script.slot)
        for command in [RedisCommand("TIME"), RedisCommand("PUBLISH", "pg:{1}", "x"), RedisCommand("EVAL", "return 1", "0")] {
            #expect(command.slot == nil)
        }
    }

    @Test("CLUSTER NODES is read: who is primary, who is dead, slots in ranges and alone, those under way, names and missing addresses")
    func members() throws {
        let text = """
            a1 127.0.0.1:30004@31004,host-4 slave e7 0 1426238317239 4 connected
            b2 127.0.0.1:30002@31002,host-2 master - 0 1426238316232 2 connected 5461-10922 7 [93-<-292f8b]
            c3 :30001@31001 myself,master - 0 0 1 connected 0-6
            d4 ::1:30003@31003,,tls-port=0 master,fail - 0 1426238318243 3 connected 10923-16383
            e5 :0@0 master,noaddr - 1 1 5 disconnected
            garbage
            f6 1.2.3.4:1@2 master - 0 0 9 connected 9-99999999 5-3 x-y
            """
        let members = ClusterMember.all(in: text, asked: Self.here)
        #expect(members.map(\.id) == ["a1", "b2", "c3", "d4", "e5", "f6"])
        #expect(members.map(\.isPrimary) == [false, true, true, true, true, true] && members.map(\.isMissing).count(where: \.self) == 2)
        #expect(members[1].slots == [5461...10_922, 7...7] && members[1].epoch == 2 && members[5].slots == [])
        #expect(members[1].place == Self.place(30_002) && members[2].place == .tcp(host: "10.0.0.9", port: 30_001))
        #expect(members[3].place == .tcp(host: "::1", port: 30_003) && members[4].place == nil)
        #expect(ClusterMember.all(in: text, asked: Self.here, prefersNames: true)[1].place == .tcp(host: "host-2", port: 30_002))
    }

    @Test("A slot goes to the highest epoch that claims it and never back to a lower one; a replica that takes slots is a promotion")
    func election() {
        func line(_ port: Int, _ flags: String, _ epoch: Int, _ slots: String) -> String {
            "id\(port) 127.0.0.1:\(port)@1 \(flags) - 0 0 \(epoch) connected \(slots)"
        }
        func members(_ lines: String...) -> [ClusterMember] { ClusterMember.all(in: lines.joined(separator: "\n"), asked: Self.here) }
        var election = SlotElection()
        let before = members(line(1, "master", 1, "0-8191"), line(2, "master", 2, "8192-16383"), line(3, "slave", 1, ""))
        let isFirst = election.heard(before)
        #expect(isFirst && election.map.missing == 0 && election.map.places == [Self.place(1), Self.place(2)])
        let isAgain = election.heard(before)
        let after = members(line(1, "master,fail", 1, ""), line(2, "master", 2, "8192-16383"), line(3, "master", 3, "0-8191"))
        let isPromotion = election.heard(after)
        #expect(!isAgain && isPromotion && election.promotions == 1 && election.map.places == [Self.place(3), Self.place(2)])
        let isLate = election.heard(before)
        #expect(!isLate && election.map.owner(of: 0) == Self.place(3) && election.promotions == 1, "whoever is late leads nobody back")
        let isMove = election.heard(members(line(2, "master", 4, "0 8192-16383")))
        #expect(isMove && election.map.owner(of: 0) == Self.place(2) && election.promotions == 1, "a slot that moves is no promotion")
    }

    @Test("What servers answer in place of carrying a command out")
    func redirections() {
        func read(_ text: String) -> ClusterRedirection? { ClusterRedirection(text, asked: Self.here) }
        #expect(read("MOVED 3999 127.0.0.1:6381") == .moved(slot: 3999, to: Self.place(6381)))
        #expect(
            read("ASK 1 ::1:6381") == .ask(.tcp(host: "::1", port: 6381))
                && read("MOVED 1 :7") == .moved(slot: 1, to: .tcp(host: "10.0.0.9", port: 7)))
        #expect(
            read("TRYAGAIN Multiple keys request during rehashing of slot") == .later && read("CLUSTERDOWN Hash slot not served") == .later)
        #expect(read("ERR Script attempted to access a non local key in a cluster node script: 1, on @user_script:1.") == .later)
        for text in ["ERR MOVED 1 a:1", "MOVED", "MOVED x a:1", "ASK 1 a:0", "READONLY x", "", "MOVEDX 1 a:1"] {
            #expect(read(text) == nil, "\(text)")
        }
    }

    /// A store on a cluster, and everything ended afterwards.
    private static func run(
        _ group: ClusterGroup, _ body: (RedisStore, RedisConnector) async throws -> Void
    ) async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let target = RedisTarget(address: place(group.servers[0].port))
        // A replica answers as well as a primary.
        let watch = ClusterWatch(seeds: [place(group.servers[4].port)], connector: try RedisConnector(target), on: loop, logger: .silent)
        watch.start()
        let connector = try RedisConnector(target, cluster: watch)
        let store = try await RedisStore(connector: connector, keys: RedisKeys(prefix: "t:", shards: 64), loops: [loop], logger: .silent)
        try await eventually("the slots are known") { await store.isReachable }
        try await body(store, connector)
        await store.stop()
    }

    private static func publish(_ store: RedisStore, _ shard: Int) async throws -> RedisReply {
        var command = RedisCommand(script: .raise, keys: 2)
        command.append(store.keys.versions(shard))
        command.append(store.keys.feed(shard))
        for word in ["rules", "1", store.keys.channel, "rules", "node", "\(shard)"] { command.append(word) }
        return try await store.send(command)
    }

    @Test(
        "Commands and scripts find their server, also one that has forgotten the scripts, or is only just getting the slot; a script that would be cut off by a move is not begun"
    )
    func commands() async throws {
        let group = try await ClusterGroup()
        try await Self.run(group) { store, _ in
            let names = (0..<64).map { store.keys.probe($0) }
            _ = try await store.sendAll(names.map { RedisCommand("SET", $0, $0) })
            let replies = try await store.sendAll(names.map { RedisCommand("GET", $0) })
            #expect(replies.map(\.string) == names)
            #expect(try await store.send(RedisCommand("TIME")).array?.count == 2)
            for server in group.servers { try await server.command("SCRIPT", "FLUSH") }
            for shard in 0..<64 { _ = try await Self.publish(store, shard) }

            // A slot that is moving, with one name here and one there.
            let slot = ClusterSlot.of(names[7])
            let source = try await group.owner(of: slot)
            let members = try await group.members()
            let from = try #require(members.first { $0.port == source.port })
            let to = try #require(members.first { $0.isPrimary && $0.id != from.id })
            let target = try #require(group.servers.first { $0.port == to.port })
            try await target.command("CLUSTER", "SETSLOT", "\(slot)", "IMPORTING", from.id)
            try await source.command("CLUSTER", "SETSLOT", "\(slot)", "MIGRATING", to.id)
            await #expect(throws: StoreFailure.self, "nothing of it is done, though all its names are there") {
                try await Self.publish(store, 7)
            }
            #expect(try await source.command("GET", store.keys.feed(7)) == "1")
            try await source.command("MIGRATE", "127.0.0.1", "\(target.port)", names[7], "0", "5000")
            #expect(try await store.send(RedisCommand("GET", names[7])).string == names[7], "ASK is followed")
            _ = try await store.send(RedisCommand("SET", names[7], "new"))
            #expect(try await store.send(RedisCommand("GET", names[7])).string == "new")
            await #expect(throws: StoreFailure.self, "one name here, one there") { try await Self.publish(store, 7) }
            try await source.command(
                "MIGRATE", "127.0.0.1", "\(target.port)", "", "0", "5000", "KEYS", store.keys.versions(7), store.keys.feed(7))
            for server in [target, source] { try await server.command("CLUSTER", "SETSLOT", "\(slot)", "NODE", to.id) }
            let meter = await store.meter()
            _ = try await Self.publish(store, 7)
            _ = try await Self.publish(store, 7)
            #expect(try await target.command("GET", store.keys.feed(7)) == "3", "MOVED is followed, and nothing was done twice")
            let after = await store.meter()
            #expect(after.commands - meter.commands <= 3, "the second one goes there at once")
            #expect(await store.writableShards() == store.keys.shards)
        }
        try await group.end()
    }

    private static func look(_ group: ClusterGroup, seed: Int = 0, user: String? = nil) async throws -> String {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let target = RedisTarget(address: place(group.servers[seed].port), username: user, password: user == nil ? nil : "pw")
        let watch = ClusterWatch(seeds: [target.address], connector: try RedisConnector(target), on: loop, logger: .silent)
        let examination = await RedisExamination.of(
            try RedisConnector(target, cluster: watch), keys: RedisKeys(prefix: "look:"), on: loop)
        switch examination {
        case .fit(let remarks): return "fit: " + remarks.joined(separator: " ")
        case .away(let why): return "away: " + (why ?? "")
        case .unfit(let sentence): return sentence
        }
    }

    @Test(
        "Each primary is looked at before the start; one sentence says which is not fit, what is missing, and which setting stops all shards"
    )
    func examination() async throws {
        let group = try await ClusterGroup()
        let third = group.servers[2]
        #expect(try await Self.look(group, seed: 5).hasPrefix("fit: Redis at 127.0.0.1:"))
        #expect(try await !Self.look(group).contains("full-coverage"))
        try await third.command("CONFIG", "SET", "cluster-require-full-coverage", "yes")
        #expect(try await Self.look(group).contains("Redis at 127.0.0.1:\(third.port) has cluster-require-full-coverage yes"))
        try await third.command("CONFIG", "SET", "maxmemory", "100mb", "maxmemory-policy", "allkeys-lru")
        #expect(try await Self.look(group).contains("Redis at 127.0.0.1:\(third.port) has a maxmemory"))
        try await third.command("CONFIG", "SET", "maxmemory", "0", "maxmemory-policy", "noeviction")
        for server in group.servers {
            let rights = ["on", ">pw", "~look:*", "&look:*", "+@all"] + (server === third ? ["-hget"] : [])
            try await server.command(["ACL", "SETUSER", "gate"] + rights)
            try await server.command(["ACL", "SETUSER", "poor"] + rights + ["-cluster"])
        }
        #expect(try await Self.look(group, user: "gate").contains("of Redis at 127.0.0.1:\(third.port) may not use HGET; add +hget"))
        #expect(try await Self.look(group, user: "poor").contains("may not use CLUSTER NODES; add +cluster|nodes"))
        #expect(try await Self.look(group, user: "nobody").contains("does not take the user and password"))
        try await group.servers[0].command("CLUSTER", "DELSLOTS", "7", "8")
        #expect(try await Self.look(group).hasPrefix("away: has 2 of 16384 slots without a server"))
        let single = try await RedisServer()
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let target = RedisTarget(address: Self.place(single.port))
        let watch = ClusterWatch(seeds: [target.address], connector: try RedisConnector(target), on: loop, logger: .silent)
        let verdict = await RedisExamination.of(try RedisConnector(target, cluster: watch), keys: RedisKeys(prefix: "look:"), on: loop)
        #expect(verdict == .unfit("Redis at 127.0.0.1:\(single.port) is no server of a Redis Cluster (cluster-enabled no); use redis://."))
        try await single.kill9()
        try await group.end()
    }
}
