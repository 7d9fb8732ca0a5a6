import GateDomain
@testable import GateNode
@testable import GateSettings
import GateTesting
import GateValues
import MCPWire
import Testing

/// Every row of the table of settings, given as a variable, as a flag and in the file.
@Suite struct SettingTableTests {
    /// A text for each setting that the command line knows, and what it does.
    static let examples: [String: (text: String, holds: @Sendable (Settings) -> Bool)] = [
        "serverCommand": ("node 'my server.js' -v", { $0.serverCommand == "node" && $0.serverArgs == ["my server.js", "-v"] }),
        "isolation": ("session", { $0.isolation == .session }),
        "discoveryMode": ("dynamic", { $0.discoveryMode == .dynamic }),
        "toolSeparator": ("__", { $0.toolSeparator == "__" }),
        "remoteUrl": ("https://h/mcp", { $0.remoteUrl == "https://h/mcp" }),
        "serverEnv": ("A_1, B=x=y", { $0.serverEnv == ["A_1", "B=x=y"] }),
        "inheritEnv": ("true", { $0.inheritEnv }),
        "serverUser": ("nobody", { $0.serverUser == "nobody" }),
        "toolTimeoutMs": ("7", { $0.toolTimeoutMs == 7 }),
        "maxResponseBytes": ("0", { $0.maxResponseBytes == 0 }),
        "name": ("My gate", { $0.name == "My gate" }),
        "defaultCreditsPerCall": ("0", { $0.defaultCreditsPerCall == 0 }),
        "toolPricing": ("a:1,ns:b=2", { $0.toolPricing.mapValues(\.creditsPerCall) == ["a": 1, "ns:b": 2] }),
        "globalRateLimitPerMin": ("0", { $0.globalRateLimitPerMin == 0 }),
        "maxConcurrentPerKey": ("3", { $0.maxConcurrentPerKey == 3 }),
        "maxConcurrentPerTool": ("4", { $0.maxConcurrentPerTool == 4 }),
        "redisShards": ("16", { $0.redisShards == 16 }),
        "freeMethods": ("ping, x/y", { $0.freeMethods == ["ping", "x/y"] }),
        "shadowMode": ("true", { $0.shadowMode }),
        "refundOnFailure": ("true", { $0.refundOnFailure }),
        "unknownCalls": ("keep", { $0.unknownCalls == .keep }),
        "idempotencyTtlSeconds": ("1", { $0.idempotencyTtlSeconds == 1 }),
        "adminKey": ("sk-admin-secret", { $0.adminKey == "sk-admin-secret" }),
        "importKeys": ("pg_first:1,pg_second:0", { $0.importKeys == ["pg_first": 1, "pg_second": 0] }),
        "trustedProxies": ("10.0.0.0/8,::1", { $0.trustedProxies == ["10.0.0.0/8", "::1"] }),
        "cors.origin": ("https://a.example,http://b:8080", { $0.cors.origin == .listed(["https://a.example", "http://b:8080"]) }),
        "cors.credentials": ("true", { $0.cors.credentials }),
        "cors.maxAge": ("0", { $0.cors.maxAge == 0 }),
        "redisUrl": ("rediss://:pw@h:6380/2", { $0.redisUrl == "rediss://:pw@h:6380/2" }),
        "redisTo": ("rediss://:pw@new:6380/2", { $0.redisTo == "rediss://:pw@new:6380/2" }),
        "redisUser": ("gate", { $0.redisUser == "gate" }),
        "redisPassword": ("pw-of-redis", { $0.redisPassword == "pw-of-redis" }),
        "sentinelUser": ("watcher", { $0.sentinelUser == "watcher" }),
        "sentinelPassword": ("pw-of-sentinels", { $0.sentinelPassword == "pw-of-sentinels" }),
        "redisCa": ("/etc/ca.pem", { $0.redisCa == "/etc/ca.pem" }),
        "redisCertificate": ("/etc/node.pem", { $0.redisCertificate == "/etc/node.pem" }),
        "redisPrivateKey": ("/etc/node.key", { $0.redisPrivateKey == "/etc/node.key" }),
        "minReplicasAck": ("2", { $0.minReplicasAck == 2 }),
        "redisKeyPrefix": ("test:", { $0.redisKeyPrefix == "test:" }),
        "stateDir": ("/var/lib/gate", { $0.stateDirectory == "/var/lib/gate" }),
        "stateFile": ("/var/lib/s.json", { $0.stateDirectory == "/var/lib/s.json.d" }),
        "durable": ("true", { $0.durable }),
        "onStoreLoss": ("open", { $0.onStoreLoss == .open }),
        "webhookUrl": ("https://h/hook", { $0.webhookUrl?.text == "https://h/hook" }),
        "webhookSecret": ("to sign with", { $0.webhookSecret == "to sign with" }),
        "webhookMaxRetries": ("0", { $0.webhookMaxRetries == 0 }),
        "port": ("0", { $0.port == 0 }),
        "host": ("127.0.0.1", { $0.host == "127.0.0.1" }),
        "customHeaders": (
            "X-A:1, X-B: 2", { $0.customHeaders == [CustomHeader(name: "X-A", value: "1"), CustomHeader(name: "X-B", value: "2")] }
        ),
        "requestTimeoutMs": ("1", { $0.requestTimeoutMs == 1 }),
        "headersTimeoutMs": ("2", { $0.headersTimeoutMs == 2 }),
        "keepAliveTimeoutMs": ("3", { $0.keepAliveTimeoutMs == 3 }),
        "maxRequestsPerSocket": ("4", { $0.maxRequestsPerSocket == 4 }),
        "maxConnections": ("5", { $0.maxConnections == 5 }),
        "maxConnectionsPerAddress": ("6", { $0.maxConnectionsPerAddress == 6 }),
        "adminRateLimit": ("0", { $0.adminRateLimit == 0 }),
        "sessionRateLimit": ("0", { $0.sessionRateLimit == 0 }),
        "publicRateLimit": ("0", { $0.publicRateLimit == 0 }),
        "logLevel": ("silent", { $0.logLevel == .silent }),
        "logFormat": ("json", { $0.logFormat == .json }),
        "drainSeconds": ("0", { $0.drainSeconds == 0 }),
        "threads": ("2", { $0.threads == 2 }),
        "dryRun": ("true", { $0.dryRun }),
        "json": ("true", { $0.json }),
    ]

