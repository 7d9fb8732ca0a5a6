// What applies to one key, compiled once from everything that says something about it.

/// A key's policy: an immutable value, made from records whose versions it names.
///
/// Invariant: a decision made by it is carried out only if Redis still holds every version that it was made from (V21 to V23).
package final class Policy: Sendable {
    /// The key that it applies to, as it was read.
    package let key: KeyRecord
    /// The accounts that a call must pass, the key's own first.
    package let accounts: [PolicyAccount]
    /// Versions of what it was made from besides the accounts, by the names that the shard's `versions` hash has for them.
    package let guards: [PolicyGuard]
    /// The operator's rules that it was made by.
    package let rules: GateRules
    /// What lends the key; nil where its own secret was shown.
    package let loan: Credential?
    private let team: TeamRecord?
    private let limits: LimitBook
    /// The place of the tools' account; nil where no tool has a cap on its open calls.
    private let tools: Int?

    package init(key: KeyRecord, team: TeamRecord? = nil, rules: GateRules) {
        self.key = key
        self.rules = rules
        self.team = team
        loan = nil
        var accounts = [PolicyAccount(id: AccountID(key.id), version: key.version, isFunded: true, subject: .key)]
        var always: [Limit] = []
        if let team, team.isActive {
            accounts.append(PolicyAccount(id: AccountID(team.id), version: team.version, isFunded: false, subject: .team))
            always += team.quota.limits(account: 1, subject: .team)
            always += Self.share(of: key.id, inTeamAt: 1)
        }
        if rules.maxInFlightPerTool > 0 { accounts.append(.tools) }
        tools = rules.maxInFlightPerTool > 0 ? accounts.count - 1 : nil
        always += (key.quota ?? rules.globalQuota).limits(account: 0, subject: .key)
        if rules.maxInFlightPerKey > 0 {
            always.append(Limit(name: "open", measure: .inFlight, window: .lifetime, cap: rules.maxInFlightPerKey))
        }
        if rules.callsPerMinute > 0 {
            always.append(Limit(name: "calls", window: .rolling(Limit.minute), cap: rules.callsPerMinute))
        }
        self.accounts = accounts
        guards = [PolicyGuard(name: "rules", version: rules.version)]
        limits = LimitBook(
            always: always,
            tools: Dictionary(
                uniqueKeysWithValues: rules.toolCallsPerMinute.map { tool, cap in
                    (tool, [Limit(name: "calls:" + tool, window: .rolling(Limit.minute), cap: cap, subject: .tool(tool))])
                }))
    }

    /// The same policy for somebody to whom the key is lent.
    package init(_ policy: Policy, lentBy credential: Credential) {
        loan = credential
        (key, accounts, guards, rules) = (policy.key, policy.accounts, policy.guards, policy.rules)
        (team, limits, tools) = (policy.team, policy.limits, policy.tools)
    }

    /// Whether it would come out the same.
    package func isMade(of key: KeyRecord, _ team: TeamRecord?, _ rules: GateRules) -> Bool {
        self.rules.version == rules.version && self.key == key && self.team == team
    }

    /// What admission has to take for one call.
    /// - Parameter argumentBytes: compact size of the arguments, 0 when there are none.
    package func plan(tool: String, argumentBytes: Int) -> Plan {
        var limits = limits.limits(for: tool)
        if let tools {
            limits.append(
                Limit(
                    name: Self.openCalls + tool, account: tools, measure: .inFlight, window: .lifetime, cap: rules.maxInFlightPerTool,
                    subject: .tool(tool)))
        }
        return Plan(price: rules.prices.price(of: tool, argumentBytes: argumentBytes), limits: limits)
    }

    /// What the meter of a tool's open calls begins with in the tools' account; the tool follows.
    package static let openCalls = "open:"

    /// What one key has done in a team: counted for the team's report, and without a cap (F-TEAM-01).
    package static func share(of key: String, inTeamAt account: Int) -> [Limit] {
        [(Limit.Measure.calls, "calls@"), (.credits, "credits@")].map { measure, name in
            Limit(name: name + key, account: account, measure: measure, window: .lifetime, cap: Limit.counted, subject: .team)
        }
    }

    /// Every limit that any call of the key may meet, but those of single tools' open calls.
    package var allLimits: [Limit] { limits.all }
}

/// One of the accounts that a call must pass.
package struct PolicyAccount: Sendable, Equatable {
    /// The key's or the team's.
    package let id: AccountID
    /// Of the account when the policy was made; a later one makes an admission stale.
    package let version: Int
    /// True where the account's own credits pay; false where it only has a budget, which its spending may not pass (teams).
    package let isFunded: Bool
    /// Whose account it is, for the sentence of a refusal.
    package let subject: Limit.Subject
    /// Whether it belongs to no record: it is there while something is counted in it, and has neither credits nor a version that moves.
    package let isBare: Bool

    /// - Parameter isBare: true only for accounts without a record; their version is 0.
    package init(id: AccountID, version: Int, isFunded: Bool, subject: Limit.Subject, isBare: Bool = false) {
        self.id = id
        self.version = version
        self.isFunded = isFunded
        self.subject = subject
        self.isBare = isBare
    }

    /// Where the open calls of each tool are counted, whichever key makes them.
    package static let tools = PolicyAccount(
        id: AccountID("tools_0000000000000000"), version: 0, isFunded: false, subject: .gate, isBare: true)

    /// What a caller is told when the account may spend no more.
    package var spendingDenial: Denial { subject == .team ? .teamBudgetExceeded : .spendingLimitReached }
}

/// A record, and the version of it that a policy was made from.
package struct PolicyGuard: Sendable, Equatable {
    /// The field of the shard's `versions` hash.
    package let name: String
    /// The version that has to hold still when the call is admitted.
    package let version: Int
}

/// What the admission script has to take for one call.
package struct Plan: Sendable, Equatable {
    /// Credits to hold in each account of the policy.
    package var price: Int
    /// Meters to pass; headers show the last rolling one.
    package var limits: [Limit]

    package init(price: Int, limits: [Limit]) {
        self.price = price
        self.limits = limits
    }
}
