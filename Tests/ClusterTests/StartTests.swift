// Starts that cannot work, and starts that have to wait.

import GateTesting
import Testing

extension ClusterTests {
    @Suite("Start")
    struct StartTests {
        @Test(
            "B42: a taken port, nonsense flags and a server's command that does not exist end the node with a sentence and a status that is not 0",
            arguments: [
                ["--price", "abc"], ["--price", "-1"], ["--rate-limit", "many"], ["--port", "70000"], ["--redis-url", "http://127.0.0.1"],
                ["--no-such-flag"], ["--admin-key", "short"], ["--remote-url", "http://127.0.0.1:1/mcp"],
                ["--config", "/no/such/file.json"],
                ["--server", "/no/such/program"],
            ])
        func nonsense(_ flags: [String]) async throws {
            let redis = try await RedisServer()
            let backend =
                ["--server", "--remote-url"].contains(flags[0]) && flags[1] != "http://127.0.0.1:1/mcp"
                ? [] : ["--server", "\(Repository.binary) demo-server"]
            let program = try Program("node", [Repository.binary, "wrap", "--port", "0", "--redis-url", redis.url] + backend + flags)
            let status = try await program.waitForExit(within: .seconds(15))
            #expect(status.map { $0 > 0 } ?? false, "\(flags): \(status.map(String.init) ?? "still runs")")
            #expect(!program.log.isEmpty && !program.log.contains("Fatal error"), "\(program.log)")
            try await program.kill9()
            try await redis.kill9()
        }

        @Test("B42: a node whose port is taken exits with status 75 and says so")
        func portTaken() async throws {
            try await GateCluster.run(nodes: 1) { cluster in
                let node = cluster.nodes[0]
                let command = [
                    Repository.binary, "wrap", "--port", "\(node.port)", "--host", "127.0.0.1", "--redis-url", cluster.redis.url,
                    "--server", "\(Repository.binary) demo-server",
                ]
                let program = try Program("second node", command)
                #expect(try await program.waitForExit(within: .seconds(10)) == 75)
                #expect(program.log.contains("\(node.port)"))
            }
        }

        @Test("B42: --port 0 takes a free port and prints it")
        func anyPort() async throws {
            let redis = try await RedisServer()
            let program = try Program(
                "node",
                [Repository.binary, "wrap", "--port", "0", "--redis-url", redis.url, "--server", "\(Repository.binary) demo-server"])
            try await program.waitForOutput("Listening on port ")
            let port = try #require(program.log.split(separator: "Listening on port ").last?.prefix { $0.isNumber }).description
            #expect(try await GateClient("http://127.0.0.1:\(port)").get("/health").status == 200)
            #expect(try await GateClient("http://[::1]:\(port)").get("/health").status == 200, "the default is IPv4 and IPv6")
            try await program.kill9()
            try await redis.kill9()
        }

        @Test("B42: a node that starts while Redis is away ends or is not ready, and a waiting one is ready within 3 s of Redis")
        func redisAway() async throws {
            let redis = try await RedisServer()
            try await redis.kill9()
            let program = try Program(
                "node",
                [Repository.binary, "wrap", "--port", "0", "--redis-url", redis.url, "--server", "\(Repository.binary) demo-server"])
            if let status = try await program.waitForExit(within: .seconds(4) / Duration.patience) {
                #expect(status > 0 && !program.log.isEmpty)
            } else {
                try await redis.restart()
                try await program.waitForOutput("Listening on port ", within: .seconds(3))
                try await redis.kill9()
            }
            try await program.kill9()
        }
    }
}
