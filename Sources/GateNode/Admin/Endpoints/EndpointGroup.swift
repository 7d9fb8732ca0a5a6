// The rooms of the table. A new verb is one file, and its name in one of these lists.

import HTTPTypes

/// A group of endpoints; its name is its tag in the documentation.
enum EndpointGroup: String, Sendable, CaseIterable {
    case mcp
    case `public`
    case keys
    case credits
    case portal
    case usage
    case operations = "admin-ops"

    var help: String {
        switch self {
        case .mcp: "The gate itself: JSON-RPC 2.0 and event streams."
        case .public: "What the node is, whether it is well, what it costs."
        case .keys: "API keys: create, list, suspend, revoke, restrict."
        case .credits: "Credits and spending limits of keys."
        case .portal: "What holders of an API key may see of it."
        case .usage: "The record of calls."
        case .operations: "Running the cluster."
        }
    }

    var endpoints: [Endpoint] {
        switch self {
        case .mcp: [.postMCP, .getMCP, .deleteMCP]
        case .public: [.root, .health, .livez, .ready, .info, .pricing, .metrics, .openAPI, .robots]
        case .keys: [.createKey, .listKeys, .revokeKey, .suspendKey, .resumeKey, .setKeyAccess, .setKeyExpiry, .setKeyAddresses]
        case .credits: [.topUp, .setSpendingLimit]
        case .portal: [.readBalance]
        case .usage: [.exportUsage]
        case .operations: [.readMaintenance, .setMaintenance, .reloadConfig]
        }
    }
}
