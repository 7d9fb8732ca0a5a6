// The order in which a call is judged: the array is the order.

/// One check of a call: a pure function of its facts.
package struct Judgement: Sendable {
    package let name: String
    package let judge: @Sendable (borrowing CallFacts) -> Denial?

    package init(_ name: String, _ judge: @escaping @Sendable (borrowing CallFacts) -> Denial?) {
        self.name = name
        self.judge = judge
    }
}

package enum Verdict: Sendable, Equatable {
    case denied(Denial)
    case planned(Plan)
}

/// Admission as a pure function: `judge(facts)` is the first refusal of its judgements, or a plan (F-GATE-07, F-GATE-17).
///
/// What needs the truth of all nodes at once (windows, balance, spending limit) is part of the plan and checked by the
/// script that executes it. Dry run, shadow mode and tool lists are this same function with the script left out.
package struct Pipeline: Sendable {
    package let judgements: [Judgement]
    package let prices: PriceBook
    package let limits: LimitBook

    package init(judgements: [Judgement] = Pipeline.standard, prices: PriceBook, limits: LimitBook) {
        self.judgements = judgements
        self.prices = prices
        self.limits = limits
    }

    /// The judgements of every gate, in order.
    package static let standard: [Judgement] = [.keyPresent, .keyKnown, .keyNotSuspended, .keyNotExpired, .addressAllowed, .toolAllowed]

    /// Those that ask who calls and not what: the ones that a method free of charge must pass too (F-GATE-06).
    package static let identity: [Judgement] = [.keyPresent, .keyKnown, .keyNotSuspended, .keyNotExpired, .addressAllowed]

    package func judge(_ facts: borrowing CallFacts) -> Verdict {
        if let denial = Self.firstRefusal(of: judgements, facts) { return .denied(denial) }
        return .planned(plan(for: facts))
    }

    /// The plan of a call, whatever the judgements say of it.
    package func plan(for facts: borrowing CallFacts) -> Plan {
        Plan(price: prices.price(of: facts.tool, argumentBytes: facts.argumentBytes), limits: limits.limits(for: facts.tool))
    }

    package static func firstRefusal(of judgements: [Judgement], _ facts: borrowing CallFacts) -> Denial? {
        for judgement in judgements {
            if let denial = judgement.judge(facts) { return denial }
        }
        return nil
    }
}

extension CallFacts {
    /// The key that calls, if it is one that exists.
    package var key: KeyRecord? {
        if case .key(let record) = caller { record } else { nil }
    }
}

extension Judgement {
    package static let keyPresent = Judgement("key present") { facts in
        if case .nobody = facts.caller { .missingKey } else { nil }
    }
    package static let keyKnown = Judgement("key known and not revoked") { facts in
        guard let key = facts.key, key.state != .revoked else { return .invalidKey }
        return nil
    }
    package static let keyNotSuspended = Judgement("key not suspended") { facts in
        facts.key?.state == .suspended ? .keySuspended : nil
    }
    package static let keyNotExpired = Judgement("key not expired") { facts in
        facts.key?.isExpired(at: facts.now) == true ? .keyExpired : nil
    }
    package static let addressAllowed = Judgement("address allowed") { facts in
        guard let ranges = facts.key?.addresses, !ranges.isEmpty else { return nil }
        let address = facts.address
        return ranges.contains { $0.contains(address) } ? nil : .addressNotAllowed(address)
    }
    package static let toolAllowed = Judgement("tool allowed") { facts in
        facts.key?.access.refusal(of: facts.tool)
    }
}
