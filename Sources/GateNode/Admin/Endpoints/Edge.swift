// The outermost step of the router: every request gets a name, every answer its headers, every failure a page, every pair a count.

import HTTPTypes
import Hummingbird
import Logging

/// Wraps everything that the router answers, known paths or not.
struct Edge: RouterMiddleware {
    typealias Context = GateRequestContext

    let headers: ResponseHeaders
    let meter: RouterMeter
    let logger: Logger

    func handle(
        _ request: Request, context: GateRequestContext, next: (Request, GateRequestContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.requestID = request.headers[.xRequestID].flatMap { RequestID.isSafe($0) ? $0 : nil } ?? Self.newRequestID()
        var response: Response
        do {
            guard request.method.isCommon else { throw HTTPFailure.unknownMethod }
            response = try await next(request, context)
        } catch {
            response = failure(of: error, in: context).response(requestID: context.requestID)
        }
        dress(&response, for: request, context)
        meter.count(request.method, route: context.endpointPath, response.status)
        return request.method == .head ? response.createHeadResponse() : response
    }

    private func failure(of error: any Error, in context: GateRequestContext) -> HTTPFailure {
        switch error {
        case let error as any PublicFailure: return error.failure
        case let error as HTTPError where error.status == .notFound: return .unknownPath
        default:
            logger.error("an endpoint failed", metadata: ["request": "\(context.requestID)", "error": "\(error)"])
            return .internal
        }
    }

    /// What an endpoint has set itself stays.
    private func dress(_ response: inout Response, for request: Request, _ context: GateRequestContext) {
        for (name, value) in headers.fixed + headers.cors(for: request.headers[.origin]) {
            guard let name = HTTPField.Name(name), response.headers[name] == nil else { continue }
            response.headers[name] = value
        }
        response.headers[.xRequestID] = context.requestID
    }

    private static func newRequestID() -> String {
        var random = FastRandom()
        return random.requestID()
    }
}
