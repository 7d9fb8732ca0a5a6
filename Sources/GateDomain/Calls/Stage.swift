// One check of a call, as a value; and those that every gate has.

/// What a stage is for, in the order in which they run. Admission lies between `route` and `output`.
package enum Phase: Int, Sendable, CaseIterable, Comparable {
    /// Who calls, and may they call at all: what methods free of charge ask too (F-GATE-06).
    case identity
    /// What may they call: what lists of tools are filtered by.
    case policy
    /// What is in the arguments.
    case input
    /// Is the answer known already.
    case cache
    /// Which server shall have it.
    case route
    /// What is in the answer.
    case output

    package static func < (left: Phase, right: Phase) -> Bool { left.rawValue < right.rawValue }
}

/// What a stage wants.
package enum Effect: Sendable, Equatable {
    /// Nothing to say.
    case pass
    /// Refuses the call; later stages are not asked.
    case deny(Denial)
    /// Goes on, and tells the client.
    case warn(String)
    /// Goes on, and tells the operator.
    case note(String)
    /// Goes on with other arguments, or in the phase `output` with another answer: the JSON of one value.
    case rewrite([UInt8])
    /// The result, without asking the server: the JSON of one value. Such a call is admitted like any other, at no price.
    case answer([UInt8])
    /// A rule was met, which is recorded, and this follows from it.
    indirect case found(RuleViolation, Effect)
    /// The arguments were compared with the tool's schema, which is counted, and this follows from it.
    indirect case checked(Effect)
}

/// A pure function of a call. No stage knows another; a new rule is a new value in the array and nothing else.
package struct Stage: Sendable {
    /// A few words, for logs and tests.
    package let name: String
    /// When it is asked.
    package let phase: Phase
    /// The rule. It may be asked more than once of a call, and has no effect but what it returns.
    package let decide: @Sendable (borrowing CallView) -> Effect

    package init(_ name: String, _ phase: Phase, _ decide: @escaping @Sendable (borrowing CallView) -> Effect) {
        self.name = name
        self.phase = phase
        self.decide = decide
    }
}

extension Stage {
    /// A call needs a secret.
    package static let keyPresent = Stage("key present", .identity) { call in
        if case .nobody = call.caller { .deny(.missingKey) } else { .pass }
    }
    /// The secret has to prove a key, and the key must not be revoked.
    package static let keyKnown = Stage("key known and not revoked", .identity) { call in
        guard let state = call.policy?.key.state, state != .revoked else { return .deny(.invalidKey) }
        return .pass
    }
    /// A suspended key calls nothing (F-GATE-13).
    package static let keyNotSuspended = Stage("key not suspended", .identity) { call in
        call.policy?.key.state == .suspended ? .deny(.keySuspended) : .pass
    }
    /// A key stops at its time by Redis TIME as this node last heard it; the script asks the real one again.
    package static let keyNotExpired = Stage("key not expired", .identity) { call in
        call.policy?.key.isExpired(at: call.now) == true ? .deny(.keyExpired) : .pass
    }
    /// A key with a list of addresses calls from nowhere else (F-IP-01).
    package static let addressAllowed = Stage("address allowed", .identity) { call in
        guard let ranges = call.policy?.key.addresses, !ranges.isEmpty else { return .pass }
        let address = call.address
        return ranges.contains { $0.contains(address) } ? .pass : .deny(.addressNotAllowed(address))
    }
    /// A key with lists of countries calls from where they let it (F-GEO-01).
    package static let countryAllowed = Stage("country allowed", .identity) { call in
        guard let countries = call.policy?.key.countries, !countries.isEmpty, let denial = countries.refusal(from: call.country) else {
            return .pass
        }
        return .deny(denial)
    }
    /// A token ends at its time by Redis TIME as this node last heard it.
    package static let tokenNotExpired = Stage("token not expired", .identity) { call in
        call.policy?.loan?.isExpired(at: call.now) == true ? .deny(.keyExpired) : .pass
    }
    /// A token is for the tools that it was made for (F-TOKEN-02).
    package static let toolInToken = Stage("tool in token", .policy) { call in
        guard let loan = call.policy?.loan, !loan.permits(call.tool) else { return .pass }
        return .deny(.toolNotInToken(call.tool))
    }
    /// The key's lists of tools (F-ACL-01).
    package static let toolAllowed = Stage("tool allowed", .policy) { call in
        guard let denial = call.policy?.key.access.refusal(of: call.tool) else { return .pass }
        return .deny(denial)
    }
}
