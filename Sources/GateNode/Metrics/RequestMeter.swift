// What is counted of HTTP requests, by labels that no client can choose.

import HTTPWire

/// Answers of one event loop to `/mcp`, by method, route and status (F-MET-05).
struct RequestMeter: Sendable {
    /// A request by what it was, never by what it said.
    struct RequestLabel: Hashable, Sendable {
        let method: String
        let route: String
        let status: Int
    }

    enum Route {
        case mcp(HTTP1Method)
        case unparsed
    }

    private(set) var requests: [RequestLabel: Int] = [:]

    mutating func answered(_ route: Route, status: Int) {
        let label =
            switch route {
            case .mcp(.post): RequestLabel(method: "POST", route: "/mcp", status: status)
            case .mcp(.get): RequestLabel(method: "GET", route: "/mcp", status: status)
            case .mcp(.delete): RequestLabel(method: "DELETE", route: "/mcp", status: status)
            case .mcp: RequestLabel(method: "other", route: "/mcp", status: status)
            case .unparsed: RequestLabel(method: "none", route: "none", status: status)
            }
        requests[label, default: 0] += 1
    }
}
