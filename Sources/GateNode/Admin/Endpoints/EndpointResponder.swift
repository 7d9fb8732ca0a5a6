// The life of a request to an endpoint, from top to bottom.

import ClusterState
import GateDomain
import Hummingbird

/// Serves one endpoint: throttle, role, inputs, work. Each step refuses by throwing; nothing has changed then.
struct EndpointResponder: HTTPResponder {
    let endpoint: Endpoint
    let handler: Endpoint.Handler
    let node: Node
    let figures: @Sendable () async -> NodeFigures

    func respond(to request: Request, context: GateRequestContext) async throws -> Response {
        try await pass(request, from: context)
        let caller = try await endpoint.role.caller(request.headers, node)
        let inputs = try await EndpointInputs(of: request, for: endpoint)
        let checked = EndpointRequest(id: context.requestID, endpoint: endpoint, caller: caller, inputs: inputs, figures: figures)
        return try await handler(checked, node).response(or: endpoint.success)
    }

    /// Counts the request against the window of its client's address (F-RATE-11).
    private func pass(_ request: Request, from context: GateRequestContext) async throws {
        guard let scope = endpoint.throttle else { return }
        let client = node.addresses.client(peer: context.peer, forwardedFor: request.headers[.xForwardedFor])
        if let wait = await node.addressLimiter.refusal(scope, of: client) { throw HTTPFailure.tooManyRequests(wait: wait) }
    }
}
