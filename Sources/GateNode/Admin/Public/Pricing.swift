// GET /pricing: what every tool costs.

import GateDomain
import HTTPTypes
import MCPWire

extension Endpoint {
    static let pricing = Endpoint(
        .get, "/pricing", "What every tool costs.", for: .anyone,
        answer: ["server": .priceServer, "tools": .list(of: .priceRow)]
    ) { _, node in
        let rows = node.upstreams.tools.sorted().map(node.rules.prices.row)
        let server: JSONObject = .of([
            "specVersion": "2007-draft", "serverName": node.settings.name, "billingModel": "credits",
            "defaultCreditsPerCall": node.settings.defaultCreditsPerCall, "globalRateLimitPerMin": node.settings.globalRateLimitPerMin,
            "shadowMode": node.settings.shadowMode, "authMethods": ["api_key"], "oauthSupported": false, "paymentErrorCode": -32402,
            "pricingEndpoint": "/pricing", "globalQuota": JSONValue.null, "toolCount": rows.count, "freeToolCount": rows.filter(\.isFree).count,
            "x402Compatible": true,
        ])
        return ["server": server, "tools": rows.map(\.listing)]
    }
}

extension PriceRow {
    /// As price lists show it (F-REG-01).
    var listing: JSONObject {
        .of([
            "name": name, "creditsPerCall": creditsPerCall, "creditsPerKbInput": creditsPerKbInput, "creditsPerKbOutput": creditsPerKbOutput,
            "rateLimitPerMin": rateLimitPerMin, "pricingModel": pricingModel, "isFree": isFree,
        ])
    }
}

extension Schema {
    fileprivate static let priceServer: Schema = [
        "specVersion": .string, "serverName": .string, "billingModel": .string, "defaultCreditsPerCall": .integer,
        "globalRateLimitPerMin": .integer, "shadowMode": .boolean, "authMethods": .list(of: .string), "oauthSupported": .boolean,
        "paymentErrorCode": .integer, "pricingEndpoint": .string, "globalQuota": .object.nullable, "toolCount": .integer,
        "freeToolCount": .integer, "x402Compatible": .boolean,
    ]

    fileprivate static let priceRow: Schema = [
        "name": .string, "creditsPerCall": .integer, "creditsPerKbInput": .integer, "creditsPerKbOutput": .integer,
        "rateLimitPerMin": .integer, "pricingModel": .choice(["flat", "dynamic"]), "isFree": .boolean,
    ]
}
