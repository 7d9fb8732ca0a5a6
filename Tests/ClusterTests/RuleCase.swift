// A rule with a way to set it on one node, and what calls at another then come to.

import GateTesting
import Testing

/// How one rule, or some that belong together, are set and seen.
struct RuleCase: Sendable {
    /// What is wrong with what calls come to at a node; nil for nothing. It may be asked many times.
    typealias Probe = @Sendable (GateClient) async throws -> String?

    /// Names of `DeclaredRules`.
    let covers: [String]
    /// Sets the rule at a node.
    let set: @Sendable (GateClient) async throws -> Probe

    init(_ covers: String..., set: @escaping @Sendable (GateClient) async throws -> Probe) {
        (self.covers, self.set) = (covers, set)
    }

    /// A rule that is set already.
    static func seen(_ covers: String..., by probe: @escaping Probe) -> RuleCase { RuleCase(covers) { _ in probe } }

    /// A rule of a key: the key is made with some fields, orders are given, and a call comes to `word`.
    static func key(
        _ covers: String..., word: String, credits: Int = 100_000, _ fields: [String: JSON] = [:], headers: GateClient.Headers = [],
        _ orders: @escaping @Sendable (GateClient, JSON) async throws -> Void = { _, _ in }
    ) -> RuleCase {
        RuleCase(covers) { gate in
            let key = try await gate.createKey(credits: credits, fields)
            try await orders(gate, .string(key))
            return { await differs($0.echo(key: key, headers: headers), word) }
        }
    }

    private init(_ covers: [String], set: @escaping @Sendable (GateClient) async throws -> Probe) {
        (self.covers, self.set) = (covers, set)
    }

    static func differs(_ outcome: CallOutcome, _ word: String) -> String? { outcome.word == word ? nil : "\(outcome.word), not \(word)" }
}

// MARK: What is always there

