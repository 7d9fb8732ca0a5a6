// One gate node as its parts see it: what was configured, what is shared, what is switched.

package import ClusterState
package import GateDomain
package import Logging
import Synchronization

/// Everything that lives as long as the node and may be used from any event loop or task.
package final class Node: Sendable {
    /// Random for each start, so that a restarted node is never taken for its dead self; the first name of its identity.
    package let id: String
    /// As they were at the start; what may be reloaded is asked of `ruleBook`.
    package let settings: Settings
    package let store: RedisStore
    package let keys: KeyDirectory
    package let events: EventLog
    package let teams: TeamDirectory
    package let rollups: Rollups
    package let members: Membership
    package let addressLimiter: AddressLimiter
    package let identity: NodeIdentity
    package let clock: RedisClock
    /// What the configuration says of calls at this moment.
    package let ruleBook: RuleBook
    /// Reads flags, variables and file as the start did.
    let resolve: @Sendable () -> SettingsResolution
    package let addresses: ClientAddressRule
    package let upstreams: UpstreamSet
    package let adminKeys: AdminKeys
    package let sessions: SessionSecret
    package let subscriptions = SubscriptionBook()
    package let storeProbe: StoreProbe
    package let switches = Switches()
    package let logger: Logger
    package let startedAt = ContinuousClock.now

    package init(
        identity: NodeIdentity, clock: RedisClock, settings: Settings, resolve: @escaping @Sendable () -> SettingsResolution,
        rulesVersion: Int = 0, store: RedisStore, members: Membership, upstreams: UpstreamSet, adminKeys: AdminKeys,
        sessions: SessionSecret, logger: Logger
    ) {
        id = identity.base
        self.identity = identity
        self.clock = clock
        self.settings = settings
        self.store = store
        self.members = members
        self.upstreams = upstreams
        self.adminKeys = adminKeys
        self.sessions = sessions
        storeProbe = StoreProbe { (try? await sessions.agree(in: store)) != nil }
        self.logger = logger
        self.resolve = resolve
        ruleBook = RuleBook(settings, version: rulesVersion)
        keys = KeyDirectory(store: store, origin: id)
        events = EventLog(store: store)
        teams = TeamDirectory(store: store, keys: keys, origin: id)
        rollups = Rollups(store: store)
        addressLimiter = AddressLimiter(
            store: store,
            caps: [.admin: settings.adminRateLimit, .session: settings.sessionRateLimit, .public: settings.publicRateLimit])
        addresses = ClientAddressRule(trusted: settings.trustedProxies.compactMap(AddressRange.init))
    }
}

/// The node's switches, readable from everywhere without waiting.
package final class Switches: Sendable {
    private let leaving = Atomic<Bool>(false)
    private let drain = Atomic<Bool>(false)
    private let readinessAskedAt = Mutex<ContinuousClock.Instant?>(nil)
    private let inflight = Atomic<Int>(0)
    private let upkeep = Mutex<Maintenance?>(nil)
    private let inMaintenance = Atomic<Bool>(false)

    /// What `/mcp` says while an operator has closed it (F-GATE-02).
    package struct Maintenance: Sendable, Equatable {
        package let message: String
        /// Milliseconds since 1970.
        package let since: Int

        package init(message: String, since: Int) {
            self.message = message
            self.since = since
        }
    }

    /// Set first on a stop: `/ready` says 503 so that balancers look elsewhere, while calls are still taken.
    package var isLeaving: Bool {
        get { leaving.load(ordering: .relaxed) }
        set { leaving.store(newValue, ordering: .relaxed) }
    }

    /// Whether somebody has asked `/ready` in the last few seconds: a balancer that has to be given time.
    package var isWatched: Bool {
        readinessAskedAt.withLock { $0.map { ContinuousClock.now - $0 < .seconds(6) } ?? false }
    }

    package func readinessAsked() { readinessAskedAt.withLock { $0 = .now } }

    /// Once set the node takes no new work; it is never unset.
    package var isDraining: Bool {
        get { drain.load(ordering: .relaxed) }
        set { drain.store(newValue, ordering: .relaxed) }
    }

    private let oldRules = Mutex<(@Sendable () -> Void)?>(nil)

    /// Somebody has met newer rules in the store than this node has; whoever reloads them is told.
    package func rulesAreOld() { oldRules.withLock { $0 }?() }
    package func onOldRules(_ work: @escaping @Sendable () -> Void) { oldRules.withLock { $0 = work } }

    package var isInMaintenance: Bool { inMaintenance.load(ordering: .relaxed) }

    package var maintenance: Maintenance? {
        get { upkeep.withLock { $0 } }
        set {
            upkeep.withLock { $0 = newValue }
            inMaintenance.store(newValue != nil, ordering: .relaxed)
        }
    }

    /// Requests to `/mcp` that have not been answered (F-HEALTH-01).
    package var inFlight: Int { inflight.load(ordering: .relaxed) }

    package func entered() { inflight.add(1, ordering: .relaxed) }
    package func left() { inflight.subtract(1, ordering: .relaxed) }
}
