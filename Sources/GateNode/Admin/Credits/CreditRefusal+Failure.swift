// What a refusal to move credits looks like from outside.

import ClusterState
import GateDomain
import HTTPTypes
import MCPWire

extension CreditRefusal: PublicFailure {
    var failure: HTTPFailure {
        switch self {
        case .insufficient(let available, let held, let requested):
            HTTPFailure.badRequest("Insufficient credits: \(requested) requested, \(available) available").with([
                "available": .int(Int64(available)), "held": .int(Int64(held)), "total": .int(Int64(available + held)),
                "requested": .int(Int64(requested)),
            ])
        case .spendingLimit(let left): .badRequest("The spending limit of the key leaves \(left) credits; raise it with POST /limits")
        case .tooMany(let most): .badRequest("A key has at most \(most) active reservations; commit or release one first")
        case .state(let state): .badRequest("Key is \(state)")
        case .unknownReservation: .notFound("Reservation not found")
        case .ended(.committed): .badRequest("Reservation has been committed already")
        case .ended(.released): .badRequest("Reservation has been released already")
        case .ended(.expired): .badRequest("Reservation has expired; its credits are free again")
        case .noReceiver: .notFound("Key not found")
        case .receiverIsFull: .badRequest(Credits.ceilingRule)
        }
    }
}
