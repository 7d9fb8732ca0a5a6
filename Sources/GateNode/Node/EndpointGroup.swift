// The table of all routes. A new verb is one file, and its name in one of these lists.

import ClusterState
import HTTPTypes

/// A group of endpoints; its name is its tag in the documentation.
enum EndpointGroup: String, Sendable, CaseIterable {
    case mcp
    case `public`
    case keys
    case tokens
    case credits
    case portal
    case teams
    case usage
    case analytics
    case gateway
    case webhooks
    case operations = "admin-ops"
    case adminKeys = "admin-keys"
    case audit

    var help: String {
        switch self {
        case .mcp: "The gate itself: JSON-RPC 2.0 and event streams."
        case .public: "What the node is, whether it is well, what it costs."
        case .keys: "API keys: create, list, suspend, revoke, restrict."
        case .tokens: "Tokens that lend a key for a while."
        case .credits: "Credits and spending limits of keys."
        case .portal: "What holders of an API key may see of it."
        case .teams: "Teams of keys: shared budgets and quotas."
        case .usage: "The record of calls."
        case .analytics: "Reports over the hourly sums of calls."
        case .gateway: "What the gate does with calls, set while it runs."
        case .webhooks: "Events that are sent to others: sinks, filters, dead letters."
        case .operations: "Running the cluster."
        case .adminKeys: "Who administers: keys with the roles viewer, admin and super_admin."
        case .audit: "What was changed, when and by whom."
        }
    }

    var endpoints: [Endpoint] {
        switch self {
        case .mcp: [.postMCP, .getMCP, .deleteMCP]
        case .public: [.root, .health, .livez, .ready, .info, .pricing, .metrics, .openAPI, .robots, .mcpCard, .mcpPayment, .serverCard]
        case .keys:
            Self.keyVerbs + Resource.templates.endpoints
        case .tokens: [.createToken, .revokeToken, .revokedTokens]
        case .credits:
            [
                .topUp, .setSpendingLimit, .transferCredits, .listReservations, .reserveCredits, .commitReservation, .releaseReservation,
                .setAutoTopUp, .spendingVelocity,
            ]
        case .portal: [.readBalance]
        case .teams: Resource.teams.endpoints + [.assignTeam, .removeFromTeam, .teamUsage]
        case .usage: [.exportUsage]
        case .analytics: ReportPage.all.map { $0.endpoint() } + [Analytics.endpoint(), .consumerRetention]
        case .gateway:
            [.readConcurrency, .setConcurrency, .readGuardrails, .changeGuardrails, .deleteGuardrail, .listViolations, .clearViolations]
                + [.listTasks, .changeTask, .readToolSchemas, .registerToolSchema, .removeToolSchema]
        case .webhooks:
            [.setKeyWebhook, .readKeyWebhook, .deleteKeyWebhook, .webhookStats, .webhookHealth, .adminWebhookHealth, .webhookLog]
                + [.webhookDeliveries, .listDeadLetters, .clearDeadLetters, .replayDeadLetters, .pauseWebhooks, .resumeWebhooks]
                + [.testWebhook, .listWebhookFilters, .createWebhookFilter, .updateWebhookFilter, .deleteWebhookFilter]
        case .operations: [.readMaintenance, .setMaintenance, .reloadConfig]
        case .adminKeys: [.listAdminKeys, .createAdminKey, .revokeAdminKey, .rotateBootstrap]
        case .audit: [.readAudit, .exportAudit, .auditStats, .streamAudit]
        }
    }
}

extension EndpointGroup {
    private static let keyVerbs: [Endpoint] = [
        .createKey, .listKeys, .revokeKey, .suspendKey, .resumeKey, .setKeyAccess, .setKeyExpiry, .setKeyAddresses, .setKeyQuota,
        .readQuotaStatus, .readRateStatus, .readKeyHealth, .compareKeys, .keyDashboard, .keyActivity, .exportKeys, .importKeys,
        .readSchedules, .createSchedule, .cancelSchedule, .readGeo, .setGeo, .clearGeo,
        .rotateKey, .cloneKey, .setKeyAlias, .setKeyTags, .searchKeys, .expiringKeys, .listNotes, .addNote, .deleteNote,
        .bulkKeys, .keyStats, .namespaces,
    ]
}

extension EndpointTable {
    /// Every endpoint that a node serves, in the order of the documentation.
    static let standard = EndpointTable(EndpointGroup.allCases.map { Group(tag: $0.rawValue, help: $0.help, endpoints: $0.endpoints) })
}
