// The life of a request to an endpoint, from top to bottom.

import ClusterState
import GateDomain
import Hummingbird
import Logging

/// Serves one endpoint: throttle, proof, inputs, work. Each step refuses by throwing; nothing has changed then.
struct EndpointResponder: Sendable {
    let endpoint: Endpoint
    let handler: Endpoint.Handler
    let table: EndpointTable
    let parts: AdminParts
    let authenticator: Authenticator
    let figures: @Sendable () async -> NodeFigures

    /// - Parameter captures: the segments of the path that stand for its parameters.
    func respond(to request: Request, captures: [Substring], context: GateRequestContext) async throws -> Response {
        try await pass(request, from: context)
        let early = endpoint.requirement.readsBody ? try await body(of: request) : nil
        var caller = try await caller(of: request, early, context)
        let body: ReceivedBody
        if let early {
            body = early
        } else {
            body = try await self.body(of: request)
            // Whoever sends its body late is asked again who it is: it may have been revoked meanwhile. Not only then, so that no stranger
            // has a body read.
            if endpoint.takesBody, endpoint.requirement != .anyone { caller = try await self.caller(of: request, nil, context) }
        }
        let inputs = try EndpointInputs(of: request, captures: captures, body: body, for: endpoint)
        let checked = EndpointRequest(
            id: context.requestID, endpoint: endpoint, caller: caller, inputs: inputs, table: table, clock: parts.clock, figures: figures)
        let answer = try await handler(checked, parts)
        return answer.response(or: endpoint.success, on: StreamedConnection(channel: context.channel)) { [logger = parts.logger] error in
            logger.warning(
                "a streamed answer was cut off", metadata: ["request": "\(checked.id)", "path": "\(endpoint.path)", "error": "\(error)"])
        }
    }

    private func caller(of request: Request, _ body: ReceivedBody?, _ context: GateRequestContext) async throws -> Caller {
        try await endpoint.requirement.caller(shown(by: request, body, from: client(of: request, context)), authenticator)
    }

    /// Counts the request against the window of its client's address (F-RATE-11).
    private func pass(_ request: Request, from context: GateRequestContext) async throws {
        guard let scope = endpoint.throttle else { return }
        if let wait = await parts.addressLimiter.refusal(scope, of: client(of: request, context)) {
            throw HTTPFailure.tooManyRequests(wait: wait)
        }
    }

    private func body(of request: Request) async throws -> ReceivedBody {
        endpoint.takesBody ? try await endpoint.reads.receive(request) : .none
    }

    private func client(of request: Request, _ context: GateRequestContext) -> IPAddress {
        parts.addresses.client(peer: context.peer, forwardedFor: request.headers[.xForwardedFor])
    }

    private func shown(by request: Request, _ body: ReceivedBody?, from address: IPAddress) -> Presented {
        let query = QueryText(request.uri.query)
        return Presented(
            header: { request.headers[$0] }, query: { try? query.value(of: $0) }, body: body?.bytes ?? [],
            // Shadow mode denies nobody (F-GATE-14).
            address: parts.ruleBook.snapshot.rules.isShadow ? nil : address)
    }
}
