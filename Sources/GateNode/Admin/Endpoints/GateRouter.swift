// Everything but `/mcp`, which the front handler answers on the event loop of its connection: from a path to its endpoint and back.

import ClusterState
import HTTPTypes
import Hummingbird
import Logging

/// The router, built from the table: every request gets a name, every answer its headers, every failure a page, every pair a count.
struct GateRouter: HTTPResponder {
    typealias Context = GateRequestContext

    private let routes: RouteTree<Page>
    private let headers: ResponseHeaders
    private let meter: RouterMeter
    private let logger: Logger

    /// - Parameters:
    ///   - table: no two endpoints on one path and method; a second one is not served, and a test finds it.
    ///   - figures: gathers what the node measures; the router adds what it measures itself.
    init(_ table: EndpointTable, on parts: AdminParts, figures: @escaping @Sendable () async -> NodeFigures) {
        let meter = RouterMeter()
        let allFigures: @Sendable () async -> NodeFigures = {
            var all = await figures()
            all.gate.requests.merge(meter.requests, uniquingKeysWith: +)
            return all
        }
        let (headers, authenticator) = (
            ResponseHeaders(parts.settings),
            Authenticator(admins: parts.admins, credentials: parts.keys.credentials, now: { [clock = parts.clock] in clock.milliseconds })
        )
        var routes = RouteTree<Page>()
        for (path, endpoints) in table.byPath {
            let responders = endpoints.compactMap { endpoint in
                endpoint.handler.map {
                    EndpointResponder(
                        endpoint: endpoint, handler: $0, table: table, parts: parts, authenticator: authenticator, figures: allFigures)
                }
            }
            let page = Page(path: path, endpoints: endpoints, responders: responders, preflight: headers.preflight)
            _ = routes.insert(PathPattern(path), page)
        }
        (self.routes, self.headers, self.meter, logger) = (routes, headers, meter, parts.logger)
    }

    func respond(to request: Request, context: GateRequestContext) async throws -> Response {
        var context = context
        context.requestID = request.headers[.xRequestID].flatMap { RequestID.isSafe($0) ? $0 : nil } ?? Self.newRequestID()
        let route = routes.match(request.uri.path)
        var response: Response
        do {
            guard let route else { throw HTTPFailure.unknownPath }
            response = try await route.value.respond(to: request, captures: route.captures, context: context)
        } catch {
            response = failure(of: error, in: context).response(requestID: context.requestID)
        }
        addHeaders(to: &response, for: request, context)
        meter.count(request.method, route: route?.value.path, response.status)
        if request.method == .head { response.body = response.body.contentLength == nil ? .unmeasured : ResponseBody() }
        return response
    }

    private func failure(of error: any Error, in context: GateRequestContext) -> HTTPFailure {
        if let error = error as? any PublicFailure { return error.failure }
        logger.error("an endpoint failed", metadata: ["request": "\(context.requestID)", "error": "\(error)"])
        return .internal
    }

    /// What an endpoint has set itself stays.
    private func addHeaders(to response: inout Response, for request: Request, _ context: GateRequestContext) {
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

/// One path with all of its methods.
private struct Page: Sendable {
    let path: String
    private let responders: [HTTPRequest.Method: EndpointResponder]
    private let preflight: [ResponseHeaders.Header]
    /// The methods that the path knows, as in `Allow` (F-HTTP-05).
    private let allow: String
    /// Methods that are answered elsewhere.
    private let absent: Set<HTTPRequest.Method>

    init(path: String, endpoints: [Endpoint], responders: [EndpointResponder], preflight: [ResponseHeaders.Header]) {
        self.path = path
        self.preflight = preflight
        let head: [HTTPRequest.Method] = endpoints.contains(where: \.answersHead) ? [.head] : []
        allow = (endpoints.map(\.method) + head + [.options]).map(\.rawValue).joined(separator: ", ")
        absent = Set(endpoints.filter { $0.handler == nil }.map(\.method))
        var served = Dictionary(responders.map { ($0.endpoint.method, $0) }, uniquingKeysWith: { first, _ in first })
        if let page = served[.get], page.endpoint.answersHead { served[.head] = page }
        self.responders = served
    }

    func respond(to request: Request, captures: [Substring], context: GateRequestContext) async throws -> Response {
        if let responder = responders[request.method] {
            return try await responder.respond(to: request, captures: captures, context: context)
        }
        if request.method == .options { return options(for: request) }
        throw absent.contains(request.method) ? HTTPFailure.unknownPath : HTTPFailure.methodNotAllowed(allow: allow)
    }

    /// What may be sent here, and by whom in a browser (F-HDR-17).
    private func options(for request: Request) -> Response {
        var response = Response(status: .noContent)
        response.headers[.allow] = allow
        for (name, value) in preflight {
            if let name = HTTPField.Name(name) { response.headers[name] = value }
        }
        let mirrored = ResponseHeaders.mirrored(in: request.headers[.accessControlRequestHeaders] ?? "")
        if path == "/mcp", !mirrored.isEmpty, let allowed = response.headers[.accessControlAllowHeaders] {
            response.headers[.accessControlAllowHeaders] = ([allowed] + mirrored).joined(separator: ", ")
        }
        return response
    }
}

extension ResponseBody {
    /// Nothing, in place of a body whose length nobody knows.
    fileprivate static var unmeasured: ResponseBody {
        ResponseBody { writer in try await writer.finish(nil) }
    }
}
