// GET /robots.txt: the documents may be indexed, everything else may not.

import GateValues
import HTTPTypes

extension Endpoint {
    static let robots = Endpoint(
        .get, "/robots.txt", "What crawlers may read.", for: .anyone, answer: .string, media: [MediaType.text]
    ) { request in
        EndpointResponse(RobotsPage.text(of: request.table), type: MediaType.text).cacheable
    }
}

private enum RobotsPage {
    /// Follows from the table: the pages for everybody, but for the metrics, against the first part of every other path.
    static func text(of table: EndpointTable) -> String {
        let (open, closed) = (table.all.filter(isOpen), table.all.filter { !isOpen($0) })
        let allowed = Set(open.map(\.path)).subtracting(["/"]).sorted().map { "Allow: \($0)" }
        let hidden = Set(closed.map { "/" + ($0.path.split(separator: "/").first ?? "") }).sorted().map { "Disallow: \($0)" }
        return (["User-agent: *"] + allowed + hidden).joined(separator: "\n") + "\n"
    }

    private static func isOpen(_ endpoint: Endpoint) -> Bool {
        endpoint.requirement == .anyone && endpoint.path != "/metrics"
    }
}
