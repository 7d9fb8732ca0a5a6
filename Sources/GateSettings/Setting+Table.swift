// The table of settings (F-CLI-02 to 05, F-ENV-01, F-ENV-02, F-CFG-01 to 03). A row here is all that a setting needs.

import GateDomain
import GateValues

extension Setting {
    /// Every setting, once.
    package static let all: [Setting] = SettingSection.allCases.flatMap(\.settings)

    static let backend: [Setting] = [
        Setting(
            "serverArgs", \.serverArgs, .list("argument") { _ in true },
            "Arguments of serverCommand."),
        .serverCommand(
            flags: ["server"], variables: ["PAYGATE_SERVER"],
            "The stdio MCP server to wrap, a command line; or give it after --."),
        Setting(
            "serverEnv", \.serverEnv, .list("NAME[=value]", rule: EnvironmentEntry.rule, EnvironmentEntry.isEntry),
            flags: ["server-env"], variables: ["PAYGATE_SERVER_ENV"],
            "A variable that stdio servers see, beside PATH, HOME and their like."),
        Setting(
            "inheritEnv", \.inheritEnv, .toggle,
            flags: ["inherit-env"], variables: ["PAYGATE_INHERIT_ENV"],
            "Let stdio servers see all variables of the node but PAYGATE_*."),
        Setting(
            "serverUser", \.serverUser, .text("user"),
            flags: ["server-user"], variables: ["PAYGATE_SERVER_USER"],
            "Run stdio servers as this user; the node must be root."),
        Setting(
            "isolation", \.isolation, .choice(),
            flags: ["isolation"], variables: ["PAYGATE_ISOLATION"],
            "Whose server process, or session, is a client's own: auto, where the server can ask the client something; shared, nobody's; session, each session's. It is that of one node: with several, a balancer has to keep a session at its node (docs/mcp.md)."
        ),
        Setting(
            "remoteUrl", \.remoteUrl, .url(["http", "https"]),
            flags: ["remote-url"], variables: ["PAYGATE_REMOTE_URL"],
            "The Streamable HTTP MCP server to wrap."),
        Setting("servers", \.servers, .servers, "Several servers, each with a prefix."),
        Setting(
            "toolSeparator", \.toolSeparator,
            .text("separator", rule: "Must be 1 to 4 of the characters : . _ - /") { separator in
                (1...4).contains(separator.utf8.count) && separator.utf8.allSatisfy { ":._-/".utf8.contains($0) }
            },
            flags: ["tool-separator"], variables: ["PAYGATE_TOOL_SEPARATOR"],
            "What stands between the prefix of one of several servers and a tool's name; some MCP clients refuse the colon."),
        Setting(
            "discoveryMode", \.discoveryMode, .choice(),
            flags: ["discovery"], variables: ["PAYGATE_DISCOVERY_MODE"],
            "What clients see of the tools: static, all of them; dynamic, three by which the others are listed, searched and called."),
        Setting(
            "toolTimeoutMs", \.toolTimeoutMs, .number("ms"),
            flags: ["tool-timeout"], variables: ["PAYGATE_TOOL_TIMEOUT"],
            "Give a tool call up after this time; 0 for the hard maximum of five minutes."),
        Setting(
            "maxResponseBytes", \.maxResponseBytes, .number("bytes"),
            flags: ["max-response-bytes"], variables: ["PAYGATE_MAX_RESPONSE_BYTES"],
            "Largest answer of a server; 0 for no limit."),
    ]

