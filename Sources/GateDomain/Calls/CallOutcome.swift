// What the ledger and the servers may say to a call, in words of the domain.

/// What became of the question whether a call may be made.
package enum AdmissionOutcome: Sendable {
    /// Taken, or with a dry question: would have been. A reading a limit, in the order of the question.
    case admitted(credits: Int, meters: [MeterReading])
    /// What the policy was made from has changed.
    case stale
    /// A meter or the money says no; `credits` is what the caller has left, `rate` what is left of its last rolling window; nil where that was
    /// not read.
    case denied(Denial, credits: Int?, rate: MeterReading? = nil)
    /// The same call is under way, perhaps on another node.
    case running
    /// The same call has been answered with these bytes.
    case replayed([UInt8])
    /// The same call was charged by a node that died with it.
    case unanswered
    /// The idempotency key was used for something else.
    case conflict
    /// Redis did not answer; `mayHaveBeenTaken` if the question was written to it, so that the hold may be open.
    case away(mayHaveBeenTaken: Bool)
}

/// What became of the end of a hold.
package enum SettlementOutcome: Sendable {
    /// Closed: `credits` left, nil where that is not said again, and what each part came to.
    case done(credits: Int?, charged: [Int])
    /// Another node took this one for dead and closed the hold, with so many credits in all.
    case closedByOthers(charged: Int)
    /// Nobody knows what became of the hold.
    case gone
    /// Nobody has heard of it, or nobody knows whether.
    case away
    /// It was heard and cannot be carried out.
    case fault
}

/// What became of one part of a call.
package enum PartOutcome: Sendable, Equatable {
    /// The size of the result in bytes, as it is billed (F-PRICE-05).
    case result(isError: Bool, bytes: Int)
    /// The server answered with a JSON-RPC error.
    case rpcError
    /// The server took it and did not answer in time.
    case timedOut
    /// The client gave it up when the server may have taken it; that is no failure of the tool.
    case cancelledByClient
    /// The client gave it up before it was sent.
    case withdrawn
    /// The server has certainly not taken it.
    case unavailable
    /// The server has taken it and did not give an answer that can be passed on.
    case lost
    /// The server, or the way to it, ended without an answer: nobody knows whether it has taken it.
    case unknown
    /// It was answered, and a stage of the phase `output` does not let the answer pass.
    case withheld(Denial)
}

extension PartOutcome {
    /// A JSON-RPC error, `isError`, a timeout, a server that died: one rule for all of them (F-CREDIT-03, M6).
    package var isFailure: Bool {
        switch self {
        case .result(let isError, _): isError
        case .rpcError, .timedOut, .cancelledByClient, .withdrawn, .unavailable, .lost, .unknown, .withheld: true
        }
    }

    /// What the call is worth. *Taken and answered*: charged. *Failed*: charged, or given back where failures are refunded. *Never
    /// taken*: always given back. *Unknown*: as for a call whose node died (`--unknown-calls`), and given back where failures are. *Cancelled
    /// by the client* after it was sent: charged, whatever was delivered.
    package func isRefunded(refundsFailures: Bool, refundsUnknown: Bool) -> Bool {
        switch self {
        case .withdrawn, .unavailable: true
        case .result(isError: false, _), .cancelledByClient, .withheld: false
        case .result(isError: true, _), .rpcError, .timedOut, .lost: refundsFailures
        case .unknown: refundsFailures || refundsUnknown
        }
    }

    /// What the record of calls says of it.
    package var recorded: CallEvent.Outcome {
        if self == .unknown { return .unknown }
        return isFailure ? .failed : .ok
    }

    /// The reason in the event; empty for a success.
    package var reason: String {
        switch self {
        case .result(let isError, _): isError ? "tool_error" : ""
        case .rpcError: "rpc_error"
        case .timedOut: "tool_timeout"
        case .cancelledByClient, .withdrawn: "cancelled"
        case .unavailable, .lost, .unknown: "upstream_unavailable"
        case .withheld(let denial): denial.reason
        }
    }
}
