// That a setting which is given is a setting that acts, wherever it was given.

import GateTesting
import Testing

extension EndToEndTests {
    @Suite("Settings at work")
    struct SettingsTests {
        private static let secret = "pg_" + String(repeating: "a1", count: 24)

        @Test("F-ENV-01, F-ENV-02: variables alone configure a node that works")
        func variables() async throws {
            let redis = try await RedisServer()
            let node = try await StandaloneNode(
                [],
                environment: [
                    "PAYGATE_SERVER": StandaloneNode.demo, "PAYGATE_PORT": "0", "PAYGATE_REDIS_URL": redis.url, "PAYGATE_PRICE": "4",
                    "PAYGATE_TOOL_PRICE": "add:7,big=0", "PAYGATE_RATE_LIMIT": "3", "PAYGATE_NAME": "by variables",
                    "PAYGATE_ADMIN_KEY": GateClient.adminKey,
                    "PAYGATE_REFUND_ON_FAILURE": "true", "PAYGATE_CUSTOM_HEADERS": "X-Team: blue",
                    "PAYGATE_CORS_ORIGIN": "https://a.example",
                    "PAYGATE_TRUSTED_PROXIES": "127.0.0.1", "PAYGATE_IMPORT_KEY": "\(Self.secret):100", "PAYGATE_LOG_FORMAT": "json",
                    "PAYGATE_REDIS_KEY_PREFIX": "own:",
                ])
            let client = node.client
            let initialized = try await client.initialize()
            #expect(initialized.json["result"]?["serverInfo"]?["name"] == "by variables" && initialized.header("X-Team") == "blue")
            #expect(
                try await client.rpc("ping", [:], headers: [("Origin", "https://a.example")]).header("Access-Control-Allow-Origin")
                    == "https://a.example")
            #expect(try await client.rpc("ping", [:], headers: [("Origin", "https://b.example")]).status == 403)
            let first = try await client.call("echo", ["text": "x"], key: Self.secret)
            #expect(first.integer("X-Credits-Remaining") == 96 && first.integer("X-RateLimit-Limit") == 3)
            #expect(try await client.call("add", ["a": 1, "b": 1], key: Self.secret).integer("X-Credits-Remaining") == 89)
            #expect(try await client.call("fail", ["kind": "isError"], key: Self.secret).integer("X-Credits-Remaining") == 89)
            #expect(try await client.call("big", ["kilobytes": 1], key: Self.secret).outcome == .denied("rate_limited"))
            #expect(try await client.admin("/keys/ip", ["key": .string(Self.secret), "ips": ["192.0.2.7"]]).status == 200)
            let denied = try await client.call("echo", ["text": "x"], key: Self.secret, headers: [("X-Forwarded-For", "192.0.2.8")])
            #expect(denied.outcome == .denied("ip_not_allowed: 192.0.2.8"))
            #expect(try await redis.command("EXISTS", "own:{0}:index:keys") == "1")
            #expect(try await redis.command("KEYS", "pg:*").isEmpty)
            #expect(node.program.log.contains(#""level":"info""#))
            #expect(try await node.terminate() == 0)
            try await redis.kill9()
        }

