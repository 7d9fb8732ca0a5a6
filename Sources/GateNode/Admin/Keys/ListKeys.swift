// GET /keys: the keys, all of their kind or a page of them.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let listKeys = Endpoint(
        .get, "/keys", "List keys: a plain array, or a page with its total when a parameter besides namespace is given.",
        for: .atLeast(.viewer),
        query: KeyQuery.fields,
        answer: Schema(["oneOf": [Schema.list(of: KeySnapshot.view.schema).json, PageOfKeys.view.schema.json]]), using: \.keys
    ) { request, keys in
        let query = try KeyQuery(request)
        let now = request.now
        let page = try await query.page(of: keys, at: now)
        guard query.isPaged else { return EndpointResponse(json: page.keys.map(KeySnapshot.view.json).json) }
        return EndpointResponse(PageOfKeys.view, PageOfKeys(keys: page.keys, total: page.total, query: query))
    }
}

private struct PageOfKeys {
    let keys: [KeySnapshot]
    let total: Int
    let query: KeyQuery

    static let view = View<PageOfKeys>([
        .list("keys", KeySnapshot.view, \.keys), .integer("total", \.total), .integer("offset", \.query.offset),
        .integer("limit", \.query.limit),
        .flag("hasMore") { $0.query.offset + $0.keys.count < $0.total },
    ])
}
