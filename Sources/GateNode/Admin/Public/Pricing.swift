// GET /pricing: what every tool costs.

import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPUpstream
import MCPWire

extension Endpoint {
    static let pricing = Endpoint(
        .get, "/pricing", "What every tool costs.", for: .anyone, answer: PriceTable.view.schema,
        using: { (rules: $0.ruleBook.snapshot, upstreams: $0.upstreams) }
    ) { _, parts in
        let prices = parts.rules.rules.prices
        return EndpointResponse(
            PriceTable.view, PriceTable(settings: parts.rules.settings, tools: parts.upstreams.tools.sorted().map(prices.row)))
    }
}

/// The prices of a gate, and how it bills.
private struct PriceTable {
    let settings: Settings
    let tools: [PriceRow]

    static let view = View<PriceTable>([.object("server", server, \.self), .list("tools", PriceRow.view, \.tools)])

    private static let server = View<PriceTable>([
        .text("specVersion") { _ in "2007-draft" }, .text("serverName", \.settings.name), .text("billingModel") { _ in "credits" },
        .credits("defaultCreditsPerCall", \.settings.defaultCreditsPerCall),
        .integer("globalRateLimitPerMin", \.settings.globalRateLimitPerMin),
        .flag("shadowMode", \.settings.shadowMode), .texts("authMethods") { _ in ["api_key"] }, .flag("oauthSupported") { _ in false },
        .integer("paymentErrorCode") { _ in -32402 }, .text("pricingEndpoint") { _ in "/pricing" },
        .object("globalQuota", Quota.view) { $0.settings.globalQuota.isEmpty ? nil : $0.settings.globalQuota },
        .integer("toolCount", \.tools.count),
        .integer("freeToolCount") { $0.tools.count(where: \.isFree) }, .flag("x402Compatible") { _ in true },
    ])
}
