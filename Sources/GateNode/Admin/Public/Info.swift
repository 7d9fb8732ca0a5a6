// GET / and GET /info: what the node is and can do.

import GateDomain
import HTTPTypes
import MCPWire

extension Endpoint {
    static let root = Endpoint(
        .get, "/", "The endpoints and a few flags.", for: .anyone,
        answer: [
            "name": .string, "version": .string, "endpoints": .map(of: .string), "shadowMode": .boolean, "oauth": .boolean,
            "redis": .boolean, "stripeCheckout": .boolean,
        ]
    ) { _, node in
        [
            "name": node.settings.name, "version": ProductVersion.current, "endpoints": EndpointTable.index(marksRoles: false),
            "shadowMode": node.settings.shadowMode, "oauth": false, "redis": node.settings.redisUrl != nil, "stripeCheckout": false,
        ]
    }

    static let info = Endpoint(
        .get, "/info", "Capabilities, prices, limits and endpoints.", for: .anyone,
        answer: [
            "name": .string, "version": .string, "transport": .choice(["stdio", "http", "multi-server"]), "port": .integer,
            "auth": .list(of: .string), "features": .map(of: .boolean),
            "pricing": ["defaultCreditsPerCall": .integer, "toolPricing": .map(of: .object)],
            "rateLimit": ["globalPerMin": .integer.described("0 for no limit.")],
            "serverLimits": [
                "requestTimeoutMs": .integer, "headersTimeoutMs": .integer, "keepAliveTimeoutMs": .integer, "maxRequestsPerSocket": .integer,
            ],
            "endpoints": .map(of: .string),
        ]
    ) { _, node in
        let settings = node.settings
        return [
            "name": settings.name, "version": ProductVersion.current, "transport": node.upstreams.transport, "port": settings.port,
            "auth": ["api_key"], "features": settings.features,
            "pricing": JSONObject.of([
                "defaultCreditsPerCall": settings.defaultCreditsPerCall,
                "toolPricing": Dictionary(uniqueKeysWithValues: settings.toolPricing.keys.map { ($0, node.rules.prices.row(for: $0).listing) }),
            ]),
            "rateLimit": ["globalPerMin": settings.globalRateLimitPerMin],
            "serverLimits": [
                "requestTimeoutMs": settings.requestTimeoutMs, "headersTimeoutMs": settings.headersTimeoutMs,
                "keepAliveTimeoutMs": settings.keepAliveTimeoutMs, "maxRequestsPerSocket": settings.maxRequestsPerSocket,
            ],
            "endpoints": EndpointTable.index(marksRoles: true),
        ]
    }
}

extension Settings {
    /// What is switched on; features that this version does not have are false.
    fileprivate var features: JSONObject {
        .of([
            "shadowMode": shadowMode, "webhooks": false, "webhookSignatures": false, "webhookFilters": false,
            "refundOnFailure": refundOnFailure, "oauth": false, "redis": redisUrl != nil, "teams": false, "plugins": false, "alerts": false,
            "expiryScanner": false, "templates": false, "multiServer": !servers.isEmpty, "quotas": false, "corsRestricted": cors.origin != .any,
            "customHeaders": !customHeaders.isEmpty, "trustedProxies": !trustedProxies.isEmpty,
        ])
    }
}
