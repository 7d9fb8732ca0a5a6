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
        ], using: \.keys
    ) { request, keys in
        let key = try request.holder
        let account = try await keys.account(key.id)
        return [
            "name": key.name, "credits": account.credits, "heldCredits": account.held, "totalSpent": account.spent,
            "totalCalls": account.calls,
            "spendingLimit": key.spendingLimit,
            "remainingBudget": key.spendingLimit > 0 ? max(0, key.spendingLimit - account.spent - account.held) : nil,
            "lastUsedAt": account.lastUsedAt.map(Timestamp.text), "allowedTools": key.access.allowed, "deniedTools": key.access.denied,
            "expiresAt": key.expiresAt.map(Timestamp.text), "tags": key.tags, "ipAllowlist": key.addresses, "namespace": key.namespace,
            "suspended": key.state == .suspended,
        ]
    }
}
