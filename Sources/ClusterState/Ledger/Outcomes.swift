// What the ledger said, in the words of the call's machine.

package import GateDomain

extension Admission {
    /// The same in words of the domain.
    package var outcome: AdmissionOutcome {
        switch self {
        case .admitted(let credits, let meters): .admitted(credits: credits, meters: meters)
        case .stale: .stale
        case .denied(let denial, let credits, let rate): .denied(denial, credits: credits, rate: rate)
        case .running: .running
        case .replay(let answer): .replayed(answer)
        case .unanswered: .unanswered
        case .conflict: .conflict
        case .failed(let failure): .away(mayHaveBeenTaken: failure.mayHaveBeenCarriedOut)
        }
    }
}

extension Settled {
    /// The same in words of the domain.
    package var outcome: SettlementOutcome {
        switch self {
        case .done(let credits, let charged, _): .done(credits: credits, charged: charged)
        case .stands(let charged, _): .done(credits: nil, charged: charged)
        case .closedByOthers(let charged, _): .closedByOthers(charged: charged)
        case .gone: .gone
        case .failed(.fault): .fault
        case .failed: .away
        }
    }
}
