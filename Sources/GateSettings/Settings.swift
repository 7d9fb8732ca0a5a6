// The settings that a node runs with.

package import GateDomain
package import GateValues

/// Every setting of a node with its resolved value; the defaults stand here and nowhere else.
///
/// The names are those of the configuration file (F-CFG-01, F-CFG-02). `Setting.all` declares how each is given and which
/// values it takes. Numbers are whole; unless a comment says otherwise they are 0 to 1,000,000,000 (F-PRICE-12).
package struct Settings: Sendable, Equatable {
    /// The configuration file that was read, if any; a reload reads it again.
    package var configPath: String?

    // MARK: Backend: exactly one of serverCommand, remoteUrl and servers is set in a valid configuration

    /// Program of the stdio server, run without a shell.
    package var serverCommand: String?
    /// Its arguments, each as it is.
    package var serverArgs: [String] = []
    /// What stdio servers see of the node's environment beside the usual: `NAME`, or `NAME=value`.
    package var serverEnv: [String] = []
    /// Stdio servers see all of the node's environment but its own `PAYGATE_…` variables.
    package var inheritEnv = false
    /// The user that stdio servers run as; only for a node of root.
    package var serverUser: String?
    /// What stands between the prefix of one of several servers and a name of its own; 1 to 4 characters.
    package var toolSeparator = ":"
    /// What of the servers' tools a client sees at once.
    package var discoveryMode = DiscoveryMode.static
    /// Which clients a server works for in a process, or a session, of their own.
    package var isolation = Isolation.auto
    /// Streamable HTTP endpoint, http or https.
    package var remoteUrl: String?
    /// Several servers behind one gate, with unique prefixes (F-MULTI-02).
    package var servers: [ServerSettings] = []
    /// Milliseconds until a tool call is given up; 0 for the hard maximum of five minutes.
    package var toolTimeoutMs = 0
    /// Largest answer of a backend in bytes; 0 for no limit.
    package var maxResponseBytes = 10_485_760

    // MARK: Pricing and the gate

    /// The name that the gate shows.
    package var name = "gate-node"
    /// Credits for a call of a tool that has no price of its own.
    package var defaultCreditsPerCall = 1
    /// Prices by the name of the tool, with its prefix where there are several servers.
    package var toolPricing: [String: ToolPrice] = [:]
    /// Calls a minute for each key; 0 for no limit.
    package var globalRateLimitPerMin = 60
    /// What a key has that has no quota of its own (F-QUOTA-03).
    package var globalQuota = Quota()
    /// Open calls that a key may have at once; 0 for any number (F-CONC-01).
    package var maxConcurrentPerKey = 0
    /// Open calls that a tool may have at once, whoever makes them; 0 for any number.
    package var maxConcurrentPerTool = 0
    /// What may not pass in arguments and answers.
    package var guardrails = GuardrailSettings()
    /// Methods that need no key and cost nothing (F-GATE-05).
    package var freeMethods = [
        "initialize", "notifications/initialized", "ping", "server/discover",
        "tools/list", "resources/list", "resources/templates/list", "prompts/list",
    ]
    /// Decide and record, but deny and charge nothing (F-GATE-14).
    package var shadowMode = false
    /// Give the credits of a call back when the tool or the server failed.
    package var refundOnFailure = false
    /// What becomes of calls whose node died before it settled them.
    package var unknownCalls = UnknownCalls.refund
    /// Seconds for which a call's idempotency key is remembered, at least 1.
    package var idempotencyTtlSeconds = 86_400

    // MARK: Access

    /// The bootstrap admin key, at least 8 characters; generated at the start when nil.
    package var adminKey: String?
    /// API keys to create with these credits, if they do not exist yet.
    package var importKeys: [String: Int] = [:]
    /// Addresses and CIDR blocks whose X-Forwarded-For is believed.
    package var trustedProxies: [String] = []
    /// The header in which trusted proxies say the client's country; nil for X-Country, else CF-IPCountry (F-GEO-02).
    package var geoCountryHeader: String?
    /// What browsers are told.
    package var cors = CORSSettings()

    // MARK: State

    /// A `RedisURL`; nil to run a private Redis in the state directory.
    package var redisUrl: String?
    /// The user of Redis; nil for that of the URL.
    package var redisUser: String?
    /// The password for Redis; nil for that of the URL.
    package var redisPassword: String?
    /// The user of the Sentinels, which have users of their own; nil for their default user.
    package var sentinelUser: String?
    /// The password for the Sentinels; nil where they ask for none.
    package var sentinelPassword: String?
    /// A file of PEM: the authorities that are trusted by TLS to Redis and its Sentinels; nil for those of the system.
    package var redisCa: String?
    /// A file of PEM: the node's own certificate for them; only together with `redisPrivateKey`.
    package var redisCertificate: String?
    /// A file of PEM: the key of that certificate.
    package var redisPrivateKey: String?
    /// Where the store of `redisUrl` may be moved to while the node serves, a URL like that one; nil for nowhere.
    package var redisTo: String?
    /// Replicas that have to have a write before it counts as done, 0 to 16.
    package var minReplicasAck = 0
    /// Prefix of every Redis key.
    package var redisKeyPrefix = "pg:"
    /// Shards of a store that is used for the first time, 1 to 1024; nil leaves that to `shardsOfNewStore`.
    package var redisShards: Int?
    /// The same, chosen by the kind of store where nobody has: 1, or 64 for a Redis Cluster. A store keeps the number that it was first used with.
    package var shardsOfNewStore: Int {
        redisShards ?? (redisUrl.flatMap { try? RedisURL($0) }?.topology == .cluster ? 64 : 1)
    }
    /// Where the private Redis keeps its files; see `stateDirectory`.
    package var stateDir: String?
    /// The documented way to name a place for the state; see `stateDirectory`.
    package var stateFile: String?
    /// The private Redis writes each change to the disk before it answers (`appendfsync always`).
    package var durable = false
    /// What is done while Redis is away.
    package var onStoreLoss = OnStoreLoss.deny

    // MARK: Webhooks

    /// Where events are sent; nil for nowhere.
    package var webhookUrl: WebhookURL?
    /// What they are signed with; nil or empty for no signature.
    package var webhookSecret: String?
    /// Attempts after the first one, 0 to 100.
    package var webhookMaxRetries = 5
    /// Filters that the API cannot change.
    package var webhookFilters: [WebhookFilterSettings] = []
    /// Whether private addresses are refused, when a URL is set and at each delivery.
    package var webhookSsrfAtDelivery = true
    /// Milliseconds that fewer than ten events wait for more of them, 0 to 60,000.
    package var webhookFlushMs = 5000
    /// Who is told before keys expire.
    package var expiryScanner = ExpiryScannerSettings()

    // MARK: HTTP

    /// 0 to 65535; 0 lets the system choose a free one.
    package var port = 3402
    /// Address to listen on; `::` listens on IPv4 and IPv6.
    package var host = "::"
    /// Headers of every response, in the order of their names (F-HDR-14).
    package var customHeaders: [CustomHeader] = []
    /// Milliseconds for a whole request; 0 for no limit.
    package var requestTimeoutMs = 30_000
    /// Milliseconds for the headers of a request; 0 for no limit.
    package var headersTimeoutMs = 10_000
    /// Milliseconds that an idle connection stays open; 0 for no limit.
    package var keepAliveTimeoutMs = 65_000
    /// Requests until a connection is closed; 0 for no limit.
    package var maxRequestsPerSocket = 0
    /// Open client connections, at least 1.
    package var maxConnections = 10_000
    /// Open connections of one address (an IPv6 network of 64 bits is one); 0 for no limit. Those of `trustedProxies` do not count. Nil is
    /// `usualConnectionsPerAddress` for all but the programs on this machine, which have no limit then.
    package var maxConnectionsPerAddress: Int?
    /// Requests a minute and address to admin endpoints; 0 for no limit (F-RATE-04).
    package var adminRateLimit = 120
    /// New sessions a minute and address; 0 for no limit (F-RATE-05).
    package var sessionRateLimit = 60
    /// Requests a minute and address to public pages; 0 for no limit (F-RATE-06).
    package var publicRateLimit = 300

    // MARK: The process

    /// The least severe lines that are logged.
    package var logLevel = LogLevel.info
    /// How log lines look.
    package var logFormat = LogFormat.text
    /// Seconds that calls in flight have after SIGTERM, 0 to 3600.
    package var drainSeconds = 30
    /// Event loops, 0 to 1024; 0 for one for each core that the process may use.
    package var threads = 0
    /// Discover the tools, print the prices, exit (F-CLI-09).
    package var dryRun = false
    /// Print for machines.
    package var json = false

    /// The defaults.
    package init() {}
}

