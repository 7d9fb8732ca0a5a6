// Nodes behind real Sentinels: a primary that is replaced, killed or stands still under load, and Sentinels that are gone.

import GateTesting
import Glibc
import Testing

extension ClusterTests {
    @Suite("Sentinel")
    struct SentinelTests {
        private static let granted = 1_000_000
        private static let workers = 6

        /// Nodes that find their store by the Sentinels, and everything ended afterwards.
        private static func run(_ flags: [String] = [], _ group: SentinelGroup, _ body: (GateCluster) async throws -> Void) async throws {
            try await GateCluster.run(nodes: 2, ["--redis-url", group.url, "--price", "3"] + flags, body)
            try await group.end()
        }

        @Test(
            "F29, M1: whatever takes the primary's place away, every node serves from the new one without a restart, credits are exact, at most the calls in flight are lost, and the old one is left alone",
            arguments: SentinelGroup.Failover.allCases)
        func failover(_ how: SentinelGroup.Failover) async throws {
            let group = try await SentinelGroup()
            try await Self.run([], group) { cluster in
                let key = try await cluster[0].createKey(credits: Self.granted)
                var before = 0
                let outcomes = try await underLoad(workers: Self.workers, pause: .milliseconds(10), { await cluster[$0].echo(key: key) }) {
                    try await eventually("calls are charged") { try await cluster[0].balance(key).calls > 20 }
                    before = try await cluster[0].balance(key).calls
                    let (old, new) = try await group.failOver(how)
                    let promotion = ContinuousClock.now
                    for node in 0...1 {
                        try await eventually("node \(node) serves", within: .seconds(3)) { await cluster[node].echo(key: key).isServed }
                    }
                    print("failover by \(how): all nodes served \(ContinuousClock.now - promotion) after the promotion")
                    try await eventually("charges go on") { await ((try? cluster[1].balance(key).calls) ?? 0) > before + 20 }
                    #expect(try await new.facts("replication")["role"] == "master")
                    if how == .stop { old.resume() }
                    if how != .kill {
                        try await eventually("no node speaks to the old primary", within: .seconds(20)) {
                            let clients = try await old.command("CLIENT", "LIST", "TYPE", "normal").split(separator: "\n")
                            return !clients.contains { $0.contains("cmd=evalsha") || $0.contains("cmd=hsetnx") }
                        }
                    }
                }
                let tally = Tally(outcomes)
                #expect(tally.count("lost") == 0, "each call gets a definite answer: \(tally)")
                // Two calls of the test itself were served beside the load.
                let fitting = (tally.served - Self.workers)...(tally.served + tally.unknown + 2)
                var balance = try await cluster[0].balance(key)
                try await eventually("no call is charged twice, and none is lost but those in flight: \(tally)") {
                    balance = try await cluster[0].balance(key)
                    return balance.spent % 3 == 0 && fitting.contains(balance.spent / 3)
                }
                #expect(balance.credits + balance.spent == Self.granted, "nothing is lost or made: \(balance)")
                print("failover by \(how): \(max(0, tally.served - balance.spent / 3)) acknowledged charges were lost, \(tally)")
                for node in 0...1 {
                    try await eventually("node \(node) knows the balance") {
                        try await cluster[node].balance(key) == cluster[0].balance(key)
                    }
                    #expect(try await cluster[node].metrics().sum("paygate_redis_failovers_total") == 1)
                    #expect(try await cluster[node].get("/health").json["redis"]?["sentinels"] == 3)
                }
            }
        }

        @Test("With --min-replicas-ack no acknowledged charge is lost in a failover; while no replica acknowledges, calls are refused")
        func acknowledged() async throws {
            let group = try await SentinelGroup()
            try await Self.run(["--min-replicas-ack", "1"], group) { cluster in
                let key = try await cluster[0].createKey(credits: Self.granted)
                let outcomes = try await underLoad(workers: Self.workers, pause: .milliseconds(10), { await cluster[$0].echo(key: key) }) {
                    try await eventually("calls are charged") { try await cluster[0].balance(key).calls > 20 }
                    let (old, new) = try await group.failOver(.kill)
                    try await eventually("calls without a replica are refused", within: .seconds(10)) {
                        await cluster[0].echo(key: key) == .refused(status: 503)
                    }
                    try await old.restart()
                    try await old.command("REPLICAOF", "127.0.0.1", "\(new.port)")
                    for node in 0...1 {
                        try await eventually("node \(node) serves with its new replica", within: .seconds(40)) {
                            await cluster[node].echo(key: key).isServed
                        }
                    }
                }
                let tally = Tally(outcomes)
                let balance = try await cluster[0].balance(key)
                #expect(balance.credits + balance.spent == Self.granted && balance.spent % 3 == 0)
                #expect(balance.spent / 3 >= tally.served, "no acknowledged charge is lost: \(balance) for \(tally)")
                print("with --min-replicas-ack 1: \(max(0, tally.served - balance.spent / 3)) acknowledged charges were lost, \(tally)")
                #expect(tally.served > 20 && tally.count("lost") == 0, "\(tally)")
            }
        }