    static let pricing: [Setting] = [
        Setting(
            "name", \.name, .text("name"),
            flags: ["name"], variables: ["PAYGATE_NAME"],
            "The name that the gate shows."),
        Setting(
            "defaultCreditsPerCall", \.defaultCreditsPerCall, .number("credits"),
            flags: ["price", "credits-per-call"], variables: ["PAYGATE_PRICE", "PAYGATE_DEFAULT_CREDITS"], reloadable: true,
            "Credits for a tool call."),
        Setting(
            "toolPricing", \.toolPricing, .toolPrices,
            flags: ["tool-price"], variables: ["PAYGATE_TOOL_PRICE"], reloadable: true,
            "Credits for a call of one tool, also tool=credits."),
        Setting(
            "globalRateLimitPerMin", \.globalRateLimitPerMin, .number("calls"),
            flags: ["rate-limit"], variables: ["PAYGATE_RATE_LIMIT"], reloadable: true,
            "Calls a minute for each key; 0 for no limit."),
        Setting(
            "globalQuota", \.globalQuota, .quota, reloadable: true,
            "Calls and credits a UTC day and month of keys without a quota of their own."),
        Setting(
            "maxConcurrentPerKey", \.maxConcurrentPerKey, .number("calls"),
            flags: ["max-concurrent-per-key"], variables: ["PAYGATE_MAX_CONCURRENT_PER_KEY"], reloadable: true,
            "Open calls that a key may have at once; 0 for any number."),
        Setting(
            "maxConcurrentPerTool", \.maxConcurrentPerTool, .number("calls"),
            flags: ["max-concurrent-per-tool"], variables: ["PAYGATE_MAX_CONCURRENT_PER_TOOL"], reloadable: true,
            "Open calls that a tool may have at once, whoever makes them; 0 for any number."),
        Setting("guardrails.enabled", \.guardrails.isEnabled, .toggle, reloadable: true, "Whether the guardrails act."),
        Setting("guardrails.rules", \.guardrails.rules, .guardrails, reloadable: true, "What may not pass in arguments and answers."),
        Setting(
            "guardrails.includeContext", \.guardrails.includesContext, .toggle, reloadable: true,
            "Whether the record of violations says what stands around them."),
        Setting(
            "guardrails.maxViolations", \.guardrails.maxViolations, .number("entries", 0...100_000), reloadable: true,
            "Violations that are kept; 0 for none."),
        Setting(
            "freeMethods", \.freeMethods, .list("method"),
            flags: ["free-methods"], variables: ["PAYGATE_FREE_METHODS"], reloadable: true,
            "Methods that need no key; by default initialize, ping and the lists."),
        Setting(
            "shadowMode", \.shadowMode, .toggle,
            flags: ["shadow", "shadow-mode"], variables: ["PAYGATE_SHADOW"], reloadable: true,
            "Decide and record, but deny and charge nothing."),
        Setting(
            "refundOnFailure", \.refundOnFailure, .toggle,
            flags: ["refund-on-failure"], variables: ["PAYGATE_REFUND_ON_FAILURE"], reloadable: true,
            "Give the credits of a failed call back."),
        Setting(
            "unknownCalls", \.unknownCalls, .choice(),
            flags: ["unknown-calls"], variables: ["PAYGATE_UNKNOWN_CALLS"],
            "What becomes of the credits of calls whose node died."),
        Setting(
            "idempotencyTtlSeconds", \.idempotencyTtlSeconds, .number("s", 1...Int.largestSetting),
            flags: ["idempotency-ttl"], variables: ["PAYGATE_IDEMPOTENCY_TTL"],
            "Remember an idempotency key for this time."),
    ]

    private static let adminKey = Setting(
        "adminKey", \.adminKey,
        .text("key", isSecret: true, rule: "Must be at least 8 visible ASCII characters.") { key in
            key.utf8.count >= 8 && key.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        },
        flags: ["admin-key"], variables: ["PAYGATE_ADMIN_KEY"],
        "The bootstrap admin key; made at the start when none is given. Every user of the machine sees it in the list of processes: give it by --admin-key-file or a variable."
    )
    private static let importKeys = Setting(
        "importKeys", \.importKeys, .importedKeys,
        flags: ["import-key"], variables: ["PAYGATE_IMPORT_KEY"],
        "Create an API key with these credits.")
    private static let redisUrl = Setting(
        "redisUrl", \.redisUrl, .redisURL,
        flags: ["redis-url"], variables: ["PAYGATE_REDIS_URL"],
        "The Redis that all nodes share, or its Sentinels; without it the node runs its own.")

