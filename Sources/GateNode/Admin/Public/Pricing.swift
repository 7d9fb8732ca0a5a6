// GET /pricing: what every tool costs.

import GateDomain
import HTTPTypes
import MCPWire

extension Endpoint {
    static let pricing = Endpoint(
        .get, "/pricing", "What every tool costs.", for: .anyone, answer: PriceTable.view.schema
    ) { _, node in
        EndpointResponse(
            PriceTable.view, PriceTable(settings: node.ruleBook.settings, tools: node.upstreams.tools.sorted().map(node.rules.prices.row)))
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

extension PriceRow {
    /// As price lists and `_pricing` show it (F-REG-01).
    static let view = View<PriceRow>([
        .text("name", \.name), .credits("creditsPerCall", \.creditsPerCall), .credits("creditsPerKbInput", \.creditsPerKbInput),
        .credits("creditsPerKbOutput", \.creditsPerKbOutput), .integer("rateLimitPerMin", \.rateLimitPerMin),
        .choice("pricingModel", ["flat", "dynamic"], \.pricingModel), .flag("isFree", \.isFree),
    ])
}