        @Test(
            "A node that no majority of the Sentinels answers stops charging before another primary could be voted in, and goes on when they are back"
        )
        func withoutMajority() async throws {
            let group = try await SentinelGroup()
            try await Self.run([], group) { cluster in
                let key = try await cluster[0].createKey(credits: Self.granted)
                group.signal(SIGSTOP, sentinels: 0..<1)
                try await eventually("one Sentinel is missed") { try await cluster[0].get("/health").json["redis"]?["sentinels"] == 2 }
                try await eventually("two of three are enough") { await cluster[0].echo(key: key).isServed }
                group.signal(SIGSTOP, sentinels: 1..<2)
                for node in 0...1 {
                    try await eventually("node \(node) refuses", within: .seconds(15)) {
                        await cluster[node].echo(key: key) == .refused(status: 503)
                    }
                    try await eventually("node \(node) is not ready", within: .seconds(5)) { await !cluster[node].isReady() }
                    #expect(try await cluster[node].get("/health").status == 200)
                }
                group.signal(SIGCONT, sentinels: 0..<2)
                for node in 0...1 {
                    try await eventually("node \(node) serves again", within: .seconds(20)) { await cluster[node].echo(key: key).isServed }
                }
                let balance = try await cluster[0].balance(key)
                #expect(balance.credits + balance.spent == Self.granted && balance.spent % 3 == 0)
            }
        }
    }

    @Suite("Redis URLs at the start")
    struct RedisURLStartTests {
        /// Starts a node that cannot start and returns what it says and how it ends.
        private static func start(_ flags: [String], environment: [String: String] = [:]) async throws -> (status: Int32?, log: String) {
            let command = [Repository.binary, "wrap", "--port", "0", "--host", "127.0.0.1", "--server", "\(Repository.binary) demo-server"]
            let program = try Program("node", command + flags, environment: environment)
            let status = try await program.waitForExit(within: .seconds(15))
            let log = program.log
            try await program.kill9()
            return (status, log)
        }

