// How a node comes up, in order: store, secrets, keys, upstreams. What was started is taken down in the opposite order.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream
import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The parts of a node while it is built, and the ones that have to be ended.
struct NodeConstruction {
    let settings: Settings
    let group: MultiThreadedEventLoopGroup
    /// Where replies of Redis are read that no call waits for.
    let background: any EventLoop
    let logger: Logger
    /// Reads the configuration as the start did.
    let resolve: @Sendable () -> SettingsResolution
    private(set) var redis: PrivateRedis?
    private(set) var store: RedisStore?
    /// Who says which Redis is the primary, if Sentinels do.
    private(set) var watch: PrimaryWatch?
    /// Who knows the servers of a Redis Cluster, if it is one.
    private(set) var cluster: ClusterWatch?
    /// Where the store may be moved to while this node serves, if the settings say so.
    private var successor: RedisConnector?
    private(set) var upstreams: UpstreamSet?
    /// What the operator is told of the admin key (F-ADMIN-09).
    private(set) var announcement: String?

    init(
        settings: Settings, resolve: @escaping @Sendable () -> SettingsResolution, group: MultiThreadedEventLoopGroup,
        background: any EventLoop, logger: Logger
    ) {
        self.settings = settings
        self.resolve = resolve
        self.group = group
        self.background = background
        self.logger = logger
    }

    var loops: [any EventLoop] { Array(group.makeIterator()) }

    mutating func build() async throws(StartupFailure) -> Node {
        let store = try await openStore()
        let secret = SessionSecret()
        do { try await secret.agreePatiently(in: store) } catch {
            throw StartupFailure("Redis refuses this node: \(error.sentence).", status: .storeUnavailable)
        }
        let admin: (keys: AdminKeys, origin: AdminKeys.Origin)
        do {
            admin = try await AdminKeys.resolve(settings: settings, store: store, stateDirectory: settings.stateDirectory)
        } catch let failure as StartupFailure {
            throw failure
        } catch {
            throw StartupFailure(
                "The admin key cannot be agreed on with the other nodes: Redis does not answer.", status: .storeUnavailable)
        }
        announcement = admin.origin.announcement
        let (identity, clock) = (NodeIdentity(base: RandomHex.digits(12)), RedisClock())
        let lent = LentSessions(node: identity.base, store: store, on: group.next())
        let upstreams = try await startUpstreams(lent)
        let members = Membership(
            store: store, identity: identity, clock: clock, refundUnknown: settings.unknownCalls == .refund, logger: logger)
        let node = Node(
            identity: identity, clock: clock, settings: settings, resolve: resolve, store: store, members: members, upstreams: upstreams,
            lentSessions: lent,
            adminKeys: admin.keys, sessions: secret, logger: logger)
        if let isReplaced = try? await node.admins.isBootstrapReplaced, isReplaced {
            announcement = "Admin key: the key of the start holds no more; the one that has replaced it does."
        }
        do { try await node.webhooks.queue.prepare() } catch {
            throw StartupFailure("The streams of events cannot be read: Redis does not answer.", status: .storeUnavailable)
        }
        try await ImportedKeys.create(settings.importKeys, in: node)
        await members.beat()
        await upstreams.discover(on: group.next())
        // The file may have been changed and reloaded since this process has read it.
        await node.reload.follow()
        return node
    }

