// GET / and GET /info: what the node is and can do.

import GateDomain
import HTTPTypes
import MCPWire

extension Endpoint {
    static let root = Endpoint(.get, "/", "The endpoints and a few flags.", for: .anyone, answer: InfoPage.index.schema) { _, node in
        EndpointResponse(InfoPage.index, node)
    }

    static let info = Endpoint(.get, "/info", "Capabilities, prices, limits and endpoints.", for: .anyone, answer: InfoPage.view.schema) {
        _, node in
        EndpointResponse(InfoPage.view, node)
    }
}

private enum InfoPage {
    static let index = View<Node>([
        .text("name", \.settings.name), .text("version") { _ in ProductVersion.current },
        .of("endpoints", .map(of: .string)) { _ in EndpointTable.index(marksRoles: false) },
        .flag("shadowMode", \.ruleBook.settings.shadowMode),
        .flag("oauth") { _ in false }, .flag("redis") { $0.settings.redisUrl != nil }, .flag("stripeCheckout") { _ in false },
    ])

    static let view = View<Node>([
        .text("name", \.settings.name), .text("version") { _ in ProductVersion.current },
        .choice("transport", ["stdio", "http", "multi-server"], \.upstreams.transport), .integer("port", \.settings.port),
        .texts("auth") { _ in ["api_key"] }, .of("features", .map(of: .boolean), \.ruleBook.settings.features),
        .object("pricing", pricing, \.self), .object("rateLimit", rateLimit, \.ruleBook.settings),
        .object("serverLimits", serverLimits, \.settings),
        .of("endpoints", .map(of: .string)) { _ in EndpointTable.index(marksRoles: true) },
    ])

    private static let pricing = View<Node>([
        .credits("defaultCreditsPerCall", \.ruleBook.settings.defaultCreditsPerCall),
        .of("toolPricing", .map(of: PriceRow.view.schema)) { node in
            Dictionary(
                uniqueKeysWithValues: node.ruleBook.settings.toolPricing.keys.map {
                    ($0, PriceRow.view.json(node.rules.prices.row(for: $0)))
                })
        },
    ])

    private static let rateLimit = View<Settings>([
        .integer("globalPerMin", \.globalRateLimitPerMin).described("0 for no limit.")
    ])

    private static let serverLimits = View<Settings>([
        .integer("requestTimeoutMs", \.requestTimeoutMs), .integer("headersTimeoutMs", \.headersTimeoutMs),
        .integer("keepAliveTimeoutMs", \.keepAliveTimeoutMs), .integer("maxRequestsPerSocket", \.maxRequestsPerSocket),
    ])
}

extension Settings {
    /// What is switched on; features that this version does not have are false.
    fileprivate var features: JSONObject {
        .of([
            "shadowMode": shadowMode, "webhooks": false, "webhookSignatures": false, "webhookFilters": false,
            "refundOnFailure": refundOnFailure, "oauth": false, "redis": redisUrl != nil, "teams": true, "plugins": false, "alerts": false,
            "expiryScanner": false, "templates": false, "multiServer": !servers.isEmpty, "quotas": true,
            "corsRestricted": cors.isRestricted,
            "customHeaders": !customHeaders.isEmpty, "trustedProxies": !trustedProxies.isEmpty,
        ])
    }
}
