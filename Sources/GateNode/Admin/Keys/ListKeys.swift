// GET /keys: the keys, all of their kind or a page of them.

import ClusterState
import GateDomain
import HTTPTypes
import MCPWire

extension Endpoint {
    static let listKeys = Endpoint(
        .get, "/keys", "List keys: a plain array, or a page with its total when a parameter besides namespace is given.", for: .atLeast(.viewer),
        query: KeyQuery.fields,
        answer: Schema([
            "oneOf": [
                Schema.list(of: .keyListing).json,
                (["keys": .list(of: .keyListing), "total": .integer, "offset": .integer, "limit": .integer, "hasMore": .boolean] as Schema).json,
            ]
        ])
    ) { request, node in
        let query = try KeyQuery(request)
        let now = node.members.now
        let page = try await query.page(of: node.keys, at: now)
        let keys = page.keys.map { $0.listing(at: now) }
        guard query.isPaged else { return EndpointResponse(json: keys.json) }
        return [
            "keys": keys, "total": page.total, "offset": query.offset, "limit": query.limit, "hasMore": query.offset + keys.count < page.total,
        ]
    }
}
