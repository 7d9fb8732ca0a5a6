// What a node says at its start of a Redis that it cannot use, or can use with a loss: each sentence by the real binary.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("What is said of a Redis at the start")
    struct StartWarningTests {
        private static let usual = ["--host", "127.0.0.1", "--server", "\(Repository.binary) demo-server"]

        /// A server that greets as a Redis of a version does, and says nothing else.
        private static func redis(ofVersion version: String) async throws -> (program: Program, port: Int) {
            let port = FreePort.take()
            let script = """
                import socketserver
                class Old(socketserver.StreamRequestHandler):
                    def handle(self):
                        words = ["server", "redis", "version", "\(version)", "mode", "standalone", "role", "master"]
                        while self.rfile.readline():
                            pass_on = b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w.encode()) for w in words)
                            self.wfile.write(pass_on)
                socketserver.ThreadingTCPServer.allow_reuse_address = True
                server = socketserver.ThreadingTCPServer(("127.0.0.1", \(port)), Old)
                print("ready", flush=True)
                server.serve_forever()
                """
            let program = try Program("old redis", ["python3", "-c", script])
            try await program.waitForOutput("ready")
            return (program, port)
        }

        @Test(
            "B42: a Redis below 7.0, one that drops credits, a right that is missing for a script, no such database, and each wrong URL end the start with one sentence"
        )
        func refusals() async throws {
            let (old, port) = try await Self.redis(ofVersion: "6.2.14")
            let dropping = try await RedisServer(flags: ["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"])
            let secret = try await RedisServer()
            try await secret.command("ACL", "SETUSER", "narrow", "on", ">hunter2", "~other:*", "&*", "+@all")
            try await secret.command("ACL", "SETUSER", "deaf", "on", ">hunter2", "~*", "resetchannels", "+@all")
            let directory = try TemporaryDirectory()
            let password = try directory.write("hunter2\n", to: "password")
            let rows: [(flags: [String], status: Int32, says: String)] = [
                (["--redis-url", "redis://127.0.0.1:\(port)"], 69, "is version 6.2.14; the gate needs 7.0 or later"),
                (["--redis-url", dropping.url], 69, "maxmemory-policy allkeys-lru: it may drop keys and their credits; set noeviction"),
                (["--redis-url", secret.url + "/99"], 69, "has no database 99"),
                (
                    ["--redis-url", secret.url, "--redis-user", "narrow", "--redis-password-file", password], 69,
                    "may not touch keys that begin with 'pg:'; add ~pg:* to its ACL"
                ),
                (
                    ["--redis-url", secret.url, "--redis-user", "deaf", "--redis-password-file", password], 69,
                    "may not use channels that begin with 'pg:'"
                ),
                (["--redis-url", "redis://:hunter2@127.0.0.1:\(secret.port)"], 69, "is given; leave it out, or set requirepass there"),
                (["--redis-url", "http://127.0.0.1"], 1, "redisUrl"), (["--redis-url", "redis://127.0.0.1:port"], 1, "redisUrl"),
                (["--redis-url", "redis+sentinel://127.0.0.1/"], 1, "redisUrl"), (["--redis-url", "redis+cluster://"], 1, "redisUrl"),
                (["--redis-url-file", directory.path + "/none"], 1, "Invalid redisUrl from --redis-url-file"),
            ]
            for row in rows {
                let program = try Program("node", [Repository.binary, "wrap", "--port", "0"] + Self.usual + row.flags)
                let status = try await program.waitForExit(within: .seconds(30))
                #expect(status == row.status && program.log.contains(row.says), "\(row.flags): \(status ?? -1) \(program.log)")
                #expect(!program.log.contains("hunter2"), "\(program.log)")
                try await program.kill9()
            }
            for program in [old] { try await program.kill9() }
            for server in [dropping, secret] { try await server.kill9() }
        }

        @Test(
            "Without an append-only file, with a policy that may drop marks, without a right to INFO, and with full coverage of a cluster a node starts, and warns in one sentence each"
        )
        func warnings() async throws {
            let volatile = try await RedisServer(flags: ["--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru"])
            let hidden = try await RedisServer()
            try await hidden.command("ACL", "SETUSER", "gate", "on", ">hunter2", "~pg:*", "&pg:*", "+@all", "-info")
            let group = try await ClusterGroup(replicas: 0)
            for server in group.servers { try await server.command("CONFIG", "SET", "cluster-require-full-coverage", "yes") }
            let directory = try TemporaryDirectory()
            let file = try directory.write("redis://gate:hunter2@127.0.0.1:\(hidden.port)\n", to: "url")
            let rows: [(flags: [String], says: [String])] = [
                (["--redis-url", volatile.url], ["has no append-only file", "maxmemory-policy volatile-lru: it may forget"]),
                (["--redis-url-file", file], ["does not let this user use INFO"]),
                (["--redis-url", group.url], ["has cluster-require-full-coverage yes: while one primary is gone"]),
            ]
            for row in rows {
                let node = try await ClusterNode("node", flags: Self.usual + ["--admin-key", GateClient.adminKey] + row.flags)
                for sentence in row.says { #expect(node.log.contains(sentence), "\(sentence): \(node.log)") }
                let key = try await node.client.createKey(credits: 5)
                #expect(await node.client.echo(key: key).isServed)
                let line = Program.commandLine(of: node.program.processIdentifier)
                #expect(!line.contains("hunter2") && !node.log.contains("hunter2"), "\(line)")
                try await node.kill9()
            }
            for server in [volatile, hidden] { try await server.kill9() }
            try await group.end()
        }
    }
}