    private mutating func openStore() async throws(StartupFailure) -> RedisStore {
        let connector = try await connector()
        let keys = RedisKeys(prefix: settings.redisKeyPrefix, database: connector.target.database)
        let store: RedisStore
        do {
            store = try await RedisStore(
                connector: connector, successor: successor, keys: keys, loops: loops, background: background, logger: logger)
        } catch {
            throw StartupFailure("The node is shutting down.", status: .storeUnavailable)
        }
        self.store = store
        let deadline = ContinuousClock.now + SharedRedis.patience
        while await !store.isReachable {
            if ContinuousClock.now > deadline {
                throw StartupFailure(
                    "Redis at \(connector.description) does not answer; check the URL, the password and that it runs.",
                    status: .storeUnavailable)
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
        let sharded = try await ClusterShards.settle(store, wanted: settings.shardsOfNewStore, logger: logger)
        self.store = sharded
        return sharded
    }

    /// The way to the Redis that the settings name, which has been found fit, or to the node's own.
    private mutating func connector() async throws(StartupFailure) -> RedisConnector {
        if let text = settings.redisUrl {
            let url: RedisURL
            do throws(RedisURLFault) { url = try RedisURL(text) } catch {
                throw StartupFailure("The Redis URL is not valid. \(error.rule)", status: .invalidConfiguration)
            }
            let keys = RedisKeys(prefix: settings.redisKeyPrefix, database: url.database)
            let shared = SharedRedis(settings: settings, url: url, loop: group.next(), logger: logger)
            if let other = try await shared.successor() {
                // It stops its watches itself.
                if other.hasArrived { return other.connector }
                successor = other.connector
            }
            let connector = try shared.connector()
            (watch, cluster) = (connector.watch, connector.cluster)
            try await shared.examine(connector, keys: keys)
            try await shared.refuseUnfinished(connector, keys: keys)
            return connector
        }
        warnOfOtherState()
        let redis = PrivateRedis(directory: settings.stateDirectory, durable: settings.durable, eventLoop: group.next(), logger: logger)
        self.redis = redis
        do {
            try await redis.start()
        } catch {
            throw StartupFailure(error.sentence, status: error.exitStatus)
        }
        do { return try RedisConnector(RedisTarget(unixSocket: await redis.socketPath, password: redis.password)) } catch {
            throw StartupFailure("The private redis-server cannot be reached: \(error).", status: .storeUnavailable)
        }
    }

    /// Until version 0.2 all ports had one default directory: whoever comes from there would miss the keys.
    private func warnOfOtherState() {
        let own = settings.stateDirectory
        guard settings.stateDir == nil, settings.stateFile == nil, own != Settings.usualState, access(own, F_OK) != 0,
            access(Settings.usualState, F_OK) == 0
        else { return }
        logger.warning(
            "this port begins with a state of its own; name the other one with --state-dir if it is the one that is meant",
            metadata: ["state": "\(own)", "other": "\(Settings.usualState)"])
    }

    private mutating func startUpstreams(_ lent: LentSessions) async throws(StartupFailure) -> UpstreamSet {
        let factory = UpstreamFactory(settings: settings, group: group, lent: lent, logger: logger)
        let upstreams = try factory.make()
        self.upstreams = upstreams
        try factory.checkCommands()
        do {
            try await upstreams.start()
        } catch {
            // A server may come up later: the node serves what it can and is not ready until then.
            if settings.dryRun { throw error }
            logger.warning("the MCP server is not there yet; it is tried again", metadata: ["error": "\(error.sentence)"])
        }
        return upstreams
    }

    func takeDown() async {
        await upstreams?.stop()
        await store?.stop()
        successor?.watch?.stop()
        successor?.cluster?.stop()
        watch?.stop()
        cluster?.stop()
        await redis?.stop()
    }
}

extension PrivateRedisFailure {
    fileprivate var exitStatus: ExitStatus {
        if case .directoryInUse = self { .stateDirectoryInUse } else { .storeUnavailable }
    }
}

/// How many shards a store has: whoever uses it first says so, and it never changes.
enum ClusterShards {
    /// The store under the names of its shards; a number that is not the wanted one is warned of.
    static func settle(_ store: RedisStore, wanted: Int, logger: Logger) async throws(StartupFailure) -> RedisStore {
        let number: Int
        do {
            let secrets = store.keys.secrets
            // A store without the number that has been used before is one of a version that knew no shards.
            let isUsed = try await store.sendPatiently(RedisCommand("HEXISTS", secrets, "session")).integer == 1
            _ = try await store.sendPatiently(RedisCommand("HSETNX", secrets, "shards", isUsed ? "1" : String(wanted)))
            number = try await store.sendPatiently(RedisCommand("HGET", secrets, "shards")).string.flatMap { Int($0) } ?? 0
        } catch {
            throw StartupFailure("Redis refuses this node: \(error.sentence).", status: .storeUnavailable)
        }
        guard (1...1024).contains(number) else {
            throw StartupFailure("The store says of itself that it has no usable number of shards.", status: .storeUnavailable)
        }
        if number != wanted {
            logger.warning(
                "the store has another number of shards than configured, and keeps it",
                metadata: ["shards": "\(number)", "redisShards": "\(wanted)"])
        }
        return RedisStore(store, keys: RedisKeys(prefix: store.keys.prefix, database: store.keys.database, shards: number))
    }
}

/// Keys that the operator brings along (F-KEY-09); one that exists stays as it is.
enum ImportedKeys {
    static func create(_ keys: [String: Int], in node: Node) async throws(StartupFailure) {
        for (secret, credits) in keys.sorted(by: { $0.key < $1.key }) {
            let record = KeyRecord(
                id: AccountID.make("key").text, name: "imported", prefix: Credential.shortMask(secret), masked: Credential.longMask(secret),
                createdAt: WallClock.milliseconds)
            let audit = AuditEntry(
                type: "key.created", actor: "system", message: "Key imported at the start",
                metadata: [("keyMasked", record.masked), ("credits", String(credits))])
            do throws(RecordRefusal) {
                try await node.keys.create(record, secret: secret, credits: credits, Operation(audit: audit))
            } catch {
                if error == .credentialExists { continue }
                if error == .aliasIsSecret {
                    throw StartupFailure(
                        "The key \(record.masked) cannot be imported: it is the alias of another key. Import it under another secret.",
                        status: .invalidConfiguration)
                }
                throw StartupFailure("The key \(record.masked) cannot be imported.", status: .storeUnavailable)
            }
        }
    }
}
