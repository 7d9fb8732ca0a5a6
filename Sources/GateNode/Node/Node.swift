// One gate node as its parts see it: what was configured, what is shared, what is switched.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream

/// Everything that lives as long as the node and may be used from any event loop or task.
final class Node: Sendable {
    /// Random for each start, so that a restarted node is never taken for its dead self; the first name of its identity.
    let id: String
    /// As they were at the start; what may be reloaded is asked of `ruleBook`.
    let settings: Settings
    let store: RedisStore
    let keys: KeyDirectory
    let events: EventLog
    let teams: TeamDirectory
    let rollups: Rollups
    let rollupBook: RollupBook
    let violations: ViolationLog
    let webhooks: Webhooks
    let members: Membership
    let addressLimiter: AddressLimiter
    let identity: NodeIdentity
    let clock: RedisClock
    /// What the configuration says of calls at this moment.
    let ruleBook: RuleBook
    let reload: RulesReload
    let maintenance: Maintenance
    let addresses: ClientAddressRule
    let upstreams: UpstreamSet
    let lentSessions: LentSessions
    let adminKeys: AdminKeys
    let admins: AdminKeyDirectory
    let adminKeyWatch: AdminKeyWatch
    let sessions: SessionSecret
    let subscriptions = SubscriptionBook()
    let wishes = ResourceWishes()
    let auditTotals = AuditTotals()
    let auditBook: AuditBook
    let auditFeed: AuditFeed
    let storeProbe: StoreProbe
    let switches: Switches
    let logger: Logger
    let startedAt = ContinuousClock.now

    init(
        identity: NodeIdentity, clock: RedisClock, settings: Settings, resolve: @escaping @Sendable () -> SettingsResolution,
        store: RedisStore, members: Membership, upstreams: UpstreamSet, lentSessions: LentSessions, adminKeys: AdminKeys,
        sessions: SessionSecret, logger: Logger
    ) {
        id = identity.base
        self.identity = identity
        self.clock = clock
        self.settings = settings
        self.store = store
        self.members = members
        self.upstreams = upstreams
        self.lentSessions = lentSessions
        self.adminKeys = adminKeys
        admins = AdminKeyDirectory(adminKeys, store: store, origin: identity.base)
        adminKeyWatch = AdminKeyWatch(adminKeys, logger: logger)
        self.sessions = sessions
        storeProbe = StoreProbe(store, sessions)
        self.logger = logger
        // Nobody knows yet whether what was read at the start is what the cluster's version stands for: `RulesReload.follow` finds out.
        let (ruleBook, switches) = (RuleBook(settings, version: 0), Switches())
        (self.ruleBook, self.switches) = (ruleBook, switches)
        reload = RulesReload(
            ruleBook, version: RulesVersion(store: store, origin: identity.base), clock: clock, logger: logger, resolve: resolve)
        maintenance = Maintenance(store: store, origin: identity.base, switches: switches)
        keys = KeyDirectory(store: store, origin: id)
        events = EventLog(store: store)
        auditFeed = AuditFeed(store)
        auditBook = AuditBook(store: store)
        teams = TeamDirectory(store: store, keys: keys, origin: id)
        rollups = Rollups(store: store)
        rollupBook = RollupBook(store: store)
        violations = ViolationLog(store: store)
        webhooks = Webhooks(settings, store: store, origin: identity.base, clock: clock, ruleBook: ruleBook, reload: reload)
        addressLimiter = AddressLimiter(
            store: store,
            caps: [.admin: settings.adminRateLimit, .session: settings.sessionRateLimit, .public: settings.publicRateLimit])
        addresses = ClientAddressRule(trusted: settings.trustedProxies.compactMap(AddressRange.init))
    }
}

extension Node {
    var rules: GateRules { ruleBook.rules }

    /// Nil where nobody is to be warned.
    var expiryWarnings: ExpiryWarnings? {
        let scanner = settings.expiryScanner
        guard scanner.isEnabled else { return nil }
        return ExpiryWarnings(keys, thresholds: scanner.thresholds, interval: scanner.intervalSeconds)
    }

    /// What calls need of the node.
    var gateParts: GateParts {
        GateParts(
            id: id, settings: settings, store: store, identity: identity, clock: clock, ruleBook: ruleBook, addresses: addresses,
            addressLimiter: addressLimiter, upstreams: upstreams, subscriptions: subscriptions, wishes: wishes, sessions: sessions,
            switches: switches, logger: logger)
    }

    /// What endpoints need of the node.
    var adminParts: AdminParts {
        AdminParts(
            settings: settings, store: store, keys: keys, teams: teams, events: events, rollupBook: rollupBook, violations: violations,
            webhooks: webhooks,
            clock: clock,
            ruleBook: ruleBook,
            reload: reload, maintenance: maintenance, switches: switches, upstreams: upstreams, storeProbe: storeProbe,
            admins: admins, auditTotals: auditTotals, auditBook: auditBook, auditFeed: auditFeed, addresses: addresses,
            addressLimiter: addressLimiter,
            startedAt: startedAt,
            logger: logger)
    }
}