    static let served = Setting.all.filter { row in
        !row.flags.isEmpty && row.name != "config" && row.target == nil && !Setting.later.contains { $0.name == row.name }
    }

    @Test("Every setting is set by its flag and by each of its variables (F-CLI-02 to 05, F-ENV-01, F-ENV-02)", arguments: served)
    func everyFlagAndVariable(_ setting: Setting) throws {
        let example = try #require(Self.examples[setting.name], "no example")
        let byFlag = resolve(flags: [setting.name: [example.text]])
        #expect(example.holds(byFlag.settings))
        for variable in setting.variables {
            #expect(variable.hasPrefix("PAYGATE_"))
            let byVariable = resolve(environment: [variable: example.text])
            #expect(example.holds(byVariable.settings))
            #expect(byVariable.sources[setting.name] == .variable(variable))
        }
    }

    @Test("Every number, word and switch of the file is read, zeros as zeros", arguments: served)
    func everyScalarOfTheFile(_ setting: Setting) throws {
        let example = try #require(Self.examples[setting.name], "no example")
        var diagnostics = SettingsDiagnostics()
        let place = SettingPlace(field: setting.name, source: .file)
        let document = try #require(setting.parse([example.text], place, &diagnostics))
        let value = try #require(document[path: setting.name])
        guard setting.isInFile, setting.name != "serverCommand" else { return }
        let resolution = SettingsResolution(flags: ["config": ["f"]]) { _ throws(ConfigFile.Fault) in
            JSONValue(value, at: setting.name)
        }
        #expect(example.holds(resolution.settings))
        #expect(resolution.sources[setting.name] == .file)
    }

    static let secrets = Setting.all.filter { $0.target != nil }

    @Test("Every secret may lie in a file, named by a flag or a variable, and is read without what surrounds it", arguments: secrets)
    func everySecretInAFile(_ setting: Setting) throws {
        let target = try #require(setting.target)
        let example = try #require(Self.examples[target], "no example")
        let directory = try TemporaryDirectory()
        let path = try directory.write("  " + example.text.replacing(",", with: "\n") + "\n", to: "secret")
        #expect(example.holds(resolve(flags: [setting.name: [path]]).settings))
        let variable = try #require(setting.variables.first)
        let byVariable = resolve(environment: [variable: path])
        #expect(example.holds(byVariable.settings) && byVariable.sources[target] == .variable(variable))
        #expect(!resolve(environment: [variable: directory.file("none")]).diagnostics.isValid)
        #expect(!resolve(environment: [variable: try directory.write(" \n", to: "empty")]).diagnostics.isValid)
    }