extension RuleCase {
    /// Rules of keys, teams and tokens.
    static let records: [RuleCase] = [
        .seen("denial.missing_api_key") { gate in
            differs(try await gate.call("echo", ["text": "x"], key: nil).outcome, "missing_api_key")
        },
        .key("key.state", "denial.key_suspended", word: "key_suspended") { try await $0.order("/keys/suspend", ["key": $1]) },
        .key("key.state", word: "served") { gate, key in
            try await gate.order("/keys/suspend", ["key": key])
            try await gate.order("/keys/resume", ["key": key])
        },
        .key("key.state", "denial.invalid_api_key", word: "invalid_api_key") { try await $0.order("/keys/revoke", ["key": $1]) },
        .key("key.expiresAt", "denial.api_key_expired", word: "api_key_expired") {
            try await $0.order("/keys/expiry", ["key": $1, "expiresAt": "2020-01-01"])
        },
        .key("key.spendingLimit", "denial.spending_limit_exceeded", word: "spending_limit_exceeded") {
            try await $0.order("/limits", ["key": $1, "spendingLimit": 5])
        },
        .key("key.access", "denial.tool_denied", word: "tool_denied") {
            try await $0.order("/keys/acl", ["key": $1, "deniedTools": ["echo"]])
        },
        .key("key.access", "denial.tool_not_allowed", word: "tool_not_allowed") {
            try await $0.order("/keys/acl", ["key": $1, "allowedTools": ["add"]])
        },
        .key("key.addresses", "denial.ip_not_allowed", word: "ip_not_allowed") {
            try await $0.order("/keys/ip", ["key": $1, "ips": ["10.0.0.0/8"]])
        },
        .key("key.countries", "denial.country_not_allowed", word: "country_not_allowed") {
            try await $0.order("/keys/geo", ["key": $1, "allowedCountries": ["DE"]])
        },
        .key("key.countries", "denial.country_denied", word: "country_denied", headers: [("X-Country", "FR")]) {
            try await $0.order("/keys/geo", ["key": $1, "deniedCountries": ["FR"]])
        },
        .key("denial.insufficient_credits", word: "insufficient_credits", credits: 3),
        .key("key.quota", "denial.quota_exceeded", word: "daily_call_quota_exceeded") { gate, key in
            try await gate.order("/keys/quota", ["key": key, "dailyCallLimit": 1])
            _ = await gate.echo(key: key.string ?? "")
        },
        RuleCase("key.credential") { gate in
            let old = try await gate.createKey()
            let new = try #require(try await gate.order("/keys/rotate", ["key": .string(old)])["newKey"]?.string)
            return { gate in
                if let fault = differs(await gate.echo(key: old), "invalid_api_key") { return fault }
                return differs(await gate.echo(key: new), "served")
            }
        },
        RuleCase("key.autoTopUp") { gate in
            let key = try await gate.createKey(credits: 10)
            try await gate.order("/keys/auto-topup", ["key": .string(key), "threshold": 5, "amount": 100, "maxDaily": 1])
            return { gate in
                let outcome = await gate.echo(key: key)
                let balance = try await gate.balance(key)
                return outcome.isServed && balance.credits + balance.spent == 110 ? nil : "\(outcome.word) \(balance)"
            }
        },
        .team("key.teamID", "team.budget", "denial.team_budget_exceeded", fields: ["budget": 5], word: "team_budget_exceeded"),
        .team("team.quota", fields: ["quota": ["monthlyCreditLimit": 5]], word: "team_monthly_credit_limit"),
        .team("team.isActive", fields: ["budget": 5], word: "served") { try await $0.order("/teams/delete", ["teamId": $1]) },
        .token("credential.tools", "denial.token_tool_not_allowed", fields: ["allowedTools": ["add"]], words: ["token_tool_not_allowed"]),
        .token("credential.expiresAt", fields: ["ttl": 1], words: ["api_key_expired", "invalid_api_key"]),
        .token("lent.revokedAt", words: ["invalid_api_key"]) { gate, _, token in try await gate.order("/tokens/revoke", ["token": token])
        },
        .token("credential.keyID", words: ["key_suspended"]) { gate, key, _ in try await gate.order("/keys/suspend", ["key": key]) },
    ]

    private static func team(
        _ covers: String..., fields: JSON, word: String,
        _ order: @escaping @Sendable (GateClient, JSON) async throws -> Void = { _, _ in }
    ) -> RuleCase {
        RuleCase(covers) { gate in
            let key = try await gate.createKey()
            let team = try #require(try await gate.order("/teams", ["name": "t"])["team"]?["id"])
            try await gate.order("/teams/assign", ["teamId": team, "key": .string(key)])
            try await gate.order("/teams/update", .object((fields.object ?? [:]).merging(["teamId": team]) { $1 }))
            try await order(gate, team)
            return { await differs($0.echo(key: key), word) }
        }
    }

    private static func token(
        _ covers: String..., fields: JSON = [:], words: Set<String>,
        _ order: @escaping @Sendable (GateClient, _ key: JSON, _ token: JSON) async throws -> Void = { _, _, _ in }
    ) -> RuleCase {
        RuleCase(covers) { gate in
            let key = JSON.string(try await gate.createKey())
            let token = try #require(try await gate.order("/tokens", .object((fields.object ?? [:]).merging(["key": key]) { $1 }))["token"])
            try await order(gate, key, token)
            return { gate in
                var word = ""
                // A token of a second needs that to end.
                try await eventually("the token's rule acts", within: .seconds(5)) {
                    word = await gate.echo(key: token.string ?? "").word
                    return words.contains(word)
                }
                return words.contains(word) ? nil : word
            }
        }
    }
}

// MARK: The configuration

extension RuleCase {
    /// What the nodes start with.
    static let plain: JSON = ["defaultCreditsPerCall": 1]