    static let access: [Setting] = [
        adminKey, inFile(adminKey), importKeys, inFile(importKeys),
        Setting(
            "trustedProxies", \.trustedProxies,
            .list("address", rule: "Must be IP addresses or CIDR blocks.", { AddressRange($0) != nil }),
            flags: ["trusted-proxies"], variables: ["PAYGATE_TRUSTED_PROXIES"],
            "Proxies whose X-Forwarded-For is believed, addresses or CIDR blocks."),
        Setting(
            "geoCountryHeader", \.geoCountryHeader,
            SettingKind<String>.text(
                "header", rule: "Must be the name of a header: letters, digits and hyphens, 64 at most.",
                { name in
                    (1...64).contains(name.utf8.count)
                        && name.utf8.allSatisfy { byte in
                            switch byte {
                            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"):
                                true
                            default: false
                            }
                        }
                }
            ).optional,
            "The header in which trusted proxies say the client's country; X-Country, else CF-IPCountry, by default."),
        Setting(
            "cors.origin", \.cors.origin, .origins,
            flags: ["cors-origin"], variables: ["PAYGATE_CORS_ORIGIN"],
            "Browser origins that may call and read answers; without it all may read public pages, and none may call."),
        Setting(
            "cors.credentials", \.cors.credentials, .toggle,
            flags: ["cors-credentials"], variables: ["PAYGATE_CORS_CREDENTIALS"],
            "Let browsers send credentials; needs listed origins."),
        Setting(
            "cors.maxAge", \.cors.maxAge, .number("s"),
            flags: ["cors-max-age"], variables: ["PAYGATE_CORS_MAX_AGE"],
            "How long browsers keep a preflight answer."),
    ]

    static let state: [Setting] = [
        redisUrl, inFile(redisUrl),
        Setting(
            "redisKeyPrefix", \.redisKeyPrefix,
            .text("prefix", rule: "Must be 1–64 visible ASCII characters without braces.") { prefix in
                (1...64).contains(prefix.utf8.count)
                    && prefix.utf8.allSatisfy { (0x21...0x7E).contains($0) } && !prefix.contains { "{}".contains($0) }
            },
            flags: ["redis-key-prefix"], variables: ["PAYGATE_REDIS_KEY_PREFIX"],
            "What the name of every Redis key begins with."),
        Setting(
            "redisShards", \.redisShards, .number("n", 1...1024),
            flags: ["redis-shards"], variables: ["PAYGATE_REDIS_SHARDS"],
            "Shards of a new store (default: 1, with Redis Cluster 64); one that was used before keeps its number."),
        Setting(
            "stateDir", \.stateDir, .path,
            flags: ["state-dir"], variables: ["PAYGATE_STATE_DIR"],
            "Where the node's own Redis keeps its files (default: .gate-node, with -PORT for another port than 3402)."),
        Setting(
            "stateFile", \.stateFile, .path,
            flags: ["state-file"], variables: ["PAYGATE_STATE_FILE"],
            "Names the state directory: this path with .d added."),
        Setting(
            "durable", \.durable, .toggle,
            flags: ["durable"], variables: ["PAYGATE_DURABLE"],
            "The node's own Redis writes each change to the disk before it answers."),
        Setting(
            "onStoreLoss", \.onStoreLoss,
            .choice(notYet: ["lease": "Spending from a lease while the store is away is not available in this version."]),
            flags: ["on-store-loss"], variables: ["PAYGATE_ON_STORE_LOSS"],
            "While Redis is away: deny calls, or let rate limits (never credits) stay open."),
    ]

    static let http: [Setting] = [
        Setting(
            "port", \.port, .number("port", 0...65_535),
            flags: ["port"], variables: ["PAYGATE_PORT"],
            "The port to listen on; 0 for any free one."),
        Setting(
            "host", \.host, .text("address"),
            flags: ["host"], variables: ["PAYGATE_HOST"],
            "The address to listen on; :: is every IPv4 and IPv6 address."),
        Setting(
            "customHeaders", \.customHeaders, .headers,
            flags: ["header"], variables: ["PAYGATE_CUSTOM_HEADERS"],
            "A header of every response."),
        Setting(
            "requestTimeoutMs", \.requestTimeoutMs, .number("ms"),
            flags: ["request-timeout"], variables: ["PAYGATE_REQUEST_TIMEOUT"],
            "Time for a whole request; 0 for no limit."),
        Setting(
            "headersTimeoutMs", \.headersTimeoutMs, .number("ms"),
            flags: ["headers-timeout"], variables: ["PAYGATE_HEADERS_TIMEOUT"],
            "Time for a request's headers; 0 for no limit."),
        Setting(
            "keepAliveTimeoutMs", \.keepAliveTimeoutMs, .number("ms"),
            flags: ["keepalive-timeout"], variables: ["PAYGATE_KEEPALIVE_TIMEOUT"],
            "Time that an idle connection stays open; 0 for no limit."),
        Setting(
            "maxRequestsPerSocket", \.maxRequestsPerSocket, .number("n"),
            flags: ["max-requests-per-socket"], variables: ["PAYGATE_MAX_REQUESTS_PER_SOCKET"],
            "Requests until a connection is closed; 0 for no limit."),
        Setting(
            "maxConnections", \.maxConnections, .number("n", 1...Int.largestSetting),
            flags: ["max-connections"], variables: ["PAYGATE_MAX_CONNECTIONS"],
            "Open client connections."),
        Setting(
            "maxConnectionsPerAddress", \.maxConnectionsPerAddress, .number("n"),
            flags: ["max-connections-per-address"], variables: ["PAYGATE_MAX_CONNECTIONS_PER_ADDRESS"],
            "Open connections of one address that is no trusted proxy; 0 for no limit. Left out: 2500, and no limit for programs on this machine."
        ),
        Setting(
            "adminRateLimit", \.adminRateLimit, .number("n"),
            flags: ["admin-rate-limit"], variables: ["PAYGATE_ADMIN_RATE_LIMIT"],
            "Admin requests a minute and address; 0 for no limit."),
        Setting(
            "sessionRateLimit", \.sessionRateLimit, .number("n"),
            flags: ["session-rate-limit"], variables: ["PAYGATE_SESSION_RATE_LIMIT"],
            "New sessions a minute and address; 0 for no limit."),
        Setting(
            "publicRateLimit", \.publicRateLimit, .number("n"),
            flags: ["public-rate-limit"], variables: ["PAYGATE_PUBLIC_RATE_LIMIT"],
            "Requests a minute and address to public pages; 0 for no limit."),
    ]

