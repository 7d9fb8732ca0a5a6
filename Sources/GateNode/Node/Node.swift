// One gate node as its parts see it: what was configured, what is shared, what is switched.

package import ClusterState
package import GateDomain
package import GateSettings
package import Logging
package import MCPUpstream

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
    let reload: RulesReload
    let maintenance: Maintenance
    package let addresses: ClientAddressRule
    package let upstreams: UpstreamSet
    package let adminKeys: AdminKeys
    let adminKeyWatch: AdminKeyWatch
    package let sessions: SessionSecret
    package let subscriptions = SubscriptionBook()
    package let storeProbe: StoreProbe
    package let switches: Switches
    package let logger: Logger
    package let startedAt = ContinuousClock.now

    package init(
        identity: NodeIdentity, clock: RedisClock, settings: Settings, resolve: @escaping @Sendable () -> SettingsResolution,
        store: RedisStore, members: Membership, upstreams: UpstreamSet, adminKeys: AdminKeys, sessions: SessionSecret, logger: Logger
    ) {
        id = identity.base
        self.identity = identity
        self.clock = clock
        self.settings = settings
        self.store = store
        self.members = members
        self.upstreams = upstreams
        self.adminKeys = adminKeys
        adminKeyWatch = AdminKeyWatch(adminKeys, logger: logger)
        self.sessions = sessions
        storeProbe = StoreProbe { (try? await sessions.agree(in: store)) != nil }
        self.logger = logger
        // Nobody knows yet whether what was read at the start is what the cluster's version stands for: `RulesReload.follow` finds out.
        let (ruleBook, switches) = (RuleBook(settings, version: 0), Switches())
        (self.ruleBook, self.switches) = (ruleBook, switches)
        reload = RulesReload(
            ruleBook, version: RulesVersion(store: store, origin: identity.base), clock: clock, logger: logger, resolve: resolve)
        maintenance = Maintenance(store: store, origin: identity.base, switches: switches)
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

extension Node {
    package var rules: GateRules { ruleBook.rules }

    /// What calls need of the node.
    package var gateParts: GateParts {
        GateParts(
            id: id, settings: settings, store: store, identity: identity, clock: clock, ruleBook: ruleBook, addresses: addresses,
            addressLimiter: addressLimiter, upstreams: upstreams, subscriptions: subscriptions, sessions: sessions, switches: switches,
            logger: logger)
    }

    /// What endpoints need of the node.
    package var adminParts: AdminParts {
        AdminParts(
            settings: settings, store: store, keys: keys, teams: teams, events: events, rollups: rollups, clock: clock, ruleBook: ruleBook,
            reload: reload, maintenance: maintenance, switches: switches, upstreams: upstreams, storeProbe: storeProbe,
            adminKeys: adminKeys, addresses: addresses, addressLimiter: addressLimiter, startedAt: startedAt, logger: logger)
    }
}
