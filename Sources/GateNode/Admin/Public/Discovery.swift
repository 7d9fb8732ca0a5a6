// The pages by which registries and clients find out what the gate is: /.well-known/mcp.json, mcp-payment, mcp/server-card.json.

import GateDomain
import GateSettings
import GateValues
import HTTPTypes
import MCPUpstream
import MCPWire

extension Endpoint {
    static let mcpCard = Endpoint(
        .get, "/.well-known/mcp.json", "What the gate is, for registries of MCP servers.", for: .anyone, answer: DiscoveryPage.card.schema,
        using: DiscoveryPage.parts
    ) { request, parts in
        EndpointResponse(DiscoveryPage.card, DiscoveryPage(parts, request.table)).cacheable
    }

    static let mcpPayment = Endpoint(
        .get, "/.well-known/mcp-payment", "How calls are paid for (SEP-2007 draft).", for: .anyone, answer: DiscoveryPage.payment.schema,
        using: DiscoveryPage.parts
    ) { request, parts in
        EndpointResponse(DiscoveryPage.payment, DiscoveryPage(parts, request.table))
    }

    static let serverCard = Endpoint(
        .get, "/.well-known/mcp/server-card.json", "What the gate is, with the tools behind it and their prices.", for: .anyone,
        answer: DiscoveryPage.serverCard.schema, using: DiscoveryPage.parts
    ) { request, parts in
        EndpointResponse(DiscoveryPage.serverCard, DiscoveryPage(parts, request.table))
    }
}

/// What the pages are made of: the configuration as it is now, and what the servers have said of themselves.
private struct DiscoveryPage {
    typealias Parts = (settings: Settings, rules: RuleSnapshot, upstreams: UpstreamSet)

    static let parts: @Sendable (AdminParts) -> Parts = { ($0.settings, $0.ruleBook.snapshot, $0.upstreams) }

    /// As they were at the start.
    let settings: Settings
    /// As they are now.
    let rules: Settings
    let tools: [PriceRow]
    let capabilities: JSONObject
    let table: EndpointTable

    init(_ parts: Parts, _ table: EndpointTable) {
        settings = parts.settings
        rules = parts.rules.settings
        let prices = parts.rules.rules.prices
        tools = parts.upstreams.tools.sorted().map(prices.row)
        capabilities = Handshake.capabilities(of: parts.upstreams)
        self.table = table
    }

    private var freeTools: Int { tools.count(where: \.isFree) }
    private var description: String {
        "An MCP gateway: \(tools.count) tools, paid for in credits."
    }

    private static let auth = View<DiscoveryPage>([
        .flag("apiKey") { _ in true }, .flag("oauth2") { _ in false }, .flag("bearer") { _ in true },
    ])

    private static let links: [String: String] = ["pricing": "/pricing", "openapi": "/openapi.json", "payment": "/.well-known/mcp-payment"]

    static let card = View<DiscoveryPage>([
        .text("name", \.settings.name), .text("version") { _ in ProductVersion.current }, .text("description", \.description),
        .text("protocol") { _ in "mcp" }, .texts("transport") { _ in ["streamable-http"] },
        .texts("protocolVersions") { _ in ProtocolRevision.supported.map(\.rawValue) },
        .object("capabilities", abilities, \.self), .object("payment", price, \.self), .object("auth", auth, \.self),
        .of("endpoints", .map(of: .string)) { $0.table.index(marksRoles: false) },
        .of("links", .map(of: .string)) { _ in links },
    ])

    private static let abilities = View<DiscoveryPage>([
        .flag("tools") { $0.can("tools") }, .flag("resources") { $0.can("resources") }, .flag("prompts") { $0.can("prompts") },
        .flag("tasks") { $0.can("tasks") },
        .flag("elicitation") { $0.settings.isolation != .shared }.described("Whether servers can ask clients."),
    ])

    private func can(_ name: String) -> Bool { capabilities[name] != nil }

    private static let price = View<DiscoveryPage>([
        .flag("required") { !$0.rules.shadowMode }, .text("model") { _ in "credits" }, .text("currency") { _ in "credits" },
        .credits("defaultPrice", \.rules.defaultCreditsPerCall), .integer("freeToolCount", \.freeTools),
        .integer("toolCount", \.tools.count), .flag("x402Compatible") { _ in true },
    ])

    static let payment = View<DiscoveryPage>([
        .text("specVersion") { _ in "2007-draft" }, .text("serverName", \.settings.name), .text("billingModel") { _ in "credits" },
        .credits("defaultCreditsPerCall", \.rules.defaultCreditsPerCall), .integer("globalRateLimitPerMin", \.rules.globalRateLimitPerMin),
        .flag("shadowMode", \.rules.shadowMode), .texts("authMethods") { _ in ["X-API-Key", "Bearer"] },
        .flag("oauthSupported") { _ in false }, .integer("paymentErrorCode") { _ in -32402 }, .text("pricingEndpoint") { _ in "/pricing" },
        .object("globalQuota", Quota.view) { $0.rules.globalQuota.isEmpty ? nil : $0.rules.globalQuota },
        .integer("toolCount", \.tools.count), .integer("freeToolCount", \.freeTools), .flag("x402Compatible") { _ in true },
    ])

    private static let transport = View<DiscoveryPage>([.text("type") { _ in "streamable-http" }, .text("url") { _ in "/mcp" }])

    static let serverCard = View<DiscoveryPage>([
        .text("name", \.settings.name), .text("version") { _ in ProductVersion.current }, .text("description", \.description),
        .object("transport", transport, \.self),
        .text("endpoint") { _ in "/mcp" }, .object("auth", auth, \.self), .list("tools", PriceRow.view, \.tools),
    ])
}