    /// The setting that says where the file with the others is.
    static let config = Setting(
        "config", \.configPath, .path,
        flags: ["config"], variables: ["PAYGATE_CONFIG"], inFile: false,
        "A JSON file with any of these settings.")

    static let process: [Setting] = [
        config,
        Setting(
            "logLevel", \.logLevel, .choice(),
            flags: ["log-level"], variables: ["PAYGATE_LOG_LEVEL"],
            "The least severe lines to log."),
        Setting(
            "logFormat", \.logFormat, .choice(),
            flags: ["log-format"], variables: ["PAYGATE_LOG_FORMAT"],
            "How log lines look."),
        Setting(
            "drainSeconds", \.drainSeconds, .number("s", 0...3600),
            flags: ["drain-seconds"], variables: ["PAYGATE_DRAIN_SECONDS"],
            "Time that calls in flight have after SIGTERM."),
        Setting(
            "threads", \.threads, .number("n", 0...1024),
            flags: ["threads"], variables: ["PAYGATE_THREADS"],
            "Event loops; 0 for one for each core that the process may use."),
        Setting(
            "dryRun", \.dryRun, .toggle,
            flags: ["dry-run"], variables: ["PAYGATE_DRY_RUN"], inFile: false,
            "Discover the tools, print the prices, exit."),
        Setting(
            "json", \.json, .toggle,
            flags: ["json"], inFile: false,
            "Print for machines."),
    ]
}

extension Setting {
    static let later: [Setting] =
        [
            .later("stripeWebhookSecret", flags: ["stripe-secret"], variables: ["PAYGATE_STRIPE_SECRET"]),
            .later("auditFile", flags: ["audit-file"], variables: ["PAYGATE_AUDIT_FILE"]),
            .later("alertRules", reloadable: true),
        ] + fileOnly.map { Setting.later($0) }

    private static let fileOnly = [
        "oauth", "stripe", "cacheTtlSeconds", "maxCacheEntries",
        "circuitBreakerThreshold", "circuitBreakerCooldownSeconds",
        "mirror", "billTaskCreation", "spendCaps", "x402", "openApiSpec",
    ]
}

/// The chapters of the table of settings, in the order in which the help text shows them.
package enum SettingSection: CaseIterable, Sendable {
    case backend, pricing, access, state, webhooks, http, process, later

    /// The heading in the help text.
    package var title: String {
        switch self {
        case .backend: "Backend"
        case .pricing: "Pricing and the gate"
        case .access: "Access"
        case .state: "State"
        case .webhooks: "Webhooks"
        case .http: "HTTP"
        case .process: "The process"
        case .later: "Accepted, without effect in this version"
        }
    }

    /// The rows of the chapter, in the order of the help text.
    package var settings: [Setting] {
        switch self {
        case .backend: Setting.backend
        case .pricing: Setting.pricing
        case .access: Setting.access
        case .state: Setting.state + Setting.redis
        case .webhooks: Setting.webhooks + Setting.expiryScanner
        case .http: Setting.http
        case .process: Setting.process
        case .later: Setting.later
        }
    }
}