extension Settings {
    /// Where a private Redis keeps its files: `stateDir`, else beside `stateFile` with `.d` added to its name, else a directory of the port's
    /// own in the working directory, so that two gates in one folder are two: `.gate-node` for the default port, `.gate-node-<port>` for
    /// others. Two state files in one directory stay two states.
    package var stateDirectory: String {
        stateDir ?? stateFile.map { $0 + ".d" } ?? (port == Settings().port ? Self.usualState : "\(Self.usualState)-\(port)")
    }

    /// The state directory of the default port.
    package static let usualState = ".gate-node"

    /// Connections of one address where the operator has named no number.
    package static let usualConnectionsPerAddress = 2500
}

extension Settings {
    /// Which clients a server works for in a process, or a session, of their own.
    package enum Isolation: String, Sendable, CaseIterable {
        /// Those that it can ask something (sampling, elicitation, roots); the others share one.
        case auto
        /// None: all share one, and nobody can be asked.
        case shared
        /// Each session under a key.
        case session
    }

    /// What tools/list answers.
    package enum DiscoveryMode: String, Sendable, CaseIterable {
        /// All tools.
        case `static`
        /// Three tools, by which the others are found and called (F-DISC-01).
        case dynamic
    }

    /// What a node does with calls while its store is away.
    package enum OnStoreLoss: String, Sendable, CaseIterable {
        /// Refuse at once, retryable.
        case deny
        /// Let rate limits pass; credits are refused all the same.
        case open
    }

