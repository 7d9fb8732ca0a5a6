// Builds the router from the table.

import ClusterState
import HTTPTypes
package import Hummingbird

/// Everything but `/mcp`, which the front handler answers on the event loop of its connection.
package enum GateRouter {
    /// - Parameter figures: gathers what the node measures; the router adds what it measures itself.
    package static func responder(
        for node: Node, figures: @escaping @Sendable () async -> NodeFigures
    ) -> some HTTPResponder<GateRequestContext> {
        let meter = RouterMeter()
        let census = KeyCensus(node.keys)
        let allFigures: @Sendable () async -> NodeFigures = {
            var all = await figures()
            all.gate.requests.merge(meter.requests, uniquingKeysWith: +)
            all.census = await census.latest()
            return all
        }
        let headers = ResponseHeaders(node.settings)
        let router = Router(context: GateRequestContext.self)
        router.add(middleware: Edge(headers: headers, meter: meter, logger: node.logger))
        for (path, endpoints) in EndpointTable.byPath {
            let page = Page(path: path, endpoints: endpoints)
            page.serve(on: router, node: node, headers: headers, figures: allFigures)
        }
        return router.buildResponder()
    }
}

/// One path with all of its methods.
private struct Page {
    let path: String
    let endpoints: [Endpoint]

    /// The methods that the path knows, as in `Allow` (F-HTTP-05).
    private var methods: [HTTPRequest.Method] {
        let head: [HTTPRequest.Method] = endpoints.contains(where: \.answersHead) ? [.head] : []
        return endpoints.map(\.method) + head + [.options]
    }

    private var allow: String { methods.map(\.rawValue).joined(separator: ", ") }

    func serve(
        on router: Router<GateRequestContext>, node: Node, headers: ResponseHeaders, figures: @escaping @Sendable () async -> NodeFigures
    ) {
        let route = RouterPath(path)
        for endpoint in endpoints {
            guard let handler = endpoint.handler else { continue }
            let responder = EndpointResponder(endpoint: endpoint, handler: handler, node: node, figures: figures)
            router.on(route, method: endpoint.method, responder: responder)
            if endpoint.answersHead { router.on(route, method: .head, responder: responder) }
        }
        router.on(route, method: .options, responder: Preflight(allow: allow, headers: headers))
        for method in HTTPRequest.Method.common where !methods.contains(method) {
            router.on(route, method: method, responder: MethodRefusal(allow: allow))
        }
    }
}

/// The answer to OPTIONS: what may be sent here, and by whom in a browser (F-HDR-17).
private struct Preflight: HTTPResponder {
    let allow: String
    let headers: ResponseHeaders

    func respond(to request: Request, context: GateRequestContext) async throws -> Response {
        var response = Response(status: .noContent)
        response.headers[.allow] = allow
        for (name, value) in headers.preflight {
            if let name = HTTPField.Name(name) { response.headers[name] = value }
        }
        return response
    }
}

private struct MethodRefusal: HTTPResponder {
    let allow: String

    func respond(to request: Request, context: GateRequestContext) async throws -> Response {
        throw HTTPFailure.methodNotAllowed(allow: allow)
    }
}
