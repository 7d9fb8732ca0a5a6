import GateDomain
import Testing

@Suite("Denials")
struct DenialTests {
    static let all: [Denial] = [
        .missingKey, .invalidKey, .keySuspended, .keyExpired, .addressNotAllowed(IPAddress(v4: 0x7f00_0001)), .toolNotAllowed("t"),
        .countryNotAllowed("DE"), .countryDenied("DE"),
        .toolDenied("t"), .toolNotInToken("t"), .rateLimited(waitMicroseconds: 1), .toolRateLimited("t", waitMicroseconds: 61_000_000),
        .insufficientCredits(need: 5, have: 2), .spendingLimitReached, quota, .tooManyInFlight(tool: nil), .teamBudgetExceeded,
        .guardrailBlocked(rule: "cards"), .schemaInvalid([ArgumentFault(path: "$.a", message: "Must be there")]),
    ]
    static let quota = Quota(dailyCalls: 1).limits(account: 0, subject: .key)[0].denial(wait: 0)

    @Test("the table is total: every denial has a label of its own, a reason and a code (docs/architecture.md, rule 6)")
    func total() {
        #expect(Set(Self.all.map(\.label)) == Set(Denial.Label.allCases))
        for denial in Self.all {
            #expect(denial == Self.quota ? denial.reason == "daily_call_quota_exceeded" : denial.reason.hasPrefix(denial.label.rawValue))
            #expect((-32499 ... -32000).contains(denial.code) || denial.label == .schemaInvalid && denial.code == -32602)
        }
    }

    @Test("F-DENY-05: a shortage says what is needed and what is there")
    func shortage() {
        #expect(Denial.insufficientCredits(need: 5, have: 2).reason == "insufficient_credits: need 5, have 2")
    }

    @Test("F-HTTP-06: Retry-After is 1 to 60 whole seconds, and only where waiting helps")
    func retryAfter() {
        #expect(Denial.rateLimited(waitMicroseconds: 1).retryAfter == 1)
        #expect(Denial.rateLimited(waitMicroseconds: 1_000_001).retryAfter == 2)
        #expect(Denial.toolRateLimited("t", waitMicroseconds: 61_000_000).retryAfter == 60)
        #expect(Denial.missingKey.retryAfter == nil)
    }
}