    /// What `configured` is seen by.
    static let configuration: JSON = [
        // What a file leaves out stays as it is (F-CFG-07).
        "shadowMode": false,
        "defaultCreditsPerCall": 7, "globalRateLimitPerMin": 20, "globalQuota": ["monthlyCreditLimit": 5000], "maxConcurrentPerKey": 2,
        "maxConcurrentPerTool": 1, "refundOnFailure": true, "freeMethods": ["initialize", "ping"],
        "toolPricing": ["add": ["creditsPerCall": 3, "rateLimitPerMin": 1], "big": ["creditsPerCall": 6000]],
        "guardrails": [
            "enabled": true,
            "rules": [
                ["id": "b", "pattern": "email", "action": "block"], ["id": "r", "pattern": "secret-[0-9]+", "action": "redact"],
                ["id": "w", "pattern": "warn-me", "action": "warn"], ["id": "l", "pattern": "log-me", "action": "log"],
            ],
        ],
    ]

    /// Rules of the configuration, each with a key of its own at each look.
    static let configured: [RuleCase] = [
        .seen("setting.defaultCreditsPerCall", "rules.prices") { gate in
            let left = try await gate.call("echo", ["text": "x"], key: try await gate.createKey(credits: 1000)).integer(
                "X-Credits-Remaining")
            return left == 993 ? nil : "\(left ?? -1) credits are left"
        },
        .seen("setting.toolPricing", "rules.toolCallsPerMinute", "denial.tool_rate_limited") { gate in
            let key = try await gate.createKey(credits: 1000)
            let left = try await gate.call("add", ["a": 1, "b": 1], key: key).integer("X-Credits-Remaining")
            guard left == 997 else { return "\(left ?? -1) credits are left" }
            return differs(await gate.attempt("add", ["a": 1, "b": 1], key: key), "tool_rate_limited")
        },
        .seen("setting.globalRateLimitPerMin", "rules.callsPerMinute", "denial.rate_limited") { gate in
            let key = try await gate.createKey()
            for _ in 0..<20 { if let fault = differs(await gate.echo(key: key), "served") { return fault } }
            return differs(await gate.echo(key: key), "rate_limited")
        },
        .seen("setting.globalQuota", "rules.globalQuota") { gate in
            differs(
                await gate.attempt("big", ["kilobytes": 1], key: try await gate.createKey()), "monthly_credit_quota_exceeded")
        },
        .seen(
            "setting.maxConcurrentPerKey", "setting.maxConcurrentPerTool", "rules.maxInFlightPerKey", "rules.maxInFlightPerTool",
            "denial.concurrency_limit"
        ) { try await openCalls($0, perKey: 2, perTool: 1) },
        .seen("setting.refundOnFailure", "rules.refundsFailures") { gate in
            let key = try await gate.createKey(credits: 100)
            if let fault = differs(await gate.attempt("fail", ["kind": "isError"], key: key), "isError") { return fault }
            let balance = try await gate.balance(key)
            return balance.credits == 100 ? nil : "\(balance)"
        },
        .seen("setting.freeMethods") { gate in
            var word = ""
            // Lists without a key are not admitted, so that a node hears of the reload from the feed.
            try await eventually("tools/list needs a key", within: .seconds(5)) {
                word = try await gate.rpc("tools/list", [:]).outcome.word
                return word == "missing_api_key"
            }
            return word == "missing_api_key" ? nil : word
        },
        .seen("setting.guardrails.enabled", "setting.guardrails.rules", "guardrail.block", "denial.guardrail_blocked") { gate in
            differs(await gate.echo("me@example.com", key: try await gate.createKey()), "error -32406")
        },
        .seen("guardrail.redact") { gate in
            let text = await gate.echo("a secret-42", key: try await gate.createKey()).text
            return text == "a [REDACTED]" ? nil : text ?? "nothing"
        },
        .seen("guardrail.warn") { gate in
            let answer = try await gate.call("echo", ["text": "warn-me"], key: try await gate.createKey())
            return answer.outcome.isServed && answer.header("X-Guardrail-Warning") == "w" ? nil : answer.text
        },
        .seen("guardrail.log") { gate in
            func total() async throws -> Int { try await gate.admin("/admin/guardrails/violations?ruleId=l").json["total"]?.int ?? -1 }
            let before = try await total()
            if let fault = differs(await gate.echo("log-me", key: try await gate.createKey()), "served") { return fault }
            try await eventually("it is noted", within: .seconds(10)) { try await total() > before }
            return try await total() > before ? nil : "\(before) violations, as before"
        },
    ]

