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

    /// What came: a method of `/mcp`, or what was no request.
    enum Route {
        case post, get, delete, other, unparsed

        init(_ method: HTTP1Method) {
            switch method {
            case .post: self = .post
            case .get: self = .get
            case .delete: self = .delete
            default: self = .other
            }
        }

        fileprivate var words: (method: String, route: String) {
            switch self {
            case .post: ("POST", "/mcp")
            case .get: ("GET", "/mcp")
            case .delete: ("DELETE", "/mcp")
            case .other: ("other", "/mcp")
            case .unparsed: ("none", "none")
            }
        }
    }

    /// Numbers that are quickly hashed, as every request is counted; words are made of them for whoever reads the metrics.
    private struct Answer: Hashable {
        let route: Route
        let status: Int
    }

    private var answers: [Answer: Int] = [:]

    var requests: [RequestLabel: Int] {
        answers.reduce(into: [:]) { requests, entry in
            let words = entry.key.route.words
            requests[RequestLabel(method: words.method, route: words.route, status: entry.key.status)] = entry.value
        }
    }

    mutating func answered(_ route: Route, status: Int) { answers[Answer(route: route, status: status), default: 0] += 1 }
}
