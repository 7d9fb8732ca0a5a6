// A key as an event loop knows it: its policy, and the names that its scripts need, made once.

package import GateDomain

/// An immutable snapshot of one key; shared by all calls that are judged by it.
package final class CachedKey: Sendable {
    /// What applies to the key, with the versions that it was made from.
    package let policy: Policy
    /// The key's id. Of what is read for every call this and `autoTopUp` stand apart: reading them from `record` would copy all of it.
    package let id: String
    let autoTopUp: AutoTopUp?
    /// The accounts' names in Redis, in the order of the policy.
    let accounts: [String]
    /// The places of all of them.
    let everyAccount: [Int]
    /// The shards that they lie in, in the same order.
    let shards: [Int]
    /// Whether all of them lie in one shard, so that one script admits a call.
    let isInOneShard: Bool
    /// What the names of its idempotent calls begin with.
    let calls: String
    /// What the names of the accounts' rolling windows begin with, in the order of the policy.
    private let ringPrefixes: [String]
    private let rings: [[String: String]]
    private let lender: CachedKey?

    /// - Parameter keys: where the policy's accounts lie.
    package init(_ policy: Policy, keys: RedisKeys) {
        self.policy = policy
        (id, autoTopUp) = (policy.key.id, policy.key.autoTopUp)
        accounts = policy.accounts.map { keys.account($0.id.text) }
        everyAccount = Array(policy.accounts.indices)
        shards = policy.accounts.map { keys.shard(ofHome: $0.id.home) }
        isInOneShard = Set(shards).count == 1
        calls = keys.calls(policy.key.id)
        lender = nil
        let prefixes = policy.accounts.map { keys.ring($0.id.text, "") }
        ringPrefixes = prefixes
        rings = policy.allLimits.reduce(into: Array(repeating: [:], count: prefixes.count)) { rings, limit in
            if case .rolling = limit.window { rings[limit.account][limit.name] = prefixes[limit.account] + limit.name }
        }
    }

    /// A key as a credential lends it: with the same accounts and names.
    package init(_ key: CachedKey, lentBy credential: Credential) {
        policy = Policy(key.policy, lentBy: credential)
        (id, autoTopUp) = (policy.key.id, policy.key.autoTopUp)
        (accounts, everyAccount, shards) = (key.accounts, key.everyAccount, key.shards)
        (isInOneShard, calls) = (key.isInOneShard, key.calls)
        (ringPrefixes, rings, lender) = (key.ringPrefixes, key.rings, key)
    }

    /// The key itself, where it is lent.
    package var own: CachedKey { lender ?? self }

    /// The key as it was read.
    package var record: KeyRecord { policy.key }

    /// The string of a rolling window.
    func ring(of limit: Limit) -> String { rings[limit.account][limit.name] ?? ringPrefixes[limit.account] + limit.name }
}
