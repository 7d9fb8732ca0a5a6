// GET /balance: what the holder of a key may know of it; a suspended key still reads.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes

extension Endpoint {
    static let readBalance = Endpoint(
        .get, "/balance", "Read the balance, limits and rights of the key that asks.", for: .apiKey,
        answer: [
            "name": .string, "credits": .integer.described("What it may spend; what is reserved is not in it."),
            "heldCredits": .integer.described("What is reserved."), "totalSpent": .integer, "totalCalls": .integer,
            "spendingLimit": .integer,
            "remainingBudget": .integer.nullable.described("Null without a spending limit."), "lastUsedAt": .time.nullable,
            "allowedTools": .list(of: .string), "deniedTools": .list(of: .string), "expiresAt": .time.nullable, "tags": .tags,
            "ipAllowlist": .list(of: .string), "namespace": .string, "suspended": .boolean,
            "quota": Quota.view.schema.nullable.described("The key's own, else the gate's; null for none."),
            "quotaUsage": Quota.usage.schema.described("Of this UTC day and month; counted while there is a quota."),
        ], using: { (keys: $0.keys, rules: $0.ruleBook) }
    ) { request, parts in
        let key = try request.holder
        let (account, used) = try await parts.keys.accountWithQuota(key.id, at: request.now)
        let quota = key.quota ?? parts.rules.rules.globalQuota
        return [
            "name": key.name, "credits": account.credits, "heldCredits": account.held, "totalSpent": account.spent,
            "totalCalls": account.calls,
            "spendingLimit": key.spendingLimit,
            "remainingBudget": key.spendingLimit > 0 ? max(0, key.spendingLimit - account.spent - account.held) : nil,
            "lastUsedAt": account.lastUsedAt.map(Timestamp.text), "allowedTools": key.access.allowed, "deniedTools": key.access.denied,
            "expiresAt": key.expiresAt.map(Timestamp.text), "tags": key.tags, "ipAllowlist": key.addresses, "namespace": key.namespace,
            "suspended": key.state == .suspended, "quota": quota.isEmpty ? nil : Quota.view.json(quota),
            "quotaUsage": Quota.usage.json(used),
        ]
    }
}