    static let shadow: JSON = ["defaultCreditsPerCall": 1, "shadowMode": true]

    static let shadowed: [RuleCase] = [
        .seen("setting.shadowMode", "rules.isShadow") { gate in
            let key = try await gate.createKey(credits: 10, ["deniedTools": ["echo"]])
            if let fault = differs(await gate.echo(key: key), "served") { return fault }
            let balance = try await gate.balance(key)
            return balance.credits == 10 ? nil : "\(balance)"
        }
    ]

    /// What operators set over the configuration.
    static let overridden: [RuleCase] = [
        RuleCase("override.maxInFlightPerKey", "override.maxInFlightPerTool") { gate in
            try await gate.order("/admin/concurrency", ["maxConcurrentPerKey": 1, "maxConcurrentPerTool": 0])
            return { try await openCalls($0, perKey: 1, perTool: 0) }
        },
        RuleCase("override.toolSchemas", "denial.schema_invalid") { gate in
            try await gate.order("/admin/tools/schema", ["tool": "add", "schema": ["required": ["c"]]])
            return { differs(await $0.attempt("add", ["a": 1, "b": 1], key: try await $0.createKey()), "error -32602") }
        },
        RuleCase("override.guardrails") { gate in
            try await gate.order("/admin/guardrails", ["rule": ["id": "s", "name": "S", "pattern": "stop-me", "action": "block"]])
            return { differs(await $0.echo("stop-me", key: try await $0.createKey()), "error -32406") }
        },
    ]

    static let switchedOff: [RuleCase] = [
        RuleCase("override.guardrailsEnabled") { gate in
            try await gate.order("/admin/guardrails", ["enabled": false])
            return { differs(await $0.echo("me@example.com and stop-me", key: try await $0.createKey()), "served") }
        }
    ]

    static let closed: [RuleCase] = [
        RuleCase("switch.maintenance") { gate in
            let key = try await gate.createKey()
            try await gate.order("/maintenance", ["enabled": true])
            return { gate in
                var word = ""
                // F-GATE-02: within a second.
                try await eventually("maintenance", within: .seconds(5)) {
                    word = await gate.echo(key: key).word
                    return word == "HTTP 503"
                }
                return word == "HTTP 503" ? nil : word
            }
        }
    ]

    /// A batch has all of its calls open at once.
    private static func openCalls(_ gate: GateClient, perKey: Int, perTool: Int) async throws -> String? {
        let key = try await gate.createKey()
        let tools: [(tool: String, arguments: JSON)] = [
            ("echo", ["text": "x"]), ("slow", ["seconds": 0]), ("fail", ["kind": "isError"]),
        ]
        let most = try await gate.batch(Array(tools.prefix(perKey)), key: key).outcome
        if most == .failed(code: -32005) { return "\(perKey) of a key are too many" }
        let more = try await gate.batch(Array(tools.prefix(perKey + 1)), key: key).outcome
        guard more == .failed(code: -32005) else { return "\(perKey + 1) of a key: \(more.word)" }
        guard perTool > 0 else { return nil }
        let same = try await gate.batch(Array(repeating: tools[0], count: perTool + 1), key: key).outcome
        return same == .failed(code: -32005) ? nil : "\(perTool + 1) of a tool: \(same.word)"
    }
}