    @Test("Every setting that holds a secret may be given in a file")
    func secretSettings() {
        #expect(
            Set(Self.secrets.compactMap(\.target))
                == ["adminKey", "importKeys", "redisUrl", "redisTo", "redisPassword", "sentinelPassword", "webhookSecret"])
    }

    @Test("F-ENV-03: a flag wins over a variable, whichever of them names a file; of equals none is guessed")
    func secretPriority() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("key-of-the-file\n", to: "secret")
        let flag = resolve(environment: ["PAYGATE_ADMIN_KEY_FILE": path], flags: ["adminKey": ["key-of-the-flag"]])
        #expect(flag.settings.adminKey == "key-of-the-flag" && flag.diagnostics.isValid)
        let file = resolve(environment: ["PAYGATE_ADMIN_KEY": "key-of-the-variable"], flags: ["adminKeyFile": [path]])
        #expect(file.settings.adminKey == "key-of-the-file" && file.diagnostics.isValid)
        let both = resolve(environment: ["PAYGATE_ADMIN_KEY": "key-of-the-variable", "PAYGATE_ADMIN_KEY_FILE": path])
        #expect(
            both.diagnostics.errors.map(\.message) == [
                "adminKey from PAYGATE_ADMIN_KEY and a file of it from PAYGATE_ADMIN_KEY_FILE are given together; leave one of them out."
            ])
    }

    @Test("Names, flags and variables are unique")
    func unique() {
        for names in [Setting.all.map(\.name), Setting.all.flatMap(\.flags), Setting.all.flatMap(\.variables)] {
            #expect(Set(names).count == names.count)
        }
    }

    @Test("The documented settings can be reloaded, and those that calls are judged by (F-CFG-03)")
    func reloadable() {
        #expect(
            Set(Setting.all.filter(\.isReloadable).map(\.name)) == [
                "defaultCreditsPerCall", "toolPricing", "globalRateLimitPerMin", "shadowMode", "refundOnFailure", "freeMethods",
                "globalQuota", "webhookUrl", "webhookSecret", "webhookMaxRetries", "alertRules",
                // And what acts on calls in the same way (F-CONC-01, F-GUARD-02).
                "maxConcurrentPerKey", "maxConcurrentPerTool", "guardrails.enabled", "guardrails.rules",
                "guardrails.includeContext", "guardrails.maxViolations",
            ])
    }

    @Test("Every documented variable is known (F-ENV-01, F-ENV-02, X-24)")
    func documentedVariables() {
        let documented = """
            SERVER REMOTE_URL CONFIG PORT PRICE RATE_LIMIT NAME SHADOW ADMIN_KEY STATE_FILE WEBHOOK_URL WEBHOOK_SECRET \
            WEBHOOK_RETRIES REFUND_ON_FAILURE REDIS_URL DRY_RUN TOOL_PRICE STRIPE_SECRET CORS_ORIGIN CUSTOM_HEADERS \
            TRUSTED_PROXIES DEFAULT_CREDITS LOG_LEVEL LOG_FORMAT REQUEST_TIMEOUT HEADERS_TIMEOUT KEEPALIVE_TIMEOUT \
            MAX_REQUESTS_PER_SOCKET ADMIN_RATE_LIMIT DISCOVERY_MODE
            """.split(separator: " ").map { "PAYGATE_" + $0 }
        #expect(Set(documented).subtracting(Setting.all.flatMap(\.variables)) == [])
    }

    @Test("Every documented flag is known (F-CLI-02 to 05, X-23)")
    func documentedFlags() {
        let documented = """
            server remote-url port price rate-limit name shadow admin-key tool-price import-key state-file stripe-secret \
            webhook-url webhook-secret refund-on-failure redis-url config discovery json webhook-retries cors-origin header \
            trusted-proxies dry-run audit-file credits-per-call log-level log-format request-timeout headers-timeout \
            keepalive-timeout max-requests-per-socket admin-rate-limit shadow-mode
            """.split(separator: " ").map(String.init)
        #expect(Set(documented).subtracting(Setting.all.flatMap(\.flags)) == [])
    }
}

extension Setting: CustomTestStringConvertible {
    public var testDescription: String { name }
}
