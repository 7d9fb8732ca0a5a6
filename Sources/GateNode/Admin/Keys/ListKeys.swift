// GET /keys: the keys, all of their kind or a page of them.

import ClusterState
import GateDomain
import GateValues
import HTTPTypes
import MCPWire

extension Endpoint {
    static let listKeys = Endpoint(
        .get, "/keys",
        "List keys: a plain array, or a page with its total when a parameter besides namespace is given. Every order and filter reads an index; "
            + "those by credits, spending, calls and last use are about a second behind.",
        for: .atLeast(.viewer),
        query: KeyQuery.fields,
        answer: Schema(["oneOf": [Schema.list(of: KeySnapshot.view.schema).json, PageOfKeys.view.schema.json]]),
        failures: [.serviceUnavailable],
        using: \.keys
    ) { request, keys in
        let query = try KeyQuery(request)
        let page = try await KeyPages(keys: keys, now: request.now).page(of: query)
        guard query.isPaged else { return EndpointResponse(json: page.keys.map(KeySnapshot.view.json).json) }
        return EndpointResponse(PageOfKeys.view, PageOfKeys(page: page, query: query))
    }
}

private struct PageOfKeys {
    let page: KeyPage
    let query: KeyQuery

    static let view = View<PageOfKeys>([
        .list("keys", KeySnapshot.view, \.page.keys),
        .integer("total", \.page.total).described("Of all pages; see totalIsExact."),
        .flag("totalIsExact", \.page.isExact).described(
            "False where several conditions together would have more than \(KeyPages.mostExamined) keys looked at: total are the keys then that meet one of them, and a page may be short, or empty, while hasMore is true."
        ), .integer("offset", \.query.offset), .integer("limit", \.query.limit), .flag("hasMore") { $0.page.next != nil },
        .text("nextCursor") { answer in answer.page.next.map(answer.query.text) }.described(
            "The cursor of the next page, however deep it lies; null on the last one."),
    ])
}