        /// Greets as a Redis 6.2 does, whatever it is asked.
        private static let redisOfOld = #"""
            import socket, sys
            server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
            print("ready", flush=True)
            words = ["server", "redis", "version", "6.2.14", "proto", 2, "id", 3, "mode", "standalone", "role", "master", "modules", []]
            def reply(word):
                if isinstance(word, list): return f"*{len(word)}\r\n" + "".join(map(reply, word))
                return f":{word}\r\n" if isinstance(word, int) else f"${len(word)}\r\n{word}\r\n"
            while True:
                connection, _ = server.accept()
                while connection.recv(4096): connection.sendall(reply(words).encode())
            """#

        @Test("B42: a store that cannot be used ends the start with one sentence and a status, and no secret is repeated")
        func unusable() async throws {
            let redis = try await RedisServer()
            let group = try await SentinelGroup(replicas: 0, password: "watch-pw")
            try await redis.command("ACL", "SETUSER", "poor", "on", ">hunter2", "~*", "&*", "+@all", "-evalsha")
            let directory = try TemporaryDirectory()
            let password = try directory.write("hunter2\n", to: "password")
            let wrong = try directory.write("hunter2hunter2\n", to: "wrong")
            let rows: [(flags: [String], status: Int32, says: String)] = [
                (["--redis-url", "redis+sentinel://a,b,c"], 1, "Must name the primary that the Sentinels watch"),
                (["--redis-url", "redis+cluster://127.0.0.1:\(redis.port)"], 69, "is no server of a Redis Cluster"),
                (["--redis-url", "redis+cluster://127.0.0.1:\(redis.port)/1"], 1, "has the database 0 alone"),
                (
                    ["--redis-url", redis.url, "--redis-user", "poor", "--redis-password-file", password], 69,
                    "may not use EVALSHA; add +evalsha"
                ),
                (
                    ["--redis-url", redis.url, "--redis-user", "poor", "--redis-password-file", wrong], 69,
                    "does not take the user and password"
                ),
                (["--redis-url", "redis://127.0.0.1:\(group.ports[0])"], 69, "asks for a password"),
                (["--redis-url", group.url, "--sentinel-password-file", wrong], 69, "does not take the user and password"),
                (["--redis-url", "rediss://127.0.0.1:\(redis.port)", "--redis-ca", password], 1, "holds no certificates in PEM"),
            ]
            for row in rows {
                let (status, log) = try await Self.start(row.flags)
                #expect(status == row.status && log.contains(row.says), "\(row.flags): \(status ?? -1) \(log)")
                #expect(!log.contains("hunter2") && !log.contains("watch-pw"), "\(log)")
            }
            let aged = FreePort.take()
            let old = try Program("redis of old", ["python3", "-c", Self.redisOfOld, "\(aged)"])
            try await old.waitForOutput("ready")
            let (end, words) = try await Self.start(["--redis-url", "redis://127.0.0.1:\(aged)"])
            #expect(end == 69 && words.contains("is version 6.2.14; the gate needs 7.0 or later."), "\(words)")
            try await old.kill9()
            let names = group.url.replacing("/\(SentinelGroup.name)", with: "/other")
            let watchPassword = try directory.write("watch-pw", to: "watch")
            let (status, log) = try await Self.start(["--redis-url", names, "--sentinel-password-file", watchPassword])
            #expect(status == 69 && log.contains("watches no primary called 'other'"), "\(log)")
            try await group.end()
            try await redis.kill9()
        }

        @Test("TLS to Redis and its Sentinels with an own authority and client certificates; without them one sentence")
        func tls() async throws {
            let files = try await TLSFiles()
            let (port, sentinel) = (FreePort.take(), FreePort.take())
            let server =
                ["port 0", "bind 127.0.0.1", "dir \(files.directory.path)", "tls-auth-clients yes", "tls-replication yes"]
                + files.redisLines
            let redisFile = try files.directory.write(
                (server + ["tls-port \(port)", "appendonly yes"]).joined(separator: "\n") + "\n", to: "redis.conf")
            let sentinelFile = try files.directory.write(
                (server + ["tls-port \(sentinel)", "sentinel monitor gate 127.0.0.1 \(port) 1"]).joined(separator: "\n") + "\n",
                to: "sentinel.conf")
            let programs = [
                try Program("redis", ["redis-server", redisFile]), try Program("sentinel", ["redis-server", sentinelFile, "--sentinel"]),
            ]
            try await programs[0].waitForOutput("Ready to accept connections")
            try await programs[1].waitForOutput("+monitor master")
            let (one, watched) = ("rediss://127.0.0.1:\(port)", "rediss+sentinel://127.0.0.1:\(sentinel)/gate")
            let whole =
                ["--redis-ca", files.authority] + ["--redis-certificate", files.certificate, "--redis-private-key", files.privateKey]
            for flags in [["--redis-url", one], ["--redis-url", watched]] {
                let (status, log) = try await Self.start(flags)
                #expect(status == 69 && log.contains("TLS with "), "\(flags): \(log)")
            }
            for url in [one, watched] {
                let node = try await ClusterNode(
                    url,
                    flags: ["--host", "127.0.0.1", "--server", "\(Repository.binary) demo-server", "--admin-key", GateClient.adminKey]
                        + ["--redis-url", url] + whole)
                let key = try await node.client.createKey(credits: 10)
                #expect(await node.client.echo(key: key).isServed)
                #expect(try await node.client.get("/health").json["redis"]?["pubsub"] == true)
                try await node.kill9()
            }
            for program in programs { try await program.kill9() }
        }

        @Test("Users and passwords of Redis and of its Sentinels come from files: no command line, log or page shows them")
        func fromFiles() async throws {
            let group = try await SentinelGroup(replicas: 0, password: "watch-pw")
            let redis = group.servers[0]
            try await redis.command(
                "ACL", "SETUSER", "gate", "on", ">hunter2", "~pg:*", "&pg:*", "+@all", "-@admin", "-@dangerous", "+info")
            let directory = try TemporaryDirectory()
            let environment = [
                "PAYGATE_REDIS_PASSWORD_FILE": try directory.write("hunter2\n", to: "redis"),
                "PAYGATE_SENTINEL_PASSWORD_FILE": try directory.write("watch-pw\n", to: "sentinel"),
            ]
            let node = try await ClusterNode(
                "node",
                flags: [
                    "--host", "127.0.0.1", "--server", "\(Repository.binary) demo-server", "--admin-key", GateClient.adminKey,
                    "--redis-url",
                    group.url, "--redis-user", "gate", "--log-level", "debug",
                ], environment: environment)
            let key = try await node.client.createKey(credits: 10)
            #expect(await node.client.echo(key: key).isServed)
            let pages = try await [node.client.get("/metrics").text, node.client.get("/health").text]
            let line = Program.commandLine(of: node.program.processIdentifier)
            #expect(line.contains("--redis-user"))
            for text in pages + [line, node.log] { #expect(!text.contains("hunter2") && !text.contains("watch-pw"), "\(text)") }
            #expect(pages[0].contains("paygate_redis_server_up{role=\"primary\",server=\"127.0.0.1:\(redis.port)\"} 1"))
            try await node.kill9()
            try await group.end()
        }
    }
}
