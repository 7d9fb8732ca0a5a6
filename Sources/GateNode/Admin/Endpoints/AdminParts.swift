// What endpoints may use of their node.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream

/// The parts of a node that stand behind its endpoints.
///
/// An endpoint names the ones that it uses (`using: \.keys`) and is given no other. What is no part of a node stays out of here: a verb
/// takes it from its request.
struct AdminParts: Sendable {
    /// As they were at the start; what may be reloaded is asked of `ruleBook`.
    let settings: Settings
    let store: RedisStore
    let keys: KeyDirectory
    let teams: TeamDirectory
    let events: EventLog
    let rollupBook: RollupBook
    let violations: ViolationLog
    let webhooks: Webhooks
    let clock: RedisClock
    let ruleBook: RuleBook
    let reload: RulesReload
    let maintenance: Maintenance
    let switches: Switches
    let upstreams: UpstreamSet
    let storeProbe: StoreProbe
    let admins: AdminKeyDirectory
    let auditTotals: AuditTotals
    let auditBook: AuditBook
    let auditFeed: AuditFeed
    let addresses: ClientAddressRule
    let addressLimiter: AddressLimiter
    let startedAt: ContinuousClock.Instant
    let logger: Logger
}
