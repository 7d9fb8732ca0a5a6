// GET / and GET /info: what the node is and can do.

import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPUpstream
import MCPWire

extension Endpoint {
    static let root = Endpoint(
        .get, "/", "The endpoints and a few flags.", for: .anyone, answer: InfoPage.index.schema, using: InfoPage.parts
    ) { request, parts in
        EndpointResponse(InfoPage.index, InfoPage(parts, request.table))
    }

    static let info = Endpoint(
        .get, "/info", "Capabilities, prices, limits and endpoints.", for: .anyone, answer: InfoPage.view.schema, using: InfoPage.parts
    ) { request, parts in
        EndpointResponse(InfoPage.view, InfoPage(parts, request.table))
    }
}

/// What the pages are made of.
private struct InfoPage {
    typealias Parts = (settings: Settings, rules: RuleSnapshot, transport: String)

    static let parts: @Sendable (AdminParts) -> Parts = { ($0.settings, $0.ruleBook.snapshot, $0.upstreams.transport) }

    /// As they were at the start.
    let settings: Settings
    /// As they are now.
    let rules: RuleSnapshot
    let transport: String
    let table: EndpointTable

    init(_ parts: Parts, _ table: EndpointTable) {
        (settings, rules, transport) = parts
        self.table = table
    }

    static let index = View<InfoPage>([
        .text("name", \.settings.name), .text("version") { _ in ProductVersion.current },
        .of("endpoints", .map(of: .string)) { $0.table.index(marksRoles: false) },
        .flag("shadowMode", \.rules.settings.shadowMode),
        .flag("oauth") { _ in false }, .flag("redis") { $0.settings.redisUrl != nil }, .flag("stripeCheckout") { _ in false },
    ])

    static let view = View<InfoPage>([
        .text("name", \.settings.name), .text("version") { _ in ProductVersion.current },
        .choice("transport", ["stdio", "http", "multi-server"], \.transport), .integer("port", \.settings.port),
        .texts("auth") { _ in ["api_key"] }, .of("features", .map(of: .boolean), \.rules.settings.features),
        .object("pricing", pricing, \.self), .object("rateLimit", rateLimit, \.rules.settings),
        .object("serverLimits", serverLimits, \.settings),
        .of("endpoints", .map(of: .string)) { $0.table.index(marksRoles: true) },
    ])

    private static let pricing = View<InfoPage>([
        .credits("defaultCreditsPerCall", \.rules.settings.defaultCreditsPerCall),
        .of("toolPricing", .map(of: PriceRow.view.schema)) { page in
            Dictionary(
                uniqueKeysWithValues: page.rules.settings.toolPricing.keys.map {
                    ($0, PriceRow.view.json(page.rules.rules.prices.row(for: $0)))
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
            "shadowMode": shadowMode, "webhooks": webhookUrl != nil, "webhookSignatures": webhookSecret?.isEmpty == false,
            "webhookFilters": true,
            "refundOnFailure": refundOnFailure, "oauth": false, "redis": redisUrl != nil, "teams": true, "plugins": false, "alerts": false,
            "expiryScanner": expiryScanner.isEnabled, "templates": true, "multiServer": !servers.isEmpty, "quotas": true,
            "corsRestricted": cors.isRestricted,
            "customHeaders": !customHeaders.isEmpty, "trustedProxies": !trustedProxies.isEmpty,
        ])
    }
}