    /// What the reaper does with the credits of a call whose node died.
    package enum UnknownCalls: String, Sendable, CaseIterable {
        /// The held credits go back to the key.
        case refund
        /// The held credits are charged.
        case keep
    }

    /// From the most talkative on; `silent` logs nothing.
    package enum LogLevel: String, Sendable, CaseIterable {
        case debug, info, warn, error, silent
    }

    /// Lines for people, or one JSON object a line.
    package enum LogFormat: String, Sendable, CaseIterable {
        case text, json
    }
}

/// Which browser origins may read answers (F-HDR-17).
package struct CORSSettings: Sendable, Equatable {
    /// The origins that are answered with leave to read.
    package enum Origins: Sendable, Equatable {
        /// Nothing was written down: every origin may read public pages, and none may call.
        case unlisted
        /// Every origin (`*`), and each may call.
        case any
        /// `scheme://host[:port]`, matched exactly.
        case listed([String])
    }

    /// Whether public pages may be read by some origins only.
    package var isRestricted: Bool { if case .listed = origin { true } else { false } }

    /// Who may read answers.
    package var origin = Origins.unlisted
    /// Only with listed origins (F-HDR-18).
    package var credentials = false
    /// Seconds for which a browser may keep a preflight answer.
    package var maxAge = 86_400

    /// The defaults.
    package init() {}
}
