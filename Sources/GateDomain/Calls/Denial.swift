// Every way in which the gate says no, as values, and the one table that says what each looks like from outside.

/// What does not fit in the arguments of a call.
package struct ArgumentFault: Sendable, Equatable {
    /// Where, as `$.name` or `$.list[0]`; at most 200 bytes, of the client's own words.
    package let path: String
    /// What has to be there instead, without the value that is there.
    package let message: String

    package init(path: String, message: String) {
        self.path = path
        self.message = message
    }
}

/// A refusal of a call. A denied call costs nothing, counts nowhere and never reaches an upstream.
package enum Denial: Sendable, Equatable {
    /// No secret was shown.
    case missingKey
    /// The secret proves no key, or one that is revoked.
    case invalidKey
    /// An operator has suspended the key.
    case keySuspended
    /// The key's time is over.
    case keyExpired
    /// The key has a list of addresses, and the client's is not on it (F-IP-01).
    case addressNotAllowed(IPAddress)
    /// The key has a list of allowed countries, and the client's is not on it, or nobody who may be believed says it (F-GEO-03).
    case countryNotAllowed(String?)
    /// The client's country is on the key's list of denied ones (F-GEO-01).
    case countryDenied(String)
    /// The key has a list of allowed tools without this one.
    case toolNotAllowed(String)
    /// The tool is on the key's list of denied ones.
    case toolDenied(String)
    /// The key is lent by a token that was not made for the tool (F-TOKEN-02).
    case toolNotInToken(String)
    /// The key's calls a minute are used up; microseconds until the window has room.
    case rateLimited(waitMicroseconds: Int)
    /// The key's calls a minute of this tool are used up; microseconds until the window has room.
    case toolRateLimited(String, waitMicroseconds: Int)
    /// Credits that the call needs, and that the account has.
    case insufficientCredits(need: Int, have: Int)
    /// The call would take the key above what it may ever spend (F-CREDIT-11).
    case spendingLimitReached
    /// A quota of a UTC day or month is used up (F-QUOTA-01).
    case quotaExceeded(QuotaName)
    /// As many calls of the key, or of the tool, are open as may be.
    case tooManyInFlight(tool: String?)
    /// The call would take the key's team above its budget.
    case teamBudgetExceeded
    /// A stage found something in the arguments or in the answer that the operator does not let pass; `rule` names the operator's rule.
    case guardrailBlocked(rule: String)
    /// The arguments do not fit the schema that an operator has registered for the tool; at least one fault, in order (F-RPC-06).
    case schemaInvalid([ArgumentFault])

    /// The canonical words of F-DENY-01 and F-DENY-02: what logs, metrics and reports count by.
    package enum Label: String, Sendable, CaseIterable {
        /// `missingKey`.
        case missingAPIKey = "missing_api_key"
        /// `invalidKey`.
        case invalidAPIKey = "invalid_api_key"
        /// `keySuspended`.
        case keySuspended = "key_suspended"
        /// `keyExpired`.
        case apiKeyExpired = "api_key_expired"
        /// `addressNotAllowed`.
        case ipNotAllowed = "ip_not_allowed"
        /// `countryNotAllowed`.
        case countryNotAllowed = "country_not_allowed"
        /// `countryDenied`.
        case countryDenied = "country_denied"
        /// `toolNotAllowed`.
        case toolNotAllowed = "tool_not_allowed"
        /// `toolDenied`.
        case toolDenied = "tool_denied"
        /// `toolNotInToken`.
        case tokenToolNotAllowed = "token_tool_not_allowed"
        /// `rateLimited`.
        case rateLimited = "rate_limited"
        /// `toolRateLimited`.
        case toolRateLimited = "tool_rate_limited"
        /// `insufficientCredits`.
        case insufficientCredits = "insufficient_credits"
        /// `spendingLimitReached`.
        case spendingLimitExceeded = "spending_limit_exceeded"
        /// `quotaExceeded`, whichever quota.
        case quotaExceeded = "quota_exceeded"
        /// `tooManyInFlight`, of the key or of a tool.
        case concurrencyLimit = "concurrency_limit"
        /// `teamBudgetExceeded`.
        case teamBudgetExceeded = "team_budget_exceeded"
        /// `guardrailBlocked`, whichever rule.
        case guardrailBlocked = "guardrail_blocked"
        /// `schemaInvalid`.
        case schemaInvalid = "schema_invalid"
    }

    /// The word that it is counted by.
    package var label: Label {
        switch self {
        case .missingKey: .missingAPIKey
        case .invalidKey: .invalidAPIKey
        case .keySuspended: .keySuspended
        case .keyExpired: .apiKeyExpired
        case .addressNotAllowed: .ipNotAllowed
        case .countryNotAllowed: .countryNotAllowed
        case .countryDenied: .countryDenied
        case .toolNotAllowed: .toolNotAllowed
        case .toolDenied: .toolDenied
        case .toolNotInToken: .tokenToolNotAllowed
        case .rateLimited: .rateLimited
        case .toolRateLimited: .toolRateLimited
        case .insufficientCredits: .insufficientCredits
        case .spendingLimitReached: .spendingLimitExceeded
        case .quotaExceeded: .quotaExceeded
        case .tooManyInFlight: .concurrencyLimit
        case .teamBudgetExceeded: .teamBudgetExceeded
        case .guardrailBlocked: .guardrailBlocked
        case .schemaInvalid: .schemaInvalid
        }
    }

    /// `word` or `word: detail` (F-DENY-05).
    package var reason: String {
        switch self {
        case .insufficientCredits(let need, let have): "\(label.rawValue): need \(need), have \(have)"
        case .addressNotAllowed(let address): "\(label.rawValue): \(address)"
        case .quotaExceeded(let name): name.word
        case .guardrailBlocked(let rule): "\(label.rawValue): \(rule)"
        default: label.rawValue
        }
    }

    /// What the caller reads.
    package var sentence: String {
        switch self {
        case .tooManyInFlight: "Too many calls at once: \(reason)"
        case .guardrailBlocked: "Not let pass: \(reason)"
        case .schemaInvalid(let faults):
            "Invalid params: the arguments do not fit the tool's schema\(faults.first.map { " (\($0.path): \($0.message))" } ?? "")"
        default: "Payment required: " + reason
        }
    }

    /// Whether the refusal says what the call would cost (F-RPC-10).
    package var isAboutPayment: Bool { code == -32402 }

    /// The JSON-RPC code (F-RPC-01, F-RPC-04, F-RPC-09).
    package var code: Int {
        switch self {
        case .tooManyInFlight: -32005
        case .guardrailBlocked: -32406
        case .schemaInvalid: -32602
        default: -32402
        }
    }

    /// Seconds after which a retry may succeed, at most 60 (F-HTTP-06); nil where waiting does not help.
    package var retryAfter: Int? {
        switch self {
        case .rateLimited(let wait), .toolRateLimited(_, let wait): min(60, max(1, (wait + 999_999) / 1_000_000))
        case .tooManyInFlight: 1
        default: nil
        }
    }
}