        @Test("F-CFG-01: a config file alone configures a node that works; unknown fields warn")
        func file() async throws {
            let redis = try await RedisServer()
            let directory = try TemporaryDirectory()
            let config: JSON = [
                "serverCommand": .string(Repository.binary), "serverArgs": ["demo-server"], "port": 0, "redisUrl": .string(redis.url),
                "name": "by file",
                "defaultCreditsPerCall": 2, "toolPricing": ["add": ["creditsPerCall": 0], "slow": ["timeoutMs": 200]],
                "globalRateLimitPerMin": 0,
                "freeMethods": ["initialize", "ping"], "refundOnFailure": true, "importKeys": [Self.secret: 50],
                "adminKey": .string(GateClient.adminKey),
                "customHeaders": ["X-Team": "red"], "sessionRateLimit": 4, "adminRateLimit": 3, "publicRateLimit": 2, "logLevel": "warn",
                "noSuchField": 1,
            ]
            let path = try directory.write(config.text, to: "paygate.json")
            let node = try await StandaloneNode(["--config", path])
            let client = node.client
            #expect(node.program.log.contains("noSuchField"))
            let session = try await client.initialize(key: Self.secret)
            #expect(session.json["result"]?["serverInfo"]?["name"] == "by file" && session.header("X-Team") == "red")
            let inSession: GateClient.Headers = [("Mcp-Session-Id", try #require(session.header("Mcp-Session-Id")))]
            #expect(try await client.call("echo", ["text": "x"], key: Self.secret, headers: inSession).integer("X-Credits-Remaining") == 48)
            #expect(
                try await client.call("add", ["a": 1, "b": 1], key: Self.secret, headers: inSession).integer("X-Credits-Remaining") == 48,
                "a zero is a zero")
            let late = try await client.call("slow", ["seconds": 5], key: Self.secret, headers: inSession)
            #expect(late.outcome == .failed(code: -32004) && late.integer("X-Credits-Remaining") == 48)
            #expect(late.header("X-RateLimit-Limit") == nil, "no limit")
            #expect(
                try await client.rpc("tools/list", [:], headers: inSession).outcome == .denied("missing_api_key"), "not one of freeMethods")
            let sessions = try await concurrently(6) { _ in try await client.initialize().status }
            #expect(sessions.filter { $0 == 200 }.count == 3, "4 sessions a minute: \(sessions)")
            let pages = try await concurrently(5) { _ in try await client.get("/info").status }
            #expect(pages.filter { $0 == 200 }.count == 2 && pages.filter { $0 == 429 }.count == 3, "2 public pages a minute: \(pages)")
            let orders = try await concurrently(5) { _ in try await client.admin("/usage").status }
            #expect(
                orders.filter { $0 == 200 }.count == 3 && orders.filter { $0 == 429 }.count == 2, "3 admin requests a minute: \(orders)")
            #expect(try await node.terminate() == 0)
            try await redis.kill9()
        }

        @Test("F-ENV-03: a flag wins over a variable, a variable over the file, the file over the default")
        func priority() async throws {
            let redis = try await RedisServer()
            let directory = try TemporaryDirectory()
            let config: JSON = ["defaultCreditsPerCall": 2, "name": "file", "globalRateLimitPerMin": 7, "port": 1]
            let path = try directory.write(config.text, to: "paygate.json")
            let node = try await StandaloneNode(
                ["--config", path, "--price", "5", "--redis-url", redis.url, "--", Repository.binary, "demo-server"],
                environment: [
                    "PAYGATE_PRICE": "3", "PAYGATE_NAME": "variable", "PAYGATE_PORT": "0", "PAYGATE_IMPORT_KEY": "\(Self.secret):50",
                ])
            let response = try await node.client.call("echo", ["text": "x"], key: Self.secret)
            #expect(response.integer("X-Credits-Remaining") == 45 && response.integer("X-RateLimit-Limit") == 7)
            #expect(try await node.client.initialize().json["result"]?["serverInfo"]?["name"] == "variable")
            #expect(try await node.terminate() == 0)
            try await redis.kill9()
        }

        @Test("F-KEY-09: an imported key has its credits once: a second start, and a second node, give it no more")
        func importedKeys() async throws {
            let redis = try await RedisServer()
            let flags = [
                "--server", StandaloneNode.demo, "--port", "0", "--redis-url", redis.url, "--import-key", "\(Self.secret):10",
                "--import-key", "pg_second:3",
            ]
            let first = try await StandaloneNode(flags)
            #expect(await first.client.echo(key: Self.secret).isServed)
            let second = try await StandaloneNode(flags)
            #expect(try await second.client.balance(Self.secret).credits == 9)
            #expect(try await second.client.balance("pg_second").credits == 3)
            for node in [first, second] { #expect(try await node.terminate() == 0) }
            try await redis.kill9()
        }

        @Test("F-CLI-09: --dry-run discovers the tools, prints the prices as a table or as JSON, and exits 0")
        func dryRun() async throws {
            let redis = try await RedisServer()
            let flags = ["--server", StandaloneNode.demo, "--redis-url", redis.url, "--tool-price", "add:7", "--dry-run"]
            let table = try await StandaloneNode.failure(flags)
            #expect(
                table.status == 0 && table.log.contains("echo") && table.log.contains("add") && !table.log.contains("Listening"),
                "\(table.log)")
            let report = try await StandaloneNode.failure(flags + ["--json"])
            let line = report.log.split(separator: "\n").first { $0.hasPrefix("{") }
            let tools = line.flatMap { JSON($0.utf8) }?["tools"]?.array ?? []
            #expect(
                report.status == 0 && tools.count == 5 && tools.contains { $0["name"] == "add" && $0["creditsPerCall"] == 7 },
                "\(report.log)")
            try await redis.kill9()
        }

        @Test("F-CLI-12: an admin key that the node makes is printed once and works")
        func adminKey() async throws {
            let redis = try await RedisServer()
            let flags = ["--server", StandaloneNode.demo, "--port", "0", "--redis-url", redis.url]
            let node = try await StandaloneNode(flags)
            try await node.program.waitForOutput("admin_")
            let key = try #require(
                try node.program.log.firstMatch(of: Regex("admin_[0-9a-f]{32}")).map { String(node.program.log[$0.range]) })
            #expect(node.program.log.split(separator: key, omittingEmptySubsequences: false).count == 2)
            #expect(try await node.client.get("/keys", headers: [("X-Admin-Key", key)]).status == 200)
            #expect(try await node.client.get("/keys", headers: [("X-Admin-Key", key + "0")]).status == 401)
            #expect(try await node.terminate() == 0)
            try await redis.kill9()
        }
    }
}
