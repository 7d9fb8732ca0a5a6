// What calls need of their node.

import ClusterState
import GateDomain
import GateSettings
import Logging
import MCPUpstream

/// What calls need of their node; all of it may be used from any event loop.
struct GateParts: Sendable {
    let id: String
    let settings: Settings
    let store: RedisStore
    let identity: NodeIdentity
    let clock: RedisClock
    let ruleBook: RuleBook
    let addresses: ClientAddressRule
    let addressLimiter: AddressLimiter
    let upstreams: UpstreamSet
    let subscriptions: SubscriptionBook
    let wishes: ResourceWishes
    let sessions: SessionSecret
    let switches: Switches
    let logger: Logger
}
