// Every way in which the gate says no, as values, and the one table that says what each looks like from outside.

/// A refusal of a call. A denied call costs nothing, counts nowhere and never reaches an upstream.
package enum Denial: Sendable, Equatable {
    case missingKey
    case invalidKey
    case keySuspended
    case keyExpired
    case addressNotAllowed(IPAddress)
    case toolNotAllowed(String)
    case toolDenied(String)
    case rateLimited(waitMicroseconds: Int)
    case toolRateLimited(String, waitMicroseconds: Int)
    case insufficientCredits(need: Int, have: Int)
    case spendingLimitReached

    /// The canonical words of F-DENY-01 and F-DENY-02: what logs, metrics and reports count by.
    package enum Label: String, Sendable, CaseIterable {
        case missingAPIKey = "missing_api_key"
        case invalidAPIKey = "invalid_api_key"
        case keySuspended = "key_suspended"
        case apiKeyExpired = "api_key_expired"
        case ipNotAllowed = "ip_not_allowed"
        case toolNotAllowed = "tool_not_allowed"
        case toolDenied = "tool_denied"
        case rateLimited = "rate_limited"
        case toolRateLimited = "tool_rate_limited"
        case insufficientCredits = "insufficient_credits"
        case spendingLimitExceeded = "spending_limit_exceeded"
    }

    package var label: Label {
        switch self {
        case .missingKey: .missingAPIKey
        case .invalidKey: .invalidAPIKey
        case .keySuspended: .keySuspended
        case .keyExpired: .apiKeyExpired
        case .addressNotAllowed: .ipNotAllowed
        case .toolNotAllowed: .toolNotAllowed
        case .toolDenied: .toolDenied
        case .rateLimited: .rateLimited
        case .toolRateLimited: .toolRateLimited
        case .insufficientCredits: .insufficientCredits
        case .spendingLimitReached: .spendingLimitExceeded
        }
    }

    /// `word` or `word: detail` (F-DENY-05).
    package var reason: String {
        switch self {
        case .insufficientCredits(let need, let have): "\(label.rawValue): need \(need), have \(have)"
        case .addressNotAllowed(let address): "\(label.rawValue): \(address)"
        default: label.rawValue
        }
    }

    /// The JSON-RPC code (F-RPC-01): one for every denial of this stage.
    package var code: Int { -32402 }

    /// Seconds after which a retry may succeed, at most 60 (F-HTTP-06); nil where waiting does not help.
    package var retryAfter: Int? {
        switch self {
        case .rateLimited(let wait), .toolRateLimited(_, let wait): min(60, max(1, (wait + 999_999) / 1_000_000))
        default: nil
        }
    }
}
