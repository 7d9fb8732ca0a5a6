// What the errors of lower rooms look like from outside; everything that is not here is an internal error.

import ClusterState
import GateDomain
import HTTPTypes

/// An error that an endpoint may simply let pass: it knows its own answer.
protocol PublicFailure: Error {
    var failure: HTTPFailure { get }
}

extension HTTPFailure: PublicFailure {
    var failure: HTTPFailure { self }
}

extension RecordRefusal: PublicFailure {
    var failure: HTTPFailure {
        switch self {
        case .missing: .unknownKey
        // Revoked and expired keys are gone for everything but resuming and suspending, which say so themselves.
        case .state: .unknownKey
        case .credentialExists: .conflict("Key already exists")
        case .aliasTaken: .conflict("Alias is already in use")
        case .aliasIsSecret: .conflict("Alias is the secret of a key; choose one that may be seen by everybody")
        case .operationReused: HTTPFailure(.unprocessableContent, "This Idempotency-Key was used for another request")
        case .aboveCeiling: .badRequest(Credits.ceilingRule)
        case .contended: HTTPFailure(.serviceUnavailable, "Others keep changing it; nothing was changed. Try again.").retryable(after: 1)
        case .store(let failure): failure.failure
        }
    }
}

extension StoreFailure: PublicFailure {
    var failure: HTTPFailure {
        switch self {
        case .unavailable: HTTPFailure(.serviceUnavailable, "The store is unavailable; nothing was changed. Try again.").retryable(after: 1)
        case .unknown, .lost:
            HTTPFailure(.serviceUnavailable, "The store did not answer in time; the change may have been made.").retryable(after: 1)
        case .fault: .internal
        }
    }
}
